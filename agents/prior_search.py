"""Prior sampling: a search that never learns. It decodes samples of the latent space's prior and keeps the best.

May import: matenv's public names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv import Oracle, Task, load_latent, load_task

BATCH = 256
"""Samples decoded at once."""


@dataclass(frozen=True)
class SearchResult:
    """Distinct formulas in the order they were assessed.

    Attributes:
        formulas: Reduced formulas (C,), C the calls made.
        scores: Task score of each (C,).
    """

    formulas: list[str]
    scores: NDArray[np.float64]


def prior_search(
    task: str | Task = "stiff-stable",
    latent: str = "vae",
    budget: int = 1_000,
    seed: int = 0,
    reference: str = "train",
) -> SearchResult:
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
    seen: dict[str, float] = {}
    draw = 0
    while not oracle.exhausted:
        z = space.sample(BATCH, seed=(seed << 20) + draw)
        draw += 1
        assessment = oracle.assess(space.decode_batch(z))
        scores = task.score(assessment).score
        for formula, score, evaluated in zip(assessment.formulas, scores, assessment.evaluated, strict=True):
            if formula and evaluated:
                seen.setdefault(formula, float(score))
    return SearchResult(list(seen), np.array(list(seen.values())))
