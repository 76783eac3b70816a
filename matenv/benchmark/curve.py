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
    calls, rows = best_rows(compositions, scores, every)
    return calls, values_at(rows, scores)[:, :k].sum(axis=1) / k


def best_rows(
    compositions: CompositionBatch, scores: NDArray[np.float64], every: int = EVERY
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `best_so_far`, but which formulas are the best `LARGEST` at each point.

    Args:
        compositions: Distinct formulas in the order they were assessed (C).
        scores: Score of each (C,).
        every: Calls between points.

    Returns:
        The calls (P,), and row numbers (P, 100), best first, of each chemical system the first of its best; -1 where
        there are none left.
    """
    systems = compositions.systems()
    number = FormulaIndex(systems).find(systems) if len(systems) else np.zeros(0, np.int64)
    ends = list(range(every, len(scores), every)) + ([len(scores)] if len(scores) else [])
    top = np.full((len(ends) + 1, LARGEST), -1)
    held = np.zeros(0, np.int64)
    for point, (start, end) in enumerate(zip([0, *ends], ends, strict=False), 1):
        both = np.append(held, np.arange(start, end))
        both = both[np.lexsort((both, -scores[both]))]
        held = both[np.sort(np.unique(number[both], return_index=True)[1])[:LARGEST]]
        top[point, : len(held)] = held
    return np.array([0, *ends]), top


def values_at(rows: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (C,) of the formulas at some rows (...), 0 where a row is -1."""
    return np.where(rows >= 0, np.append(values, 0.0)[rows], 0.0)


def area_under_curve(calls: NDArray[np.int64], means: NDArray[np.float64], budget: int) -> float:
    """Trapezoid over calls, the last mean carried forward to the budget, divided by the budget."""
    calls, means = np.append(calls, budget), np.append(means, means[-1])
    return float((np.diff(calls) * (means[1:] + means[:-1]) / 2).sum() / budget)
