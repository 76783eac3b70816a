"""Prior sampling: a search that never learns. It decodes samples of the latent space's prior and keeps the best."""

from __future__ import annotations

from matenv import Oracle, Task, load_latent, load_task
from matenv.benchmark.record import Search

BATCH = 256
"""Samples decoded at once."""


def prior_search(
    task: str | Task = "stiff-stable",
    latent: str = "vae",
    budget: int = 1_000,
    seed: int = 0,
    reference: str = "train",
) -> Search:
    """Assess prior samples until the budget of distinct formulas is spent.

    Args:
        task: Task name or `Task`.
        latent: Name of the latent space.
        budget: Distinct formulas to assess.
        seed: Seed of the samples.
        reference: Phases of the oracle's hull.

    Returns:
        The formulas and their scores.
    """
    task, space = load_task(task), load_latent(latent)
    oracle = Oracle(reference, budget, properties=task.properties)
    draw = 0
    while not oracle.exhausted:
        oracle.assess(space.decode_batch(space.sample(BATCH, seed=(seed << 20) + draw)))
        draw += 1
    return Search.of(oracle, task)
