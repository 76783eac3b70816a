"""The oracle's ledger: which distinct formulas have been assessed, in what order. This is what a budget counts."""

from __future__ import annotations

from threading import Lock

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matenv.composition import MAX_ELEMENTS, CompositionBatch


class Ledger:
    """An ordered set of formulas with exact membership and an optional size limit.

    Args:
        budget: Most distinct formulas it accepts; None for no limit.
    """

    def __init__(self, budget: int | None = None) -> None:
        if budget is not None and (budget < 1 or budget != int(budget)):
            raise ValueError(f"budget={budget} must be a positive whole number of formulas, or None for no limit")
        self.budget = budget
        self._lock = Lock()
        self._length = 0
        self._slots = np.zeros(1 << 10, np.int32)
        self._elements = np.empty((1 << 9, MAX_ELEMENTS), np.int16)
        self._counts = np.empty((1 << 9, MAX_ELEMENTS), np.int32)

    def __len__(self) -> int:
        return self._length

    def register(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """Enter a batch in row order.

        Args:
            batch: Compositions (B); empty ones are never entered and always accepted.

        Returns:
            Whether each row is in the ledger now (B,) bool: False only for formulas beyond the budget.
        """
        with self._lock:
            self._reserve(self._length + len(batch))
            limit = np.iinfo(np.int32).max if self.budget is None else self.budget
            accepted = np.empty(len(batch), np.bool_)
            self._length = _register(
                batch.elements, batch.counts, batch.size, self._slots, self._elements, self._counts, self._length,
                limit, accepted,
            )  # fmt: skip
            return accepted

    def history(self) -> CompositionBatch:
        """All formulas entered so far, in order of first assessment."""
        elements, counts = self._elements[: self._length].copy(), self._counts[: self._length].copy()
        return CompositionBatch(elements, counts, (counts > 0).sum(axis=1).astype(np.int16))

    def copy(self) -> Ledger:
        """The same formulas and budget; what either enters from now on does not concern the other."""
        with self._lock:
            twin = Ledger(self.budget)
            twin._length, twin._slots = self._length, self._slots.copy()
            twin._elements, twin._counts = self._elements.copy(), self._counts.copy()
            return twin

    def _reserve(self, length: int) -> None:
        if length > len(self._elements):
            room = 1 << int(length - 1).bit_length()
            for name in ("_elements", "_counts"):
                old = getattr(self, name)
                grown = np.empty((room, MAX_ELEMENTS), old.dtype)
                grown[: self._length] = old[: self._length]
                setattr(self, name, grown)
        if 2 * length > len(self._slots):
            self._slots = np.zeros(1 << int(4 * length - 1).bit_length(), np.int32)
            _rehash(self._elements[: self._length], self._counts[: self._length], self._slots)


@njit(inline="always")
def _hash(elements: NDArray, counts: NDArray, row: int) -> np.uint64:
    value = np.uint64(0x9E3779B97F4A7C15)
    for k in range(elements.shape[1]):
        if counts[row, k] == 0:
            break
        value ^= np.uint64(elements[row, k]) * np.uint64(0x1000003) + np.uint64(counts[row, k])
        value *= np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(29)
    return value


@njit(cache=True, nogil=True)
def _rehash(elements: NDArray, counts: NDArray, slots: NDArray) -> None:
    mask = np.uint64(slots.shape[0] - 1)
    for row in range(elements.shape[0]):
        slot = _hash(elements, counts, row) & mask
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = row + 1


@njit(cache=True, nogil=True)
def _register(  # noqa: PLR0913
    elements: NDArray, counts: NDArray, size: NDArray, slots: NDArray, known_elements: NDArray, known_counts: NDArray,
    length: int, limit: int, accepted: NDArray,
) -> int:  # fmt: skip
    mask = np.uint64(slots.shape[0] - 1)
    for row in range(size.shape[0]):
        if size[row] == 0:
            accepted[row] = True
            continue
        slot = _hash(elements, counts, row) & mask
        found = False
        while slots[slot] != 0:
            other = slots[slot] - 1
            found = True
            for k in range(MAX_ELEMENTS):
                if counts[row, k] != known_counts[other, k] or elements[row, k] != known_elements[other, k]:
                    found = False
                    break
            if found:
                break
            slot = (slot + np.uint64(1)) & mask
        if not found and length < limit:
            for k in range(MAX_ELEMENTS):
                known_elements[length, k] = elements[row, k]
                known_counts[length, k] = counts[row, k]
            length += 1
            slots[slot] = length
            found = True
        accepted[row] = found
    return length
