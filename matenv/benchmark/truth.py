"""The truth check: what held-out table rows that a predictor likes best are worth by their own DFT values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from matenv.benchmark.found import best_by_system
from matenv.data import Dataset, load_dataset
from matenv.oracle import Assessment, Oracle
from matenv.properties import Prediction, heads, load_predictor
from matenv.properties.distribution import MAX_SIZE, Calibration, CalibrationTable
from matenv.properties.element_properties import ELEMENT_PROPERTIES
from matenv.tasks import Task
from matenv.tasks.objectives import Ramp, Window

_CERTAIN = Calibration(1.0, 1.0, 1e-12, 1.0, (1.0,) * (MAX_SIZE + 1), (1.0,), (1.0,))  # a distribution with no width

SECOND = "gold-train"
"""Second opinion: gold's recipe on train rows. Gold itself has seen the held-out rows."""

TOP = 100
"""Rows judged, one per chemical system."""


@dataclass(frozen=True)
class Truth:
    """Scores of the held-out rows that a predictor likes best. Means over them.

    Attributes:
        task: Name of the task.
        predictor: Name of the predictor.
        rows: Held-out rows that have all labels the task asks about and obey its rules.
        top: How many of them are judged: `TOP`, or fewer if there are not so many chemical systems.
        proxy: The predictor's score, against the hull of train rows.
        second: What `SECOND` says of the same rows, likewise.
        truth: The score by DFT values: utility of the labels, times 1 if stable against the whole table.
        any_row: The same for all of the rows: what picking at random would get.
        stable: Share that are stable.
        expected_stable: The predictor's mean P(stable).
    """

    task: str
    predictor: str
    rows: int
    top: int
    proxy: float
    second: float
    truth: float
    any_row: float
    stable: float
    expected_stable: float


@dataclass(frozen=True)
class Correlation:
    """How alike the errors of two predictors are.

    Attributes:
        property_name: The property.
        first: A predictor.
        second: Another.
        rows: Held-out truth rows.
        pearson: Correlation of their errors.
        spearman: The same of the errors' ranks, which no outlier sways.
    """

    property_name: str
    first: str
    second: str
    rows: int
    pearson: float
    spearman: float


def truth_check(task: Task, predictor: str, top: int = TOP) -> Truth:
    """Score the predictor's favourites among held-out rows by their DFT values.

    Args:
        task: The task.
        predictor: Name of a predictor that has seen train rows only.
        top: Rows to judge.

    Returns:
        The scores. Novelty is not asked for: held-out rows are new to the predictor, and rows of the table.

    Raises:
        ValueError: A gold predictor: it has seen the held-out rows.
    """
    task = replace(task, novel=False)
    data = _held_out(task)
    assessment = Oracle("train", predictor=predictor).assess(data.compositions)
    said, worth = task.score(assessment), true_score(task, data, assessment)
    rows = best_by_system(data.compositions, said.score, top)
    stable = data.labels["decomposition_energy"] <= 0.0
    return Truth(
        task=task.name,
        predictor=predictor,
        rows=len(data),
        top=len(rows),
        proxy=float(said.score[rows].mean()),
        second=float(task.score(Oracle("train", predictor=SECOND).assess(data.compositions[rows])).score.mean()),
        truth=float(worth[rows].mean()),
        any_row=float(worth.mean()),
        stable=float(stable[rows].mean()),
        expected_stable=float(assessment.p_stable[rows].mean()),
    )


def true_score(task: Task, data: Dataset, assessment: Assessment) -> NDArray[np.float64]:
    """The score that a predictor without errors would give to table rows.

    Args:
        task: The task.
        data: Rows of the table (B) that have every label the task asks about.
        assessment: Any assessment of the same rows; only its rules and novelty are used.

    Returns:
        (B,): utility of the labels x 1 if E_d <= 0 against the whole table x the task's rules.
    """
    location = np.column_stack([data.formation_energy, *(data.labels[name] for name in heads.NAMES[1:])])
    zero, nothing = (location[:, list(heads.HURDLE)] == 0.0).astype(np.float64), np.zeros_like(location)
    size = data.compositions.size
    exact = Prediction(
        np.nan_to_num(location), nothing, nothing, zero, size, CalibrationTable(dict.fromkeys(heads.NAMES, _CERTAIN))
    )
    known = replace(assessment, mean=exact.mean, std=exact.std, _rows=np.arange(len(data)), _said=exact.by_name)
    terms = task.score(known).terms
    stable = (data.labels["decomposition_energy"] <= 0.0) | (task.viability == "none")
    return terms["utility"] * terms["validity"] * stable


def error_correlations(predictors: Sequence[str]) -> list[Correlation]:
    """How alike the errors of predictors are on held-out truth rows.

    Args:
        predictors: Names of predictors that have seen train rows only.

    Returns:
        One entry for each property and pair of predictors.
    """
    data = load_dataset("mp-ground-states")
    data = data.subset(data.part("test"))
    said = {name: load_predictor(name).predict_batch(data.compositions).mean for name in predictors}
    result = []
    for name in heads.NAMES:
        truth = data.formation_energy if name == "formation_energy" else data.labels[name]
        rows = np.isfinite(truth) if name == "formation_energy" else data.truth(name)
        for first, second in combinations(predictors, 2):
            a, b = (said[predictor][name][rows] - truth[rows] for predictor in (first, second))
            pearson, spearman = np.corrcoef(a, b)[0, 1], spearmanr(a, b).statistic
            result.append(Correlation(name, first, second, int(rows.sum()), float(pearson), float(spearman)))
    return result


def markdown(truths: Sequence[Truth], correlations: Sequence[Correlation]) -> str:
    """Truth checks and correlations as Markdown tables."""
    lines = [
        f"Truth check: top {TOP} held-out rows by the predictor's score, one per chemical system.\n",
        "| task | predictor | rows | judged | its score | gold-train's | DFT score | any row | its P(stable) "
        "| stable |",
        "|---" * 10 + "|",
    ]
    lines += [
        f"| {t.task} | {t.predictor} | {t.rows:,} | {t.top} | {t.proxy:.3f} | {t.second:.3f} | {t.truth:.3f} "
        f"| {t.any_row:.3f} | {t.expected_stable:.2f} | {t.stable:.2f} |"
        for t in truths
    ]
    lines += [
        "\nCorrelation of errors on held-out truth rows (Pearson / rank):\n",
        "| property | " + " | ".join(f"{c.first}, {c.second}" for c in _of_one_property(correlations)) + " |",
        "|---" * (1 + len(_of_one_property(correlations))) + "|",
    ]
    for name in heads.NAMES:
        cells = [f"{c.pearson:.2f} / {c.spearman:.2f}" for c in correlations if c.property_name == name]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _held_out(task: Task) -> Dataset:
    """Test rows with every label that the task asks about (no wide spread over polymorphs), within its rules."""
    data = load_dataset("mp-ground-states")
    wanted = np.zeros(len(data), np.bool_)
    wanted[data.part("test")] = True
    for objective in task.objectives:
        exact = {"formation_energy", *ELEMENT_PROPERTIES}
        if isinstance(objective, Ramp | Window) and objective.property_name not in exact:
            wanted &= data.truth(objective.property_name)
    return data.subset(np.flatnonzero(wanted & task.allows(data.compositions)))


def _of_one_property(correlations: Sequence[Correlation]) -> list[Correlation]:
    return [c for c in correlations if c.property_name == heads.NAMES[0]]
