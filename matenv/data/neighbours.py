"""Nearest known formulas: how far a composition is from everything in a table, compiled and batched.

"Near" compares like with like: only formulas on the same elements, or fewer of them, count; the distance is the L1
distance of the atom fractions (0 identical, 2 nothing in common). Pure elements always count as known.

May import: `matenv.composition`, `matenv.elements`, `matenv.parallel`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import MAX_ELEMENTS, CompositionBatch
from matenv.parallel import run_blocks

_WIDTH = alphabet.NUM_ELEMENTS

ROWS_PER_THREAD = 256
"""Smallest block worth a thread of its own (about 0.4 ms of work)."""


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
        self._mask = _masks(self._elements)

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
        amounts, masks = batch.amounts, _masks(batch.elements)

        def run(block: slice) -> None:
            _search(
                batch.elements[block], amounts[block], batch.size[block], masks[block], self._rank, self._start,
                self._elements, self._amounts, self._size, self._mask, distance[block], rows[block],
            )  # fmt: skip

        run_blocks(run, len(batch), ROWS_PER_THREAD)
        return distance, np.where(rows >= 0, self._rows[rows], -1)


@njit(cache=True, nogil=True)
def _search(  # noqa: PLR0913
    query_elements: NDArray, query_amounts: NDArray, query_size: NDArray, query_mask: NDArray, rank: NDArray,
    start: NDArray, elements: NDArray, amounts: NDArray, size: NDArray, mask: NDArray, distance: NDArray,
    rows: NDArray,
) -> None:  # fmt: skip
    k = distance.shape[1]
    x = np.zeros(rank.shape[0])
    order = np.empty(MAX_ELEMENTS, np.int64)
    for row in range(query_size.shape[0]):
        n = query_size[row]
        largest = 0.0
        for i in range(n):
            element = query_elements[row, i]
            x[element] = query_amounts[row, i]
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
                    if (mask[known, 0] & ~query_mask[row, 0]) | (mask[known, 1] & ~query_mask[row, 1]):
                        continue  # it holds an element that the query lacks
                    gap, covered = 0.0, 0.0
                    for i in range(size[known]):
                        element = elements[known, i]
                        gap += abs(x[element] - amounts[known, i])
                        covered += x[element]
                    gap += 1.0 - covered
                    if gap < distance[row, k - 1]:
                        j = k - 1
                        while j > 0 and distance[row, j - 1] > gap:
                            distance[row, j], rows[row, j] = distance[row, j - 1], rows[row, j - 1]
                            j -= 1
                        distance[row, j], rows[row, j] = gap, known


def _masks(elements: NDArray[np.int16]) -> NDArray[np.uint64]:
    """The elements of each row as 128 bits, (B, 2) uint64."""
    masks = np.zeros((len(elements), 2), np.uint64)
    _fill_masks(elements, masks)
    return masks


@njit(cache=True, nogil=True)
def _fill_masks(elements: NDArray, masks: NDArray) -> None:
    for row in range(elements.shape[0]):
        for i in range(elements.shape[1]):
            element = elements[row, i]
            if element < 0:
                break
            masks[row, element // 64] |= np.uint64(1) << np.uint64(element % 64)
