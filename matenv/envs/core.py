"""What single and vector environments ask of a batch of episodes, whatever these are about."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_known, check_whole
from matenv.envs.frames import Pen, sketch_formulas
from matenv.envs.observations import Observer
from matenv.envs.snapshot import Snapshot, go_back, take_snapshot
from matenv.envs.state import Trail

if TYPE_CHECKING:
    from numpy.random import Generator


class Core(ABC):
    """N episodes.

    Args:
        rows: Number of episodes N.
        given: Arguments by name, of `ARGUMENTS`.

    Attributes:
        arguments: All arguments, with their defaults.
        horizon: Steps per episode.
        state: Where the episodes stand, a record of arrays; replaced, never changed in place.
        generators: One random generator per row.
        seeds: What each row's generator was seeded with.
        terms: Unweighted reward terms of the last step (N,) each.
        action_space: Moves of one row.
        observer: Writes observations.

    Raises:
        TypeError: Unknown arguments.
        ValueError: Arguments that are not what the environment's page says.
    """

    ARGUMENTS: ClassVar[type[Any]]
    """Where the arguments are declared."""

    MAP: ClassVar[str] = "Current formula"
    """What the left half of a frame shows."""

    action_space: gym.Space
    observer: Observer
    horizon: int
    state: Any
    terms: dict[str, NDArray[np.float64]]

    def __init__(self, rows: int, given: Mapping[str, Any]) -> None:
        check_whole("num_envs", rows, "environments")
        check_known(given, (each.name for each in fields(self.ARGUMENTS)))
        self.arguments = self.ARGUMENTS(**given)
        self.horizon = self.arguments.horizon
        self.state = None
        self.generators: list[Generator] = []
        self.seeds: list[int] = []
        for _ in range(rows):
            generator, seed = np_random(None)
            self.generators.append(generator)
            self.seeds.append(seed)

    @property
    def rows(self) -> int:
        """Number of episodes N."""
        return len(self.generators)

    @property
    def observation_space(self) -> gym.Space:
        """Observations of one row."""
        return self.observer.space

    @property
    def reward_threshold(self) -> float | None:
        """Return from which an episode counts as solved; None where there is no such number."""
        return None

    @abstractmethod
    def reset(self, rows: NDArray[np.int64] | None = None, options: Any = None) -> None:
        """Begin new episodes in some rows.

        Args:
            rows: Row numbers, ascending; None for all.
            options: Reset options of the environment's page, one entry for all or a list; drawn where not given.

        Raises:
            ValueError: Options that are not what the environment's page says.
        """

    @abstractmethod
    def step(
        self, actions: ArrayLike, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Move some rows by one step.

        Args:
            actions: A move per row.
            rows: Row numbers, ascending; None for all.

        Returns:
            rewards (N,), terminated (N,), truncated (N,); zero and False for rows that did not move.

        Raises:
            ValueError: Actions of the wrong shape or kind.
            RuntimeError: `reset` has not been called.
        """

    def observe(self) -> Any:
        """Observations of all rows (N, width) float32, freshly allocated."""
        assert self.state is not None
        return self.observer(self.state)

    @abstractmethod
    def describe(self, row: int) -> dict[str, Any]:
        """Everything about where one row stands, in words and Python numbers.

        Args:
            row: Row number.
        """

    @property
    def in_words(self) -> bool:
        """Whether `info` may hold words and nested dictionaries."""
        return bool(self.arguments.info == "words")

    @abstractmethod
    def tell(self) -> dict[str, Any]:
        """The `info` of a vector environment, in new arrays (N, ...)."""

    @abstractmethod
    def final_info(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Facts and words about the rows whose episode ended; other rows hold zeros and None."""

    def sketch(self, pen: Pen, trail: Trail) -> None:
        """Draw where an episode moved, into the left half of a frame."""
        sketch_formulas(pen, trail)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What makes an episode what it is, by name, in plain values; states go to episodes of the same only."""
        return {"environment": type(self).__name__, "horizon": self.horizon, **self.about()}

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What `settings` holds beside the kind of environment and the horizon."""

    def get_state(self) -> Snapshot:
        """Where the episodes stand, generators included, at the cost of a few references; see `set_state`."""
        return take_snapshot(self)

    def set_state(self, state: Snapshot) -> None:
        """Put the episodes where they stood.

        Args:
            state: What `get_state` returned here, or with the same arguments elsewhere.

        Raises:
            ValueError: No snapshot, or one of other episodes.
        """
        go_back(self, state)


def scatter(values: NDArray, rows: NDArray[np.int64], length: int) -> NDArray:
    """Values of some rows among zeros for the others (length,)."""
    full = np.zeros(length, values.dtype)
    full[rows] = values
    return full
