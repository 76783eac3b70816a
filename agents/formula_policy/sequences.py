"""Formulas as sequences of (element, count) pairs in one fixed order: anions first, along the Mendeleev numbers.

With one order each formula is spelled in one way only, so a policy that spells it has its exact probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matenv.composition import CompositionBatch
from matenv.elements import NUM_ELEMENTS, values

ORDER = np.argsort(-values("mendeleev"), kind="stable")
"""Alphabet position of each place in the order (89,): H, F, O, ... last Ne and He."""

PLACE = np.argsort(ORDER)
"""Place of each alphabet position (89,)."""

MOST_ELEMENTS, MOST_COUNT = 6, 12
"""Most elements of a formula, and most atoms of one of them, that the policy spells."""


@dataclass(frozen=True)
class Sequences:
    """Spelled formulas.

    Attributes:
        places: Place of each element in `ORDER` (B, 6) int64, ascending; 0 beyond `size`.
        counts: Its count (B, 6) int64; 0 beyond `size`.
        size: Number of elements (B,) int64.
    """

    places: Tensor
    counts: Tensor
    size: Tensor

    def __len__(self) -> int:
        return len(self.size)

    def __getitem__(self, rows: Tensor | slice) -> Sequences:
        return Sequences(self.places[rows], self.counts[rows], self.size[rows])

    @classmethod
    def of(cls, batch: CompositionBatch) -> Sequences:
        """Spell formulas.

        Args:
            batch: Compositions (B).

        Returns:
            The sequences.

        Raises:
            ValueError: A formula of more than 6 elements, or with more than 12 atoms of one.
        """
        if wrong := np.flatnonzero((batch.size > MOST_ELEMENTS) | (batch.counts.max(axis=1) > MOST_COUNT)).tolist():
            raise ValueError(
                f"batch row {wrong[0]}, {batch[np.array(wrong[:1])].formulas()[0]}: formulas of at most "
                f"{MOST_ELEMENTS} elements and {MOST_COUNT} atoms of each are spelled; leave others out"
            )
        places = np.where(batch.counts > 0, PLACE[batch.elements], NUM_ELEMENTS)
        order = np.argsort(places, axis=1, kind="stable")[:, :MOST_ELEMENTS]
        counts = np.take_along_axis(batch.counts, order, axis=1).astype(np.int64)
        places = np.where(counts > 0, np.take_along_axis(places, order, axis=1), 0)
        return cls(*map(torch.from_numpy, (places, counts, batch.size.astype(np.int64))))

    @classmethod
    def concatenate(cls, parts: list[Sequences]) -> Sequences:
        """Several, at least one, as one."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("places", "counts", "size")))

    def compositions(self) -> CompositionBatch:
        """The formulas (B), as packed compositions."""
        dense = np.zeros((len(self), NUM_ELEMENTS), np.int64)
        rows, slots = np.nonzero(self.counts.numpy())
        dense[rows, ORDER[self.places.numpy()[rows, slots]]] = self.counts.numpy()[rows, slots]
        return CompositionBatch.from_counts(dense, allow_empty=True)
