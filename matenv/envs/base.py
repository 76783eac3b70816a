"""What all environments share: one episode (`MaterialEnv`) or N in one batch (`MaterialVectorEnv`) over a `Core`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_known
from matenv.envs.checks import check_autoreset_mode, check_render_mode, start_formulas
from matenv.envs.core import Core
from matenv.envs.rendering import Trail, draw, narrate
from matenv.oracle import unique_potentials


class MaterialEnv(gym.Env[NDArray[np.float32], Any]):
    """One episode: a batch of one.

    Args:
        core: How the agent moves.
        render_mode: None, ``"ansi"`` or ``"rgb_array"``.
        arguments: Arguments of the core.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}

    def __init__(self, core: type[Core], render_mode: str | None, arguments: Mapping[str, Any]) -> None:
        check_render_mode(render_mode, self.metadata["render_modes"])
        check_known(arguments, core.ARGUMENTS.__annotations__)
        self.core = core(1, **arguments)
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
            return draw(self._trail, self.core)
        gym.logger.warn("render() needs a render_mode: gym.make(..., render_mode='ansi') or 'rgb_array'")
        return None


class MaterialVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray]):
    """N episodes in one batch.

    Args:
        core: How the agent moves.
        num_envs: Number of episodes N.
        max_episode_steps: The horizon, under the name Gymnasium passes it; None to leave it to `arguments`.
        autoreset_mode: A Gymnasium `AutoresetMode` or its name.
        render_mode: None only.
        arguments: Arguments of the core.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        core: type[Core],
        num_envs: int,
        max_episode_steps: int | None,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
        arguments: Mapping[str, Any],
    ) -> None:
        check_render_mode(render_mode, [])
        check_known(arguments, core.ARGUMENTS.__annotations__)
        if max_episode_steps is not None:
            if "horizon" in arguments:
                raise ValueError(f"max_episode_steps={max_episode_steps} and horizon={arguments['horizon']}: give one")
            arguments = {**arguments, "horizon": max_episode_steps}
        self.autoreset_mode = check_autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.core = core(num_envs, **arguments)
        self.num_envs = num_envs
        self.render_mode = None
        self.single_action_space = self.core.action_space
        self.single_observation_space = self.core.observer.space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._done = np.zeros(num_envs, np.bool_)

    @property
    def observation_blocks(self) -> dict[str, slice]:
        """Where each named block lies in a row's observation."""
        return dict(self.core.observer.slices)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin episodes.

        Args:
            seed: Row i is seeded with seed + i, or with entry i of a list (None leaves a row's generator as it is).
            options: ``{"formula": str or list}`` to start there; ``{"reset_mask": (N,) bool}`` to reset some rows only.

        Returns:
            Observations (N, width) and info.

        Raises:
            ValueError: A seed list or mask of the wrong length, an unknown option or an unreadable formula.
        """
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int | np.integer) else seed
        if seeds is not None:
            if len(seeds) != self.num_envs:
                raise ValueError(f"seed has {len(seeds)} entries; expected one per environment, {self.num_envs}")
            for row, value in enumerate(seeds):
                if value is not None:
                    self.core.generators[row] = np_random(int(value))[0]
        options = dict(options or {})
        rows = np.arange(self.num_envs)
        if (mask := options.pop("reset_mask", None)) is not None:
            mask = np.asarray(mask)
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
                raise ValueError(f"reset_mask must be {self.num_envs} booleans with at least one True")
            if self.core.state is None and not mask.all():
                raise ValueError("reset_mask must be all True at the first reset")
            rows = np.flatnonzero(mask)
        self.core.reset(rows, start_formulas(options, len(rows)))
        self._done[rows] = False
        return self.core.observe(), self._info()

    def step(
        self, actions: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Move every row.

        Args:
            actions: A move of the action space per row.

        Returns:
            Observations (N, width) float32, rewards (N,) float64, terminated (N,), truncated (N,), info.

        Raises:
            ValueError: Actions of the wrong shape or kind.
            RuntimeError: `reset` has not been called, or with ``DISABLED`` a finished row was stepped on.
        """
        actions = np.asarray(actions)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP and self._done.any():
            finished, going = np.flatnonzero(self._done), np.flatnonzero(~self._done)
            self.core.reset(finished)
            reward, terminated, truncated = np.zeros(self.num_envs), self._done & False, self._done & False
            if len(going):
                reward, terminated, truncated = self.core.step(actions[going], going)
        else:
            if self.autoreset_mode == AutoresetMode.DISABLED and self._done.any():
                raise RuntimeError("rows have finished; reset them with reset(options={'reset_mask': mask})")
            reward, terminated, truncated = self.core.step(actions)
        self._done = terminated | truncated
        final: dict[str, Any] = {}
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._done.any():
            done, finished = self._done.copy(), np.flatnonzero(self._done)
            final = {"final_obs": self.core.observe(), "_final_obs": done}
            final |= {"final_info": self._final_info(finished), "_final_info": done.copy()}
            self.core.reset(finished)
            self._done = np.zeros(self.num_envs, np.bool_)
        return self.core.observe(), reward, terminated, truncated, self._info() | final

    def formulas(self) -> list[str]:
        """Current formula of every row (N,); "" where there is none."""
        if self.core.state is None:
            raise RuntimeError("formulas() was called before reset(); begin an episode with reset(seed=...)")
        return self.core.state.compositions.formulas()

    def describe(self, row: int) -> dict[str, Any]:
        """Everything about one row's current formula, as the single environment's info.

        Args:
            row: Row number.

        Returns:
            The info dictionary.
        """
        if not 0 <= row < self.num_envs:
            raise ValueError(f"row={row} is not one of the {self.num_envs} environments")
        return self.core.describe(row)

    def _info(self) -> dict[str, Any]:
        """The facts as arrays (N,); a value undefined for a row is 0 there, and ``_name`` tells where it is defined."""
        facts = self.core.state.facts  # type: ignore[union-attr]
        info: dict[str, Any] = {
            key: facts[key].copy() for key in ("score", "success", "valid", "evaluated", "known", "novel", "p_stable")
        }
        for key in ("decomposition_energy", "hull_energy"):
            info[f"_{key}"] = np.isfinite(facts[key])
            info[key] = np.where(info[f"_{key}"], facts[key], 0.0)
        task_terms = {key[5:]: values.copy() for key, values in facts.items() if key.startswith("term.")}
        info["terms"] = {**{name: values.copy() for name, values in self.core.terms.items()}, **task_terms}
        if self.core.potentials:
            info |= self._potentials()
        return info | self.core.optional(self.core.state) | self.core.arrays()  # type: ignore[arg-type]

    def _potentials(self) -> dict[str, NDArray]:
        """Potentials (N, 89) [eV/atom], 0 for elements not in the formula, and in which rows they are the only ones."""
        state = self.core.state
        assert state is not None
        packed = state.facts["potentials"]
        return {
            "potentials": state.compositions.scatter(np.nan_to_num(packed)),
            "_potentials": np.isfinite(packed).any(axis=1),
            "potentials_unique": unique_potentials(packed, state.facts["weights"]),
        }

    def _final_info(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Facts and words about the rows whose episode ended; other rows hold zeros and None."""
        state, ended = self.core.state, np.zeros(self.num_envs, np.bool_)
        assert state is not None
        ended[rows] = True
        info = self._info()
        for key, batch in (("formula", state.compositions), ("start_formula", state.start)):
            names = np.full(self.num_envs, None, dtype=object)
            names[rows] = batch[rows].formulas()
            info[key], info[f"_{key}"] = names, ended.copy()
        info["step"] = state.step.copy()
        return info
