"""What environments share whose places are atom counts and whose actions are numbers under masks."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.envs.edits import REFUSED
from matenv.envs.episodes import Episodes
from matenv.envs.frames import Pen, sketch_counts
from matenv.envs.state import State, Trail


class CountEpisodes(Episodes):
    """Episodes at places (B, 90 or more) int32: atoms of the 89 elements, refused moves, and what a subclass adds."""

    PENALTY = "illegal"

    action_space: Discrete

    _masks: tuple[State | None, NDArray[np.bool_]] = (None, np.zeros((0, 0), np.bool_))

    @abstractmethod
    def allowed(self, place: NDArray[np.int32], step: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which actions are allowed at some places (B, A) bool, after so many steps (B,); no row is empty."""

    def masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed where the episodes stand (N, A) bool, freshly allocated; no row is empty."""
        if self.state is None:
            raise RuntimeError("action_masks() was called before reset(); begin an episode with reset(seed=...)")
        if self._masks[0] is not self.state:
            self._masks = self.state, self.allowed(self.state.place, self.state.step)
        return self._masks[1].copy()

    def masks_at(self, place: NDArray[np.int32], step: NDArray[np.int64]) -> NDArray[np.bool_]:
        """As `allowed`, without working out anew what `masks` has just told."""
        known, masks = self._masks
        return masks if known is self.state and len(masks) == len(place) else self.allowed(place, step)

    def numbers(self, actions: ArrayLike, rows: int) -> NDArray[np.int64]:
        """Actions as numbers of the action space (B,), checked.

        Args:
            actions: What was given.
            rows: How many there must be, B.

        Raises:
            ValueError: Another number of them, of another kind, or beyond the action space.
        """
        action, most = np.asarray(actions), int(self.action_space.n)
        if action.shape != (rows,) or action.dtype.kind not in "iu":
            raise ValueError(
                f"actions have shape {action.shape} and type {action.dtype}; expected {rows} whole numbers"
            )
        outside = (action < 0) | (action >= most)
        if outside.any():
            raise ValueError(f"action row {outside.argmax()} is {action[outside.argmax()]}; expected 0 to {most - 1}")
        return action.astype(np.int64)

    def details(self, place: NDArray[np.int32]) -> dict[str, Any]:
        """``counts`` (atoms as the agent left them, by symbol) and ``refused`` (moves refused in this episode)."""
        present = np.flatnonzero(place[:REFUSED])
        return {
            "counts": {alphabet.SYMBOLS[element]: int(place[element]) for element in present},
            "refused": int(place[REFUSED]),
        }

    def arrays(self) -> dict[str, NDArray]:
        """``refused`` (N,)."""
        assert self.state is not None
        return {"refused": self.state.place[:, REFUSED].copy()}

    def sketch(self, pen: Pen, trail: Trail) -> None:
        """The counts of each element, step by step."""
        sketch_counts(pen, trail)
