"""Fractions to small integers: the smallest formula whose rounding is within a tolerance, compiled and batched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit

MAX_ELEMENTS = 10
"""Most elements a composition may hold; the embedded table's most complex entry has 9."""

MOST_ATOMS = 1_000_000
"""Most atoms per reduced formula unit. Compiled code counts in 32 bits and spells, hashes and searches within this."""

TRACE = 1e-12
"""Shares of the atoms at or below this are the round-off of a sum, and no element."""


@njit(cache=True, nogil=True)
def smallest_counts(
    fractions: NDArray[np.float64], max_atoms: int, tolerance: float
) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int16]]:
    """Smallest integer formula of each row of atom fractions.

    Args:
        fractions: (B, W) float64, rows sum to 1, at most 10 non-zero entries a row.
        max_atoms: Largest total number of atoms N tried.
        tolerance: Largest |round(N x) / N - x| accepted.

    Returns:
        elements (B, 10) int16 padded with -1, counts (B, 10) int32 padded with 0 and free of a common divisor,
        size (B,) int16. Rows no N fits get the N of the smallest deviation.
    """
    rows, width = fractions.shape
    elements = np.full((rows, MAX_ELEMENTS), -1, np.int16)
    counts = np.zeros((rows, MAX_ELEMENTS), np.int32)
    size = np.zeros(rows, np.int16)
    where = np.empty(MAX_ELEMENTS, np.int16)
    x = np.empty(MAX_ELEMENTS)
    for row in range(rows):
        n = 0
        for column in range(width):
            if fractions[row, column] > 0.0 and n < MAX_ELEMENTS:
                where[n] = column
                x[n] = fractions[row, column]
                n += 1
        best, best_error = 1, np.inf
        for atoms in range(1, max_atoms + 1):
            error = 0.0
            for k in range(n):
                error = max(error, abs(np.floor(atoms * x[k] + 0.5) / atoms - x[k]))
                if error >= best_error:
                    break
            if error < best_error:
                best, best_error = atoms, error
                if error <= tolerance:
                    break
        divisor = 0
        for k in range(n):
            a, b = int(np.floor(best * x[k] + 0.5)), divisor
            while a:
                a, b = b % a, a
            divisor = b
        kept = 0
        for k in range(n):
            count = int(np.floor(best * x[k] + 0.5))
            if count > 0:
                elements[row, kept] = where[k]
                counts[row, kept] = count // divisor
                kept += 1
        size[row] = kept
    return elements, counts, size
