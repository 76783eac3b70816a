"""Agents of the amortised track: trained once on many wishes, then asked wishes they never saw, few calls each.

All remember what they assessed in training. `MemorySearch` answers from that alone, `MemoryGenetic` breeds the answers,
`PriorModel` also draws from the formula prior under the wish's rules, takes substitutes of the table's formulas, and
asks a model of the oracle before it asks the oracle.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from matenv.agents.archive import Archive
from matenv.agents.formula_policy import FormulaRules, load_prior
from matenv.agents.memory import OUTPUTS, Memory, problems_of, samples_for, told_of, worth
from matenv.agents.searches.children import children
from matenv.agents.searches.genetic_table import GeneticTableSearch
from matenv.agents.searches.substitution import exchanged, within_reach
from matenv.agents.surrogate import Surrogate
from numpy.typing import NDArray

from matenv.benchmark import Problem, Training, register
from matenv.composition import CompositionBatch
from matenv.tasks import Task

WISHES = 50
"""Wishes that a round of training is about."""

PER_WISH = 5
"""Formulas assessed for each of them."""

SAMPLES = 20
"""Formulas drawn for each of them, of which the model picks."""

STEPS, BATCH = 6000, 256
"""Steps that the model is refined by at the end of the training, on all that was assessed, and formulas in each."""

RATE = 5e-4
"""Learning rate at which a wish's own model goes on."""

DRAWN = 600
"""Formulas drawn from the prior for a wish of the test."""

SUBSTITUTES = 3_000
"""Formulas of the table with one or two elements exchanged that are looked at besides."""

GENERATIONS = 4
"""Generations bred in the model before each round of calls."""

ROUNDS = 5
"""Rounds that the calls of a wish are spent in."""

_SPREAD = 0.3  # weight of the model's doubt, in favour of what it knows less


class MemorySearch:
    """The formulas of the training, in the order of what they are worth for the wish; then samples of the prior.

    Args:
        seed: Of everything random.
    """

    def __init__(self, seed: int = 0) -> None:
        torch.set_num_threads(1)  # more gain nothing for networks this small
        self.rng, self.generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.memory, self.prior = Memory(), load_prior()
        self.model = Surrogate(OUTPUTS, bounded=False, seed=seed)

    def train(self, training: Training) -> None:
        """Assess what the model thinks best for one wish after another; remember and refine."""
        while training.remaining > 0:
            wishes = [training.wish(self.rng) for _ in range(WISHES)]
            problems = problems_of(training, wishes)
            batch, own = samples_for(wishes, SAMPLES, self.generator, self.prior)
            for number, problem in enumerate(problems):
                some = batch[own == number]
                some = some[problem.fresh(some)]
                rows = np.argsort(-self.promise(some, problem.task), kind="stable")[: min(PER_WISH, training.remaining)]
                if len(rows):
                    problem.assess(some[rows])
                    self.remember(some[rows], problem)
            self.model.fit(40)
        self.model.settle(STEPS, BATCH, RATE)

    def remember(self, batch: CompositionBatch, problem: Problem) -> None:
        """Enter what was assessed last in memory and model."""
        told = told_of(problem)
        known = np.flatnonzero(np.isfinite(told).all(axis=1))
        self.memory.add(batch[known], told[known])
        self.model.tell(batch[known], told[known], steps=0)

    def promise(self, batch: CompositionBatch, task: Task) -> NDArray[np.float64]:
        """What the model expects formulas (B,) to be worth, and a little more where it doubts."""
        if not len(batch) or not len(self.model):
            return self.rng.random(len(batch))
        value = worth(self.model.predict(batch), task)
        return value.mean(axis=0) + _SPREAD * value.std(axis=0)

    def begin(self, problem: Problem) -> None:
        """A wish."""
        self.problem, self.rules, self.queue = problem, FormulaRules.of(problem.task), self.memory.best(problem)

    def ask(self, n: int) -> CompositionBatch:
        """The next best."""
        new = self.queue[self.problem.fresh(self.queue)]
        return new[:n] if len(new) else self.sampled(n)

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Nothing is learned from it."""

    def sampled(self, most: int) -> CompositionBatch:
        """New samples."""
        drawn = self.drawn(DRAWN)
        return drawn[self.problem.fresh(drawn)][:most]

    def drawn(self, number: int) -> CompositionBatch:
        """Samples of the prior under the wish's rules."""
        return self.prior.sample(number, self.rules, self.generator)[0].compositions()


class MemoryGenetic(MemorySearch):
    """Half of the calls for the best of the memory, the rest for their children."""

    def begin(self, problem: Problem) -> None:
        """A wish."""
        super().begin(problem)
        self.genetic = GeneticTableSearch(int(self.rng.integers(2**31)))
        self.genetic.begin(problem)

    def ask(self, n: int) -> CompositionBatch:
        """The memory's best first."""
        remembered = n - self.problem.budget // 2
        if remembered > 0 and len(rows := self.problem.fresh(self.queue)):
            return self.queue[rows[:remembered]]
        return self.genetic.ask(n)

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """The best have children."""
        self.genetic.tell(compositions, scores)


class PriorModel(MemorySearch):
    """Memory, prior and model: the model picks among what is remembered, drawn, like a known formula, and bred.

    The model, of properties and viability, is what training leaves; each wish refines a copy of it.
    """

    remembered = 150
    """Formulas of the memory that the model picks among."""

    def begin(self, problem: Problem) -> None:
        """A wish; the model of another wish is forgotten."""
        super().begin(problem)
        self.own, self.real = copy.deepcopy(self.model), Archive(60)
        parents = within_reach(problem.formulas, problem.task, 2)
        like_known = exchanged(parents, problem.task, self.rng, SUBSTITUTES)
        self.pool = CompositionBatch.concatenate([self.queue[: self.remembered], self.drawn(DRAWN), like_known])

    def ask(self, n: int) -> CompositionBatch:
        """A fifth of the budget, best first by the model."""
        room = min(n, max(self.problem.budget // ROUNDS, 1))
        bred = Archive(150)
        self._enter(bred, self.pool)
        for _ in range(GENERATIONS):
            if not len(bred):
                break
            best = CompositionBatch.concatenate([bred.compositions, self.real.compositions[:20]])
            parents = best[bred.draw(300, self.rng, lead=5.0)]
            if len(self.real):
                parents = CompositionBatch.concatenate([parents, self.real.compositions[self.real.draw(100, self.rng)]])
            self._enter(bred, children(parents, best, self.problem.task, self.rng, most=2))
        if len(bred):
            return bred.compositions[:room]
        return self.sampled(room)

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Refine the wish's own model."""
        told = told_of(self.problem)
        known = np.flatnonzero(np.isfinite(told).all(axis=1))
        if len(known):
            self.own.tell(compositions[known], told[known], steps=30)
        self.real.add(compositions, scores)

    def promise(self, batch: CompositionBatch, task: Task) -> NDArray[np.float64]:
        """As the wish's own model has it, once there is one."""
        shared = self.model
        self.model = getattr(self, "own", shared)
        try:
            return super().promise(batch, task)
        finally:
            self.model = shared

    def _enter(self, archive: Archive, batch: CompositionBatch) -> None:
        new = batch[self.problem.fresh(batch)]
        archive.add(new, self.promise(new, self.problem.task))


class ModelAlone(PriorModel):
    """Prior and model: what training left is the model, no formula."""

    remembered = 0


register("memory retrieval", MemorySearch, ("amortised",))
register("memory + GA", MemoryGenetic, ("amortised",))
register("prior + model", ModelAlone, ("amortised",))
register("memory + prior + model", PriorModel, ("amortised",))
