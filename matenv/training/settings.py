"""Settings of a training run: dataclasses whose attributes are mostly plain values."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from matenv.checks import check_whole

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
