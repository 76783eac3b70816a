"""What the evaluation needs of a policy, and the random one.

May import: nothing of matenv.
"""

from __future__ import annotations

from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray


class Policy(Protocol):
    """Anything that maps a batch of observations to actions, as Stable-Baselines3 models do."""

    def predict(self, observation: Any, *, deterministic: bool = False) -> tuple[Any, Any]:
        """Actions (N, n) for observations (N, width), and a state that is ignored."""


class RandomPolicy:
    """Uniformly random moves.

    Args:
        action_space: The bounded, continuous action space of a single environment.
        seed: Seed of its own generator.

    Raises:
        ValueError: Another kind of action space.
    """

    def __init__(self, action_space: gym.Space, seed: int | None = None) -> None:
        if not isinstance(action_space, Box):
            raise ValueError(f"action_space={action_space} is not a Box; this policy draws continuous moves")
        self._low, self._high = action_space.low, action_space.high
        self._random = np.random.default_rng(seed)

    def predict(self, observation: NDArray, *, deterministic: bool = False) -> tuple[NDArray, None]:
        """Uniform actions (N, n), whatever is observed."""
        size = (len(observation), *self._low.shape)
        return self._random.uniform(self._low, self._high, size).astype(np.float32), None
