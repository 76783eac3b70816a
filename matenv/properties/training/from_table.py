"""Learn a property from a table of one's own: ``matenv predictor train --data my.csv --column hardness --unit GPa``.

Every kind of `learners.LEARNERS` is fitted without each part of the chemical systems in turn and judged on that part;
the best is fitted again on all rows, with the uncertainty that the left-out parts showed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtri

from matenv.atomic import write_whole
from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.data.dataset import PARTS, UNITS
from matenv.data.embedded import load_dataset_as
from matenv.data.splits import uniform
from matenv.properties.learned import LearnedModel, save_property
from matenv.properties.learners import LEARNERS
from matenv.properties.own import Property

Array = NDArray[np.float64]

FOLDS = 5
LEAST_ROWS = 30
"""Fewest values that a model is fitted on."""

LEAST_NEW = 50
"""Rows of systems that the shipped networks have not seen, from which on these decide which kind is best."""

COVERAGE = 0.9
DECADES = 2.0
"""Span of positive values from which on their logarithm is advised."""


def train_property(
    out: str | Path,
    data: Any,
    column: str,
    unit: str | None = None,
    *,
    name: str | None = None,
    log10: bool = False,
    formulas: str | None = None,
    seed: int = 0,
) -> Path:
    """Learn a property from a table, choose the best kind of model on left-out systems, and save it with its card.

    Args:
        out: Folder; the file is called as the property.
        data: A table, as `matenv.data.read_table` takes it.
        column: Its column of values.
        unit: Unit of the values; by default what the header states.
        name: Name of the property; by default the column's.
        log10: Learn the logarithm of the values: of quantities that span decades.
        formulas: Column of formulas.
        seed: Seed of everything random.

    Returns:
        Path of the .safetensors file; its card, .json and .md, lies beside it.

    Raises:
        ValueError: Too few values, values that are all the same, a name that is taken, no unit, or as `read_table`.
        ImportError: scikit-learn is not installed.
    """
    try:
        import sklearn
    except ImportError:
        raise ImportError("learning a property needs the extra 'tables': pip install 'matenv[tables]'") from None
    table = data if isinstance(data, Dataset) else load_dataset_as("data", data, column=formulas, labels=[column])
    label = _label(table, column)
    unit = unit or table.units.get(label) or UNITS.get(label)
    if unit is None:
        raise ValueError(f"column {column!r} states no unit; give one: --unit GPa, or --unit 1 for a pure number")
    values = table.formation_energy if label == "formation_energy" else table.labels[label]
    rows = np.flatnonzero(np.isfinite(values))
    y, batch = values[rows], table.compositions[rows]
    title = name or (f"log10_{label}" if log10 else label)
    notes = [] if table.report is None else list(table.report.said)
    if log10:
        if (y <= 0).any():
            raise ValueError(f"--log10: {(y <= 0).sum()} values of {column!r} are not above zero")
        y, unit = np.log10(y), f"log10({unit})"
    elif (y > 0).all() and np.log10(y.max() / y.min()) > DECADES:
        notes.append(f"the values span {np.log10(y.max() / y.min()):.1f} decades: consider --log10")
    Property(title, unit, lambda x: x)  # refuses a name that is taken before anything is fitted
    if len(y) < LEAST_ROWS or y.std() == 0:
        raise ValueError(f"{table.name} has {len(y)} values of {column!r}; at least {LEAST_ROWS} that differ are due")

    centre, scale = float(y.mean()), float(y.std())
    fold, held_out = _folds(table, rows)
    unseen = table.system_part[rows] == PARTS.index("test")
    decides = unseen if unseen.sum() >= LEAST_NEW else np.ones(len(y), np.bool_)
    x = batch.fractions()
    results, widenings = {}, {}
    for kind, learner in LEARNERS.items():
        described, mean, std = learner.describe(x), np.empty(len(y)), np.empty(len(y))
        for part in range(fold.max() + 1):
            fit, test = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
            arrays = learner.fit(described[fit], (y[fit] - centre) / scale, seed)
            mean[test], std[test] = learner.predict(arrays, described[test])
        mean, std = centre + scale * mean, scale * std
        results[kind] = _measures(y, mean, std, fold, decides)
        widenings[kind] = widen((y - mean)[decides], std[decides])
    results["mean of the table"] = _measures(y, _fold_means(y, fold), np.full(len(y), scale), fold, decides)
    best = min(LEARNERS, key=lambda kind: results[kind]["mae_deciding"])
    learner = LEARNERS[best]
    arrays = learner.fit(learner.describe(x), (y - centre) / scale, seed)
    model = LearnedModel(best, arrays, centre, scale, widenings[best])
    path = Path(out) / f"{title}.safetensors"
    save_property(path, title, unit, model)
    card = {
        "name": title, "unit": unit, "column": column, "table": table.name, "rows": len(y),
        "systems": len(set(table.systems[rows].tolist())), "table_sha256": _digest(batch, y),
        "left_out": "" if table.report is None else table.report.summary(), "notes": notes,
        "held_out": held_out, "decided_on": int(decides.sum()), "decided_on_unseen": bool(unseen.sum() >= LEAST_NEW),
        "chosen": best, "title": learner.title, "results": results, "seed": seed,
        "centre": centre, "scale": scale, "scikit-learn": sklearn.__version__,
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "date": datetime.date.today().isoformat(),
    }  # fmt: skip
    write_whole(path.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
    write_whole(path.with_suffix(".md"), _markdown(card))
    return path


def _label(table: Dataset, column: str) -> str:
    """The label that a column became."""
    if len(table.labels) == 1 and column not in table.labels:
        return next(iter(table.labels))
    if column in table.labels or column == "formation_energy":
        return column
    raise ValueError(f"{table.name} has no column {column!r}; it has {', '.join(table.labels) or 'none'}")


def _folds(table: Dataset, rows: NDArray) -> tuple[NDArray[np.int64], str]:
    """Part of each row (n,), whole chemical systems together, and what that is called; formulas if systems are few."""
    names, how = table.systems[rows], "chemical systems"
    if len(set(names.tolist())) < 2 * FOLDS:
        names, how = table.formulas[rows], "formulas, as there are few chemical systems"
    distinct, inverse, number = np.unique(names, return_inverse=True, return_counts=True)
    order = sorted(range(len(distinct)), key=lambda k: uniform([str(distinct[k])], "folds"))
    part, filled = np.zeros(len(distinct), np.int64), np.zeros(FOLDS, np.int64)
    for k in order:  # the smallest part is filled next
        part[k] = int(filled.argmin())
        filled[part[k]] += number[k]
    return part[inverse], how


def widen(error: Array, std: Array) -> tuple[float, float]:
    """Widths a and b of the calibrated standard deviation sqrt((a std)^2 + b^2), from errors of left-out rows.

    Their ratio by maximum likelihood of normal errors; their size so that the central 90 % interval holds 90 % of them.

    Args:
        error: Errors (n,).
        std: The model's own standard deviations (n,).

    Returns:
        a, without unit, and b in the property's unit.
    """
    size = max(float(np.sqrt(np.mean(error**2))), 1e-12)

    def loss(parameters: Array) -> float:
        variance = (np.exp(parameters[0]) * std) ** 2 + (np.exp(parameters[1]) * size) ** 2 + 1e-300
        return float(np.mean(0.5 * np.log(variance) + 0.5 * error**2 / variance))

    a, b = np.exp(minimize(loss, [0.0, -0.7], method="Nelder-Mead", options={"maxiter": 300}).x)
    reach = np.quantile(np.abs(error) / np.sqrt((a * std) ** 2 + (b * size) ** 2), COVERAGE) / ndtri(0.5 + COVERAGE / 2)
    return float(a * reach), float(b * size * reach)


def _measures(y: Array, mean: Array, std: Array, fold: NDArray, decides: NDArray[np.bool_]) -> dict[str, float]:
    """Errors on left-out rows; coverage of those that decide, each part with the calibration of the others."""
    error, covered = y - mean, np.zeros(len(y), np.bool_)
    for part in range(fold.max() + 1):
        here, others = decides & (fold == part), decides & (fold != part)
        if here.any() and others.any():
            a, b = widen(error[others], std[others])
            reach = ndtri(0.5 + COVERAGE / 2) * np.sqrt((a * std[here]) ** 2 + b**2)
            covered[here] = np.abs(error[here]) <= reach
    return {
        "mae": float(np.abs(error).mean()),
        "mae_deciding": float(np.abs(error[decides]).mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "r2": float(1.0 - np.mean(error**2) / y.var()),
        "coverage": float(covered[decides].mean()),
    }


def _fold_means(y: Array, fold: NDArray) -> Array:
    return np.array([y[fold != part].mean() for part in range(fold.max() + 1)])[fold]


def _digest(batch: CompositionBatch, y: Array) -> str:
    """A name for formulas and values, by their content."""
    return hashlib.sha256("\n".join(batch.formulas()).encode() + y.tobytes()).hexdigest()


def _markdown(card: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {'**' * (kind == card['chosen'])}{kind}{'**' * (kind == card['chosen'])} | {each['mae']:.4g} | "
        f"{each['mae_deciding']:.4g} | {each['rmse']:.4g} | {each['r2']:.3f} | {each['coverage']:.1%} |"
        for kind, each in card["results"].items()
    )
    notes = "".join(f"- {note}.\n" for note in card["notes"])
    left_out = f"- {card['left_out']}.\n" if card["left_out"] else ""
    decided = (
        f"{card['decided_on']:,} rows of chemical systems that the shipped networks have not seen"
        if card["decided_on_unseen"]
        else "all rows: too few are of chemical systems that the shipped networks have not seen"
    )
    return f"""# Property `{card["name"]}` [{card["unit"]}]

Learned from the column `{card["column"]}` of `{card["table"]}`: {card["rows"]:,} formulas of
{card["systems"]:,} chemical systems. Chosen: {card["title"]}.

{notes}{left_out}- Errors are of left-out {card["held_out"]}, a fifth at a time; the model saved is fitted on all rows.
- The choice is by the mean absolute error on {decided}; the uncertainty is calibrated on the same rows.
- Coverage: how many of these lie within the 90 % interval, calibrated on the other left-out parts.

| kind | mean absolute error | of the rows that decide | root mean square | R2 | coverage of 90 % |
|---|---|---|---|---|---|
{rows}

Made on {card["date"]} with scikit-learn {card["scikit-learn"]}, seed {card["seed"]}. Weights:
{card["weights_sha256"]}.
Values of one formula are taken together (median): structure and preparation are not seen.
Beyond the table's chemistry the stated uncertainty is a guess.
"""
