"""What a search is worth at a budget: its best formulas, what its calls and its moves were spent on, what gold says."""

from __future__ import annotations

from typing import Any

import numpy as np

from matenv.benchmark.curve import area_under_curve, best_so_far
from matenv.benchmark.diversity import diversity
from matenv.benchmark.moves import VIABLE, shares
from matenv.benchmark.record import Search, best_by_system
from matenv.oracle import Oracle
from matenv.tasks import Task

TOP = 100
"""Formulas whose diversity is measured, and candidates that gold judges, one per chemical system."""

WINDOWS = 10
"""Parts of the budget, equal in calls, over which the shares of moves are followed."""


def measures(search: Search, task: Task, budget: int, reference: str = "train") -> dict[str, float]:
    """Measures of a search cut off after so many calls.

    Args:
        search: What was found, with at least one formula.
        task: What the score is.
        budget: Calls that count; the AUC carries the last value forward to it.
        reference: Phases of the oracle's hull, as in the search.

    Returns:
        By name. ``top1``, ``top10``: mean of the best scores, one formula per chemical system. ``auc``: area under the
        curve of the top-10. ``calls``: distinct formulas assessed, and ``calls.NAME``: shares of them that are
        ``valid`` by the task's rules, charge ``neutral``, ``viable`` (P(stable) of 0.5 or more), a ``success``; their
        mean ``p_stable``. ``successes`` and ``systems``: distinct formulas that succeed, distinct chemical systems.
        ``top.systems``, ``top.diversity``: of the best `TOP` formulas. ``top.proxy``, ``top.gold``,
        ``top.gold_success``: of the best `TOP` with one formula per chemical system, the mean score, the same by the
        gold predictor, and the share that succeed by gold. ``moves.NAME``: what `shares` says, if moves were made.
    """
    batch, scores = search.compositions[:budget], search.scores[:budget]
    assessment = Oracle(reference, properties=task.properties).assess(batch)
    scored = task.score(assessment)
    calls, means = best_so_far(batch, scores)
    best = best_by_system(batch, scores, TOP)
    top = np.argsort(-scores, kind="stable")[:TOP]
    judge = Oracle(reference, predictor="gold", judge=True, properties=task.properties)
    gold = task.score(judge.assess(batch[best]))
    found = {
        "top1": float(scores[best[0]]),
        "top10": float(means[-1]),
        "auc": area_under_curve(calls, means, budget),
        "calls": len(batch),
        "calls.valid": float((scored.terms["validity"] > 0).mean()),
        "calls.neutral": float(assessment.charge_neutral.mean()),
        "calls.viable": float((assessment.p_stable >= VIABLE).mean()),
        "calls.p_stable": float(assessment.p_stable.mean()),
        "calls.success": float(scored.success.mean()),
        "successes": int(scored.success.sum()),
        "systems": len(best_by_system(batch, scores, len(batch))),
        "top.systems": len(best_by_system(batch[top], scores[top], TOP)),
        "top.diversity": diversity(batch[top]),
        "top.proxy": float(scores[best].mean()),
        "top.gold": float(gold.score.mean()),
        "top.gold_success": float(gold.success.mean()),
    }
    if search.moves is not None and search.moves.calls[0] < budget:
        within = search.moves[search.moves.calls < budget]
        found |= {f"moves.{name}": value for name, value in shares(within).items()}
    return found


def windows(search: Search, budget: int) -> list[dict[str, Any]]:
    """Shares of moves in each of `WINDOWS` parts of the budget.

    Args:
        search: With moves.
        budget: Calls in all.

    Returns:
        For each part with moves what `shares` says, and ``calls``, its last call.
    """
    moves = search.moves
    if moves is None:
        return []
    ends = np.linspace(0, budget, WINDOWS + 1)
    parts = [
        (end, moves[(moves.calls >= start) & (moves.calls < end)])
        for start, end in zip(ends[:-1], ends[1:], strict=True)
    ]
    return [{"calls": int(end), **shares(part)} for end, part in parts if len(part)]
