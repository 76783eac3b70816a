"""Campaigns: an episode is a set of proposals, paid for the rise of the mean of its best chemical systems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.composition import MAX_ELEMENTS, CompositionBatch


@dataclass
class Best:
    """The best chemical systems that N episodes proposed, k places each.

    Attributes:
        score: Best score of each system (N, k), highest first; 0 where there is none yet.
        system: Key of the system (N, k) uint64.
        elements: Its elements (N, k, 10) int16, padded with -1.
    """

    score: NDArray[np.float64]
    system: NDArray[np.uint64]
    elements: NDArray[np.int16]

    @classmethod
    def none(cls, rows: int, k: int) -> Best:
        """Before the first proposal."""
        places = (rows, k)
        return cls(np.zeros(places), np.zeros(places, np.uint64), np.full((*places, MAX_ELEMENTS), -1, np.int16))

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean score over the k places (N,); an empty place counts 0."""
        return self.score.mean(axis=1)

    def after(self, batch: CompositionBatch, score: NDArray[np.float64]) -> Best:
        """With one more proposal in each row.

        Args:
            batch: Formulas (N).
            score: Their scores (N,).

        Returns:
            The best systems then, in new arrays.
        """
        best = Best(self.score.copy(), self.system.copy(), self.elements.copy())
        _enter(best.score, best.system, best.elements, batch.systems().keys(), batch.elements, score)
        return best


@njit(cache=True, nogil=True)
def _enter(
    best: NDArray[np.float64],
    system: NDArray[np.uint64],
    members: NDArray[np.int16],
    keys: NDArray[np.uint64],
    elements: NDArray[np.int16],
    score: NDArray[np.float64],
) -> None:
    """Insert one proposal into each row's list, which stays sorted and holds every system once."""
    last = best.shape[1] - 1
    for row in range(len(keys)):
        if not score[row] > 0.0:
            continue
        place = last  # the place it takes if its system is new: the worst one
        for k in range(last + 1):
            if best[row, k] > 0.0 and system[row, k] == keys[row]:
                place = k
                break
        if score[row] <= best[row, place]:
            continue
        while place > 0 and best[row, place - 1] < score[row]:
            best[row, place], system[row, place] = best[row, place - 1], system[row, place - 1]
            members[row, place] = members[row, place - 1]
            place -= 1
        best[row, place], system[row, place] = score[row], keys[row]
        members[row, place] = elements[row]
