"""A task as plain data, for JSON: its name if it is registered, otherwise its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from matenv.properties.element_properties import ELEMENT_PROPERTIES
from matenv.properties.learned import LearnedModel, load_property
from matenv.properties.own import Property
from matenv.tasks.band_edges import WaterSplitting
from matenv.tasks.battery import LithiumCathode, LithiumWindow
from matenv.tasks.hardness import Hardness
from matenv.tasks.objectives import Objective, Ramp, Window
from matenv.tasks.single_phase import SINGLE_PHASE
from matenv.tasks.stable_against import StableAgainst
from matenv.tasks.task import Task
from matenv.tasks.wishes import Inside, Near

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Ramp, Window, Near, Inside, StableAgainst, Hardness, WaterSplitting, LithiumWindow, LithiumCathode)
}
"""Objectives that can be written, by name."""

PROPERTIES = {**ELEMENT_PROPERTIES, SINGLE_PHASE.name: SINGLE_PHASE}
"""Properties that ship, by name."""

FILE = ".safetensors"
"""How the file of a property ends that was learned from a table."""


def task_to_data(task: Task) -> dict[str, Any]:
    """A task's fields as lists, numbers and text.

    Args:
        task: The task.

    Returns:
        What `task_from_data` and, as ``task=``, the environments read.

    Raises:
        ValueError: An objective or property of one's own, which holds code. A property that was read from a file is
            written as that file's path.
    """
    data = {each.name: getattr(task, each.name) for each in fields(task)}
    for part in ("objectives", "filters"):
        data[part] = [_objective_to_data(task, each) for each in data[part]]
    written = {each.name: _property_to_data(each) for each in task.properties}
    if unknown := [name for name, text in written.items() if text is None]:
        raise ValueError(f"task {task.name!r} has properties of your own, {unknown}, which hold code; JSON cannot")
    data["properties"] = list(written.values())
    return data


def task_told(task: Task) -> dict[str, Any]:
    """A task's fields, to tell two tasks apart: objectives as plain data, or by name where they hold code.

    Args:
        task: The task.

    Returns:
        Plain values that are equal for equal tasks, also of another process.
    """
    told = {each.name: getattr(task, each.name) for each in fields(task)}
    for part in ("objectives", "filters"):
        own = [KINDS.get(type(each).__name__) is not type(each) for each in told[part]]
        told[part] = [
            each.name if code else _objective_to_data(task, each) for each, code in zip(told[part], own, strict=True)
        ]
    return told | {"properties": [each.name for each in task.properties]}


def task_from_data(data: Mapping[str, Any]) -> Task:
    """The task that `task_to_data` wrote.

    Args:
        data: Its fields, lists in place of tuples.

    Returns:
        The task.

    Raises:
        ValueError: An unknown field, kind of objective or property, or a value that `Task` refuses.
        FileNotFoundError: The file of a property does not exist.
    """
    known = {each.name for each in fields(Task)}
    if unknown := sorted(map(str, set(data) - known)):
        raise ValueError(f"task={dict(data)!r} has unknown fields {unknown}; known: {', '.join(sorted(known))}")
    given = {key: _tuples(value) for key, value in data.items()}
    for part in ("objectives", "filters"):
        given[part] = tuple(map(_objective_from_data, _listed(part, data, "dictionaries, one per objective")))
    names = _listed("properties", data, "names")
    if unknown := [
        each for each in names if not isinstance(each, str) or not (each in PROPERTIES or each.endswith(FILE))
    ]:
        raise ValueError(
            f"task={data.get('name')!r} names properties {unknown}; shipped are {', '.join(PROPERTIES)}, one's own is "
            f"the path of its {FILE} file"
        )
    given["properties"] = tuple(PROPERTIES[name] if name in PROPERTIES else load_property(name) for name in names)
    try:
        return Task(**given)
    except TypeError as error:
        raise ValueError(f"task={dict(data)!r} lacks a field: {error}") from None


def _property_to_data(given: Property) -> str | None:
    """Its name if it ships, its file if it was learned from a table, else None."""
    if PROPERTIES.get(given.name) == given:
        return given.name
    file = given.predict.file if isinstance(given.predict, LearnedModel) else ""
    return file or None


def _objective_to_data(task: Task, objective: Objective) -> dict[str, Any]:
    kind = type(objective).__name__
    if KINDS.get(kind) is not type(objective):
        raise ValueError(
            f"task {task.name!r} has an objective of your own, {objective!r}; JSON holds only {', '.join(KINDS)}"
        )
    return {"kind": kind} | {f.name: getattr(objective, f.name) for f in fields(KINDS[kind]) if f.init}


def _listed(key: str, data: Mapping[str, Any], what: str) -> Sequence[Any]:
    """A field that is a list, empty where it is not given."""
    listed = data.get(key, ())
    if not isinstance(listed, list | tuple):
        raise ValueError(f"task={data.get('name')!r}: {key}={listed!r} must be a list of {what}; [] for none")
    return listed


def _objective_from_data(data: Any) -> Objective:
    if not isinstance(data, Mapping) or data.get("kind") not in list(KINDS):
        raise ValueError(f"objective {data!r} must be a dictionary with a kind out of {', '.join(KINDS)}")
    try:
        return KINDS[data["kind"]](**{key: _tuples(value) for key, value in data.items() if key != "kind"})
    except TypeError as error:
        raise ValueError(f"objective {dict(data)!r}: {error}") from None


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
