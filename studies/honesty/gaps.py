"""Do intervals of measured gaps hold non-metals? ``python -m studies.honesty.gaps``.

Held-out table rows with a measured gap above 0 and a PBE gap above 1 eV, which are no metals by any account: how many
lie inside the 90 % interval of `Assessment.interval`, and inside that of the gap if there is one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import binomtest

from matenv.data import load_dataset
from matenv.oracle import Oracle
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run

PREDICTORS = ("default", "accurate", "informed", "two-family", "gold-train")

NO_METAL = 1.0
"""eV; PBE gaps above it."""


def measure(predictor: str) -> dict[str, Any]:
    """Coverage of one predictor.

    Args:
        predictor: Name of a predictor that has seen train rows only.

    Returns:
        Rows, and for each interval how many lie inside, with its median width [eV].
    """
    data = load_dataset("mp-ground-states")
    test = data.part("test")
    gap = data.labels["band_gap_expt"][test]
    rows = test[data.truth("band_gap_expt")[test] & (gap > 0.0) & (data.labels["band_gap_pbe"][test] > NO_METAL)]
    oracle = Oracle("train", predictor=predictor)
    a = oracle.assess(data.compositions[rows])
    truth = data.labels["band_gap_expt"][rows]
    ends = {
        "predictor": oracle.predictor.predict_batch(data.compositions[rows]).interval("band_gap_expt"),
        "assessment": a.interval("band_gap_expt"),
        "if no metal": a.gap_if_no_metal()[1:],
    }
    return {"rows": len(rows), **{name: _inside(truth, low, high) for name, (low, high) in ends.items()}}


def _inside(truth: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> dict[str, Any]:
    return {"inside": int(((truth >= low) & (truth <= high)).sum()), "width": float(np.median(high - low))}


def tables(results: dict[str, Any]) -> str:
    """Coverages in percent with their 95 % intervals (Clopper and Pearson), as Markdown."""
    kinds = ("predictor", "assessment", "if no metal")
    lines = []
    for name, found in results.items():
        cells = [name, f"{found['rows']}"]
        for kind in kinds:
            inside = found[kind]["inside"]
            ends = binomtest(inside, found["rows"]).proportion_ci(0.95)
            cells.append(
                f"{100 * inside / found['rows']:.0f} [{100 * ends.low:.0f}, {100 * ends.high:.0f}], "
                f"{found[kind]['width']:.2f} eV"
            )
        lines.append(cells)
    headings = (
        "predictor",
        "rows",
        "inside, `Prediction.interval`; width",
        "`Assessment.interval`",
        "`gap_if_no_metal`",
    )
    return markdown(headings, lines)


def main(
    predictors: Annotated[
        list[str] | None, typer.Option("--predictor", help=f"Default: {', '.join(PREDICTORS)}.")
    ] = None,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "gaps.json",
) -> None:
    """Measure, write and print coverages."""
    results = {name: measure(name) for name in predictors or PREDICTORS}
    store(out, results)
    print(tables(results))


if __name__ == "__main__":
    run(main)
