"""`Queries`: the compositions asked about, checked at the door and packed for the simplex."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matenv.composition import (
    EXACT_MAX_ATOMS,
    EXACT_TOLERANCE,
    MAX_ELEMENTS,
    CompositionBatch,
    Compositions,
    amounts_of,
    check_packed,
    listed,
    parse,
)
from matenv.composition.packing import pack, scatter

ROUND_OFF = 1e-13
"""Largest deviation of a fraction that is mere round-off."""


@dataclass(frozen=True)
class Queries:
    """Packed compositions, not necessarily integer.

    Attributes:
        elements: Alphabet positions (B, 10) int16, ascending within a row, padded with -1.
        amounts: Amounts (B, 10) float64 of any scale, padded with 0.
        size: Number of elements of each row (B,) int16; 0 marks an empty composition.
        integer: The integer compositions these came from, or None if they came as floats.
    """

    elements: NDArray[np.int16]
    amounts: NDArray[np.float64]
    size: NDArray[np.int16]
    integer: CompositionBatch | None = None

    def __len__(self) -> int:
        return len(self.size)

    @classmethod
    def of(cls, X: Compositions) -> Queries:
        """Read any accepted form of a batch of compositions.

        Args:
            X: Amounts (B, 89) or (89,); a `CompositionBatch`; a formula or a list of formulas.

        Returns:
            The packed queries, B = 1 for a single composition.

        Raises:
            ValueError: As `composition.check_fractions`, `check_packed` and `parse`; the row is named.
        """
        if isinstance(X, CompositionBatch):
            check_packed("X", X)
            return cls(X.elements, X.counts.astype(np.float64), X.size, X)
        if isinstance(text := listed(X), list):
            amounts = parse(text)
            # Whole amounts are that formula, however many atoms it has: no search for the nearest small one.
            if (amounts == np.floor(amounts)).all() and (amounts > 0).sum(axis=1).max(initial=0) <= MAX_ELEMENTS:
                return cls.of(CompositionBatch.from_counts(amounts))
            return cls(*pack(amounts))
        return cls(*pack(amounts_of(X)))

    @property
    def formulas(self) -> CompositionBatch:
        """Reduced integer formula of each row; for floats the smallest within `EXACT_TOLERANCE`, else the nearest."""
        return self._nearest[0]

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Largest difference (B,) between a row's atom fractions and those of `formulas`; (0,) if all are exact."""
        return self._nearest[1]

    @cached_property
    def _nearest(self) -> tuple[CompositionBatch, NDArray[np.float64]]:
        if self.integer is not None:
            return self.integer, np.empty(0)
        return CompositionBatch.nearest(self.elements, self.amounts, EXACT_MAX_ATOMS, EXACT_TOLERANCE)

    def scatter(self, values: NDArray[np.float64], elsewhere: float) -> NDArray[np.float64]:
        """Spread packed values (B, 10) over the alphabet (B, 89), with one value for the elements not listed."""
        return scatter(self.elements, values, elsewhere)

    def __getitem__(self, rows: NDArray | slice) -> Queries:
        integer = None if self.integer is None else self.integer[rows]
        return Queries(self.elements[rows], self.amounts[rows], self.size[rows], integer)
