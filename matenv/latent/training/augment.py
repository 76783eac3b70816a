"""Synthetic training compositions: known formulas with an element exchanged for one that behaves alike.

An autoencoder of formulas memorises its training rows long before it has learnt to spell unseen ones; showing it
plausible variants closes much of that gap. Which elements may replace each other is learnt from the training rows
alone: two elements are alike when they fill the same gap in the same formula (compare Hautier et al., Inorg. Chem.
50, 656, 2011). In training a variant whose chemical system is held out is refused, so held-out systems stay unseen.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data.splits import system_part

SUBSTITUTED = 0.5
"""Share of rows in which one element is exchanged."""

SUBSTITUTED_AGAIN = 0.4
"""Share of those in which a second exchange is tried."""

RECOUNTED = 0.15
"""Share of rows in which one count is redrawn from the counts of the training rows."""

ANY_ELEMENT = 0.1
"""Share of exchanges that ignore likeness and follow prevalence only."""


class Augmenter:
    """Draws variants of training compositions.

    Args:
        batch: The training compositions; nothing else is looked at.
    """

    def __init__(self, batch: CompositionBatch) -> None:
        probability = _substitution_probability(batch)
        self._cumulative = np.cumsum(probability, axis=1)
        self._cumulative /= self._cumulative[:, -1:]
        self._counts = batch.counts[batch.counts > 0]
        self._allowed: dict[bytes, bool] = {}

    def vary(
        self,
        batch: CompositionBatch,
        random: np.random.Generator,
        *,
        substituted: float = SUBSTITUTED,
        recounted: float = RECOUNTED,
        refuse_held_out: bool = True,
    ) -> CompositionBatch:
        """One random variant of each row; a share of the rows comes back unchanged.

        Args:
            batch: Compositions (B,).
            random: Source of randomness.
            substituted: Share of rows in which an element is exchanged.
            recounted: Share of rows in which a count is redrawn.
            refuse_held_out: Give back the original of a variant whose system is outside the "train" part.

        Returns:
            The variants (B,), reduced, in the same order.
        """
        elements = batch.elements.astype(np.int64)
        counts = batch.counts.astype(np.int64)
        first = np.flatnonzero(random.random(len(batch)) < substituted)
        second = first[random.random(len(first)) < SUBSTITUTED_AGAIN]
        for rows in (first, second):
            self._substitute(elements, batch.size, rows, random)
        rows = np.flatnonzero(random.random(len(batch)) < recounted)
        counts[rows, self._column(batch.size[rows], random)] = random.choice(self._counts, len(rows))
        counts //= np.gcd.reduce(counts, axis=1)[:, None]
        # Put the elements back into alphabet order, padding (-1) last.
        order = np.argsort(np.where(elements < 0, alphabet.NUM_ELEMENTS, elements), axis=1, kind="stable")
        packed = np.take_along_axis(elements, order, axis=1).astype(np.int16)
        amounts = np.take_along_axis(counts, order, axis=1).astype(np.int32)
        for row in first.tolist() if refuse_held_out else ():
            if not self._may_be_seen(packed[row], int(batch.size[row])):
                packed[row], amounts[row] = batch.elements[row], batch.counts[row]
        return CompositionBatch(packed, amounts, batch.size)

    def _substitute(
        self, elements: NDArray[np.int64], size: NDArray, rows: NDArray[np.int64], random: np.random.Generator
    ) -> None:
        column = self._column(size[rows], random)
        old = elements[rows, column]
        new = (self._cumulative[old] < random.random(len(rows))[:, None]).sum(axis=1)
        fresh = ~(elements[rows] == new[:, None]).any(axis=1)
        elements[rows[fresh], column[fresh]] = new[fresh]

    @staticmethod
    def _column(size: NDArray, random: np.random.Generator) -> NDArray[np.int64]:
        return (random.random(len(size)) * size).astype(np.int64)

    def _may_be_seen(self, elements: NDArray[np.int16], size: int) -> bool:
        key = elements.tobytes()
        if key not in self._allowed:
            system = tuple(alphabet.SYMBOLS[element] for element in elements[:size].tolist())
            self._allowed[key] = system_part(system) == "train"
        return self._allowed[key]


def _substitution_probability(batch: CompositionBatch) -> NDArray[np.float64]:
    """P(new | old) (89, 89), zero diagonal: how often `new` fills the gap that `old` leaves in a formula."""
    members: dict[tuple, list[int]] = defaultdict(list)
    for elements, counts, size in zip(batch.elements.tolist(), batch.counts.tolist(), batch.size.tolist(), strict=True):
        for k in range(size):
            rest = (*elements[:k], *elements[k + 1 : size], *counts[:k], *counts[k + 1 : size], counts[k])
            members[rest].append(elements[k])
    alike = np.zeros((alphabet.NUM_ELEMENTS, alphabet.NUM_ELEMENTS))
    for group in members.values():
        if len(group) > 1:
            alike[np.ix_(group, group)] += 1.0 / len(group)
    prevalence = np.bincount(batch.elements[batch.elements >= 0], minlength=alphabet.NUM_ELEMENTS).astype(np.float64)
    prevalence /= prevalence.sum()
    np.fill_diagonal(alike, 0.0)
    total = alike.sum(axis=1, keepdims=True)
    mixture = np.where(total > 0, (1 - ANY_ELEMENT) * alike / np.maximum(total, 1e-300), 0.0) + ANY_ELEMENT * prevalence
    np.fill_diagonal(mixture, 0.0)
    return mixture
