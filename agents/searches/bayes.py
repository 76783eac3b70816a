"""Bayesian optimisation in the latent space, by the library `botorch`: expected improvement.

A Gaussian process sees a formula at its encoding, so that each has one point. Candidates are points that decode to new
formulas which pass the free checks; the acquisition chooses among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from matenv.agents.searches.latent import TRIES, LatentSearch, Points
from numpy.typing import NDArray

from matenv.benchmark import Problem, best_by_system, register
from matenv.composition import CompositionBatch

if TYPE_CHECKING:
    from botorch.models import SingleTaskGP

INITIAL = 50
"""Formulas of the prior asked first; a tenth of a budget below 500."""

BATCHES = 50
"""Batches that a budget is spent in, hence fits of the Gaussian process."""

SMALLEST = 5
"""Formulas of the smallest batch."""

REMEMBERED = 500
"""Formulas that the process is fitted to: the best half as many, and the latest."""

CANDIDATES = 400
"""Formulas that the acquisition chooses among."""

STEPS = (0.2, 0.5, 1.0)
"""Standard deviations of the steps from the best points to candidates."""

BEST = 20
"""Best points, one per chemical system, that candidates surround."""

LEAST = 1e-3
"""Added to scores before their logarithm, which the process is fitted to: most scores are close to 0."""

WIDTH = 4.0
"""Standard deviations from the origin to the sides of the cube that the process sees."""

REQUIRES = ("botorch", "bo")
"""The module that fits and chooses, and the extra of this package that installs it."""


class BayesSearch(LatentSearch):
    """GP-EI: of candidates around the best points and from the prior, those of the largest expected improvement."""

    def begin(self, problem: Problem) -> None:
        """Nothing asked yet."""
        super().begin(problem)
        self.points, self.scores = np.zeros((0, self.space.dim)), np.zeros(0)
        self.formulas = problem.formulas[:0]
        self.initial = min(INITIAL, max(problem.budget // 10, 2))

    def ask(self, n: int) -> CompositionBatch:
        """A batch of the prior's at first, then what the acquisition chooses; one formula per chemical system."""
        first = len(self.scores) < self.initial
        batch = self.gather(self.initial if first else CANDIDATES)
        most = min(n, self.initial if first else max(self.problem.budget // BATCHES, SMALLEST))
        if first or not len(batch):
            return batch[:most]
        torch.set_num_threads(1)
        with torch.random.fork_rng():
            torch.manual_seed(int(self.rng.integers(2**31)))
            value = self.acquisition(self.fit(), self._scaled(self.space.encode(batch)))
        return batch[best_by_system(batch, value, most)]

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Remember."""
        self.points = np.concatenate([self.points, self.space.encode(compositions)])
        self.scores = np.append(self.scores, scores)
        self.formulas = CompositionBatch.concatenate([self.formulas, compositions])

    def gather(self, k: int) -> CompositionBatch:
        """Candidates: about k distinct formulas worth a call."""
        found = self.formulas[:0]
        for _ in range(TRIES):
            _, batch = self.decode(self.propose())
            found = CompositionBatch.concatenate([found, batch])
            found = found[found.distinct()]
            if len(found) >= k:
                break
        return found[:k]

    def propose(self) -> Points:
        """Points of the prior and, once there are scores, as many around the best."""
        prior = self.sample(CANDIDATES // 4)
        if len(self.scores) < self.initial:
            return prior
        best = self.points[best_by_system(self.formulas, self.scores, BEST)]
        centres = best[self.rng.integers(len(best), size=len(prior))]
        step = self.rng.choice(STEPS, (len(prior), 1)) * self.rng.standard_normal(prior.shape)
        return np.concatenate([prior, centres + step])

    def fit(self) -> SingleTaskGP:
        """A Gaussian process of the scores' logarithms, standardised."""
        from botorch import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        latest = np.arange(max(len(self.scores) - REMEMBERED // 2, 0), len(self.scores))
        rows = np.union1d(latest, np.argsort(-self.scores, kind="stable")[: REMEMBERED // 2])
        worth = np.log10(self.scores[rows] + LEAST)
        self.mean, self.spread = float(worth.mean()), max(float(worth.std(ddof=1)), 1e-9)
        target = torch.from_numpy((worth - self.mean) / self.spread)[:, None]
        model = SingleTaskGP(self._scaled(self.points[rows]), target, outcome_transform=None)
        fit_gpytorch_mll(
            ExactMarginalLogLikelihood(model.likelihood, model), optimizer_kwargs={"options": {"maxiter": 30}}
        )
        return model

    @torch.no_grad()
    def acquisition(self, model: SingleTaskGP, candidates: torch.Tensor) -> NDArray[np.float64]:
        """Logarithm of the expected improvement of candidates (C, n): (C,)."""
        from botorch.acquisition import LogExpectedImprovement

        best = (float(np.log10(self.scores.max() + LEAST)) - self.mean) / self.spread
        return LogExpectedImprovement(model, best)(candidates[:, None]).numpy()

    def _scaled(self, points: Points) -> torch.Tensor:
        """Points as the process's priors expect them, in the unit cube."""
        return torch.from_numpy(np.clip(0.5 + points / (2 * WIDTH), 0.0, 1.0))


register("GP-EI", BayesSearch, ("single", "amortised"), REQUIRES)
