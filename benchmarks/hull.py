"""Convex-hull speed against pymatgen and HiGHS, in one process on one core: ``python -m benchmarks.hull``.

The queries are 250 formulas of the embedded table and 250 of its compositions perturbed by about 20 %, 50 each with
2, 3, 4, 5 and 6 elements. Every competitor gets the stable phases only, already parsed, and answers the same queries;
its answers are compared. pymatgen's entries are selected beforehand, free of charge. Times are processor time of this
process, so that other work on the machine distorts the ratios little; only latencies and starts are wall-clock. Takes
about a minute. Cost against the number of elements and of phases is in `benchmarks.hull_growth`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import matenv
from benchmarks.measure import Measurement, Quick, Report, timed
from matenv import CompositionBatch, ConvexHull
from matenv.elements import SYMBOLS
from tools.command import run

GROUP = "hull"

START = """
import time
import matenv
data = matenv.load_dataset("mp-ground-states")
x = data.fractions[7]
start = time.perf_counter()
matenv.ConvexHull.from_dataset(data).energy(x, exclude_self=True)
print(time.perf_counter() - start)
"""
"""What a fresh process runs: building the hull and its first answer, imports and the table not counted."""


def make_queries(data: matenv.Dataset, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Half table formulas, half perturbed ones, a fifth of these each with 2, 3, 4, 5 and 6 elements, (count, 89)."""
    size = data.compositions.size
    rows = [rng.integers(len(data), size=count // 2)]
    for part, elements in enumerate(range(2, 7)):
        share = (count - count // 2 + part) // 5
        rows.append(rng.choice(np.flatnonzero(size == elements), share))
    x = data.fractions[np.concatenate(rows)]
    x[count // 2 :] *= np.exp(0.2 * rng.standard_normal(x[count // 2 :].shape))
    return x / x.sum(axis=1, keepdims=True)


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


def compare(report: Report, data: matenv.Dataset, hull: ConvexHull, rng: np.random.Generator, quick: bool) -> None:
    """Batches on one core, and the competitors on the same 500 queries."""
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    queries = make_queries(data, 500, rng)
    phases = Phases(data, hull)
    energies = hull.energy(queries)
    many = make_queries(data, 4096, rng)
    packed = CompositionBatch.from_fractions(many)

    def add(name: str, call: Callable[[], object], count: int, repeats: int, goal: float | None = None) -> Measurement:
        seconds = timed(call, 3 if quick else repeats, time.process_time)
        return report.add(GROUP, name, "queries/s/core", count / seconds, at_least=goal)

    ours = add("energy, 500 fractions", lambda: hull.energy(queries), 500, 30)
    add("decompose (products, potentials), 500 fractions", lambda: hull.decompose(queries), 500, 30)
    add("energy, 4,096 fractions", lambda: hull.energy(many), 4096, 15, 500_000)
    add("energy, CompositionBatch of 4,096", lambda: hull.energy(packed), 4096, 15, 500_000)
    add("energy without itself, same batch", lambda: hull.energy(packed, True), 4096, 15, 500_000)
    asked = packed[:1024]
    add("energy without itself, CompositionBatch of 1,024", lambda: hull.energy(asked, True), 1024, 30, 500_000)

    cold, prebuilt, problems = against_pymatgen(phases, queries)
    deviation = np.abs([cold(problem) for problem in problems] - energies).max()
    repeats = 1 if quick else 3
    theirs = add("pymatgen PhaseDiagram build + decompose", lambda: [cold(p) for p in problems], 500, repeats)
    report.ratio(GROUP, "matenv over pymatgen build + decompose", ours, theirs, at_least=2000)
    diagrams = [PhaseDiagram(entries) for entries, _ in problems]
    # pymatgen remembers the facet of one composition only, so that each of these is new to it.
    pairs = [(diagram, composition) for diagram, (_, composition) in zip(diagrams, problems, strict=True)]
    theirs = add("pymatgen get_decomposition, prebuilt", lambda: [prebuilt(*pair) for pair in pairs], 500, repeats + 2)
    report.ratio(GROUP, "matenv over pymatgen, prebuilt", ours, theirs)
    report.add(GROUP, "largest deviation from pymatgen", "eV/atom", deviation, at_most=1e-6)

    solved = np.array([highspy_energy(x, phases) for x in queries])
    theirs = add("highspy, columns selected", lambda: [highspy_energy(x, phases) for x in queries], 500, repeats)
    report.ratio(GROUP, "matenv over highspy", ours, theirs, at_least=100)
    report.add(GROUP, "largest deviation from HiGHS", "eV/atom", np.abs(solved - energies).max(), at_most=1e-6)


def latency(report: Report, data: matenv.Dataset, hull: ConvexHull) -> None:
    """One query at a time, wall-clock; smallest and largest are the 1st and 99th percentile."""
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
        goal = 20.0 if name == "energy, CompositionBatch" else None
        report.add(GROUP, f"one query: {name} (1 .. 99 %)", "us", micro, at_most=goal, spread=(1, 99))


def starts(report: Report, quick: bool) -> None:
    """Build and first answer in a fresh process: with nothing compiled yet, and later."""

    def seconds(cache: str | None) -> float:
        environment = os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {})
        out = subprocess.run([sys.executable, "-c", START], env=environment, capture_output=True, text=True, check=True)
        return float(out.stdout)

    if not quick:
        with tempfile.TemporaryDirectory() as empty:
            report.add(GROUP, "build and first call after install", "s", seconds(empty), at_most=10)
    seconds(None)
    later = [seconds(None) for _ in range(1 if quick else 5)]
    report.add(GROUP, "build and first call, later processes", "s", later, at_most=1)


def measure(report: Report, quick: bool = False, seed: int = 0) -> None:
    """Measure everything into `report`.

    Args:
        report: Where to.
        quick: Few repeats, and no start without compiled code.
        seed: Seed of the queries.
    """
    rng = np.random.default_rng(seed)
    data = matenv.load_dataset("mp-ground-states")
    build = timed(partial(ConvexHull.from_dataset, data, threads=1), 1 if quick else 3, time.process_time)
    report.add(GROUP, "building the hull of 85,014 phases", "s", build)
    hull = ConvexHull.from_dataset(data, threads=1)
    hull.energy("NaCl", exclude_self=True)  # the first such call prepares the table of stable phases without themselves
    compare(report, data, hull, rng, quick)
    latency(report, data, hull)
    starts(report, quick)


def main(quick: Quick = False, seed: Annotated[int, typer.Option(help="Seed of the queries.")] = 0) -> None:
    """Measure and print."""
    report = Report(quick)
    measure(report, quick, seed)
    print(report.markdown())


if __name__ == "__main__":
    run(main)
