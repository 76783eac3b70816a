"""Whether packed arrays are what a `CompositionBatch` promises, in one compiled pass over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.compiled.jit import njit
from matenv.composition.integers import MAX_ELEMENTS, MOST_ATOMS

_ALPHABET = alphabet.NUM_ELEMENTS
_FIELDS = ("elements", "counts", "size")
_DTYPES = (np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int16))


def what_is_wrong(elements: Any, counts: Any, size: Any) -> str:
    """The first thing in which three arrays are no packed compositions.

    Args:
        elements: As `CompositionBatch` says of its fields.
        counts: Likewise.
        size: Likewise.

    Returns:
        Where and what, such as "row 0 has a count of -1; expected at least 1"; empty if nothing is wrong.
    """
    for name, array, dtype in zip(_FIELDS, (elements, counts, size), _DTYPES, strict=True):
        if not isinstance(array, np.ndarray) or array.dtype != dtype:
            kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            return f"{name} is of type {kind}; expected an array {dtype}"
    rows = size.size
    if elements.shape != (rows, MAX_ELEMENTS) or counts.shape != elements.shape or size.ndim != 1:
        return (
            f"elements {elements.shape} and counts {counts.shape} beside size {size.shape}; expected (B, "
            f"{MAX_ELEMENTS}) twice and (B,)"
        )
    row = _first_wrong(np.ascontiguousarray(elements), np.ascontiguousarray(counts), np.ascontiguousarray(size))
    return "" if row < 0 else f"row {row} {_of_row(elements[row], counts[row], int(size[row]))}"


def _of_row(elements: NDArray[np.int16], counts: NDArray[np.int32], n: int) -> str:
    """What is wrong with one row."""
    if not 0 <= n <= MAX_ELEMENTS:
        return f"has size {n}; expected 0 to {MAX_ELEMENTS}"
    held, atoms = elements[:n], counts[:n]
    if ((held < 0) | (held >= _ALPHABET)).any():
        return f"names the element {held.min() if held.min() < 0 else held.max()}; expected 0 to {_ALPHABET - 1}"
    if (np.diff(held) <= 0).any():
        return f"has elements {held.tolist()}; expected each once, ascending"
    if (atoms < 1).any():
        return f"has a count of {atoms.min()}; expected at least 1"
    if (total := int(atoms.sum(dtype=np.int64))) > MOST_ATOMS:
        return f"has {total:,} atoms per formula unit; expected at most {MOST_ATOMS:,}"
    if n and (divisor := np.gcd.reduce(atoms)) > 1:
        return f"has counts {atoms.tolist()}, which share the divisor {divisor}; expected reduced ones"
    return f"holds more than its {n} elements; expected elements of -1 and counts of 0 behind them"


@njit(cache=True, nogil=True)
def _first_wrong(elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16]) -> int:
    """The first row that is no packed composition, -1 if all are."""
    for row in range(len(size)):
        n = size[row]
        if n < 0 or n > elements.shape[1]:
            return row
        before, atoms, divisor = -1, 0, 0
        for k in range(n):
            element, count = int(elements[row, k]), int(counts[row, k])
            if element <= before or element >= _ALPHABET or count < 1:
                return row
            before = element
            atoms += count
            while count and divisor != 1:
                count, divisor = divisor % count, count
        if atoms > MOST_ATOMS or (n and divisor != 1):
            return row
        for k in range(n, elements.shape[1]):
            if elements[row, k] != -1 or counts[row, k] != 0:
                return row
    return -1
