"""Arguments checked at the door: the message names the parameter, the value and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np


def check_whole(name: str, value: Any, what: str) -> int:
    """A whole number of at least 1.

    Args:
        name: Parameter name.
        value: What was given.
        what: What it counts, for the message.

    Returns:
        The number.

    Raises:
        ValueError: Anything else.
    """
    number = float(value) if isinstance(value, Real) else np.nan
    if not 1 <= number < np.inf or not number.is_integer():
        raise ValueError(f"{name}={value!r} must be a positive whole number of {what}")
    return int(number)


def check_number(name: str, value: Any, low: float, high: float, what: str) -> float:
    """A finite number in an interval; `low` itself is excluded when it is 0 and `high` infinite.

    Args:
        name: Parameter name.
        value: What was given.
        low: Lower end.
        high: Upper end.
        what: What is right, for the message.

    Returns:
        The number.

    Raises:
        ValueError: Anything else.
    """
    number = float(value) if isinstance(value, Real) else np.nan
    if not low <= number <= high or np.isinf(number) or (np.isinf(high) and number <= low):
        raise ValueError(f"{name}={value!r} must be {what}")
    return number


def check_flag(name: str, value: Any) -> bool:
    """A truth value.

    Args:
        name: Parameter name.
        value: What was given.

    Returns:
        The value.

    Raises:
        ValueError: Anything but True or False.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={value!r} must be True or False")
    return bool(value)


def check_known(arguments: Iterable[str], known: Iterable[str]) -> None:
    """Refuse argument names that do not exist, with the nearest that does.

    Args:
        arguments: Names given.
        known: Names that exist.

    Raises:
        TypeError: An unknown name.
    """
    known = list(known)
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            given = f"unexpected keyword argument {name!r}"  # Python's own words, which libraries look for
            raise TypeError(f"{given}: the environment has no argument {name!r}; {hint}")


def check_device(device: str) -> str:
    """A torch device that exists on this machine.

    Args:
        device: Name, such as ``"cpu"`` or ``"cuda"``.

    Returns:
        The name.

    Raises:
        ValueError: Not a device, or none of that kind here.
    """
    import torch

    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError):
        raise ValueError(f"device={device!r} is not a torch device; use 'cpu' or 'cuda'") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device!r}: torch sees no CUDA device here; use device='cpu'")
    return device
