"""`Found`: what a search assessed, in order, and the best of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.benchmark.moves import Moves
from matenv.composition import CompositionBatch
from matenv.oracle import Oracle
from matenv.tasks import Task, load_task


@dataclass(frozen=True)
class Found:
    """What a search assessed.

    Attributes:
        compositions: Formulas in the order they were assessed (C).
        scores: Score of each (C,).
        moves: The moves of a policy in an environment, if they were recorded.
    """

    compositions: CompositionBatch
    scores: NDArray[np.float64]
    moves: Moves | None = None

    @property
    def formulas(self) -> list[str]:
        """Reduced formulas (C,)."""
        return self.compositions.formulas()

    @classmethod
    def of(cls, oracle: Oracle, task: str | Task, moves: Moves | None = None) -> Found:
        """What an oracle has been asked, scored by the same predictor.

        Args:
            oracle: The oracle; its ledger is read and does not change.
            task: What the score is.
            moves: As above.

        Returns:
            The search.
        """
        met = oracle.history()
        scores = [load_task(task).score(oracle.assess(met)).score] if len(met) else []
        return cls(met, np.concatenate([np.zeros(0), *scores]), moves)


def best_by_system(batch: CompositionBatch, score: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """The best formulas, at most one per chemical system.

    Args:
        batch: Compositions (B).
        score: Of each (B,); the first of equals is taken.
        most: How many to take.

    Returns:
        Row numbers, best first.
    """
    order = np.argsort(-score, kind="stable")
    return order[batch[order].systems().distinct()[:most]]
