"""Nearest known formulas: how far a composition is from everything in a table, compiled and batched.

"Near" compares like with like: only formulas on the same elements, or fewer of them, count; the distance is the L1
distance of the atom fractions (0 identical, 2 nothing in common). Pure elements always count as known.

May import: `matenv.composition`, `matenv.elements`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import MAX_ELEMENTS, CompositionBatch

_WIDTH = alphabet.NUM_ELEMENTS


class Neighbours:
    """An index of a table's formulas that answers nearest-formula queries.

    Args:
        compositions: The known formulas.
    """

    def __init__(self, compositions: CompositionBatch) -> None:
        elements = compositions.elements.astype(np.int64)
        abundance = np.bincount(elements[elements >= 0], minlength=_WIDTH)
        rank = np.empty(_WIDTH, np.int64)  # 0 = rarest: buckets keyed by the two rarest elements stay short
        rank[np.argsort(abundance, kind="stable")] = np.arange(_WIDTH)
        ranks = np.where(elements >= 0, rank[elements], _WIDTH)
        ranks.sort(axis=1)
        multinary = compositions.size >= 2
        bucket = np.where(multinary, ranks[:, 0] * _WIDTH + ranks[:, 1], _WIDTH * _WIDTH)
        order = np.argsort(bucket, kind="stable")
        self._rows = order
        self._rank = rank
        self._start = np.searchsorted(bucket[order], np.arange(_WIDTH * _WIDTH + 1)).astype(np.int64)
        self._elements = np.ascontiguousarray(compositions.elements[order])
        self._amounts = np.ascontiguousarray(compositions.amounts[order])
        self._size = np.ascontiguousarray(compositions.size[order])

    def nearest(self, batch: CompositionBatch, k: int = 1) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The k nearest known formulas on the same or fewer elements.

        Args:
            batch: Compositions (B).
            k: How many neighbours.

        Returns:
            L1 distances (B, k), ascending, and row numbers (B, k) in the table; infinite distance and row -1 where
            there are fewer than k. A pure element counts as known, with row -1.
        """
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        distance = np.full((len(batch), k), np.inf)
        rows = np.full((len(batch), k), -1, np.int64)
        _search(
            batch.elements, batch.amounts, batch.size, self._rank, self._start, self._elements, self._amounts,
            self._size, distance, rows,
        )  # fmt: skip
        return distance, np.where(rows >= 0, self._rows[rows], -1)


@njit(cache=True, nogil=True)
def _search(  # noqa: PLR0913
    query_elements: NDArray, query_amounts: NDArray, query_size: NDArray, rank: NDArray, start: NDArray,
    elements: NDArray, amounts: NDArray, size: NDArray, distance: NDArray, rows: NDArray,
) -> None:  # fmt: skip
    k = distance.shape[1]
    x = np.zeros(rank.shape[0])
    inside = np.zeros(rank.shape[0], np.bool_)
    order = np.empty(MAX_ELEMENTS, np.int64)
    for row in range(query_size.shape[0]):
        n = query_size[row]
        largest = 0.0
        for i in range(n):
            element = query_elements[row, i]
            x[element], inside[element] = query_amounts[row, i], True
            largest = max(largest, query_amounts[row, i])
            j = i
            while j > 0 and order[j - 1] > rank[element]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = rank[element]
        if n > 0:
            distance[row, 0] = 2.0 * (1.0 - largest)  # the nearest pure element
        for a in range(n):
            for b in range(a + 1, n):
                bucket = order[a] * rank.shape[0] + order[b]
                for known in range(start[bucket], start[bucket + 1]):
                    shared = True
                    gap, covered = 0.0, 0.0
                    for i in range(size[known]):
                        element = elements[known, i]
                        if not inside[element]:
                            shared = False
                            break
                        gap += abs(x[element] - amounts[known, i])
                        covered += x[element]
                    gap += 1.0 - covered
                    if shared and gap < distance[row, k - 1]:
                        j = k - 1
                        while j > 0 and distance[row, j - 1] > gap:
                            distance[row, j], rows[row, j] = distance[row, j - 1], rows[row, j - 1]
                            j -= 1
                        distance[row, j], rows[row, j] = gap, known
        for i in range(n):
            inside[query_elements[row, i]] = False
