"""`SB3VecEnv`: a Gymnasium vector environment as a Stable-Baselines3 `VecEnv`.

Stable-Baselines3 takes single environments or its own `VecEnv`, not a Gymnasium `VectorEnv`; this adapter lets it train
on a natively batched environment. Episodes that end by time are marked, so that PPO bootstraps their value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices

from matenv.checks import check_listed, check_made, check_row, check_seed

EMPTY: dict[str, Any] = {}

PER_ROW = ("action_masks", "formulas")
"""Methods of the vector environments that answer for each row."""

OF_A_ROW = {"action_space": "single_action_space", "observation_space": "single_observation_space"}
"""Attributes of a single environment that a vector environment has under another name."""


class SB3VecEnv(VecEnv):
    """A Stable-Baselines3 `VecEnv` over a Gymnasium vector environment.

    Args:
        envs: A Gymnasium vector environment in SAME_STEP autoreset mode.
        info_keys: Keys of the vector info to pass on at every step, for all rows; by default none, since building a
            dictionary per row and step is what such adapters spend their time on. Rows whose episode ends always carry
            ``terminal_observation``, ``TimeLimit.truncated`` and everything in ``final_info``.

    Raises:
        ValueError: The environment resets in another mode than SAME_STEP.

    Examples:
        >>> import gymnasium as gym, matenv
        >>> envs = SB3VecEnv(gym.make_vec("MaterialLatent-v0", num_envs=4))
        >>> envs.seed(0)[:2], envs.reset().shape[0]
        ([0, 1], 4)
    """

    def __init__(self, envs: VectorEnv, info_keys: Sequence[str] = ()) -> None:
        check_made("envs", envs, VectorEnv, "gym.make_vec")
        check_listed("info_keys", info_keys, "keys, such as ['score']")
        mode = envs.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise ValueError(
                f"autoreset_mode={mode} does not suit Stable-Baselines3, which expects the next episode's first "
                "observation when one ends: make the environment with autoreset_mode='SameStep'"
            )
        self.envs = envs
        self.info_keys = tuple(info_keys)
        self.metadata = envs.metadata
        self._actions: NDArray | None = None
        self._seed: int | None = None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def seed(self, seed: int | None = None) -> list[int | None]:  # type: ignore[override]
        """Seed the next reset: row i gets seed + i.

        Args:
            seed: The seed; None leaves the generators as they are.

        Returns:
            The seed of each row.

        Raises:
            ValueError: Something else than a whole number of at least 0.
        """
        seed = check_seed("seed", seed)
        self._seed = seed
        return [None if seed is None else seed + row for row in range(self.num_envs)]

    def set_options(self, options: list[dict] | dict | None = None) -> None:
        """Options of the next reset.

        Args:
            options: One dictionary for all rows, a list of one per row with the same keys, or None.

        Raises:
            ValueError: Something else.
        """
        if options is not None and not isinstance(options, dict):
            rows = list(options) if isinstance(options, list | tuple) else []
            if len(rows) != self.num_envs or not all(isinstance(own, dict) for own in rows):
                raise ValueError(
                    f"options={str(options)[:60]} must be a dictionary such as {{'formula': 'LiFePO4'}}, or a list of "
                    f"{self.num_envs} of them"
                )
            _together(rows)
        super().set_options(options)

    def reset(self) -> Any:
        """Begin an episode in every row and return the observations, (N, width) or a dictionary of such."""
        observations, info = self.envs.reset(seed=self._seed, options=_together(self._options))
        self._seed = None
        self._reset_options()
        self.reset_infos = self._row_infos(info)
        return observations

    def step_async(self, actions: NDArray) -> None:
        """Take the actions (N, n) of the coming step."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:  # type: ignore[override]
        """Step every row.

        Returns:
            Observations as `reset`, rewards (N,) float32, dones (N,) bool, infos (list of N dictionaries).
        """
        observations, rewards, terminated, truncated, info = self.envs.step(self._actions)
        done = terminated | truncated
        infos = self._row_infos(info)
        if done.any():
            final_observation = info["final_obs"]
            final = _rows_of(info.get("final_info", EMPTY), np.flatnonzero(done))
            for row, words in final.items():
                infos[row] = {
                    **infos[row],
                    **words,
                    "terminal_observation": _row_of(final_observation, row),
                    "TimeLimit.truncated": bool(truncated[row] and not terminated[row]),
                }
        return observations, rewards.astype(np.float32), done, infos

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A picture of each row, where the environment was made with ``render_mode="rgb_array"``."""
        frames: Any = self.envs.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def close(self) -> None:
        """Close the environment."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the environment, once per row asked for: all rows share one environment.

        Of `np_random` and `np_random_seed` each row has its own; spaces are those of a row.
        """
        rows = self._rows(indices)
        value = getattr(self.envs.unwrapped, OF_A_ROW.get(attr_name, attr_name))
        if attr_name in ("np_random", "np_random_seed") and isinstance(value, tuple):
            return [value[row] for row in rows]
        return [value] * len(rows)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute; all rows share one environment, so it can only be set for all of them."""
        if len(self._rows(indices)) != self.num_envs:
            raise ValueError(f"{attr_name} belongs to all {self.num_envs} rows; it cannot be set for indices={indices}")
        setattr(self.envs.unwrapped, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Call a method of the environment.

        `describe` is called for each row. Any other method is called once: results of `PER_ROW`, which hold an entry
        for each row, are split by row, anything else is repeated.
        """
        method: Callable[..., Any] = getattr(self.envs.unwrapped, method_name)
        rows = self._rows(indices)
        if method_name == "describe":
            return [method(row, *args, **kwargs) for row in rows]
        result = method(*args, **kwargs)
        if method_name in PER_ROW:
            return [result[row] for row in rows]
        return [result] * len(rows)

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Whether the environment is wrapped in `wrapper_class`, per row; single-environment wrappers never apply."""
        if not isinstance(wrapper_class, type):
            raise ValueError(f"wrapper_class={wrapper_class!r} must be a class, such as VecMonitor")
        layer: Any = self.envs
        wrapped = isinstance(layer, wrapper_class)
        while not wrapped and hasattr(layer, "env"):
            layer = layer.env
            wrapped = isinstance(layer, wrapper_class)
        return [wrapped] * len(self._rows(indices))

    def _rows(self, indices: VecEnvIndices) -> list[int]:
        if indices is None:
            return list(range(self.num_envs))
        asked = indices if isinstance(indices, Iterable) and not isinstance(indices, str | bytes) else [indices]
        return [check_row("indices", row, self.num_envs) % self.num_envs for row in asked]

    def _row_infos(self, info: dict[str, Any]) -> list[dict[str, Any]]:
        """One dictionary per row with the requested keys."""
        if not self.info_keys:
            return [{} for _ in range(self.num_envs)]
        missing = [key for key in self.info_keys if key not in info]
        if missing:
            raise ValueError(f"info_keys holds {missing}, which this environment's info lacks; it has {sorted(info)}")
        columns = [info[key] for key in self.info_keys]
        return [
            {key: column[row] for key, column in zip(self.info_keys, columns, strict=True)}
            for row in range(self.num_envs)
        ]


def _together(options: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The reset options of all rows as one, as a vector environment takes them: a list of formulas, one per row.

    Raises:
        ValueError: Rows with different keys: an option holds for all rows or for none.
    """
    if not any(options):
        return None
    names = set().union(*options)
    for row, own in enumerate(options):
        if missing := names - set(own):
            raise ValueError(
                f"options[{row}] lacks {sorted(missing)}, which other rows have; give all rows the same options, or "
                "reset rows by the vector environment's reset_mask"
            )
    return {name: [own[name] for own in options] for name in names}


def _rows_of(info: dict[str, Any], rows: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The entries of a vector info that belong to some rows; masks (``_name``) say where a value is defined."""

    def pick(table: dict[str, Any], row: int) -> dict[str, Any]:
        return {
            key: pick(values, row) if isinstance(values, dict) else _plain(values[row])
            for key, values in table.items()
            if not key.startswith("_") and (f"_{key}" not in table or table[f"_{key}"][row])
        }

    return {int(row): pick(info, int(row)) for row in rows}


def _row_of(observations: Any, row: int) -> Any:
    if isinstance(observations, dict):
        return {name: np.asarray(part[row]) for name, part in observations.items()}
    return np.asarray(observations[row])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
