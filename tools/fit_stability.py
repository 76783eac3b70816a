"""Fit the shipped maps P(E_d <= t) and interval factors, per predictor and hull: ``python -m tools.fit_stability``.

Coefficients are fitted on validation systems and tested on test systems, whose reliability is printed and written
beside them. For the hull "train" a validation row sees the phases of all train and validation systems but its own,
which is what a test row sees; for the hull "all" it sees every other phase of the table. Predictors have learned from
neither part.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.oracle import fitting, intervals
from matenv.oracle.sampling import describe
from matenv.oracle.stability import HULLS, LARGEST, SMALLEST, Logit, StabilityModel, sampling_of
from matenv.properties import load_predictor, store
from matenv.properties.distribution import Distribution
from matenv.thermo import ConvexHull
from tools import CHECKOUT
from tools.command import run

PATH = CHECKOUT / "matenv" / "properties" / "weights" / "stability.json"

FITTED = tuple(name for name in store.SHIPPED if name != "gold")
"""No row is left on which a correction of gold's own could be fitted."""


class Rows(NamedTuple):
    """Held-out rows as a hull sees them.

    Attributes:
        compositions: The rows (N).
        energy: Predicted formation energy.
        competing: E_comp (N,) [eV/atom].
        evidence: Their `sampling.describe` (N, 8).
        truth: DFT formation energy (N,) [eV/atom].
        stable: Stable against the whole table (N,) bool.
    """

    compositions: CompositionBatch
    energy: Distribution
    competing: NDArray[np.float64]
    evidence: NDArray[np.float64]
    truth: NDArray[np.float64]
    stable: NDArray[np.bool_]

    @property
    def raw(self) -> NDArray[np.float64]:
        """The predictor's own P(E_f <= E_comp) (N,)."""
        return self.energy.cdf(self.competing)


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
    tested: dict[str, Any] = {
        name: {hull: _fit_and_test(name, hull) for hull in HULLS} if name in wanted else known[name] for name in FITTED
    }
    tested["gold"] = {
        hull: {**tested["gold-train"][hull], "test": "see gold-train, the same recipe on train rows"} for hull in HULLS
    }
    card = {
        "what": "P = sigmoid(slope logit P(E_f <= E_comp) + below) sigmoid(complete), matenv/oracle/stability.py",
        "fitted_on": "validation systems of mp-ground-states",
        "command": "python -m tools.fit_stability",
        "predictors": tested,
    }
    out.write_text(_compact(card) + "\n")


@lru_cache(maxsize=1)
def _hull(name: str) -> ConvexHull:
    data = load_dataset("mp-ground-states")
    return ConvexHull.from_dataset(data if name == "all" else data.subset(data.split("system").train))


def held_out(name: str, hull: str, part: str) -> Rows:
    """Rows of a part of the split as predictor and hull see them.

    Args:
        name: Name of a predictor.
        hull: One of `HULLS`.
        part: ``"validation"`` or ``"test"``.

    Returns:
        The rows.
    """
    data = load_dataset("mp-ground-states")
    rows = data.part(part)
    batch = data.compositions[rows]
    solved = (
        _hull(hull).decompose(batch, exclude_self=True)
        if hull == "all"
        else _hull(hull).decompose_into_subsystems(batch)
    )
    return Rows(
        batch,
        load_predictor(name).predict_batch(batch).by_name["formation_energy"],
        solved.energy,
        describe(batch, solved.energy, solved.members, solved.weights, sampling_of(hull)),
        data.formation_energy[rows],
        data.labels["decomposition_energy"][rows] <= 0,
    )


def fit_map(rows: Rows, hull: str) -> StabilityModel:
    """The map of a hull, fitted on held-out rows."""
    return fitting.fit(
        rows.raw, rows.compositions, rows.evidence, rows.stable, sampling_of(hull), complete=hull == "all"
    )


def _fit_and_test(name: str, hull: str) -> dict[str, Any]:
    """Coefficients for a predictor and a hull, and their reliability, which is printed."""
    validation, test = (held_out(name, hull, part) for part in ("validation", "test"))
    model = fit_map(validation, hull)
    raw, size, stable = test.raw, test.compositions.size, test.stable
    corrected = model.correct(raw, test.compositions, test.evidence)
    report = {"raw": reliability(raw, stable), "calibrated": reliability(corrected, stable)}
    bins = []
    for n in range(SMALLEST, LARGEST + 1):
        rows = np.clip(size, SMALLEST, LARGEST) == n
        report[f"calibrated, {n}{'+' if n == LARGEST else ''} elements"] = reliability(corrected[rows], stable[rows])
        bins.append(_bins(corrected[rows], stable[rows]))
    title = f"{name}, hull {hull}, test rows"
    print(f"{title:40s}{'n':>7s}{'stable':>8s}{'mean P':>8s}{'Brier':>8s}{'ECE':>7s}{'AUC':>7s}{'AP':>7s}")
    for title, r in report.items():
        print(
            f"{title:40s}{r['n']:7.0f}{r['stable']:8.3f}{r['mean_p']:8.3f}{r['brier']:8.4f}{r['ece']:7.3f}"
            f"{r['auc']:7.3f}{r['ap']:7.3f}"
        )
    print()
    parts = {"below": model.below} | ({} if hull == "all" else {"complete": model.complete})
    factors = fit_intervals(validation)
    return {
        "slope": _rounded(model.slope),
        **{part: {key: _rounded(getattr(logit, key)) for key in Logit._fields} for part, logit in parts.items()},
        "interval": {"lower": _rounded(factors.lower), "upper": _rounded(factors.upper), **_caution(name)},
        "test": {title: {key: round(value, 4) for key, value in r.items()} for title, r in report.items()},
        "reliability": bins,
    }


def fit_intervals(rows: Rows) -> intervals.IntervalModel:
    """The interval factors of a hull, fitted on held-out rows."""
    low, high = rows.energy.interval(intervals.COVERAGE)
    mean = rows.energy.mean
    basis = intervals.columns(mean - rows.competing, rows.energy.disagreement(), rows.compositions.size)
    return intervals.fit((mean - rows.truth) / (mean - low), (rows.truth - mean) / (high - mean), basis)


def _caution(name: str) -> dict[str, float]:
    """The caution of a committee that has one, for `IntervalModel`."""
    caution = json.loads(store.locate(name).read_text())["caution"] if name in store.COMMITTEES else 1.0
    return {} if caution == 1.0 else {"caution": caution}


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in values]


def _compact(card: dict[str, Any]) -> str:
    """JSON with one line for each innermost list or table."""

    def write(value: Any, depth: int) -> str:
        if isinstance(value, dict) and any(isinstance(v, dict | list) for v in value.values()):
            inner = (f"{' ' * (depth + 1)}{json.dumps(k)}: {write(v, depth + 1)}" for k, v in value.items())
            return "{\n" + ",\n".join(inner) + "\n" + " " * depth + "}"
        return json.dumps(value)

    return write(card, 0)


def _bins(p: NDArray[np.float64], stable: NDArray[np.bool_]) -> list[tuple[float, float, int, float]]:
    """Lower and upper end, rows and share of stable ones of each tenth of P that holds any row."""
    tenth = np.clip((p * 10).astype(int), 0, 9)
    return [
        (i / 10, (i + 1) / 10, int((tenth == i).sum()), round(float(stable[tenth == i].mean()), 4))
        for i in range(10)
        if (tenth == i).any()
    ]


def reliability(p: NDArray[np.float64], stable: NDArray[np.bool_]) -> dict[str, float]:
    """Brier score, expected calibration error over ten equal-width bins, AUC and average precision.

    Args:
        p: P(stable) (N,).
        stable: Truth (N,) bool.

    Returns:
        Them by name, with the number of rows, the share of stable ones and the mean of P.
    """
    from scipy.stats import rankdata

    bins = np.clip((p * 10).astype(int), 0, 9)
    gap = np.abs(np.bincount(bins, weights=p - stable, minlength=10))
    positives = int(stable.sum())
    auc = (rankdata(p)[stable].sum() - positives * (positives + 1) / 2) / max(positives * (len(p) - positives), 1)
    hits = stable[np.argsort(-p, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(p) + 1)
    return {
        "n": float(len(p)),
        "stable": float(stable.mean()),
        "mean_p": float(p.mean()),
        "brier": float(((p - stable) ** 2).mean()),
        "ece": float(gap.sum() / len(p)),
        "auc": float(auc),
        "ap": float(precision[hits].mean()),
    }


if __name__ == "__main__":
    run(main)
