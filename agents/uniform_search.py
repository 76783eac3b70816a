"""Uniform random formulas: the search without any model, which every agent must beat at equal calls.

May import: matenv's public names, `matenv.sampling`.
"""

from __future__ import annotations

import numpy as np
from matenv.agents.prior_search import BATCH, SearchResult

from matenv import Oracle, Task, load_task
from matenv.sampling import random_formulas


def uniform_search(
    task: str | Task = "stiff-stable", budget: int = 1_000, seed: int = 0, reference: str = "train"
) -> SearchResult:
    """Assess random formulas within the task's rules until the budget of distinct formulas is spent.

    Args:
        task: Task name or `Task`.
        budget: Distinct formulas to assess.
        seed: Seed of the formulas.
        reference: Phases of the oracle's hull.

    Returns:
        The formulas and their scores.
    """
    task = load_task(task)
    oracle = Oracle(reference, budget, properties=task.properties)
    seen: dict[str, float] = {}
    draw = 0
    while not oracle.exhausted:
        assessment = oracle.assess(random_formulas(task, BATCH, seed=(seed << 20) + draw))
        draw += 1
        for formula, score in zip(assessment.formulas, task.score(assessment).score, strict=True):
            if len(seen) < budget:
                seen.setdefault(formula, float(score))
    return SearchResult(list(seen), np.array(list(seen.values())))
