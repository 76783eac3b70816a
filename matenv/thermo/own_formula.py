"""A composition's own formula, and what leaving it out takes. Compiled code only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.thermo.simplex import KEEP_ALL, SKIP


@njit(cache=True, nogil=True)
def route(
    phase: NDArray[np.int64],
    size: NDArray[np.int16],
    deviation: NDArray[np.float64],
    stable_position: NDArray[np.int64],
    tolerance: float,
    round_off: float,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_], int, int]:
    """Decide how each row is answered without its own formula.

    Args:
        phase: Row of the formula in the table of phases (B,), -1 if unknown.
        size: Number of elements of the formula (B,).
        deviation: Of the formula from the composition (B,), or (0,) if all are exact.
        stable_position: Position among the stable phases of each phase, -1 if unstable (P,).
        tolerance: Deviation up to which the formula is the composition's own.
        round_off: Deviation up to which they are the same.

    Returns:
        What to leave out of the general solution (B,), KEEP_ALL or SKIP; the position (B,) among the stable phases of
        rows to look up or to solve on the whole table, else -1; which of these are exact (B,); how many are; how many
        are not.
    """
    rows = len(phase)
    excluded = np.full(rows, KEEP_ALL, np.int32)
    position = np.full(rows, -1, np.int64)
    exact = np.zeros(rows, np.bool_)
    stored = nearly = 0
    for row in range(rows):
        error = deviation[row] if len(deviation) > 0 else 0.0
        if error > tolerance:
            continue
        if size[row] <= 1:
            excluded[row] = SKIP
        elif phase[row] >= 0 and stable_position[phase[row]] >= 0:
            excluded[row] = SKIP
            position[row] = stable_position[phase[row]]
            exact[row] = error <= round_off
            if exact[row]:
                stored += 1
            else:
                nearly += 1
    return excluded, position, exact, stored, nearly
