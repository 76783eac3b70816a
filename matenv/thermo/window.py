"""Electrochemical windows: between which chemical potentials of one element a composition keeps its content of it.

The hull's slope along an element just beside a composition is the potential at which it would take some up, or give
some off. Only compiled code and what calls it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.compiled.threads import run_blocks
from matenv.thermo.queries import Queries
from matenv.thermo.simplex import (
    ABSENT,
    KEEP_ALL,
    LANES,
    MAX_ELEMENTS,
    NUM_ELEMENTS,
    WIDTH,
    PhaseIndex,
    certified,
    fill_columns,
    gather,
    primal,
)  # fmt: skip
from matenv.thermo.solver import MAX_PIVOTS, ROWS_PER_THREAD

CHARGES = {"Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Ag": 1, "Mg": 2, "Ca": 2, "Zn": 2, "Al": 3}
"""Ions that batteries shuttle, and their charge: a potential mu in eV/atom is -mu / charge in V against the metal."""

STEP = 1e-5
"""How far beside the composition the slope is taken, as an atom fraction: far more than the tie-breaking shift of
1e-10, far less than between any two phases."""


def slopes(
    index: PhaseIndex,
    beside: Queries,
    itself: NDArray[np.float64],
    energy: NDArray[np.float64],
    element: int,
    threads: int,
) -> NDArray[np.float64]:
    """Chemical potential of one element at some compositions, on a hull to which one phase is added in each row.

    Args:
        index: The phases.
        beside: The compositions (B).
        itself: Amounts (B, 89) of the phase added.
        energy: Its energy (B,) eV/atom; NaN to add none.
        element: Alphabet position of the element.
        threads: Most threads to use.

    Returns:
        (B,) eV/atom; NaN for rows without the element, and for rows that the simplex gave up.
    """
    result = np.empty(len(beside))

    def run(rows: slice) -> None:
        _slopes(
            index, beside.elements[rows], beside.amounts[rows], beside.size[rows], itself[rows], energy[rows],
            element, MAX_PIVOTS, result[rows],
        )  # fmt: skip

    run_blocks(run, len(beside), ROWS_PER_THREAD, threads)
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(
    index: PhaseIndex,
    elements: NDArray[np.int16],
    amounts: NDArray[np.float64],
    size: NDArray[np.int16],
    itself: NDArray[np.float64],
    energy: NDArray[np.float64],
    element: int,
    max_pivots: int,
    result: NDArray[np.float64],
) -> None:
    room = 256
    phases = np.empty(room, np.int32)
    columns = np.empty((room // LANES + 2, MAX_ELEMENTS, LANES))
    costs = np.empty(room + 2 * LANES)
    reduced = np.empty((room // LANES + 2, LANES))
    lowest, share, direction = np.empty(LANES), np.empty(WIDTH), np.empty(WIDTH)
    present, ranks = np.empty(MAX_ELEMENTS, np.int64), np.empty(MAX_ELEMENTS, np.int64)
    x, shifted, mu = np.empty(MAX_ELEMENTS), np.empty(MAX_ELEMENTS), np.empty(MAX_ELEMENTS)
    place, basis, inverse = np.empty(NUM_ELEMENTS, np.int64), np.empty(MAX_ELEMENTS, np.int64), np.empty((WIDTH, WIDTH))
    for row in range(len(size)):
        result[row] = np.nan
        amount = own = 0.0
        for k in range(size[row]):
            amount += amounts[row, k]
            own += itself[row, elements[row, k]]
        d, wanted = 0, -1
        for k in range(size[row]):
            if amounts[row, k] / amount > ABSENT:
                present[d] = elements[row, k]
                x[d] = amounts[row, k] / amount
                if present[d] == element:
                    wanted = d
                d += 1
        if wanted < 0:
            continue
        n = gather(index, present, d, KEEP_ALL, phases, ranks)
        while n < 0:
            room *= 2
            phases = np.empty(room, np.int32)
            columns = np.empty((room // LANES + 2, MAX_ELEMENTS, LANES))
            costs = np.empty(room + 2 * LANES)
            reduced = np.empty((room // LANES + 2, LANES))
            n = gather(index, present, d, KEEP_ALL, phases, ranks)
        fill_columns(index, present, d, phases, n, columns, costs, place)
        if not np.isnan(energy[row]):
            if n & 7 == 0:
                costs[n : n + LANES] = np.inf
                columns[n >> 3] = 0.0
            costs[n] = energy[row]
            for k in range(d):
                columns[n >> 3, k, n & 7] = itself[row, present[k]] / own
            n += 1
        for attempt in range(2):
            for k in range(d):
                shifted[k] = x[k] + index.shift[present[k]] if attempt == 0 else x[k]
            if primal(
                shifted, d, columns, costs, n, max_pivots, basis, inverse, mu, reduced, lowest, share, direction
            ) and certified(x, d, columns, costs, basis, inverse, mu, share):
                result[row] = mu[wanted]
                break
