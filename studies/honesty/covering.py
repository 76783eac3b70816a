"""Do intervals of energies hold what they promise, whatever is known? ``python -m studies.honesty.covering``.

Share of test rows inside the 90 % interval in each tenth of what is known at the time of prediction, and, for
comparison, by what only DFT knows: with the predictor's own interval and with the one that is told the hull.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.data import Dataset, load_dataset
from matenv.data.neighbours import Neighbours
from matenv.oracle import Oracle
from matenv.oracle.intervals import COVERAGE, IntervalModel
from matenv.oracle.stability import HULLS, StabilityModel
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run
from tools.fit_stability import held_out

WANTED = (0.85, 0.95)

TRUE = (-np.inf, 0.0, 0.1, 0.25, 0.5, np.inf)
"""Edges of classes by the true E_d [eV/atom]."""


def measure(predictor: str, hull: str) -> dict[str, Any]:
    """Shares of test rows inside the predictor's own interval and inside the one that is told the hull.

    Args:
        predictor: Name of a predictor.
        hull: One of `HULLS`.

    Returns:
        Over all rows, median widths [eV/atom], and by tenths or classes of each quantity.
    """
    data = load_dataset("mp-ground-states")
    test = data.part("test")
    true = data.labels["decomposition_energy"][test]
    rows = held_out(predictor, hull, "test")
    mean, disagreement, size = rows.energy.mean, rows.energy.disagreement(), rows.compositions.size
    low, high = rows.energy.interval(COVERAGE)
    margin = mean - rows.competing
    below, above = IntervalModel.load(predictor, hull).factors(margin, disagreement, size)
    told_low, told_high = mean - below * (mean - low), mean + above * (high - mean)
    inside = {
        "own": (rows.truth >= low) & (rows.truth <= high),
        "told": (rows.truth >= told_low) & (rows.truth <= told_high),
    }
    known = {
        "predicted E_d": margin,
        "distance to the nearest train formula": _novelty(data, test),
        "disagreement": disagreement,
        "stated standard deviation": rows.energy.std,
        "P(stable)": StabilityModel.load(predictor, hull).correct(rows.raw, rows.compositions, rows.evidence),
        "p_found": Oracle(hull, predictor=predictor).assess(rows.compositions).p_found,
    }
    groups = {f"tenths of {label}": _tenths(values) for label, values in known.items()}
    groups["2, 3, 4, 5, 6+ elements"] = np.minimum(size, 6) - 2
    groups["true E_d up to 0, 0.1, 0.25, 0.5, above"] = np.searchsorted(TRUE, true, side="left") - 1
    return {
        "inside": {name: float(each.mean()) for name, each in inside.items()},
        "width": {"own": float(np.median(high - low)), "told": float(np.median(told_high - told_low))},
        "groups": {
            label: {name: [float(each[which == g].mean()) for g in np.unique(which)] for name, each in inside.items()}
            for label, which in groups.items()
        },
    }


def _novelty(data: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """L1 distance of rows to the nearest train formula (N,)."""
    return Neighbours(data.compositions[data.split("system").train]).nearest(data.compositions[rows])[0][:, 0]


def _tenths(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which tenth of its distribution each value lies in (N,)."""
    edges = np.quantile(values, np.linspace(0, 1, 11)[1:-1])
    return np.searchsorted(edges, values, side="right")


def tables(results: dict[str, Any]) -> str:
    """What `measure` found by predictor and hull, as Markdown, in percent."""
    parts = []
    for predictor, hulls in results.items():
        for hull, found in hulls.items():
            inside, width = found["inside"], found["width"]
            parts.append(
                f"`{predictor}`, hull {hull}: inside {100 * inside['own']:.1f} -> {100 * inside['told']:.1f} %, "
                f"median width {width['own']:.3f} -> {width['told']:.3f} eV/atom\n"
            )
            lines = []
            for label, shares in found["groups"].items():
                cells = [" ".join(f"{100 * share:.0f}" for share in shares[name]) for name in ("own", "told")]
                outside = [sum(not WANTED[0] <= s <= WANTED[1] for s in shares[name]) for name in ("own", "told")]
                lines.append([label, *cells, " -> ".join(map(str, outside))])
            parts.append(markdown(("by", "predictor's own", "told the hull", "outside .85 .. .95"), lines) + "\n")
    return "\n".join(parts).strip()


def main(
    predictors: Annotated[list[str] | None, typer.Option("--predictor", help="Default: default.")] = None,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "covering.json",
) -> None:
    """Measure, write and print coverages."""
    results = {name: {hull: measure(name, hull) for hull in HULLS} for name in predictors or ["default"]}
    store(out, results)
    print(tables(results))


if __name__ == "__main__":
    run(main)
