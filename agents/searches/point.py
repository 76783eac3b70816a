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
from matenv.envs.latent_moves import DEFAULT_PULL, moved, project
from matenv.latent import LatentSpace

STARTS = 64
"""Points of the prior that the first is the best of."""

TRIED = 32
"""Points tried around the best at once."""

FIRST_STEP, SMALLEST_STEP, LARGEST_STEP = 0.5, 0.05, 1.0
"""Standard deviations along each dimension: at first, and within what bounds."""

STEP_SIZE, SETTLED = 0.75, 24
"""Length of a full move in `MaterialLatent-v0`, and moves after which a policy stands where it goes."""

SHRINK, GROW = 0.9, 1.3
"""Factors of the step after a failure and after a success."""


class PointSearch(LatentSearch):
    """Hill climbing from one point: Gaussian steps, which the best point follows and which adapt to their success.

    A point is worth what the formula scores on which `ToPoint` ends in the environment.

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

    def decode(self, points: Points) -> tuple[Points, CompositionBatch]:
        """Points, and the formulas on which the policy ends that goes to them."""
        points, _ = project(points, self.space.radius)
        batch = self.space.decode_batch(settled(points, self.space))
        rows = self.problem.fresh(batch)
        return points[rows], batch[rows]

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
        world: Any = env.unwrapped
        self.point, self.block, self.core = point, world.observation_blocks["latent"], world.core

    def predict(self, observation: NDArray, *, deterministic: bool = False) -> tuple[NDArray[np.float32], None]:
        """Moves (N, n) towards the point for observations (N, width)."""
        place = observation[..., self.block] * self.core.radius
        return towards(self.point, place, self.core.step_size).astype(np.float32), None


def towards(point: Points, place: Points, step_size: float = STEP_SIZE) -> Points:
    """The moves (..., n) that lead straight to a point."""
    return np.clip((point - place) / step_size, -1.0, 1.0)


def settled(points: Points, space: LatentSpace) -> Points:
    """Where moves towards points (B, n) end: short of them, as far as moves are pulled to the training points."""
    cloud = getattr(space, "cloud", None)
    place = np.zeros_like(points)
    for _ in range(SETTLED):
        place = moved(place, towards(points, place), STEP_SIZE, cloud, DEFAULT_PULL if cloud is not None else 0.0)
        place, _ = project(place, space.radius)
    return place


register("point", PointSearch, ("single", "amortised"))
