"""The best so far, call by call, and the area under it: how a search is measured at a budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, FormulaIndex

EVERY = 100
"""Calls between points of the curve behind the AUC."""

LARGEST = 100
"""Most formulas averaged."""


def best_so_far(
    compositions: CompositionBatch, scores: NDArray[np.float64], k: int = LARGEST, every: int = EVERY
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
    calls, best = sorted_best(compositions, scores, every)
    return calls, best[:, :k].sum(axis=1) / k


def sorted_best(
    compositions: CompositionBatch, scores: NDArray[np.float64], every: int = EVERY
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As `best_so_far`, but the best `LARGEST` scores at each point (P, 100), best first, 0 where there are none."""
    systems = compositions.systems()
    number = FormulaIndex(systems).find(systems) if len(systems) else np.zeros(0, np.int64)
    best = np.zeros(int(number.max(initial=-1)) + 1)
    ends = list(range(every, len(scores), every)) + ([len(scores)] if len(scores) else [])
    top = np.zeros((len(ends) + 1, LARGEST))
    for point, (start, end) in enumerate(zip([0, *ends], ends, strict=False), 1):
        np.maximum.at(best, number[start:end], scores[start:end])
        held = np.sort(best)[::-1][:LARGEST]
        top[point, : len(held)] = held
    return np.array([0, *ends]), top


def area_under_curve(calls: NDArray[np.int64], means: NDArray[np.float64], budget: int) -> float:
    """Trapezoid over calls, the last mean carried forward to the budget, divided by the budget."""
    calls, means = np.append(calls, budget), np.append(means, means[-1])
    return float((np.diff(calls) * (means[1:] + means[:-1]) / 2).sum() / budget)
