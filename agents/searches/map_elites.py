"""MAP-Elites in the latent space (Mouret and Clune, arXiv:1504.04909): an archive with a cell per chemical system.

Children are made by isotropic and directional steps (Vassiliades and Mouret, GECCO 2018, "iso+line").
"""

from __future__ import annotations

import numpy as np
from matenv.agents.searches.latent import LatentSearch, Points
from numpy.typing import NDArray

from matenv.benchmark import Problem, best_by_system, register
from matenv.composition import CompositionBatch

CELLS = 250
"""Chemical systems kept."""

ENOUGH = 20
"""Cells that score something, from which on children are made; up to then the prior is sampled."""

BATCH = 64
"""Points decoded at once."""

FRESH = 0.2
"""Share of the points that come from the prior."""

STEPS = (0.25, 0.5, 1.0)
"""Standard deviations of an isotropic step, one by chance."""

LINE = 0.3
"""Standard deviation of a step along the line to another elite, over its length."""


class MapElitesSearch(LatentSearch):
    """Steps from elites, the best formula of each chemical system, and some samples of the prior.

    Attributes:
        elites: Their formulas (N), best first.
        points: Where they lie (N, n).
        scores: What they score (N,).
    """

    def begin(self, problem: Problem) -> None:
        """An empty archive."""
        super().begin(problem)
        self.elites = self.space.decode_batch(self.sample(1))[:0]
        self.points, self.scores = np.zeros((0, self.space.dim)), np.zeros(0)

    def propose(self) -> Points:
        """Children and samples."""
        fresh = BATCH if len(self.scores) < ENOUGH else int(BATCH * FRESH)
        children = BATCH - fresh
        if not children:
            return self.sample(fresh)
        one, other = self.rng.integers(len(self.points), size=(2, children))
        step = self.rng.choice(STEPS, (children, 1)) * self.rng.standard_normal((children, self.space.dim))
        line = LINE * self.rng.standard_normal((children, 1)) * (self.points[other] - self.points[one])
        return np.concatenate([self.sample(fresh), self.points[one] + step + line])

    def learn(self, points: Points, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Keep the best of each chemical system, if it scores anything."""
        some = scores > 0
        pool = CompositionBatch.concatenate([self.elites, compositions[some]])
        places, worth = np.concatenate([self.points, points[some]]), np.append(self.scores, scores[some])
        kept = best_by_system(pool, worth, CELLS)
        self.elites, self.points, self.scores = pool[kept], places[kept], worth[kept]


register("MAP-Elites", MapElitesSearch, ("single", "amortised"))
