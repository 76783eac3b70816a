"""Screening: a model of the scores so far ranks many cheap proposals, and only the best are assessed."""

from __future__ import annotations

import numpy as np
import torch
from matenv.agents.searches.latent import LatentSearch, Points
from matenv.agents.searches.substitution import exchanged, within_reach
from matenv.agents.surrogate import Surrogate
from numpy.typing import NDArray

from matenv.benchmark import Problem, best_by_system, register
from matenv.composition import CompositionBatch

BATCHES = 40
"""Batches that a budget is spent in, of at most `LARGEST` formulas each."""

LARGEST = 100

PROPOSALS = 20
"""Proposals ranked for each formula asked."""

PATIENCE = 20
"""Draws of proposals that may be spent on one batch."""

ELITES = 100
"""Best formulas, one per chemical system, whose substitutes are proposed beside those of the table."""

STEPS = 60
"""Steps of training after each batch."""

OPTIMISM = 1.0
"""Standard deviations between the networks that are added to their mean."""


class ScreeningSearch(LatentSearch):
    """Substitutes of the table's and of the best formulas, and samples of the prior, ranked by an ensemble.

    The ensemble learns the factors utility and viability from what was asked, and nothing else. A formula is ranked by
    their product, the mean over its networks plus their spread.
    """

    def begin(self, problem: Problem) -> None:
        """An ensemble that knows nothing."""
        super().begin(problem)
        torch.set_num_threads(1)
        self.model = Surrogate(2, seed=self.seed)
        self.parents = within_reach(problem.formulas, problem.task, 2)
        self.formulas, self.scores = problem.formulas[:0], np.zeros(0)
        self.batch = min(max(problem.budget // BATCHES, 5), LARGEST)

    def ask(self, n: int) -> CompositionBatch:
        """The best proposals, one per chemical system; the first batch by chance."""
        found, most = self.formulas[:0], min(n, self.batch)
        for _ in range(PATIENCE):
            found = CompositionBatch.concatenate([found, *self.proposals()])
            found = found[found.distinct()]
            if len(found) >= PROPOSALS * most:
                break
        if not len(self.model):
            return found[self.rng.permutation(len(found))[:most]]
        ranked = self.model.predict(found).prod(axis=2)
        return found[best_by_system(found, ranked.mean(axis=0) + OPTIMISM * ranked.std(axis=0), most)]

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Train on the factors of the new scores, and keep the best."""
        factors = np.stack([self.problem.terms["utility"], self.problem.terms["viability"]], axis=1)
        self.model.tell(compositions, factors, STEPS)
        pool, worth = CompositionBatch.concatenate([self.formulas, compositions]), np.append(self.scores, scores)
        kept = best_by_system(pool, worth, ELITES)
        self.formulas, self.scores = pool[kept], worth[kept]

    def proposals(self) -> list[CompositionBatch]:
        """Substitutes and decoded samples that are worth a call."""
        task = self.problem.task
        made = [exchanged(self.parents, task, self.rng)]
        if len(self.formulas):
            made.append(exchanged(self.formulas, task, self.rng))
        _, decoded = self.decode(self.propose())
        return [*(batch[self.problem.fresh(batch)] for batch in made), decoded]

    def propose(self) -> Points:
        """Points of the prior."""
        return self.sample(256)


register("screening", ScreeningSearch, ("single", "amortised"))
