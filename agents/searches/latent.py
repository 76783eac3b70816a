"""`LatentSearch`: the frame of searches that propose points of a latent space, each judged by what it decodes to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.benchmark import AskTell, Problem
from matenv.composition import CompositionBatch
from matenv.envs.latent_moves import project
from matenv.latent import load_latent

Points = NDArray[np.float64]

TRIES = 200
"""Proposals in vain after which a search gives up."""


class LatentSearch(AskTell):
    """Proposes points until some decode to new formulas that pass the free checks; those are asked.

    A subclass has `propose`; one that learns has `learn` besides.

    Args:
        seed: Of everything random.
        latent: Name of a latent space, or a weights file.

    Attributes:
        space: The latent space.
        asked: The points behind the formulas that were last asked (B, n).
    """

    def __init__(self, seed: int = 0, latent: str = "vae") -> None:
        super().__init__(seed)
        self.latent = latent

    def begin(self, problem: Problem) -> None:
        """A new problem."""
        super().begin(problem)
        self.space = load_latent(self.latent)
        self.asked = np.zeros((0, self.space.dim))

    def ask(self, n: int) -> CompositionBatch:
        """New formulas, at most n."""
        for _ in range(TRIES):
            points, batch = self.decode(self.propose())
            if len(batch):
                break
        self.asked = points[:n]
        return batch[:n]

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Hand on what the asked points are worth."""
        self.learn(self.asked, compositions, scores)

    def propose(self) -> Points:
        """Points (B, n) to try; they are taken back into the ball of the space's radius."""
        raise NotImplementedError

    def learn(self, points: Points, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """What points (B, n) decoded to, and what that scored (B,)."""

    def sample(self, k: int) -> Points:
        """Points (k, n) of the prior, which are spread like the training formulas."""
        return self.space.sample(k, int(self.rng.integers(2**31)))

    def decode(self, points: Points) -> tuple[Points, CompositionBatch]:
        """Points within the ball that decode to formulas worth a call, and these formulas."""
        points, _ = project(points, self.space.radius)
        batch = self.space.decode_batch(points)
        rows = self.problem.fresh(batch)
        return points[rows], batch[rows]
