"""Campaigns: an episode is a set of proposals, paid for the rise of the mean of its best chemical systems.

What was proposed is observed: the best formula of each of the best systems, and how often each element was tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.compiled.jit import njit
from matenv.composition import MAX_ELEMENTS, CompositionBatch

_E = alphabet.NUM_ELEMENTS
PLACE = _E + 1
"""Values that tell one place: atom fractions of its formula (89) and its score."""


@dataclass
class Best:
    """The best chemical systems that N episodes proposed, k places each, and what they tried.

    Attributes:
        score: Best score of each system (N, k), highest first; 0 where there is none yet.
        system: Key of the system (N, k) uint64.
        elements: Elements of the formula that has this score, the first one (N, k, 10) int16, padded with -1.
        counts: Their counts (N, k, 10) int32, padded with 0.
        tried: Proposals so far that held each element, whatever they scored (N, 89) int32.
    """

    score: NDArray[np.float64]
    system: NDArray[np.uint64]
    elements: NDArray[np.int16]
    counts: NDArray[np.int32]
    tried: NDArray[np.int32]

    @classmethod
    def none(cls, rows: int, k: int) -> Best:
        """Before the first proposal."""
        places, packed = (rows, k), (rows, k, MAX_ELEMENTS)
        return cls(
            np.zeros(places), np.zeros(places, np.uint64), np.full(packed, -1, np.int16), np.zeros(packed, np.int32),
            np.zeros((rows, _E), np.int32),
        )  # fmt: skip

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
        best = Best(
            self.score.copy(), self.system.copy(), self.elements.copy(), self.counts.copy(), self.tried.copy()
        )  # fmt: skip
        keys = batch.systems().keys()
        _enter(best.score, best.system, best.elements, best.counts, keys, batch.elements, batch.counts, score)
        _count(best.tried, batch.elements)
        return best

    def write(self, horizon: int, view: NDArray[np.float32]) -> None:
        """Write what was proposed: `PLACE` values per place, then how often each element was tried, over the horizon.

        Args:
            horizon: Proposals per episode.
            view: Zeros (N, 90 k + 89 or more).
        """
        _write(self.score, self.elements, self.counts, self.tried, horizon, view)


@njit(cache=True, nogil=True)
def _enter(
    best: NDArray[np.float64],
    system: NDArray[np.uint64],
    members: NDArray[np.int16],
    amounts: NDArray[np.int32],
    keys: NDArray[np.uint64],
    elements: NDArray[np.int16],
    counts: NDArray[np.int32],
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
            members[row, place], amounts[row, place] = members[row, place - 1], amounts[row, place - 1]
            place -= 1
        best[row, place], system[row, place] = score[row], keys[row]
        members[row, place], amounts[row, place] = elements[row], counts[row]


@njit(cache=True, nogil=True)
def _count(tried: NDArray[np.int32], elements: NDArray[np.int16]) -> None:
    """Add 1 for each element of each row's proposal."""
    for row in range(len(tried)):
        for element in elements[row]:
            if element < 0:
                break
            tried[row, element] += 1


@njit(cache=True, nogil=True)
def _write(
    score: NDArray[np.float64],
    elements: NDArray[np.int16],
    counts: NDArray[np.int32],
    tried: NDArray[np.int32],
    horizon: int,
    view: NDArray[np.float32],
) -> None:
    """As `Best.write`."""
    rows, places, most = elements.shape
    for row in range(rows):
        for place in range(places):
            atoms, first = counts[row, place].sum(), place * PLACE
            for j in range(most):
                if elements[row, place, j] < 0:
                    break
                view[row, first + elements[row, place, j]] = counts[row, place, j] / atoms
            view[row, first + PLACE - 1] = score[row, place]
        for element in range(tried.shape[1]):
            view[row, places * PLACE + element] = min(tried[row, element] / horizon, 1.0)  # also past the end
