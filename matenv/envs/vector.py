"""The vector environment: N episodes in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_unmasked, check_whole
from matenv.envs.arguments import SpelledOut, check_autoreset_mode, check_options, check_render_mode, check_row_seeds
from matenv.envs.core import Core
from matenv.envs.frames import draw_frame
from matenv.envs.snapshot import Snapshot, take_snapshot
from matenv.envs.spec import MaterialSpec
from matenv.envs.state import Trail


class MaterialVectorEnv(VectorEnv[Any, NDArray[np.float32], NDArray]):
    """N episodes in one batch.

    Row i behaves as a single environment seeded with seed + i, up to rounding in single precision. Infos hold arrays;
    `describe(i)` and ``final_info`` hold words.

    Args:
        num_envs: Number of episodes N.
        max_episode_steps: Steps after which an episode is truncated if its horizon is longer, as by Gymnasium's
            `TimeLimit`, which does the same to a single environment.
        autoreset_mode: A Gymnasium `AutoresetMode` or its name: ``SAME_STEP`` (the last step of an episode returns the
            next one's first observation; the last observation is in ``info["final_obs"]``), ``NEXT_STEP`` or
            ``DISABLED`` (reset with ``options={"reset_mask": mask}``).
        render_mode: None, or ``"rgb_array"``: `render` returns a picture for each episode, as `RecordVideo` wants them.
            It costs a description of every row at every step: for a few rows.
        **arguments: Those of the episodes.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4, "autoreset_mode": AutoresetMode.SAME_STEP}

    EPISODES: ClassVar[type[Core]]
    """How the agent moves."""

    __signature__ = SpelledOut()

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        check_render_mode(render_mode, self.metadata["render_modes"])
        # As in gymnasium.make, -1 stands for no limit.
        limited = max_episode_steps is not None and not (isinstance(max_episode_steps, int) and max_episode_steps == -1)
        self._limit = check_whole("max_episode_steps", max_episode_steps, "steps") if limited else np.inf
        self.autoreset_mode = check_autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.core = self.EPISODES(num_envs, arguments)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self._trails = [Trail() for _ in range(num_envs)] if render_mode else []
        self._spec: EnvSpec | None = None
        self.single_action_space = self.core.action_space
        self.single_observation_space = self.core.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._done = np.zeros(num_envs, np.bool_)

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]
        """How Gymnasium made it; `to_json` writes tasks and oracles too."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = None if spec is None else MaterialSpec.of(spec, self.core.reward_threshold)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override, misc]
        """The random generator of each row (N)."""
        return tuple(self.core.generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """What each row's generator was seeded with (N)."""
        return tuple(self.core.seeds)

    @property
    def observation_blocks(self) -> dict[str, slice]:
        """Where each named block lies in a row's observation."""
        return dict(self.core.observer.slices)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes.

        Args:
            seed: Row i is seeded with seed + i, or with entry i of a list (None leaves a row's generator as it is).
            options: ``{"formula": str or list}`` to start there, and what else the environment's page names, one entry
                for all rows or a list; ``{"reset_mask": (N,) bool}`` to reset some rows only.

        Returns:
            Observations (N, width) and info.

        Raises:
            ValueError: Seeds that are no whole numbers of at least 0, a seed list or mask of the wrong length, an
                unknown option or an unreadable formula.
        """
        for row, own in enumerate(check_row_seeds(seed, self.num_envs)):
            if own is not None:
                self.core.generators[row], self.core.seeds[row] = np_random(own)
        check_options(options)
        options = dict(options or {})
        rows = np.arange(self.num_envs)
        if (mask := options.pop("reset_mask", None)) is not None:
            check_unmasked("reset_mask", mask)
            mask = np.asarray(mask)
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
                raise ValueError(f"reset_mask must be {self.num_envs} booleans with at least one True")
            if self.core.state is None and not mask.all():
                raise ValueError("reset_mask must be all True at the first reset")
            rows = np.flatnonzero(mask)
        self.core.reset(rows, options)
        self._done[rows] = False
        self._follow(rows)
        return self.core.observe(), self.core.tell()

    def step(
        self, actions: ArrayLike
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Move every row.

        Args:
            actions: A move of the action space per row.

        Returns:
            Observations (N, width) float32, rewards (N,) float64, terminated (N,), truncated (N,), info.

        Raises:
            ValueError: Actions of the wrong shape or kind, or with masked entries.
            RuntimeError: `reset` has not been called, or with ``DISABLED`` a finished row was stepped on.
        """
        check_unmasked("actions", actions)
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
        begun = self._done
        if np.isfinite(self._limit):
            assert self.core.state is not None
            truncated = truncated | (self.core.state.step >= self._limit)
        self._done = terminated | truncated
        final: dict[str, Any] = {}
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._done.any():
            done, finished = self._done.copy(), np.flatnonzero(self._done)
            final = {"final_obs": self.core.observe(), "_final_obs": done}
            final |= {"final_info": self.core.final_info(finished), "_final_info": done.copy()}
            self.core.reset(finished)
            begun, self._done = done, np.zeros(self.num_envs, np.bool_)
        self._follow(np.flatnonzero(begun))
        return self.core.observe(), reward, terminated, truncated, self.core.tell() | final

    def get_state(self) -> Snapshot:
        """Where all episodes stand, random generators included; the oracle's count is no part of it."""
        return take_snapshot(self.core, self._done, self._trails)

    def set_state(self, state: Snapshot) -> None:
        """Go back to where `get_state` was called, here or in an environment with the same arguments.

        Raises:
            ValueError: Not what `get_state` returned, or of an environment with other arguments.
        """
        if isinstance(state, Snapshot) and state.done is None:
            raise ValueError("state is of a single environment; this one needs what its own get_state() returned")
        self.core.set_state(state)
        self._done = np.array(state.done)
        if self._trails:
            copies = take_snapshot(self.core, trail=state.trail).trail
            self._trails = list(copies) or [Trail() for _ in range(self.num_envs)]

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:  # type: ignore[override]
        """A picture (H, W, 3) uint8 of each episode so far, with ``render_mode="rgb_array"``; else None."""
        if self.render_mode is None:
            return None
        return tuple(draw_frame(trail, self.core.sketch, self.core.MAP) for trail in self._trails)

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
        if not isinstance(row, int | np.integer) or isinstance(row, bool) or not 0 <= row < self.num_envs:
            raise ValueError(f"row={row!r} is not one of the {self.num_envs} environments, 0 to {self.num_envs - 1}")
        return self.core.describe(int(row))

    def _follow(self, begun: NDArray[np.int64]) -> None:
        """Extend the trails by where the rows stand; those of `begun` start afresh."""
        for row in begun.tolist() if self._trails else ():
            self._trails[row] = Trail()
        for row, trail in enumerate(self._trails):
            if not trail.infos or trail.infos[-1]["step"] != self.core.state.step[row]:  # type: ignore[union-attr]
                trail.add(self.core.state, self.core.describe(row), row)
