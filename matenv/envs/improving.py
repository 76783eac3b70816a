"""Improving a given material: how far a formula may be from the start, and what it gains over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.checks import check_number, check_whole
from matenv.composition import CompositionBatch
from matenv.composition.movers import movers_distance


@dataclass(frozen=True)
class Limits:
    """How far from its start formula an episode may go.

    Attributes:
        distance: Largest element mover's distance, in places of the modified Pettifor scale; None for any.
        edits: Most moves that changed the formula; None for any number.
        replace: Element that start formulas hold and valid formulas do not; None for none.
    """

    distance: float | None = None
    edits: int | None = None
    replace: str | None = None

    @classmethod
    def read(cls, improve: Mapping[str, Any] | None) -> Limits | None:
        """The argument ``improve``, checked.

        Raises:
            ValueError: Not a dictionary with one or more of ``distance``, ``edits`` and ``replace``.
        """
        if improve is None:
            return None
        known = ("distance", "edits", "replace")
        if not isinstance(improve, Mapping) or not improve or set(improve) - set(known):
            raise ValueError(
                f"improve={improve!r} must be a dictionary with one or more of {', '.join(known)}, such as "
                "{'distance': 5.0}, {'edits': 3} or {'replace': 'Co'}"
            )
        distance, edits, replace = (improve.get(name) for name in known)
        if distance is not None:
            what = "a distance in places of the modified Pettifor scale, above 0"
            distance = check_number("improve['distance']", distance, 0, np.inf, what)
        if edits is not None:
            edits = check_whole("improve['edits']", edits, "edits")
        if replace is not None:
            alphabet.positions([replace], "improve['replace']")
        return cls(distance, edits, replace)


@dataclass
class Origin:
    """What N episodes started from, beside `State.start`.

    Attributes:
        worth: Utility x viability of the start formula (N,), whatever the task says about its elements and novelty.
        edits: Moves so far that changed the formula (N,) int64.
        distance: Element mover's distance of the current formula from it (N,); infinite for none.
    """

    worth: NDArray[np.float64]
    edits: NDArray[np.int64]
    distance: NDArray[np.float64]

    def moved(self, changed: NDArray[np.bool_], start: CompositionBatch, batch: CompositionBatch) -> Origin:
        """After a move.

        Args:
            changed: Whether it changed the formula (N,).
            start: Start formulas (N).
            batch: Current formulas (N).
        """
        return Origin(self.worth, self.edits + changed, movers_distance(batch, start))

    def within(self, limits: Limits) -> NDArray[np.bool_]:
        """Whether each row keeps to the limits (N,) bool; `Limits.replace` is a matter of the task."""
        inside = np.ones(len(self.edits), np.bool_)
        if limits.distance is not None:
            inside &= self.distance <= limits.distance
        if limits.edits is not None:
            inside &= self.edits <= limits.edits
        return inside
