"""Dense amounts to the packed layout, checked on the way, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.compiled.jit import njit
from matenv.composition.integers import MAX_ELEMENTS, TRACE
from matenv.composition.reading import check_fractions


def pack(
    dense: NDArray[np.float64], name: str = "X"
) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.int16]]:
    """Pack dense amounts, checked.

    Args:
        dense: Amounts (B, 89) of any scale.
        name: What to call the argument in an error.

    Returns:
        Alphabet positions (B, 10) int16 of elements beyond a trace, ascending within a row, padded with -1; amounts
        (B, 10) float64, padded with 0; number of elements (B,) int16.

    Raises:
        ValueError: As `check_fractions`.
    """
    elements, amounts, size, good = _pack(dense)
    if not good:
        check_fractions(dense, name)  # raises, and says which row and why
    return elements, amounts, size


def scatter(elements: NDArray[np.int16], values: NDArray, elsewhere: float = 0) -> NDArray:
    """Spread packed values (B, 10) over the alphabet (B, 89), with one value for the elements not listed."""
    dense = np.full((len(elements), alphabet.NUM_ELEMENTS + 1), elsewhere, values.dtype)
    np.put_along_axis(dense, elements.astype(np.int64), values, axis=1)  # padding lands in the last column
    return np.ascontiguousarray(dense[:, :-1])


@njit(cache=True, nogil=True)
def _pack(
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
            total += dense[row, column]
        for column in range(width):
            value = dense[row, column]
            if value == 0.0 or 0.0 < value <= TRACE * total:
                continue
            if not value > 0.0 or n == MAX_ELEMENTS:
                good = False
                break
            elements[row, n] = column
            amounts[row, n] = value
            n += 1
        size[row] = n
        if not (0.0 < total < np.inf):
            good = False
    return elements, amounts, size, good


@njit(cache=True, nogil=True)
def restore(
    elements: NDArray[np.int16], shares: NDArray[np.float64], places: NDArray[np.int16], counts: NDArray[np.int32]
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Undo the packing of an integer formula that was found on packed atom fractions.

    Args:
        elements: Alphabet position of each packed column (B, 10), -1 where empty.
        shares: Atom fractions (B, 10) in those columns.
        places: Column of each count (B, 10), -1 where padded.
        counts: Integer formula (B, 10).

    Returns:
        Alphabet position of each count (B, 10) int16, padded with -1, and the largest difference (B,) between the
        fractions of the formula and `shares`.
    """
    rows, width = elements.shape
    found = np.full((rows, width), -1, np.int16)
    deviation = np.zeros(rows)
    for row in range(rows):
        atoms = counts[row].sum()
        entry = 0
        for column in range(width):
            share = shares[row, column]
            if entry < width and places[row, entry] == column:
                found[row, entry] = elements[row, column]
                share -= counts[row, entry] / atoms
                entry += 1
            deviation[row] = max(deviation[row], abs(share))
    return found, deviation
