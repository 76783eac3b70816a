"""The registered tasks, and how a task is found by name."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matenv import elements as alphabet
from matenv.checks import check_listed
from matenv.tasks.as_data import task_from_data, task_to_data
from matenv.tasks.benchmark_tasks import BENCHMARK_TASKS
from matenv.tasks.objectives import Window, limit
from matenv.tasks.stable_against import StableAgainst
from matenv.tasks.task import Task, check_require
from matenv.tasks.task_file import SUFFIXES, is_task_file, read_task
from matenv.tasks.training_wheels import TRAINING_WHEEL_TASKS

TASKS: dict[str, Task] = {task.name: task for task in (*TRAINING_WHEEL_TASKS, *BENCHMARK_TASKS)}
"""Registered tasks by name."""

BENCHMARK = tuple(task.name for task in BENCHMARK_TASKS)
"""Names of the tasks that methods are compared on."""

TRAINING_WHEELS = tuple(task.name for task in TRAINING_WHEEL_TASKS)
"""Names of the tasks to learn the toolkit with; they rank no method."""

DEFAULT_TASK = "stiff-stable"


def load_task(
    task: str | Path | Task | Mapping[str, Any] = DEFAULT_TASK,
    elements: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    require: Sequence[str | Sequence[str]] | None = None,
    limits: Mapping[str, tuple[float | None, float | None]] | None = None,
    stable_against: Sequence[str] | None = None,
    min_elements: int | None = None,
    max_elements: int | None = None,
) -> Task:
    """A task by name, optionally restricted further.

    Args:
        task: Name of a registered task, path of a file (.yml, .yaml, .toml; `matenv.tasks.task_file`), a `Task`, or
            one as plain data (`matenv.tasks.as_data`).
        elements: If given, the only elements allowed; one named here is allowed even if the task leaves it out.
        exclude: Elements never allowed, beside those the task leaves out.
        require: Elements that every formula must hold, beside those the task requires; ``"F|Cl|Br"`` or a tuple asks
            for one of several. One named here is allowed even if the task leaves it out.
        limits: Lowest and highest value by property name, None for an open end: only formulas within them are valid.
            Of a predicted property it must be at least as likely inside as outside.
        stable_against: What formulas must not react with, as `StableAgainst` takes it: ``["Li", "water"]``; only
            formulas that more likely do not are valid.
        min_elements: Fewest elements, in place of the task's own.
        max_elements: Most elements, likewise.

    Returns:
        The task.

    Raises:
        ValueError: Unknown name or element, an element both wanted and excluded, limits that are no pair, or as
            `matenv.tasks.task_file.read_task`.
        FileNotFoundError: A file that does not exist.

    Examples:
        >>> task = load_task("stiff-stable", require=["Li", "F|Cl|Br"], limits={"price": (None, 50.0)})
        >>> task.require, task.filters
        ((('Li',), ('F', 'Cl', 'Br')), (Window(property_name='price', low=None, high=50.0),))
        >>> load_task("stiff-stable", exclude=["Os", "Ir"]).exclude[-2:]
        ('Os', 'Ir')
    """
    if is_task_file(task):
        task = read_task(task)  # type: ignore[arg-type]
    if isinstance(task, str):
        if task not in TASKS:
            raise ValueError(
                f"task={task!r} is not registered; choose one of {', '.join(TASKS)}, pass a Task, or give a file "
                f"({', '.join(SUFFIXES)})"
            )
        task = TASKS[task]
    if isinstance(task, Mapping):
        task = task_from_data(task)
    if not isinstance(task, Task):
        raise ValueError(f"task={str(task)[:60]!r} must be the name of a task or a Task")
    for parameter, symbols in (("elements", elements), ("exclude", exclude)):
        if symbols is not None:
            alphabet.positions(symbols, parameter)
    both = sorted(set(elements or ()) & set(exclude or ()))
    if both:
        raise ValueError(f"elements and exclude both hold {both}; name each element in one of them")
    required = check_require(() if require is None else require)
    named = [symbol for group in required for symbol in group]
    if both := sorted(set(named) & set(exclude or ())):
        raise ValueError(f"require and exclude both hold {both}; name each element in one of them")
    wanted = {*named, *(elements or ())}
    changes: dict[str, Any] = {
        "exclude": tuple(dict.fromkeys((*(s for s in task.exclude if s not in wanted), *(exclude or ())))),
        "require": (*task.require, *required),
    }
    given = {"elements": elements, "min_elements": min_elements, "max_elements": max_elements}
    changes |= {name: value for name, value in given.items() if value is not None}
    if elements is not None:
        changes["elements"] = tuple(elements)
    if stable_against is not None:
        check_listed("stable_against", stable_against, "what it must not react with, such as ['Li', 'water']")
    try:
        against = [StableAgainst(each) for each in stable_against or ()]
    except ValueError as error:
        raise ValueError(f"stable_against={list(stable_against or ())!r}: {error}") from None
    changes["filters"] = (
        *task.filters,
        *_windows({} if limits is None else limits),
        *against,
    )
    return replace(task, **changes)


def task_for_storage(task: str | Path | Task | Mapping[str, Any]) -> str | dict[str, Any]:
    """A task as a run or a result keeps it: what a file says now, not where it lies.

    Args:
        task: As `load_task`.

    Returns:
        The name of a registered task, otherwise the task as plain data (`matenv.tasks.as_data`); `load_task` takes
        both.

    Raises:
        ValueError: As `load_task`, or a task of one's own with code in it.
        FileNotFoundError: As `load_task`.
    """
    found = load_task(task)
    return found.name if TASKS.get(found.name) == found else json.loads(json.dumps(task_to_data(found)))


RESTRICTIONS = tuple(inspect.signature(load_task).parameters)[1:]
"""Names of the arguments by which `load_task` restricts a task; environments take the same."""


def _windows(limits: Mapping[str, tuple[float | None, float | None]]) -> list[Window]:
    """Limits as filters."""
    if not isinstance(limits, Mapping):
        raise ValueError(f"limits={limits!r} must be a dictionary such as {{'price': (None, 50.0)}}")
    for name, pair in limits.items():
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(f"limits[{name!r}]={pair!r} must be a pair (lowest, highest); None for an open end")
    return [limit(f"limits[{name!r}]={pair!r}", name, *pair) for name, pair in limits.items()]
