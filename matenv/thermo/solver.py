"""Run the compiled simplex over a batch: row blocks on threads, and a general LP code for rows it hands back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.threads import run_blocks
from matenv.elements import SYMBOLS
from matenv.thermo.queries import Queries
from matenv.thermo.simplex import ABSENT, FALLBACK, MAX_ELEMENTS, OWN_SYSTEM, PhaseIndex, decompose_rows

MAX_PIVOTS = 2000
"""Exchanges after which the simplex gives a row up; systems of 10 elements take about 15."""

ROWS_PER_THREAD = 256
"""Smallest block worth a thread of its own (about 0.4 ms of work)."""

_NO_ROWS = np.empty(0, np.int32)


@dataclass
class Solution:
    """Decompositions of B compositions; the detail arrays have no rows if energies only were asked for.

    Attributes:
        energy: (B,) eV/atom.
        status: (B,) int8, `simplex.OK`, `FALLBACK` or `UNDEFINED`.
        members: Reference numbers of the optimal basis (B, 10) int32, padded with -1.
        weights: Their atom fractions (B, 10), 0 for a member that takes no part.
        potentials: Chemical potentials (B, 10) eV/atom in the order of the query's elements, NaN where absent.
    """

    energy: NDArray[np.float64]
    status: NDArray[np.int8]
    members: NDArray[np.int32]
    weights: NDArray[np.float64]
    potentials: NDArray[np.float64]

    def put(self, rows: NDArray, other: Solution, source: NDArray | slice = slice(None)) -> None:
        """Overwrite some rows with (some rows of) another solution."""
        self.energy[rows] = other.energy[source]
        self.status[rows] = other.status[source]
        if len(self.members):
            self.members[rows] = other.members[source]
            self.weights[rows] = other.weights[source]
            self.potentials[rows] = other.potentials[source]


def solve(
    index: PhaseIndex,
    queries: Queries,
    excluded: NDArray[np.int32] | None = None,
    *,
    detailed: bool,
    threads: int = 1,
) -> Solution:
    """Decompose every row of a batch. Rows are independent: neither their order nor the threads change a result.

    Args:
        index: The phases.
        queries: B compositions.
        excluded: Reference number to leave out of each row (B,), `simplex.KEEP_ALL`, `simplex.SKIP` or
            `simplex.OWN_SYSTEM`.
        detailed: Whether members, weights and potentials are wanted besides energies.
        threads: Most threads to use; small batches run in the calling thread.

    Returns:
        The solution.

    Raises:
        RuntimeError: A row that neither the simplex nor the LP code could solve.
    """
    rows = len(queries)
    shape = (rows if detailed else 0, MAX_ELEMENTS)
    solution = Solution(
        np.empty(rows), np.empty(rows, np.int8), np.empty(shape, np.int32), np.empty(shape), np.empty(shape)
    )
    left_out = _NO_ROWS if excluded is None else excluded

    def run(block: slice) -> bool:
        return decompose_rows(
            index, queries.elements[block], queries.amounts[block], queries.size[block], left_out[block], MAX_PIVOTS,
            solution.energy[block], solution.status[block],
            solution.members[block], solution.weights[block], solution.potentials[block],
        )  # fmt: skip

    settled = all(run_blocks(run, rows, ROWS_PER_THREAD, threads))
    if not settled:
        for row in np.flatnonzero(solution.status == FALLBACK).tolist():
            _solve_row(index, queries, row, int(left_out[row]) if len(left_out) else -1, solution)
    return solution


def _solve_row(index: PhaseIndex, queries: Queries, row: int, excluded: int, solution: Solution) -> None:
    """Fill one row of a solution by HiGHS' dual simplex, on unperturbed energies."""
    from scipy.optimize import linprog  # rarely needed, slow to import

    size = int(queries.size[row])
    x = queries.amounts[row, :size] / queries.amounts[row, :size].sum()
    listed = np.flatnonzero(x > ABSENT)
    x, elements = x[listed], queries.elements[row, listed].astype(np.int64)
    d = len(x)
    low = sum(1 << int(e) for e in elements if e < 64)
    high = sum(1 << int(e - 64) for e in elements if e >= 64)
    outside = (index.mask_low & ~np.uint64(low)) | (index.mask_high & ~np.uint64(high))
    kept = (outside == 0) & (index.reference != excluded)
    if excluded == OWN_SYSTEM:
        kept &= (index.mask_low != np.uint64(low)) | (index.mask_high != np.uint64(high))
    phases = np.flatnonzero(kept)

    columns = np.zeros((d, d + len(phases)))
    columns[:, :d] = np.eye(d)
    for j, phase in enumerate(phases, start=d):
        entries = slice(index.offset[phase], index.offset[phase + 1])
        columns[np.searchsorted(elements, index.element[entries]), j] = index.fraction[entries]
    costs = np.concatenate([np.zeros(d), index.energy[phases]])
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    result = linprog(costs, A_eq=columns, b_eq=x, method="highs-ds", options=options)  # type: ignore[call-overload]
    if not result.success:
        system = "-".join(SYMBOLS[e] for e in elements)
        raise RuntimeError(f"row {row} ({system}) could not be decomposed: {result.message}")
    solution.energy[row] = result.fun
    if len(solution.members):
        support = np.argsort(-result.x, kind="stable")[:d]  # a basic solution has at most d non-zero weights
        support = support[result.x[support] > ABSENT]
        references = np.concatenate([elements, index.reference[phases]])
        solution.members[row, : len(support)] = references[support]
        solution.weights[row, : len(support)] = result.x[support]
        solution.potentials[row, listed] = result.eqlin.marginals
