"""`Found`: what a search assessed, in order, and the best of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.benchmark.moves import Moves
from matenv.checks import check_made, check_real, check_whole
from matenv.composition import CompositionBatch, check_packed
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

        Raises:
            ValueError: Something else than an oracle, or as `load_task`.
        """
        check_made("oracle", oracle, Oracle, "matenv.Oracle")
        wanted = load_task(task)
        met = oracle.history()
        scores = [wanted.score(oracle.assess(met)).score] if len(met) else []
        return cls(met, np.concatenate([np.zeros(0), *scores]), moves)


def best_by_system(batch: CompositionBatch, score: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """The best formulas, at most one per chemical system.

    Args:
        batch: Compositions (B).
        score: Of each (B,); the first of equals is taken.
        most: How many to take.

    Returns:
        Row numbers, best first.

    Raises:
        ValueError: Scores that do not fit the batch, or `most` below 1.
    """
    check_packed("batch", batch)
    score = check_real("score", score, "a number for each formula")
    if score.shape != (len(batch),):
        raise ValueError(f"score has shape {score.shape}; expected ({len(batch)},)")
    most = check_whole("most", most, "formulas to take")
    order = np.argsort(-score, kind="stable")
    return order[batch[order].systems().distinct()[:most]]
