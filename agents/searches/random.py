"""Random formulas within the task's rules: the search without any model, which every other must beat."""

from __future__ import annotations

from matenv.benchmark import AskTell, register
from matenv.composition import CompositionBatch
from matenv.tasks.sampling import random_formulas

BATCH = 256
"""Formulas drawn at once."""

TRIES = 1_000
"""Draws in vain after which the search gives up."""


class RandomSearch(AskTell):
    """Uniformly random formulas that pass the checks that cost no call."""

    def ask(self, n: int) -> CompositionBatch:
        """New formulas, at most n."""
        for _ in range(TRIES):
            batch = random_formulas(self.problem.task, BATCH, int(self.rng.integers(2**31)))
            batch = batch[self.problem.fresh(batch)]
            if len(batch):
                break
        return batch[:n]


register("random", RandomSearch, ("single", "amortised", "systems"))
