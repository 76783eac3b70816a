"""CMA-ES in the latent space (Hansen, arXiv:1604.00772), by the library `cma`, with restarts.

The separable form (Ros and Hansen, PPSN 2008) learns a step for each dimension, which a few thousand calls suffice for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matenv.agents.searches.latent import TRIES, LatentSearch
from numpy.typing import NDArray

from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch
from matenv.envs.latent_moves import project

if TYPE_CHECKING:
    from cma import CMAEvolutionStrategy

POPULATION = 50
"""Points of a generation."""

FIRST_STEP = 0.5
"""Standard deviation along each dimension at the start of a run."""

PATIENCE = 12
"""Generations without a better formula after which a run begins elsewhere."""


class CMAESSearch(LatentSearch):
    """Runs of separable CMA-ES, each from a formula of the prior that passes the free checks.

    What fails them is worth 0 and costs nothing; what was assessed before keeps its score.
    """

    def begin(self, problem: Problem) -> None:
        """No run yet."""
        super().begin(problem)
        self.scores: dict[int, float] = {}
        self.run: CMAEvolutionStrategy | None = None

    def ask(self, n: int) -> CompositionBatch:
        """The new formulas of a generation, at most n."""
        for _ in range(TRIES):
            if self.run is None or self.idle >= PATIENCE or self.run.stop():
                self._start()
            self.points, _ = project(np.array(self.run.ask()), self.space.radius)  # type: ignore[union-attr]
            self.batch = self.space.decode_batch(self.points)
            rows = self.problem.fresh(self.batch)[:n]
            if len(rows):
                break
            self._close()
        return self.batch[rows]

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Close the generation."""
        self.scores.update(zip(compositions.keys().tolist(), scores.tolist(), strict=True))
        self._close()

    def _start(self) -> None:
        from cma import CMAEvolutionStrategy

        points = self.sample(4 * POPULATION)
        passing, _ = self.decode(points)
        options = {
            "popsize": POPULATION, "CMA_diagonal": True, "verbose": -9, "seed": math.nan,
            "randn": lambda *shape: self.rng.standard_normal(shape),
        }  # fmt: skip
        self.run = CMAEvolutionStrategy((passing if len(passing) else points)[0], FIRST_STEP, options)
        self.best, self.idle = 0.0, 0

    def _close(self) -> None:
        worth = np.array([self.scores.get(key, 0.0) for key in self.batch.keys().tolist()])
        self.run.tell(list(self.points), (-worth).tolist())  # type: ignore[union-attr]
        self.idle = 0 if worth.max() > self.best else self.idle + 1
        self.best = max(self.best, float(worth.max()))


register("CMA-ES", CMAESSearch, ("single", "amortised"), needs=("cma", "bo"))
