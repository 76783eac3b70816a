"""Held-out accuracy and calibration: ``matenv predictor evaluate`` prints the table of the model card."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.data import load_dataset
from matenv.properties import heads
from matenv.properties.distribution import Array, Prediction
from matenv.properties.predictor import Predictor, load_predictor

LEVELS = (0.50, 0.90, 0.95)
"""Nominal coverages of the central intervals that are checked."""

WIDE_GAP = 1.0
"""eV: materials with a PBE gap above it must not be answered as metals."""

_SIZES = (("2", 2, 2), ("3", 3, 3), ("4", 4, 4), ("5+", 5, 99))


def held_out(model: Predictor) -> dict[str, Any]:
    """Metrics on the test part of the `system` split of the embedded ground states.

    Args:
        model: A predictor trained on the other parts.

    Returns:
        For each property: rows and mean absolute error (of the mean) over all labelled test rows, the same and the
        coverage over truth rows (`Dataset.truth`: no wide spread over polymorphs). Formation energy has no spread and
        adds ``by_elements``; band gaps add how well metals are told from the rest, and how often the interval holds
        the gap of materials that have one and whose PBE gap is above `WIDE_GAP`.
    """
    data = load_dataset("mp-ground-states")
    data = data.subset(data.part("test"))
    prediction = model.predict_batch(data.compositions)
    size = data.compositions.size
    report: dict[str, Any] = {}
    for name in heads.NAMES:
        truth = data.formation_energy if name == "formation_energy" else data.labels[name]
        labelled = np.isfinite(truth)
        trusted = labelled if name == "formation_energy" else data.truth(name)
        error = np.abs(prediction.mean[name] - truth)
        position = probability_transform(prediction, name, truth)
        entry = {
            "unit": model.units[name],
            "all_rows": int(labelled.sum()),
            "all_mae": float(error[labelled].mean()),
            **_summary(error[trusted], position[trusted]),
        }
        if name == "formation_energy":
            entry["by_elements"] = {
                label: _summary(error[mask], position[mask])
                for label, low, high in _SIZES
                if (mask := trusted & (size >= low) & (size <= high)).any()
            }
        if name in prediction.zero_probability:
            entry["metals"] = _metals(truth[trusted] == 0.0, prediction.zero_probability[name][trusted])
            wide = trusted & (truth > 0.0) & (data.labels["band_gap_pbe"] > WIDE_GAP)
            entry["wide_gaps"] = _wide_gaps(prediction, name, truth, wide)
        report[name] = entry
    return report


def probability_transform(prediction: Prediction, name: str, truth: Array, seed: int = 0) -> Array:
    """Where the truth lies in its predictive distribution: uniform on [0, 1] if that is calibrated.

    Args:
        prediction: Distributions of B rows.
        name: Property.
        truth: True values (B,), NaN where unknown.
        seed: A gap of exactly 0 is placed at random in its jump of the cdf (the randomised transform), with this seed.

    Returns:
        Values (B,) in [0, 1]; NaN where the truth is.
    """
    position = prediction.cdf(name, truth)
    if name in prediction.zero_probability:
        jump = np.random.default_rng(seed).random(len(truth)) * prediction.zero_probability[name]
        position = np.where(truth == 0.0, jump, position)
    return np.where(np.isfinite(truth), position, np.nan)


def table(report: dict[str, Any]) -> str:
    """The metrics as a Markdown table, one line per property and per number of elements."""
    lines = [
        "| property | unit | rows | MAE | median error | MAE, all rows | inside 50 / 90 / 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in report.items():
        everything = f"{entry['all_mae']:.4f} ({entry['all_rows']:,})"
        lines.append(_line(name, entry["unit"], entry, everything))
        for label, part in entry.get("by_elements", {}).items():
            lines.append(_line(f"- {label} elements", entry["unit"], part, ""))
    return "\n".join(lines)


def _line(title: str, unit: str, entry: dict[str, Any], everything: str) -> str:
    inside = " / ".join(f"{100 * entry['coverage'][f'{level:.2f}']:.1f}" for level in LEVELS)
    return (
        f"| {title} | {unit} | {entry['rows']:,} | {entry['mae']:.4f} | {entry['median_error']:.4f} "
        f"| {everything} | {inside} |"
    )


def _summary(error: Array, position: Array) -> dict[str, Any]:
    return {
        "rows": len(error),
        "mae": float(error.mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "median_error": float(np.median(error)),
        "coverage": {f"{level:.2f}": float((np.abs(position - 0.5) <= 0.5 * level).mean()) for level in LEVELS},
    }


def _metals(is_zero: NDArray[np.bool_], probability: Array) -> dict[str, float]:
    """Share of zeros, Brier score, accuracy, and area under the ROC curve (as a rank statistic)."""
    order = np.argsort(probability, kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    positives, negatives = int(is_zero.sum()), int((~is_zero).sum())
    area = (rank[is_zero].sum() - positives * (positives + 1) / 2) / max(positives * negatives, 1)
    return {
        "share": float(is_zero.mean()),
        "mean_probability": float(probability.mean()),
        "brier": float(((probability - is_zero) ** 2).mean()),
        "accuracy": float(((probability > 0.5) == is_zero).mean()),
        "roc_auc": float(area),
    }


def _wide_gaps(prediction: Prediction, name: str, truth: Array, rows: NDArray[np.bool_]) -> dict[str, float]:
    """Rows, mean absolute error, share inside the 90 % interval, and how many are answered by a gap of zero."""
    low, high = prediction.interval(name, 0.9)
    inside, certain = (low <= truth) & (truth <= high), prediction.cdf(name, 0.0) >= 0.95  # the upper 5 % are zeros too
    return {
        "rows": int(rows.sum()),
        "mae": float(np.abs(prediction.mean[name] - truth)[rows].mean()),
        "inside_90": float(inside[rows].mean()),
        "answered_zero": int(certain[rows].sum()),
    }


def report(name: str) -> str:
    """The held-out table of a predictor, in words and Markdown.

    Args:
        name: Name or path of a predictor.

    Returns:
        The text.

    Raises:
        ValueError: A gold predictor: it has fitted the test rows.
    """
    model = load_predictor(name)
    if model.role == "gold":
        raise ValueError(f"model={name!r} has fitted the test rows; evaluate 'gold-train', its recipe on train rows")
    found = held_out(model)
    lines = ["Test part of the `system` split (chemical systems held out), embedded ground states.\n", table(found)]
    for key, entry in found.items():
        for part, words in (("metals", "metals"), ("wide_gaps", f"with a gap, PBE gap > {WIDE_GAP:g} eV")):
            if part in entry:
                shares = ", ".join(f"{of} {value:.3g}" for of, value in entry[part].items())
                lines.append(f"\n{key}, {words}: {shares}")
    return "\n".join(lines)
