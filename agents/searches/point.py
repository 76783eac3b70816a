"""One point of the latent space: hill climbing around it, and the policy that goes to it from anywhere.

A task that one point answers needs no policy: what this search and `ToPoint` reach stands beside every result.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from matenv.agents.searches.latent import LatentSearch, Points
from numpy.typing import NDArray

from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch

STARTS = 64
"""Points of the prior that the first is the best of."""

TRIED = 32
"""Points tried around the best at once."""

FIRST_STEP, SMALLEST_STEP, LARGEST_STEP = 0.5, 0.05, 1.0
"""Standard deviations along each dimension: at first, and within what bounds."""

SHRINK, GROW = 0.9, 1.3
"""Factors of the step after a failure and after a success."""


class PointSearch(LatentSearch):
    """Hill climbing from one point: Gaussian steps, which the best point follows and which adapt to their success.

    Attributes:
        point: The best point (n,).
        score: What it scores.
    """

    def begin(self, problem: Problem) -> None:
        """No point yet."""
        super().begin(problem)
        self.point, self.score, self.step = np.zeros(self.space.dim), -1.0, FIRST_STEP

    def propose(self) -> Points:
        """Points of the prior at first, then points around the best."""
        if self.score < 0:
            return self.sample(STARTS)
        steps = self.step * self.rng.standard_normal((TRIED, self.space.dim))
        self.step = min(self.step * 1.02, LARGEST_STEP)  # in vain, if all are known; `learn` sets it otherwise
        return self.point + steps

    def learn(self, points: Points, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Go to the best, if it is better."""
        best = int(scores.argmax())
        better, first = scores[best] > self.score, self.score < 0
        if better:
            self.point, self.score = points[best], float(scores[best])
        if not first:
            self.step = float(np.clip(self.step * (GROW if better else SHRINK), SMALLEST_STEP, LARGEST_STEP))


class ToPoint:
    """A policy of `MaterialLatent-v0` that goes straight to one point and stays, whatever it is asked for.

    Args:
        point: The point (n,), whitened.
        env: An environment of the kind it is for, single or batched, that observes the block ``"latent"``.
    """

    def __init__(self, point: NDArray[np.float64], env: gym.Env | gym.vector.VectorEnv) -> None:
        core: Any = env.unwrapped
        self.point, self.block = point, core.observation_blocks["latent"]
        self.radius, self.step_size = core.core.radius, core.core.step_size

    def predict(self, observation: NDArray, *, deterministic: bool = False) -> tuple[NDArray[np.float32], None]:
        """Moves (N, n) towards the point for observations (N, width)."""
        place = observation[..., self.block] * self.radius
        return np.clip((self.point - place) / self.step_size, -1.0, 1.0).astype(np.float32), None


register("point", PointSearch, ("single", "amortised"))
