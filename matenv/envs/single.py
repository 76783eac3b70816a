"""The single environment: one episode."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import ArrayLike

from matenv.checks import check_seed, check_unmasked
from matenv.envs.arguments import SpelledOut, check_render_mode
from matenv.envs.core import Core
from matenv.envs.frames import draw_frame
from matenv.envs.rendering import narrate
from matenv.envs.snapshot import Snapshot, take_snapshot
from matenv.envs.spec import MaterialSpec
from matenv.envs.state import Trail
from matenv.envs.time_limits import set_time_limits


class MaterialEnv(gym.Env[Any, Any]):
    """One episode: a batch of one.

    Args:
        render_mode: None, ``"ansi"`` or ``"rgb_array"``; ``"human"`` through `gymnasium.make`, which shows the latter.
        **arguments: Those of the episodes.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}

    EPISODES: ClassVar[type[Core]]
    """How the agent moves."""

    __signature__ = SpelledOut()

    def __init__(self, *, render_mode: str | None = None, **arguments: Any) -> None:
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.core = self.EPISODES(1, arguments)
        self.action_space = self.core.action_space
        self.observation_space = self.core.observation_space
        self.render_mode = render_mode
        self._trail = Trail()
        self._went_back = False
        self._spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]
        """How Gymnasium made it; `to_json` writes tasks and oracles too, ``max_episode_steps`` is the horizon."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = None if spec is None else MaterialSpec.of(spec, self.core.reward_threshold, self.core.horizon)

    @property
    def observation_blocks(self) -> dict[str, slice]:
        """Where each named block lies in the observation."""
        return dict(self.core.observer.slices)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seeds the environment's random generator; once is enough. A whole number, NumPy's too.
            options: ``{"formula": "..."}`` to start from that formula, and what else the environment's page names.

        Returns:
            Observation and info.

        Raises:
            ValueError: A seed that is no whole number of at least 0, an unknown option or an unreadable formula.
        """
        super().reset(seed=check_seed("seed", seed))
        self.core.generators[0] = self.np_random
        self.core.reset(options=options)
        self._trail = Trail()
        return first_row(self.core.observe()), self._told()

    def step(self, action: ArrayLike) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move.

        Args:
            action: A move of the action space.

        Returns:
            Observation, reward, terminated, truncated, info.

        Raises:
            ValueError: An action of the wrong shape or kind, or with masked entries.
            RuntimeError: `reset` has not been called.
        """
        check_unmasked("action", action)
        action = np.asarray(action)
        if action.shape != self.action_space.shape:
            raise ValueError(f"action has shape {action.shape}; expected {self.action_space.shape}")
        if self._went_back and self.core.state is not None:
            set_time_limits(self, int(self.core.state.step[0]))
        self._went_back = False
        reward, terminated, truncated = self.core.step(action[None])
        seen = first_row(self.core.observe())
        return seen, float(reward[0]), bool(terminated[0]), bool(truncated[0]), self._told()

    def describe(self) -> dict[str, Any]:
        """Everything about the current formula, words included, whatever ``info`` holds."""
        return self.core.describe(0)

    def get_state(self) -> Snapshot:
        """Where the episode stands, random generator included, to come back to with `set_state`.

        For a search that tries moves and takes them back. It costs microseconds; the oracle's count is no part of it.
        """
        return take_snapshot(self.core, trail=[self._trail])

    def set_state(self, state: Snapshot) -> None:
        """Go back to where `get_state` was called, here or in an environment with the same arguments.

        Gymnasium's `TimeLimit`, which `gymnasium.make` adds for ``max_episode_steps``, goes back as well, at the next
        step.

        Raises:
            ValueError: Not what `get_state` returned, or of an environment with other arguments.
        """
        self.core.set_state(state)
        self._went_back = True
        self._trail = take_snapshot(self.core, trail=state.trail).trail[0] if state.trail else Trail()

    def render(self) -> Any:
        """The episode so far: a line of text per step ("ansi") or a picture (H, W, 3) uint8 ("rgb_array")."""
        if self.render_mode == "ansi":
            return narrate(self._trail)
        if self.render_mode == "rgb_array":
            return draw_frame(self._trail, self.core.sketch, self.core.MAP)
        gym.logger.warn("render() needs a render_mode: gym.make(..., render_mode='ansi') or 'rgb_array'")
        return None

    def _told(self) -> dict[str, Any]:
        if self.core.in_words or self.render_mode:
            words = self.describe()
            if self.render_mode:
                self._trail.add(self.core.state, words)
            if self.core.in_words:
                return words
        return {name: values[0].item() if values.ndim == 1 else values[0] for name, values in self.core.tell().items()}


def first_row(observation: Any) -> Any:
    """The one row of a batch of observations."""
    return {k: v[0] for k, v in observation.items()} if isinstance(observation, dict) else observation[0]
