"""What Gymnasium remembers of how an environment was made, so that JSON can hold it too."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Set
from dataclasses import fields
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from matenv.oracle import Oracle
from matenv.tasks import Task
from matenv.tasks.registry import task_for_storage
from matenv.tasks.wishes import Wish

INSTEAD = {
    "latent": "the name of a latent space, or the path of its .safetensors file",
    "predictor": "the name of a predictor, or the path of its file",
}
"""What JSON can hold in place of loaded objects, by argument."""


class MaterialSpec(EnvSpec):
    """Gymnasium's `EnvSpec` whose JSON holds tasks and oracles as well: names, or plain data that environments read."""

    _limit: int | None
    _horizon: int | None = None

    @classmethod
    def of(cls, spec: EnvSpec, reward_threshold: float | None, horizon: int | None = None) -> MaterialSpec:
        """The same spec.

        Args:
            spec: As Gymnasium made it, perhaps from the spec of an environment with other arguments.
            reward_threshold: Return from which an episode counts as solved, taken unless the id was registered with
                one.
            horizon: Steps after which the environment itself ends an episode.
        """
        given: dict[str, Any] = {each.name: getattr(spec, each.name) for each in fields(spec) if each.init}
        if isinstance(spec, cls):
            given["max_episode_steps"] = spec._limit
        if gym.registry.get(spec.id, spec).reward_threshold is None:
            given["reward_threshold"] = reward_threshold
        made = cls(**given)
        made._horizon = horizon
        return made

    @property
    def max_episode_steps(self) -> int | None:  # type: ignore[override]
        """Longest episode: what Gymnasium was asked for, otherwise the horizon.

        `gymnasium.make` and `make_vec` see the former only. They would cut episodes of the horizon's length off with a
        `TimeLimit`, also those of an environment that is made from this spec with another horizon.
        """
        frame = inspect.currentframe()
        reader = frame.f_back if frame else None
        if reader and reader.f_code in (gym.make.__code__, gym.make_vec.__code__):
            return self._limit
        return self._horizon if self._limit is None else self._limit

    @max_episode_steps.setter
    def max_episode_steps(self, steps: int | None) -> None:
        self._limit = steps

    def to_json(self) -> str:
        """The spec as JSON, for `EnvSpec.from_json`.

        Raises:
            ValueError: A task or an oracle with objects of one's own, or another argument that JSON has no form for.
        """
        plain = copy.copy(self)
        plain._horizon = None
        plain.kwargs = {name: _as_data(name, value) for name, value in self.kwargs.items()}
        return super(MaterialSpec, plain).to_json()


def _as_data(name: str, value: Any) -> Any:
    """An argument, or a part of one, as JSON holds it and the environment reads it.

    Args:
        name: The argument, for the message.
        value: What was given.

    Raises:
        ValueError: JSON has no form for it.
    """
    if isinstance(value, Task):
        return task_for_storage(value)
    if isinstance(value, Oracle):
        return value.arguments()
    if isinstance(value, Wish):
        parts = ("targets", "windows", "required", "excluded", "elements")
        return {part: _as_data(f"{name}.{part}", getattr(value, part)) for part in parts}
    if isinstance(value, AutoresetMode):
        return value.name
    if isinstance(value, np.ndarray | np.generic):
        return _as_data(name, value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _as_data(f"{name}[{key!r}]", part) for key, part in value.items()}
    if isinstance(value, Set):
        return sorted(_as_data(name, part) for part in value)
    if isinstance(value, list | tuple):
        return [_as_data(f"{name}[{i}]", part) for i, part in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if value is not None and not isinstance(value, str | int | float):
        instead = INSTEAD.get(name, "names, numbers, and lists or dictionaries of such")
        raise ValueError(f"{name}={str(value)[:60]!r} cannot be written as JSON; make the environment with {instead}")
    return value
