"""Uniform random formulas: the search without any model, which every agent must beat at equal calls."""

from __future__ import annotations

from matenv.agents.prior_search import BATCH

from matenv import Oracle, Task, load_task
from matenv.benchmark.record import Search
from matenv.tasks.sampling import random_formulas


def uniform_search(
    task: str | Task = "stiff-stable", budget: int = 1_000, seed: int = 0, reference: str = "train"
) -> Search:
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
    draw = 0
    while not oracle.exhausted:
        oracle.assess(random_formulas(task, BATCH, seed=(seed << 20) + draw))
        draw += 1
    return Search.of(oracle, task)
