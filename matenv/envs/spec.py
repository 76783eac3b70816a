"""What Gymnasium remembers of how an environment was made, so that JSON can hold it too."""

from __future__ import annotations

import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

from gymnasium.envs.registration import EnvSpec

from matenv.oracle import Oracle
from matenv.tasks import Task
from matenv.tasks.registry import task_for_storage
from matenv.tasks.wishes import Wish


class MaterialSpec(EnvSpec):
    """Gymnasium's `EnvSpec` whose JSON holds tasks and oracles as well: names, or plain data that environments read."""

    @classmethod
    def of(cls, spec: EnvSpec, **known: Any) -> MaterialSpec:
        """The same spec.

        Args:
            spec: As Gymnasium made it.
            **known: Fields that the environment knows better, taken where Gymnasium has None.
        """
        given: dict[str, Any] = {each.name: getattr(spec, each.name) for each in fields(spec) if each.init}
        given |= {name: value for name, value in known.items() if given[name] is None}
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
