"""Wrong values for every public callable, and what an error must be like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

WRONG: list[Any] = [
    None, 1.5, -1, 0, True, "False", "nan", "", float("nan"), float("inf"), 1 + 2j, [], {}, object(), b"x", "Xx",
    10**400, [None], np.array([1.0, 2.0]), {"a": None}, {1: 2}, print, "é", (), [[]], {"x"}, ["NaCl"], [1, [2]],
]  # fmt: skip
"""Values that are wrong for most parameters; where one happens to be right the call must simply work."""

QUICK = WRONG[::4]


@dataclass(frozen=True)
class Fresh:
    """A right value that a call uses up: it is made anew for each.

    Attributes:
        make: Makes it.
    """

    make: Callable[[], Any]


def call(function: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Call with right values, those that are used up made anew."""
    return function(**{name: value.make() if isinstance(value, Fresh) else value for name, value in given.items()})


def parameters(function: Callable[..., Any]) -> list[str]:
    """Names of the parameters that can be given by name."""
    listed = inspect.signature(function).parameters.values()
    return [each.name for each in listed if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]


def complaints(
    function: Callable[..., Any], right: dict[str, Any], values: list[Any], only: list[str] | None = None
) -> Iterator[str]:
    """Errors that are not as they should be: a ValueError, TypeError or OSError that names the parameter.

    Args:
        function: What to call.
        right: Right values of the parameters that need one.
        values: Values to give for each parameter in turn.
        only: Parameters to try; by default all.
    """
    for name in only or parameters(function):
        for value in values:
            try:
                call(function, {**right, name: value})
            except (ValueError, TypeError, OSError) as error:
                # A formula that cannot be read is quoted, which says more than the parameter's name.
                if name.lower() not in str(error).lower() and "formula" not in str(error):
                    yield f"{name}={str(value)[:30]!r}: {type(error).__name__} does not name it: {str(error)[:120]}"
            except Exception as error:
                yield f"{name}={str(value)[:30]!r}: raw {type(error).__name__}: {str(error)[:120]}"
