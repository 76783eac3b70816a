"""What the evaluation needs of a policy, and the random one."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray


class Policy(Protocol):
    """Anything that maps a batch of observations to actions, as Stable-Baselines3 models do."""

    def predict(self, observation: Any, *, deterministic: bool = False) -> tuple[Any, Any]:
        """Actions (N, ...) for observations (N, width), and a state.

        A policy that has a parameter `action_masks` is given those of the environment, (N, A) bool. One that has
        `state` and `episode_start`, as recurrent ones do, is given the state it last returned (None at first) and which
        rows begin an episode (N,) bool.
        """


def takes(policy: Policy, *parameters: str) -> bool:
    """Whether a policy's `predict` wants to be told something, such as ``"action_masks"``."""
    return set(parameters) <= set(inspect.signature(policy.predict).parameters)


class RandomPolicy:
    """Uniformly random moves; of discrete ones, those allowed. It takes no notice of what it observes.

    Args:
        action_space: The action space of a single environment, a bounded Box, Discrete or MultiDiscrete.
        seed: Seed of its own generator.

    Raises:
        ValueError: Another kind of action space.
    """

    def __init__(self, action_space: gym.Space, seed: int | None = None) -> None:
        if not isinstance(action_space, Box | Discrete | MultiDiscrete):
            raise ValueError(f"action_space={action_space} is neither a Box nor Discrete nor MultiDiscrete")
        self._space = action_space
        self.random = np.random.default_rng(seed)

    def predict(
        self, observation: Any, *, deterministic: bool = False, action_masks: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray, None]:
        """Uniform actions (N, n) or (N,), whatever is observed."""
        rows = len(next(iter(observation.values())) if isinstance(observation, dict) else observation)
        space = self._space
        if isinstance(space, MultiDiscrete):
            return self.random.integers(space.nvec, size=(rows, len(space.nvec))), None
        if isinstance(space, Box):
            drawn = self.random.uniform(space.low, space.high, (rows, *space.low.shape))
            return drawn.astype(np.float32), None
        weight = self.random.random((rows, int(space.n)))
        return (weight if action_masks is None else weight * action_masks).argmax(axis=1), None
