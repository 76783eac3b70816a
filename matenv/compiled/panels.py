"""How a matrix is laid out for `matenv.compiled.products`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

PANEL = 32
"""Columns of a matrix that are multiplied together; `panels` pads to a multiple of it."""


def padded(columns: int) -> int:
    """The next multiple of `PANEL`."""
    return -(-columns // PANEL) * PANEL


def panels(matrix: Array, rows: int, columns: int) -> Array:
    """A matrix as `add_product` wants it: zero-padded, cut into panels of 32 columns, one below the other.

    Args:
        matrix: At most (rows, columns).
        rows: Rows to pad to.
        columns: Columns to pad to; a multiple of `PANEL`.

    Returns:
        (columns / 32 x rows, 32).
    """
    full = np.zeros((rows, columns), np.float32)
    full[: matrix.shape[0], : matrix.shape[1]] = matrix
    return np.ascontiguousarray(full.reshape(rows, -1, PANEL).swapaxes(0, 1)).reshape(-1, PANEL)
