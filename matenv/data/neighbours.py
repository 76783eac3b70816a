"""Nearest known formulas: how far a composition is from everything in a table, compiled and batched.

"Near" compares like with like: only formulas on the same elements, or fewer of them, count; the distance is the L1
distance of the atom fractions (0 identical, 2 nothing in common). Pure elements always count as known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.compiled.jit import njit
from matenv.compiled.threads import run_blocks
from matenv.composition import MAX_ELEMENTS, CompositionBatch

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
        self._mask = _masks(self._elements, self._size)

    def __len__(self) -> int:
        """Number of known formulas."""
        return len(self._rows)

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
        distance, rows = np.empty((len(batch), k)), np.empty((len(batch), k), np.int64)
        table = (self._rank, self._start, self._rows, self._elements, self._amounts, self._size, self._mask)

        def run(block: slice) -> None:
            _search(batch.elements[block], batch.counts[block], batch.size[block], table, distance[block], rows[block])

        run_blocks(run, len(batch), ROWS_PER_THREAD)
        return distance, rows


def closest(
    table: CompositionBatch, composition: CompositionBatch, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k formulas of a table that are nearest to one composition, whatever their elements.

    Args:
        table: The known formulas (N).
        composition: One composition.
        k: How many, at most N.

    Returns:
        Rows (k,) of the table and L1 distances (k,) of the atom fractions, nearest first; ties in the table's order.
    """
    x = composition.fractions()[0]
    covered = np.append(x, 0.0)[table.elements]  # the last entry stands for padding
    distance = np.abs(covered - table.amounts).sum(axis=1) + 1.0 - covered.sum(axis=1)
    rows = np.argsort(distance, kind="stable")[:k]
    return rows, np.maximum(distance[rows], 0.0)


@njit(cache=True, nogil=True)
def _search(
    query_elements: NDArray[np.int16],
    query_counts: NDArray[np.int32],
    query_size: NDArray[np.int16],
    table: tuple[NDArray, ...],
    distance: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> None:
    """Write distances and table rows (B, k) of the nearest formulas; `table` holds the arrays of a `Neighbours`."""
    rank, start, table_row, elements, amounts, size, mask = table
    k = distance.shape[1]
    x = np.zeros(rank.shape[0])
    order = np.empty(MAX_ELEMENTS, np.int64)
    for row in range(query_size.shape[0]):
        n = query_size[row]
        atoms = 0.0
        for i in range(n):
            atoms += query_counts[row, i]
        low, high = _mask(query_elements[row], n)
        largest = 0.0
        for i in range(n):
            element = query_elements[row, i]
            x[element] = query_counts[row, i] / atoms
            largest = max(largest, x[element])
            j = i
            while j > 0 and order[j - 1] > rank[element]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = rank[element]
        for j in range(k):
            distance[row, j], rows[row, j] = np.inf, -1
        if n > 0:
            distance[row, 0] = 2.0 * (1.0 - largest)  # the nearest pure element
        for a in range(n):
            for b in range(a + 1, n):
                bucket = order[a] * rank.shape[0] + order[b]
                for known in range(start[bucket], start[bucket + 1]):
                    if (mask[known, 0] & ~low) | (mask[known, 1] & ~high):
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
                        distance[row, j], rows[row, j] = gap, table_row[known]


@njit(inline="always")
def _mask(elements: NDArray[np.int16], size: int) -> tuple[np.uint64, np.uint64]:
    """The elements of a row as 128 bits."""
    low = high = np.uint64(0)
    for i in range(size):
        bit = np.uint64(1) << np.uint64(elements[i] % 64)
        if elements[i] < 64:
            low |= bit
        else:
            high |= bit
    return low, high


@njit(cache=True, nogil=True)
def _masks(elements: NDArray[np.int16], size: NDArray[np.int16]) -> NDArray[np.uint64]:
    """The elements of each row as 128 bits, (B, 2)."""
    masks = np.empty((len(size), 2), np.uint64)
    for row in range(len(size)):
        masks[row, 0], masks[row, 1] = _mask(elements[row], size[row])
    return masks
