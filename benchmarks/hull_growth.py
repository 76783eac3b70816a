"""Cost of a hull query against the number of elements and of phases: ``python -m benchmarks.hull_growth``.

Five tables. Three come from the embedded data: a random 10,000 of its stable phases, all stable phases, and all 85,014
unpruned. Two are synthetic, a million rows each, the table's formulas with one count changed: one whose new rows all
lie above the hull, as most rows of a real table do, which shows what pruning costs; and one in which every row is a
vertex, the worst case. The queries are random compositions of random chemical systems. Processor time of one core; a
few minutes.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import matenv
from benchmarks.measure import Report, timed
from matenv import CompositionBatch, ConvexHull
from matenv.elements import NUM_ELEMENTS
from matenv.thermo import solver
from matenv.thermo.queries import Queries
from matenv.thermo.simplex import PhaseIndex
from tools.command import run

GROUP = "hull growth"
ELEMENTS = range(2, 11)
IN_TABLE = (2, 4, 6, 8, 10)
PICTURE = "hull_cost.png"

Cost = dict[int, dict[int, float]]
"""Microseconds a query by number of phases and number of elements."""


def random_queries(data: matenv.Dataset, elements: int, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random compositions (count, 89) of so many elements, uniform over systems and over the simplex."""
    listed = np.unique(data.compositions.elements[data.compositions.elements >= 0])
    x = np.zeros((count, NUM_ELEMENTS))
    for row in x:
        row[rng.choice(listed, elements, replace=False)] = rng.dirichlet(np.ones(elements))
    return x


def neighbouring_formulas(data: matenv.Dataset, rows: int, rng: np.random.Generator) -> CompositionBatch:
    """The table's formulas, and further ones with one count changed, `rows` in all."""
    counts = data.compositions.dense_counts()
    parents = rng.integers(len(counts), size=max(rows - len(counts), 0))
    copies, size = counts[parents], data.compositions.size[parents]
    column = data.compositions.elements[parents, rng.integers(size)]
    copies[np.arange(len(copies)), column] += rng.integers(1, 40, len(copies))
    return CompositionBatch.from_counts(np.concatenate([counts, copies]))


def above_the_hull(data: matenv.Dataset, batch: CompositionBatch, rng: np.random.Generator) -> matenv.Dataset:
    """A table whose rows beyond the embedded ones lie 1 meV/atom and more above its hull."""
    energy = ConvexHull.from_dataset(data, threads=1).energy(batch) + rng.exponential(0.2, len(batch)) + 1e-3
    energy[: len(data)] = data.formation_energy
    return matenv.Dataset("synthetic", np.array([""] * len(batch)), batch, energy, data.energy_scheme)


def strictly_convex(batch: CompositionBatch) -> matenv.Dataset:
    """A table with the energy sum x ln x (eV/atom): strictly convex, so that every row is a vertex."""
    x = batch.amounts
    energy = (x * np.log(np.where(x > 0, x, 1.0))).sum(axis=1)
    return matenv.Dataset("convex", np.array([""] * len(batch)), batch, energy, "synthetic")


def costs(
    report: Report, name: str, index: PhaseIndex, phases: int, queries: dict[int, NDArray[np.float64]], repeats: int
) -> dict[int, float]:
    """Microseconds a query by number of elements, for one table."""
    found = {}
    for elements, x in queries.items():
        part = x[: 400_000_000 // phases]  # large tables are slow, and get fewer queries
        packed = Queries.of(part)
        seconds = timed(partial(solver.solve, index, packed, detailed=False), repeats, time.process_time)
        micro = 1e6 * seconds / len(part)
        detail = elements not in IN_TABLE
        measurement = report.add(GROUP, f"{name}: {elements} elements", "us/query", micro, detail=detail)
        found[elements] = measurement.median
    return found


def draw(cost: Cost, path: Path) -> None:
    """Both dependences as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    by_elements, by_phases = figure.subplots(1, 2, sharey=True)
    for phases, line in sorted(cost.items()):
        by_elements.plot(list(line), list(line.values()), marker="o", label=f"{phases:,} phases")
    for elements in IN_TABLE:
        line = {phases: values[elements] for phases, values in sorted(cost.items()) if elements in values}
        by_phases.plot(list(line), list(line.values()), marker="o", label=f"{elements} elements")
    by_elements.set(xlabel="elements in the composition", ylabel="microseconds a query, one core", yscale="log")
    by_phases.set(xlabel="phases in the hull", xscale="log")
    for axes in (by_elements, by_phases):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def measure(report: Report, quick: bool = False, seed: int = 0, rows: int = 1_000_000) -> Cost:
    """Measure everything into `report`.

    Args:
        report: Where to.
        quick: Embedded tables only, few queries.
        seed: Seed of queries and tables.
        rows: Rows of the synthetic tables.

    Returns:
        What the picture shows.
    """
    rng = np.random.default_rng(seed)
    data = matenv.load_dataset("mp-ground-states")
    count, repeats = (256, 1) if quick else (2048, 5)
    queries = {elements: random_queries(data, elements, count, rng) for elements in ELEMENTS}
    hull = ConvexHull.from_dataset(data, threads=1)
    cost: Cost = {}

    def add(name: str, index: PhaseIndex, phases: int) -> None:
        cost[phases] = costs(report, f"{phases:,} {name}", index, phases, queries, repeats)

    chosen = rng.choice(hull._stable_rows, 10_000, replace=False)
    add("random stable phases", hull._phases.index(np.sort(chosen)), len(chosen))
    add("stable phases", hull._index, len(hull))
    add("phases, unpruned", hull._everything, len(data))
    if not quick:
        batch = neighbouring_formulas(data, rows, rng)
        table = above_the_hull(data, batch, rng)
        start = time.process_time()
        pruned = ConvexHull.from_dataset(table, threads=1)
        report.add(GROUP, f"pruning {rows:,} synthetic rows, one core", "s", time.process_time() - start, at_most=60)
        report.add(GROUP, "stable phases left of them", "phases", len(pruned))
        del pruned, table
        convex = ConvexHull.from_dataset(strictly_convex(batch), threads=1)
        add("phases, every one a vertex", convex._index, len(convex))
    return cost


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Embedded tables only, few queries.")] = False,
    rows: Annotated[int, typer.Option(help="Rows of the synthetic tables.")] = 1_000_000,
    picture: Annotated[Path | None, typer.Option(help="Draw the costs into this file.")] = None,
) -> None:
    """Measure, print and draw."""
    report = Report(quick)
    cost = measure(report, quick, rows=rows)
    print(report.markdown())
    if picture:
        draw(cost, picture)


if __name__ == "__main__":
    run(main)
