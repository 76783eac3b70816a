"""`Archive`: the best formula of each chemical system that a search has met."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.elements import NUM_ELEMENTS


class Archive:
    """The best formulas, one per chemical system, so that a search keeps many different ones.

    Args:
        kept: Most formulas kept.

    Attributes:
        compositions: The formulas (N), best first.
        scores: Their scores (N,).
    """

    def __init__(self, kept: int = 250) -> None:
        if kept < 1:
            raise ValueError(f"kept={kept} must be at least 1")
        self.kept = kept
        self.compositions = CompositionBatch.from_counts(np.zeros((0, NUM_ELEMENTS), np.int64))
        self.scores = np.zeros(0)

    def __len__(self) -> int:
        return len(self.scores)

    def add(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Enter formulas (B) with their scores (B,); those that score nothing are left out."""
        some = np.flatnonzero(scores > 0)
        pool = CompositionBatch.concatenate([self.compositions, compositions[some]])
        values = np.concatenate([self.scores, scores[some]])
        order = np.argsort(-values, kind="stable")
        best = order[pool[order].systems().distinct()[: self.kept]]
        self.compositions, self.scores = pool[best], values[best]

    def draw(self, number: int, rng: np.random.Generator, lead: float = 10.0) -> NDArray[np.int64]:
        """Row numbers (number,) by chance, the one of rank r in proportion to 1 / (lead + r)."""
        weight = 1.0 / (lead + np.arange(len(self)))
        return rng.choice(len(self), number, p=weight / weight.sum())
