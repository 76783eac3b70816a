"""Do intervals of energies hold what they promise, whatever is known?: ``python -m studies.honesty.covering``.

Share of test rows inside the 90 % interval in each tenth of what is known at the time of prediction, and, for
comparison, by what only DFT knows: with the predictor's own interval and with the one that is told the hull.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.data import load_dataset
from matenv.data.neighbours import Neighbours
from matenv.oracle.intervals import COVERAGE, IntervalModel
from matenv.oracle.stability import HULLS, StabilityModel
from tools.command import run
from tools.fit_stability import held_out

WANTED = (0.85, 0.95)

TRUE = (-np.inf, 0.0, 0.1, 0.25, 0.5, np.inf)
"""Edges of classes by the true E_d [eV/atom]."""


def main(predictors: Annotated[list[str] | None, typer.Option("--predictor", help="Default: default.")] = None) -> None:
    """Print coverages."""
    data = load_dataset("mp-ground-states")
    test = data.part("test")
    true = data.labels["decomposition_energy"][test]
    novelty = Neighbours(data.compositions[data.split("system").train]).nearest(data.compositions[test])[0][:, 0]
    for name in predictors or ["default"]:
        for hull in HULLS:
            rows = held_out(name, hull, "test")
            mean, disagreement, size = rows.energy.mean, rows.energy.disagreement(), rows.compositions.size
            low, high = rows.energy.interval(COVERAGE)
            margin = mean - rows.competing
            below, above = IntervalModel.load(name, hull).factors(margin, disagreement, size)
            own = (rows.truth >= low) & (rows.truth <= high)
            told_low, told_high = mean - below * (mean - low), mean + above * (high - mean)
            told = (rows.truth >= told_low) & (rows.truth <= told_high)
            widths = f"{np.median(high - low):.3f} -> {np.median(told_high - told_low):.3f} eV/atom"
            print(f"\n{name}, hull {hull}: inside {own.mean():.3f} -> {told.mean():.3f}, median width {widths}\n")
            print("| by | predictor's own | told the hull | outside .85 .. .95 |")
            print("|---" * 4 + "|")
            p = StabilityModel.load(name, hull).correct(rows.raw, rows.compositions, rows.evidence)
            known = {
                "predicted E_d": margin,
                "distance to the nearest train formula": novelty,
                "disagreement": disagreement,
                "stated standard deviation": rows.energy.std,
                "P(stable)": p,
            }
            for label, values in known.items():
                _line(f"tenths of {label}", _tenths(values), own, told)
            _line("2, 3, 4, 5, 6+ elements", np.minimum(size, 6) - 2, own, told)
            _line("true E_d up to 0, 0.1, 0.25, 0.5, above", np.searchsorted(TRUE, true, side="left") - 1, own, told)


def _tenths(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which tenth of its distribution each value lies in (N,)."""
    edges = np.quantile(values, np.linspace(0, 1, 11)[1:-1])
    return np.searchsorted(edges, values, side="right")


def _line(label: str, which: NDArray[np.integer], own: NDArray[np.bool_], told: NDArray[np.bool_]) -> None:
    """One row of the table."""
    groups = np.unique(which)
    shares = [[float(inside[which == g].mean()) for g in groups] for inside in (own, told)]
    cells = [" ".join(f"{100 * share:.0f}" for share in each) for each in shares]
    outside = " -> ".join(str(sum(not WANTED[0] <= share <= WANTED[1] for share in each)) for each in shares)
    print(f"| {label} | {' | '.join(cells)} | {outside} |")


if __name__ == "__main__":
    run(main)
