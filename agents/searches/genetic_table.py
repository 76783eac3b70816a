"""A genetic search with all that is free: it starts from the table's formulas, and asks only what passes `screen`."""

from __future__ import annotations

import numpy as np
from matenv.agents.archive import Archive
from matenv.agents.searches.children import children
from numpy.typing import NDArray

from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch
from matenv.elements import NUM_ELEMENTS

GENERATION = 500
"""Formulas asked for at once, at most."""

FRESH = 0.2
"""Share of a generation that are children of the table's formulas, not of the best."""

_PATIENCE = 10  # draws in search of formulas that pass, after which a generation is as small as it is


class GeneticTableSearch:
    """Mutations and crossings of the best formulas, one per chemical system.

    Args:
        seed: Of everything random.
        generation: As `GENERATION`; a budget of fewer than ten generations has smaller ones.
    """

    def __init__(self, seed: int = 0, generation: int = GENERATION) -> None:
        self.rng, self.generation = np.random.default_rng(seed), generation

    def begin(self, problem: Problem) -> None:
        """A new problem."""
        self.problem, self.archive = problem, Archive()
        table = problem.formulas
        usable = table[np.flatnonzero(problem.task.allows(table))]
        self.table = usable if len(usable) else table

    def ask(self, n: int) -> CompositionBatch:
        """Children of the best and of the table, at first formulas of the table's own systems."""
        room = min(n, self.generation, max(self.problem.budget // 10, 1))
        fresh = int(room * FRESH) if len(self.archive) >= 20 else room
        best = self.gather(room - fresh, self.archive.compositions)
        return CompositionBatch.concatenate([best, self.gather(room - len(best), self.table)])

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Keep the best."""
        self.archive.add(compositions, scores)

    def gather(self, number: int, parents: CompositionBatch) -> CompositionBatch:
        """Children that pass and are new, at most `number`; those of the table include the table's formulas."""
        found = CompositionBatch.from_counts(np.zeros((0, NUM_ELEMENTS), np.int64))
        for _ in range(_PATIENCE if number and len(parents) else 0):
            some = 4 * number + 20
            led = parents is not self.table
            rows = self.archive.draw(some, self.rng) if led else self.rng.integers(len(parents), size=some)
            drawn = children(parents[rows], parents, self.problem.task, self.rng)
            if not led:
                drawn = CompositionBatch.concatenate([parents[rows[: number // 2]], drawn])
            found = CompositionBatch.concatenate([found, drawn[self.problem.fresh(drawn)]])
            found = found[found.distinct()]
            if len(found) >= number:
                break
        return found[self.rng.permutation(len(found))[:number]]


register("GA, table starts", GeneticTableSearch, ("single", "amortised"))
