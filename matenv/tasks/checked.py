"""The fields of a `Task`, checked one by one: kind and range, before what they must be together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from matenv.checks import check_choice, check_flag, check_number, check_text, check_whole
from matenv.composition import integer_counts
from matenv.properties.own import Property

SHARES = ("success_utility", "valence_share", "min_fraction", "max_fraction")
COUNTS = {"min_elements": "elements", "max_elements": "elements", "max_atoms": "atoms", "max_count": "atoms"}


def check_fields(task: Any, choices: Mapping[str, Any]) -> None:
    """Check a new task's fields, and turn lists into tuples.

    Args:
        task: The task, a frozen dataclass.
        choices: The `Literal` of each field that is one of some words.

    Raises:
        ValueError: A field of the wrong kind, or out of range; it is named.
    """
    check_text("name", task.name, "the task's name")
    if not isinstance(task.description, str):
        raise ValueError(f"description={task.description!r} must be text, a sentence")
    for name in ("novel", "unseen"):
        check_flag(name, getattr(task, name))
    for name, what in COUNTS.items():
        object.__setattr__(task, name, check_whole(name, getattr(task, name), what))
    for name in SHARES:
        check_number(name, getattr(task, name), 0, 1, "a number between 0 and 1")
    for name, literal in choices.items():
        check_choice(name, getattr(task, name), get_args(literal))
    for name in ("objectives", "filters"):
        _make_tuple(task, name, "objectives, such as matenv.maximise('bulk_modulus', 100, 300)")
        for each in getattr(task, name):
            if isinstance(each, type) or not hasattr(each, "utility") or not hasattr(each, "name"):
                raise ValueError(f"{name} holds {each!r}, which is no objective: it lacks name or utility(assessment)")
    _make_tuple(task, "properties", "matenv.Property(name, unit, predict)")
    for each in task.properties:
        if not isinstance(each, Property):
            raise ValueError(f"properties holds {each!r}; expected matenv.Property(name, unit, predict)")
    if task.start is not None:
        integer_counts([check_text("start", task.start, "a formula, such as 'LiFePO4'")])  # refuses what is no formula


def _make_tuple(task: Any, name: str, what: str) -> None:
    given = getattr(task, name)
    if not isinstance(given, tuple | list):
        raise ValueError(f"{name}={str(given)[:60]!r} must be a tuple of {what}")
    object.__setattr__(task, name, tuple(given))
