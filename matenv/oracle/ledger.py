"""The oracle's ledger: which distinct formulas have been assessed, in what order. This is what a budget counts."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.composition import MAX_ELEMENTS, CompositionBatch
from matenv.composition.keys import enter, fill_slots


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
        self._table = _blank(1 << 9)
        self._slots = fill_slots(self._table.arrays, 0, len(self._table))

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
            accepted, self._length = enter(batch.arrays, self._table.arrays, self._slots, self._length, limit)
            return accepted

    def history(self) -> CompositionBatch:
        """All formulas entered so far, in order of first assessment."""
        return CompositionBatch.concatenate([self._table[: self._length]])

    def copy(self) -> Ledger:
        """The same formulas and budget; what either enters from now on does not concern the other."""
        with self._lock:
            twin = Ledger(self.budget)
            twin._length, twin._slots = self._length, self._slots.copy()
            twin._table = CompositionBatch.concatenate([self._table])
            return twin

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock, which a copy in another process has of its own."""
        with self._lock:
            return {key: value for key, value in vars(self).items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())

    @classmethod
    def of(cls, formulas: CompositionBatch, budget: int | None) -> Ledger:
        """A ledger that holds some formulas, in that order.

        Args:
            formulas: Distinct compositions, as `history` returns them.
            budget: Most distinct formulas it accepts.
        """
        ledger = cls(budget)
        ledger.register(formulas)
        return ledger

    def _reserve(self, length: int) -> None:
        if length > len(self._table):
            room = 1 << int(length - 1).bit_length()
            self._table = CompositionBatch.concatenate([self._table[: self._length], _blank(room - self._length)])
        if 2 * length > len(self._slots):
            self._slots = fill_slots(self._table.arrays, self._length, 2 * length)


def _blank(rows: int) -> CompositionBatch:
    """Room for some formulas: empty compositions."""
    elements, counts = np.full((rows, MAX_ELEMENTS), -1, np.int16), np.zeros((rows, MAX_ELEMENTS), np.int32)
    return CompositionBatch(elements, counts, np.zeros(rows, np.int16))
