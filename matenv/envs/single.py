"""The single environment: one episode."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.envs.arguments import SpelledOut, check_render_mode, start_formulas
from matenv.envs.episodes import Episodes
from matenv.envs.rendering import draw, narrate
from matenv.envs.state import Trail


class MaterialEnv(gym.Env[NDArray[np.float32], Any]):
    """One episode: a batch of one.

    Args:
        render_mode: None, ``"ansi"`` or ``"rgb_array"``.
        **arguments: Those of the episodes.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}

    EPISODES: ClassVar[type[Episodes]]
    """How the agent moves."""

    __signature__ = SpelledOut()

    def __init__(self, *, render_mode: str | None = None, **arguments: Any) -> None:
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.core = self.EPISODES(1, arguments)
        self.action_space = self.core.action_space
        self.observation_space = self.core.observer.space
        self.render_mode = render_mode
        self._trail = Trail()

    @property
    def observation_blocks(self) -> dict[str, slice]:
        """Where each named block lies in the observation."""
        return dict(self.core.observer.slices)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seeds the environment's random generator; once is enough.
            options: ``{"formula": "..."}`` to start from that formula.

        Returns:
            Observation and info.

        Raises:
            ValueError: Unknown option or unreadable formula.
        """
        super().reset(seed=seed)
        self.core.generators[0] = self.np_random
        self.core.reset(formulas=start_formulas(options, 1))
        info = self.core.describe(0)
        if self.render_mode:
            self._trail = Trail()
            self._trail.add(self.core.state, info)
        return self.core.observe()[0], info

    def step(self, action: ArrayLike) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move.

        Args:
            action: A move of the action space.

        Returns:
            Observation, reward, terminated, truncated, info.

        Raises:
            ValueError: An action of the wrong shape or kind.
            RuntimeError: `reset` has not been called.
        """
        action = np.asarray(action)
        if action.shape != self.action_space.shape:
            raise ValueError(f"action has shape {action.shape}; expected {self.action_space.shape}")
        reward, terminated, truncated = self.core.step(action[None])
        info = self.core.describe(0)
        if self.render_mode:
            self._trail.add(self.core.state, info)
        return self.core.observe()[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> Any:
        """The episode so far: a line of text per step ("ansi") or a picture (H, W, 3) uint8 ("rgb_array")."""
        if self.render_mode == "ansi":
            return narrate(self._trail)
        if self.render_mode == "rgb_array":
            return draw(self._trail, self.core.plot, self.core.horizon)
        gym.logger.warn("render() needs a render_mode: gym.make(..., render_mode='ansi') or 'rgb_array'")
        return None
