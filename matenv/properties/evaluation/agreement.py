"""A student beside its teacher: errors, distance from each other, and speed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.properties import heads
from matenv.properties.evaluation import evaluate
from matenv.properties.evaluation.speed import ROWS, core_microseconds
from matenv.properties.predictor import Predictor, load_predictor
from matenv.properties.training.transfer import TransferSource

_TRANSFER_ROWS, _TRANSFER_SEED = 20_000, 123_456_789  # a seed that no distillation uses


def agreement(student: Predictor, teacher: Predictor, batch: CompositionBatch) -> dict[str, dict[str, float]]:
    """How well a student repeats its teacher.

    Args:
        student: The student.
        teacher: The ensemble.
        batch: Compositions (B,).

    Returns:
        For each property ``mean``: mean absolute difference of the expected values, in its unit; ``std``: median ratio
        of the larger to the smaller standard deviation; ``disagreement``: rank correlation of the student's variance
        between members with the teacher's. Band gaps add ``metal``: mean absolute difference of P(gap = 0).
    """
    ours, theirs = student.predict_batch(batch), teacher.predict_batch(batch)
    between = [model.uncalibrated(batch)[2] for model in (student, teacher)]
    result: dict[str, dict[str, float]] = {}
    for k, name in enumerate(heads.NAMES):
        result[name] = {
            "mean": float(np.abs(ours.mean[name] - theirs.mean[name]).mean()),
            "std": float(np.median(np.exp(np.abs(np.log(ours.std[name] / theirs.std[name]))))),
            "disagreement": _rank_correlation(between[0][:, k], between[1][:, k]),
        }
        if name in ours.zero_probability:
            difference = ours.zero_probability[name] - theirs.zero_probability[name]
            result[name]["metal"] = float(np.abs(difference).mean())
    return result


def compare(student: Predictor, report: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Student and teacher side by side, for the student's card.

    Args:
        student: The student.
        report: `evaluate.held_out` of it.
        name: Its teacher, as `load_predictor` knows it.

    Returns:
        Entries of the card, and a section of its text.
    """
    teacher = load_predictor(name)
    data = load_dataset("mp-ground-states")
    fresh = TransferSource().draw(_TRANSFER_ROWS, np.random.default_rng(_TRANSFER_SEED))
    near = {
        "test": agreement(student, teacher, data.compositions[data.part("test")]),
        "transfer": agreement(student, teacher, fresh),
    }
    errors = evaluate.held_out(teacher)
    speeds = core_microseconds([student, teacher])
    lines = [
        "| property | unit | MAE, teacher | MAE, student | distance | distance, transfer | rank correlation of v_b |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, entry in report.items():
        lines.append(
            f"| {key} | {entry['unit']} | {errors[key]['mae']:.4f} | {entry['mae']:.4f} | "
            f"{near['test'][key]['mean']:.4f} | {near['transfer'][key]['mean']:.4f} "
            f"| {near['test'][key]['disagreement']:.2f} |"
        )
    cost = "; ".join(
        f"batch of {rows:,}: {speeds[1][str(rows)]:.1f} the teacher, {speeds[0][str(rows)]:.1f} the student"
        for rows in ROWS
    )
    text = f"""
## Beside its teacher `{name}`

{chr(10).join(lines)}

Distance: mean absolute difference of the two expected values, on the test rows and on {len(fresh):,} newly drawn
transfer compositions (element exchanges and latent walks). v_b: the variance between the ensemble's members, which the
student guesses; on the test rows.

Core-microseconds a row (`matenv predictor speed`): {cost}.
"""
    entries = {
        "teacher": {"name": name, "held_out": errors, "core_microseconds": speeds[1]},
        "core_microseconds": speeds[0],
        "agreement": near,
    }
    return entries, text


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's, without care for ties."""
    return float(np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1])
