"""Retrieval: what the table already holds, or what lies nearest to it. A task that this answers needs no search."""

from __future__ import annotations

from matenv.agents.searches.substitution import BATCH, exchanged, within_reach

from matenv.benchmark import AskTell, Problem, register
from matenv.composition import CompositionBatch

TRIES = 50
"""Batches in vain after which elements farther apart are exchanged."""

FARTHEST = 20
"""Places on Pettifor's scale beyond which the search gives up."""


class RetrievalSearch(AskTell):
    """The table's formulas that pass the free checks, in random order, ranked by what they score.

    Of novel tasks none pass. What is asked then, and when the table is spent, are the nearest substitutes: formulas of
    the table with one element exchanged for its neighbour on Pettifor's scale. Nothing is learned from scores.
    """

    def begin(self, problem: Problem) -> None:
        """Shuffle the table."""
        super().begin(problem)
        table = problem.formulas
        table = table[problem.screen(table)]
        self.left = table[self.rng.permutation(len(table))]
        self.parents, self.near = within_reach(problem.formulas, problem.task, 1), 1

    def ask(self, n: int) -> CompositionBatch:
        """The next formulas of the table, or substitutes, at most n."""
        while len(self.left):
            now, self.left = self.left[:n], self.left[n:]
            now = now[self.problem.fresh(now)]
            if len(now):
                return now
        batch, tries = self.left, 0
        while self.near <= FARTHEST:
            batch = exchanged(self.parents, self.problem.task, self.rng, BATCH, self.near, most=1)
            batch = batch[self.problem.fresh(batch)]
            if len(batch):
                break
            tries += 1
            if tries >= TRIES:
                self.near, tries = self.near + 1, 0
        return batch[:n]


register("retrieval", RetrievalSearch, ("single", "amortised"))
