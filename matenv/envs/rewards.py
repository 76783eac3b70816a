"""Reward terms: named, weighted, summed; each is reported whatever its weight.

May import: nothing of matenv.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

PENALTIES: dict[str, str] = {
    "ood": "minus how far beyond the trained ball the move tried to go, in units of its radius",
    "illegal": "minus 1 for an edit that the rules forbid, which leaves the formula as it is",
}
"""The one term that depends on how an environment moves: what a move that leaves its bounds is charged."""


def terms_with(penalty: str) -> dict[str, str]:
    """Every reward term of an environment, and what it is.

    Args:
        penalty: The environment's own term, a key of `PENALTIES`.

    Returns:
        Meaning by name.
    """
    return {
        "score": "the task's score of the new formula; 0 for a move that leaves the formula unchanged",
        penalty: PENALTIES[penalty],
        "novelty": "1 for a valid formula that is no near-copy of a reference formula",
        "step_cost": "minus 1 per step",
        "shaping": "discounted score of the new state minus score of the old one (potential-based)",
    }


TERMS = terms_with("ood")
"""Every reward term of the latent environment and what it is."""

DEFAULT_WEIGHTS: dict[str, float] = {"score": 1.0}


def check_weights(reward: Mapping[str, float] | None, terms: Iterable[str] = TERMS) -> dict[str, float]:
    """Weights of all terms, from those given.

    Args:
        reward: Weight by term name; terms left out weigh 0. None for the default ``{"score": 1}``.
        terms: Names of the terms there are.

    Returns:
        Weight of every term.

    Raises:
        ValueError: Unknown term or a weight that is not a finite number.
    """
    weights = dict(DEFAULT_WEIGHTS if reward is None else reward)
    unknown = sorted(set(weights) - set(terms))
    if unknown:
        raise ValueError(f"reward holds unknown terms {unknown}; choose from {', '.join(terms)}")
    for name, weight in weights.items():
        if not np.isfinite(weight):
            raise ValueError(f"reward[{name!r}]={weight} must be a finite number")
    return {name: float(weights.get(name, 0.0)) for name in terms}


def reward_terms(
    score: NDArray[np.float64],
    previous_score: NDArray[np.float64],
    changed: NDArray[np.bool_],
    novel: NDArray[np.bool_],
    overshoot: NDArray[np.float64],
    discount: float,
    penalty: str = "ood",
) -> dict[str, NDArray[np.float64]]:
    """Unweighted reward terms of one step.

    Args:
        score: Task score of the new formula (N,).
        previous_score: Task score of the old formula (N,).
        changed: Whether the formula changed (N,).
        novel: Whether the new formula is valid and novel (N,).
        overshoot: How far the move tried to leave its bounds (N,): in radii of the trained ball, or 1 if forbidden.
        discount: Discount of the shaping term.
        penalty: Name of the term that charges it, a key of `PENALTIES`.

    Returns:
        One (N,) array per term.
    """
    return {
        "score": np.where(changed, score, 0.0),
        penalty: -overshoot,
        "novelty": novel.astype(np.float64),
        "step_cost": np.full(len(score), -1.0),
        "shaping": discount * score - previous_score,
    }


def weighted_sum(terms: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """The scalar reward (N,): sum of weight times term over the terms that weigh anything."""
    total = np.zeros(len(next(iter(terms.values()))))
    for name, weight in weights.items():
        if weight:
            total += weight * terms[name]
    return total
