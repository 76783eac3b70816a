"""Moves that build a formula from nothing: an element and a count at a time, oxygen last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.envs.arguments import Arguments, check_horizon
from matenv.envs.count_moves import CountEpisodes
from matenv.envs.edits import REFUSED, Rules, reduced
from matenv.envs.observations import Block
from matenv.envs.oxide_steps import ACTIONS, COUNTS, OXYGEN, STEP, allowed_steps, needed_now, take_steps
from matenv.envs.state import State
from matenv.tasks import Task

if TYPE_CHECKING:
    from numpy.random import Generator

MOST_STEPS = 1000
"""Longest episode, whose observation tells the steps apart."""


@dataclass(kw_only=True)
class OxideArguments(Arguments):
    """Arguments of the oxides environment; `matenv.envs.oxides.MaterialOxidesEnv` says what they mean."""

    STARTS = ("empty",)

    task: str | Path | Task | Mapping[str, Any] = "pan-oxides"
    horizon: int = 5
    start: str = "empty"

    def __post_init__(self) -> None:
        """Check its own besides."""
        super().__post_init__()
        check_horizon(self.horizon, "steps", MOST_STEPS)

    def _check_context(self) -> None:
        """Nothing to improve on: a formula is built from nothing."""
        if self.improve is not None:
            raise ValueError(f"improve={self.improve!r} needs a formula to improve; MaterialOxides-v0 builds new ones")
        super()._check_context()


class OxideEpisodes(CountEpisodes):
    """Episodes that build one formula each, of which there is none before the last step.

    Attributes:
        rules: The task's rules.
    """

    ARGUMENTS = OxideArguments
    MAP = "Atoms of each element so far"

    arguments: OxideArguments

    def prepare(self) -> None:
        """A move is the number of an element and a count."""
        self.rules = Rules.of(self.task)
        self.action_space = Discrete(ACTIONS)
        name, horizon = f"task {self.task.name!r}", self.horizon
        if self.task.start is not None:
            raise ValueError(f"{name} starts from {self.task.start!r}; MaterialOxides-v0 builds formulas from nothing")
        if not self.rules.allowed[OXYGEN]:
            raise ValueError(f"{name} does not allow oxygen, the last element here; use MaterialElements-v0")
        before = int(needed_now(np.zeros((1, STEP + 1), np.int32), self.rules)[0])
        if before + 1 > min(horizon, self.rules.max_elements, self.rules.max_atoms):
            raise ValueError(
                f"{name} asks for {before} elements before oxygen, the last; horizon={horizon} steps, "
                f"max_elements={self.rules.max_elements} and max_atoms={self.rules.max_atoms} leave too little room"
            )

    def default_blocks(self) -> tuple[str, ...]:
        """What there is so far, and which step it is."""
        return "counts", "step"

    def blocks(self) -> dict[str, Block]:
        """``"counts"`` (atoms so far, over 9) and ``"step"`` (steps taken, 0 to the horizon, as one of so many)."""

        def counts(state: State, view: NDArray[np.float32]) -> None:
            view[:] = state.place[:, :REFUSED] / (COUNTS - 1)

        def step(state: State, view: NDArray[np.float32]) -> None:
            view[np.arange(len(view)), np.minimum(state.step, self.horizon)] = 1.0

        return {
            "counts": Block(alphabet.NUM_ELEMENTS, 0.0, 1.0, counts),
            "step": Block(self.horizon + 1, 0.0, 1.0, step),
        }

    @property
    def reward_threshold(self) -> float | None:
        """As for all episodes; only one formula is scored here."""
        threshold = super().reward_threshold
        return None if threshold is None else threshold / self.horizon

    def enter(self, formulas: CompositionBatch) -> NDArray[np.int32]:
        """No formula is a place to start from."""
        raise ValueError("options['formula']: MaterialOxides-v0 builds formulas from nothing; leave it out")

    def sample(self, generators: Sequence[Generator]) -> NDArray[np.int32]:
        """Nothing yet (B, 91)."""
        return np.zeros((len(generators), STEP + 1), np.int32)

    def allowed(self, place: NDArray[np.int32], step: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which steps are allowed (B, 890) bool."""
        return allowed_steps(place, step, self.horizon, self.rules)

    def move(
        self, place: NDArray[np.int32], actions: ArrayLike, step: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Places after steps (B, 91), and 1 for each action that was refused, else 0 (B,)."""
        return take_steps(place, self.numbers(actions, len(place)), self.masks_at(place, step))

    def read(self, place: NDArray[np.int32]) -> CompositionBatch:
        """The reduced formulas, empty until the last step is taken: what is unfinished costs no call of the oracle."""
        built = place[:, STEP] >= self.horizon
        return CompositionBatch(*reduced(place[:, :STEP] * built[:, None]))

    def complete(self, step: NDArray[np.int64]) -> NDArray[np.bool_]:
        """With the last step the formula is built, and nothing is left to do (B,)."""
        return step >= self.horizon
