"""What Gymnasium remembers of how an environment was made, so that JSON can hold it too."""

from __future__ import annotations

import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from matenv.oracle import Oracle
from matenv.tasks import Task
from matenv.tasks.registry import task_for_storage
from matenv.tasks.wishes import Wish


class MaterialSpec(EnvSpec):
    """Gymnasium's `EnvSpec` whose JSON holds tasks and oracles as well: names, or plain data that environments read."""

    @classmethod
    def of(cls, spec: EnvSpec, reward_threshold: float | None) -> MaterialSpec:
        """The same spec.

        ``max_episode_steps`` stays what Gymnasium was asked for: a horizon there would become a `TimeLimit` of an
        environment that is made from the spec with another horizon.

        Args:
            spec: As Gymnasium made it, perhaps from the spec of an environment with other arguments.
            reward_threshold: Return from which an episode counts as solved, taken unless the id was registered with
                one.
        """
        given: dict[str, Any] = {each.name: getattr(spec, each.name) for each in fields(spec) if each.init}
        if gym.registry.get(spec.id, spec).reward_threshold is None:
            given["reward_threshold"] = reward_threshold
        return cls(**given)

    def to_json(self) -> str:
        """The spec as JSON, for `EnvSpec.from_json`.

        Raises:
            ValueError: A task or an oracle with objects of one's own.
            TypeError: Another argument that JSON has no form for.
        """
        plain = copy.copy(self)
        plain.kwargs = {name: _as_data(value) for name, value in self.kwargs.items()}
        return super(MaterialSpec, plain).to_json()


def _as_data(value: Any) -> Any:
    if isinstance(value, Task):
        return task_for_storage(value)
    if isinstance(value, Oracle):
        return value.arguments()
    if isinstance(value, Wish):
        return {name: getattr(value, name) for name in ("targets", "required", "excluded", "elements")}
    return str(value) if isinstance(value, Path) else value
