"""The best so far, call by call, and the area under it: how a search is measured at a budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, FormulaIndex

EVERY = 100
"""Calls between points of the curve behind the AUC."""


def best_so_far(
    compositions: CompositionBatch, scores: NDArray[np.float64], k: int = 10, every: int = EVERY
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Mean of the best k scores, at most one formula per chemical system, after 0, `every`, 2 `every` ... calls.

    Args:
        compositions: Distinct formulas in the order they were assessed (C).
        scores: Score of each (C,).
        k: How many; missing ones count 0.
        every: Calls between points.

    Returns:
        The calls and the means; the last point is the last call.
    """
    systems = compositions.systems()
    number = FormulaIndex(systems).find(systems)
    best: dict[int, float] = {}
    calls, means = [0], [0.0]
    for call, (system, score) in enumerate(zip(number.tolist(), scores.tolist(), strict=True), 1):
        best[system] = max(best.get(system, 0.0), score)
        if call % every == 0 or call == len(scores):
            calls.append(call)
            means.append(sum(sorted(best.values(), reverse=True)[:k]) / k)
    return np.array(calls), np.array(means)


def area_under_curve(calls: NDArray[np.int64], means: NDArray[np.float64], budget: int) -> float:
    """Trapezoid over calls, the last mean carried forward to the budget, divided by the budget."""
    calls, means = np.append(calls, budget), np.append(means, means[-1])
    return float((np.diff(calls) * (means[1:] + means[:-1]) / 2).sum() / budget)
