"""Convex-hull speed against pymatgen and HiGHS, in one process on one core: ``python benchmarks/hull.py``.

The queries are 250 formulas of the embedded table and 250 compositions of 2-6 elements, perturbed by about 20 %. Every
competitor gets the stable phases only, already parsed, and answers the same queries; its answers are compared. Medians
over repeats are printed with the smallest and largest. Times are processor time of this process, so that other work on
the machine distorts the ratios little; only the latencies are wall-clock. Takes about a minute.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import matenv
from matenv import CompositionBatch, ConvexHull
from matenv.composition import parse
from matenv.elements import NUM_ELEMENTS, SYMBOLS


def timed(function: Callable[[], object], repeats: int) -> NDArray[np.float64]:
    """Processor seconds of each of `repeats` calls, after one that does not count."""
    seconds = np.empty(repeats + 1)
    for i in range(repeats + 1):
        start = time.process_time()
        function()
        seconds[i] = time.process_time() - start
    return seconds[1:]


def make_queries(data: matenv.Dataset, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Half table formulas, half perturbed compositions of 2-6 elements, (count, 89)."""
    known = data.fractions[rng.integers(len(data), size=count // 2)]
    simple = np.flatnonzero(data.compositions.size <= 6)
    moved = data.fractions[simple[rng.integers(len(simple), size=count - count // 2)]]
    moved = moved * np.exp(0.2 * rng.standard_normal(moved.shape))
    return np.concatenate([known, moved / moved.sum(axis=1, keepdims=True)])


class Phases:
    """The stable phases, selected by chemical system: bit masks make that 0.1 ms."""

    def __init__(self, data: matenv.Dataset, hull: ConvexHull) -> None:
        rows = np.flatnonzero(np.isin(data.formulas, hull.formulas))
        self.fractions = data.fractions[rows]
        self.energy = data.formation_energy[rows]
        self.formulas = data.formulas[rows]
        self.low, self.high = bits(self.fractions)

    def inside(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Phases over the elements of a composition (89,) only."""
        low, high = bits(x[None])
        return np.flatnonzero(((self.low & ~low) | (self.high & ~high)) == 0)


def bits(x: NDArray[np.float64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Element sets (n, 89) as bit masks of elements 0-44 and 45-88."""
    powers = np.uint64(1) << np.arange(45, dtype=np.uint64)
    present = (x > 0).astype(np.uint64)
    return present[:, :45] @ powers, present[:, 45:] @ powers[:44]


def against_pymatgen(phases: Phases, queries: NDArray[np.float64]) -> tuple[Callable, Callable, list]:
    """Functions that answer one query cold, and from a prebuilt diagram; and the problems they take."""
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    problems = []
    for x in queries:
        entries = [PDEntry(Composition(SYMBOLS[e]), 0.0) for e in np.flatnonzero(x)]
        for row in phases.inside(x):
            composition = Composition(str(phases.formulas[row]))
            entries.append(PDEntry(composition, phases.energy[row] * composition.num_atoms))
        problems.append((entries, Composition({SYMBOLS[e]: x[e] for e in np.flatnonzero(x)})))

    def energy(diagram: PhaseDiagram, composition: Composition) -> float:
        return sum(weight * entry.energy_per_atom for entry, weight in diagram.get_decomposition(composition).items())

    def cold(problem: tuple) -> float:
        return energy(PhaseDiagram(problem[0]), problem[1])

    return cold, energy, problems


def highspy_energy(x: NDArray[np.float64], phases: Phases) -> float:
    """One query by HiGHS' own Python interface, columns selected by numpy."""
    import highspy

    elements = np.flatnonzero(x)
    rows = phases.inside(x)
    d, n = len(elements), len(elements) + len(rows)
    columns = np.concatenate([np.eye(d), phases.fractions[np.ix_(rows, elements)]])
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n, d
    lp.col_cost_ = np.concatenate([np.zeros(d), phases.energy[rows]])
    lp.col_lower_, lp.col_upper_ = np.zeros(n), np.full(n, highspy.kHighsInf)
    lp.row_lower_ = lp.row_upper_ = x[elements]
    listed = columns != 0
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(listed.sum(axis=1))]).astype(np.int32)
    lp.a_matrix_.index_ = np.nonzero(listed)[1].astype(np.int32)
    lp.a_matrix_.value_ = columns[listed]
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.passModel(lp)
    solver.run()
    return solver.getObjectiveValue()


def line(name: str, seconds: NDArray[np.float64], count: int, ours: float | None = None) -> None:
    """Print queries per second and, for a competitor, how many times faster matenv is."""
    rate = count / np.median(seconds)
    spread = f"{count / seconds.max():,.0f} .. {count / seconds.min():,.0f}"
    ratio = "" if ours is None else f"{ours / rate:10,.0f} x"
    print(f"{name:46s}{rate:14,.0f}   {spread:>27s}{ratio}")


def compare(data: matenv.Dataset, hull: ConvexHull, rng: np.random.Generator) -> None:
    queries = make_queries(data, 500, rng)
    phases = Phases(data, hull)
    energies = hull.energy(queries)
    many = make_queries(data, 4096, rng)
    packed = CompositionBatch.from_fractions(many)

    print(f"{'500 queries, one core':46s}{'queries/s':>14s}   {'slowest .. fastest':>27s}{'matenv is':>12s}")
    own = timed(lambda: hull.energy(queries), 30)
    ours = 500 / float(np.median(own))
    line("matenv energy, fractions (500, 89)", own, 500)
    line("matenv decompose (products, potentials)", timed(lambda: hull.decompose(queries), 30), 500)
    line("matenv energy, fractions (4096, 89)", timed(lambda: hull.energy(many), 15), 4096)
    line("matenv energy, CompositionBatch of 4096", timed(lambda: hull.energy(packed), 15), 4096)
    line("matenv energy without itself, same batch", timed(lambda: hull.energy(packed, True), 15), 4096)

    cold, prebuilt, problems = against_pymatgen(phases, queries)
    deviation = np.abs([cold(problem) for problem in problems] - energies).max()
    line("pymatgen PhaseDiagram build + decompose", timed(lambda: [cold(p) for p in problems], 3), 500, ours)
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    diagrams = [PhaseDiagram(entries) for entries, _ in problems]

    # pymatgen remembers the facet of one composition only, so that each of these is new to it.
    pairs = [(diagram, composition) for diagram, (_, composition) in zip(diagrams, problems, strict=True)]
    seconds = timed(lambda: [prebuilt(*pair) for pair in pairs], 5)
    line("pymatgen get_decomposition, prebuilt diagram", seconds, 500, ours)
    print(f"{'':46s}largest deviation from pymatgen {deviation:.1e} eV/atom")

    solved = np.array([highspy_energy(x, phases) for x in queries])
    line("highspy, columns selected", timed(lambda: [highspy_energy(x, phases) for x in queries], 3), 500, ours)
    print(f"{'':46s}largest deviation from HiGHS {np.abs(solved - energies).max():.1e} eV/atom\n")


def latency(data: matenv.Dataset, hull: ConvexHull) -> None:
    print(f"{'one query, microseconds':46s}{'median':>10s}   {'1 % .. 99 %':>17s}")
    x = data.fractions[::170]
    batch = data.compositions[::170]
    asked: list[tuple[str, Callable[[int], object]]] = [
        ("energy, CompositionBatch", lambda i: hull.energy(batch[i : i + 1])),
        ("energy without itself, CompositionBatch", lambda i: hull.energy(batch[i : i + 1], True)),
        ("energy, fractions (89,)", lambda i: hull.energy(x[i])),
        ("decompose, fractions (89,)", lambda i: hull.decompose(x[i])),
        ("decompose without itself, fractions (89,)", lambda i: hull.decompose(x[i], True)),
    ]
    for name, ask in asked:
        ask(0)
        micro = np.empty(len(x))
        for i in range(len(x)):
            start = time.perf_counter_ns()
            ask(i)
            micro[i] = (time.perf_counter_ns() - start) / 1e3
        low, middle, high = np.percentile(micro, [1, 50, 99])
        print(f"{name:46s}{middle:10.1f}   {low:8.1f} .. {high:5.1f}")
    print()


def by_size(data: matenv.Dataset, hull: ConvexHull, rng: np.random.Generator) -> None:
    print(f"{'random chemical systems, batch 2048':46s}{'queries/s':>14s}   {'slowest .. fastest':>27s}")
    listed = np.unique(data.compositions.elements[data.compositions.elements >= 0])
    for size in range(2, 11):
        x = np.zeros((2048, NUM_ELEMENTS))
        for row in x:
            row[rng.choice(listed, size, replace=False)] = rng.dirichlet(np.ones(size))
        line(f"  {size} elements", timed(lambda x=x: hull.energy(x), 9), len(x))
    print()


def growth(data: matenv.Dataset, rows: int, rng: np.random.Generator) -> None:
    """Build a hull of the table and synthetic unstable phases: table formulas with one count changed."""
    counts = data.compositions.dense_counts()
    parents = rng.integers(len(counts), size=rows - len(counts))
    copies, size = counts[parents], data.compositions.size[parents]
    column = data.compositions.elements[parents, rng.integers(size)]
    copies[np.arange(len(copies)), column] += rng.integers(1, 40, len(copies))
    batch = CompositionBatch.from_counts(np.concatenate([counts, copies]))
    above = rng.exponential(0.2, len(batch)) + 1e-3
    above[: len(counts)] = 0.0
    energy = ConvexHull.from_dataset(data, threads=1).energy(batch) + above
    energy[: len(counts)] = data.formation_energy
    table = matenv.Dataset("synthetic", np.array([""] * len(batch)), batch, energy, data.energy_scheme)
    start = time.process_time()
    print(f"{ConvexHull.from_dataset(table, threads=1)!r}: {time.process_time() - start:.1f} s\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--grow", type=int, default=0, help="also prune a synthetic table of so many rows (1000000)")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    data = matenv.load_dataset("mp-ground-states")
    parse(["H2O"])  # imports pymatgen
    start = time.perf_counter()
    ConvexHull.from_dataset(data, threads=1).energy("NaCl", exclude_self=True)
    first = time.perf_counter() - start
    build = timed(lambda: ConvexHull.from_dataset(data, threads=1), 3)
    hull = ConvexHull.from_dataset(data, threads=1)
    print(f"{time.strftime('%Y-%m-%d')}, {platform.platform()}, {os.cpu_count()} processors")
    print(f"Python {platform.python_version()}, numpy {np.__version__}")
    print(f"{hull!r}: first use {first:.2f} s, building again {np.median(build):.2f} s\n")
    compare(data, hull, rng)
    latency(data, hull)
    by_size(data, hull, rng)
    if options.grow:
        growth(data, options.grow, rng)


if __name__ == "__main__":
    main()
