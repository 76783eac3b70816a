"""Settings of a training run: dataclasses whose attributes are mostly plain values."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from matenv.checks import check_number, check_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain(settings: DataclassInstance, *apart: str) -> dict[str, Any]:
    """What tells two runs apart: every attribute that is a plain value and not None.

    Args:
        settings: A dataclass.
        apart: Attributes to leave out.
    """
    values = {field.name: getattr(settings, field.name) for field in fields(settings) if field.name not in apart}
    return {name: value for name, value in values.items() if value is not None and not callable(value)}


def options(settings: DataclassInstance) -> list[str]:
    """Command-line options for what differs from the defaults: ``["--batch-size 32", ...]``.

    Args:
        settings: A dataclass.
    """
    return [
        f"--{field.name.replace('_', '-')} {getattr(settings, field.name)}"
        for field in fields(settings)
        if getattr(settings, field.name) != field.default
    ]


def at_least_one(**values: int | None) -> None:
    """Refuse numbers below 1.

    Args:
        values: Numbers by the parameter's name; None where it is left to a default.

    Raises:
        ValueError: One of them is no whole number, or below 1.
    """
    for name, value in values.items():
        if value is not None:
            check_whole(name, value, "at least 1")


def check_rates(learning_rate: float, weight_decay: float) -> None:
    """Refuse settings of an optimizer that nothing is learned with.

    Raises:
        ValueError: A learning rate that is not above 0 and at most 1, or a weight decay outside 0 to 1.
    """
    what = "above 0 and at most 1"
    if not check_number("learning_rate", learning_rate, 0, 1, what):
        raise ValueError(f"learning_rate={learning_rate!r} must be {what}")
    check_number("weight_decay", weight_decay, 0, 1, "between 0 and 1")
