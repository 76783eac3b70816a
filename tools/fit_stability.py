"""Fit the shipped maps P(E_d <= t): ``python -m tools.fit_stability``.

Coefficients are fitted on validation systems, against the hull of train phases, and tested on test systems, whose
reliability is printed and written beside them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.data import load_dataset
from matenv.oracle.stability import LARGEST, SMALLEST, StabilityModel
from matenv.properties import load_predictor
from matenv.properties.store import SHIPPED
from matenv.thermo import ConvexHull
from tools import CHECKOUT
from tools.command import run

PATH = CHECKOUT / "matenv" / "properties" / "weights" / "stability.json"

FITTED = tuple(name for name in SHIPPED if name != "gold")
"""No row is left on which a correction of gold's own could be fitted."""


def main(
    predictors: Annotated[
        list[str] | None, typer.Argument(help="Fitted anew, others keep their map; default: all.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = PATH,
) -> None:
    """Fit, test, print reliability and write the coefficients."""
    wanted = set(predictors or FITTED)
    if unknown := wanted - set(FITTED):
        raise ValueError(f"predictors {', '.join(sorted(unknown))}: choose among {', '.join(FITTED)}")
    known = json.loads(PATH.read_text())["predictors"] if wanted != set(FITTED) else {}
    tested: dict[str, Any] = {name: _fit_and_test(name) if name in wanted else known[name] for name in FITTED}
    tested["gold"] = {**tested["gold-train"], "test": "see gold-train, the same recipe on train rows"}
    card = {
        "what": "P = ceiling sigmoid(intercept + slope logit P(E_f <= E_comp)), by number of elements 2, 3, 4, >= 5",
        "fitted_on": "validation systems of mp-ground-states, hull of the train part",
        "command": "python -m tools.fit_stability",
        "predictors": tested,
    }
    out.write_text(json.dumps(card, indent=1) + "\n")


def _fit_and_test(name: str) -> dict[str, Any]:
    """Coefficients for a predictor and their reliability, which is printed."""
    data = load_dataset("mp-ground-states")
    predictor = load_predictor(name)
    truth = data.labels["decomposition_energy"] <= 0

    def raw_probability(rows: NDArray, phases: NDArray) -> NDArray[np.float64]:
        hull = ConvexHull.from_dataset(data.subset(phases))
        batch = data.compositions[rows]
        return predictor.predict_batch(batch).cdf("formation_energy", hull.energy(batch, exclude_self=True))

    validation, test = data.part("validation"), data.part("test")
    model = StabilityModel.fit(
        raw_probability(validation, data.part("train")), data.compositions.size[validation], truth[validation]
    )
    raw = raw_probability(test, data.split("system").train)
    size, stable = data.compositions.size[test], truth[test]
    corrected = model.correct(raw, size)
    report = {"raw": _reliability(raw, stable), "calibrated": _reliability(corrected, stable)}
    bins = []
    for n in range(SMALLEST, LARGEST + 1):
        rows = np.clip(size, SMALLEST, LARGEST) == n
        report[f"calibrated, {n}{'+' if n == LARGEST else ''} elements"] = _reliability(corrected[rows], stable[rows])
        bins.append(_bins(corrected[rows], stable[rows]))
    print(
        f"{name + ', held-out test rows':28s}{'n':>7s}{'stable':>8s}{'mean P':>8s}{'Brier':>8s}{'ECE':>7s}{'AUC':>7s}"
    )
    for title, r in report.items():
        print(
            f"{title:28s}{r['n']:7.0f}{r['stable']:8.3f}{r['mean_p']:8.3f}{r['brier']:8.3f}{r['ece']:7.3f}{r['auc']:7.3f}"
        )
    print("ceilings for 2, 3, 4, >= 5 elements: " + ", ".join(f"{ceiling:.2f}" for ceiling in model.ceiling) + "\n")
    return {
        "intercept": [round(float(a), 4) for a in model.intercept],
        "slope": [round(float(b), 4) for b in model.slope],
        "ceiling": [round(float(c), 4) for c in model.ceiling],
        "test": {title: {key: round(value, 4) for key, value in r.items()} for title, r in report.items()},
        "reliability": bins,
    }


def _bins(p: NDArray[np.float64], stable: NDArray[np.bool_]) -> list[tuple[float, float, int, float]]:
    """Lower and upper end, rows and share of stable ones of each tenth of P that holds any row."""
    tenth = np.clip((p * 10).astype(int), 0, 9)
    return [
        (i / 10, (i + 1) / 10, int((tenth == i).sum()), round(float(stable[tenth == i].mean()), 4))
        for i in range(10)
        if (tenth == i).any()
    ]


def _reliability(p: NDArray[np.float64], stable: NDArray[np.bool_]) -> dict[str, float]:
    """Brier score, expected calibration error over ten equal-width bins, and AUC."""
    bins = np.clip((p * 10).astype(int), 0, 9)
    count = np.bincount(bins, minlength=10)
    gap = np.abs(np.bincount(bins, weights=p - stable, minlength=10))
    order = np.argsort(p)
    ranks = np.empty(len(p))
    ranks[order] = np.arange(1, len(p) + 1)
    positives = int(stable.sum())
    auc = (ranks[stable].sum() - positives * (positives + 1) / 2) / max(positives * (len(p) - positives), 1)
    return {
        "n": float(len(p)),
        "stable": float(stable.mean()),
        "mean_p": float(p.mean()),
        "brier": float(((p - stable) ** 2).mean()),
        "ece": float(gap.sum() / max(count.sum(), 1)),
        "auc": float(auc),
    }


if __name__ == "__main__":
    run(main)
