"""TuRBO in the latent space, by the library `botorch`: Bayesian optimisation that stays in a trust region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from matenv.agents.searches.bayes import CANDIDATES, REQUIRES, BayesSearch
from matenv.agents.searches.latent import Points
from numpy.typing import NDArray

from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch

if TYPE_CHECKING:
    from botorch.models import SingleTaskGP

LENGTH, SHORTEST, LONGEST = 0.8, 0.1, 1.6
"""Half the side of a trust region along each dimension, in standard deviations: first, least, most."""

SUCCESSES, FAILURES = 3, 4
"""Batches in a row with, and without, a better formula after which a region doubles, or halves."""

CHANGED = 20
"""Dimensions, on average, in which a candidate differs from the region's centre."""


class TurboSearch(BayesSearch):
    """TuRBO-1: Thompson sampling in a box around the best point (Eriksson et al., arXiv:1910.01739).

    The box grows with success, shrinks without, and begins anew, from the prior, once it is small.
    """

    first: int
    length: float
    successes: int
    failures: int

    def begin(self, problem: Problem) -> None:
        """No region yet."""
        super().begin(problem)
        self._restart()

    def propose(self) -> Points:
        """Points of the prior, until there is a region; then points of it."""
        if len(self.scores) - self.first < self.initial:
            return self.sample(CANDIDATES // 4)
        shape = (CANDIDATES // 2, self.space.dim)
        changes = self.rng.random(shape) < min(CHANGED / self.space.dim, 1.0)
        centre = self.points[self.first + int(self.scores[self.first :].argmax())]
        return centre + changes * self.rng.uniform(-self.length, self.length, shape)

    def ask(self, n: int) -> CompositionBatch:
        """As `BayesSearch`; a region begins with formulas of the prior."""
        if self.length < SHORTEST:
            self._restart()
        begun = len(self.scores) - self.first
        if begun >= self.initial and len(batch := super().ask(n)):
            return batch
        if begun >= self.initial:  # the region holds nothing new
            self._restart()
            begun = 0
        return self.gather(self.initial - begun)[:n]

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Remember, and let the region grow or shrink."""
        before = self.scores[self.first :]
        super().tell(compositions, scores)
        if len(before) < self.initial:
            return
        better = scores.max() > before.max()
        self.successes, self.failures = (self.successes + 1, 0) if better else (0, self.failures + 1)
        if self.successes == SUCCESSES:
            self.length, self.successes = min(2 * self.length, LONGEST), 0
        elif self.failures == FAILURES:
            self.length, self.failures = self.length / 2, 0

    @torch.no_grad()
    def acquisition(self, model: SingleTaskGP, candidates: torch.Tensor) -> NDArray[np.float64]:
        """A draw from the posterior at candidates (C, n): (C,)."""
        return model.posterior(candidates).rsample()[0, :, 0].numpy()

    def _restart(self) -> None:
        self.first: int = len(self.scores)
        self.length: float = LENGTH
        self.successes: int = 0
        self.failures: int = 0


register("TuRBO", TurboSearch, ("single", "amortised"), REQUIRES)
