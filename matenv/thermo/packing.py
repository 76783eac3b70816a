"""Dense amounts to the packed layout, checked on the way. Compiled code only.

May import: `matenv.rational`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matenv.rational import MAX_ELEMENTS


@njit(cache=True, nogil=True)
def pack(
    dense: NDArray[np.float64],
) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.int16], bool]:
    """Pack dense amounts (B, 89); the last value tells whether every row is a composition of at most 10 elements."""
    rows, width = dense.shape
    elements = np.full((rows, MAX_ELEMENTS), -1, np.int16)
    amounts = np.zeros((rows, MAX_ELEMENTS))
    size = np.zeros(rows, np.int16)
    good = True
    for row in range(rows):
        n = 0
        total = 0.0
        for column in range(width):
            value = dense[row, column]
            if value == 0.0:
                continue
            if not value > 0.0 or n == MAX_ELEMENTS:
                good = False
                break
            elements[row, n] = column
            amounts[row, n] = value
            total += value
            n += 1
        size[row] = n
        if not (0.0 < total < np.inf):
            good = False
    return elements, amounts, size, good
