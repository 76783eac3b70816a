"""Methods to compare: anything that proposes formulas to an oracle until its budget is spent, under a name.

A method of one's own is one file: a function, and `register` below it. `matenv.benchmark.searches` holds three.
"""

from __future__ import annotations

import importlib
from typing import Protocol

from matenv.benchmark.record import Search
from matenv.oracle import Oracle
from matenv.tasks import Task


class Method(Protocol):
    """What is run and compared."""

    def __call__(self, task: Task, oracle: Oracle, seed: int) -> Search:
        """Search until the oracle's budget is spent.

        Args:
            task: What the score is; also says which formulas are allowed.
            oracle: What pays the score; fresh, with a budget. Every distinct formula asked of it counts.
            seed: Of everything random.

        Returns:
            What was found, as `Search.of` reads it off the oracle; a function of the arguments alone.
        """
        ...


METHODS: dict[str, Method] = {}
"""Methods by name, in the order they were registered."""


def register(name: str, method: Method) -> None:
    """Enter a method among those that can be compared.

    Args:
        name: Its name in commands, files and tables, without a colon.
        method: The method.

    Raises:
        ValueError: A name that is taken or holds a colon.
    """
    if name in METHODS or ":" in name:
        raise ValueError(f"name={name!r} is taken or holds a colon; give the method another name")
    METHODS[name] = method


def registered(name: str) -> str:
    """The name of a registered method.

    Args:
        name: The name; or ``"module:name"``, as in `gymnasium.make`, to import first the module that registers it.

    Returns:
        The name without the module.

    Raises:
        ValueError: No such method.
        ImportError: No such module.
    """
    module, _, own = name.rpartition(":")
    if module:
        importlib.import_module(module)
    if own not in METHODS:
        raise ValueError(f"method={name!r} is unknown; choose from {', '.join(METHODS)}, or give module:name")
    return own
