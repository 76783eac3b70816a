"""Arguments checked at the door: the message names the parameter, the value and what would be right."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    number = _number(value)
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
    number = _number(value)
    if not low <= number <= high or np.isinf(number) or (np.isinf(high) and number <= low):
        raise ValueError(f"{name}={value!r} must be {what}")
    return number


def check_share(name: str, value: Any) -> float:
    """A number between 0 and 1, ends excluded.

    Args:
        name: Parameter name.
        value: What was given.

    Returns:
        The number.

    Raises:
        ValueError: Anything else.
    """
    if not 0.0 < check_number(name, value, 0, 1, "between 0 and 1, for example 0.9") < 1.0:
        raise ValueError(f"{name}={value!r} must lie between 0 and 1, for example 0.9")
    return float(value)


def _number(value: Any) -> float:
    """The number, NaN for anything else; True is no number, and neither is an array."""
    try:
        return float(value) if isinstance(value, Real) and not isinstance(value, bool) else np.nan
    except OverflowError:  # a whole number beyond every float
        return np.inf


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
        chosen = torch.device(device) if isinstance(device, str | torch.device) else None
    except (RuntimeError, TypeError, ValueError, OverflowError):
        chosen = None
    if chosen is None:
        raise ValueError(f"device={device!r} is not a torch device; use 'cpu' or 'cuda'") from None
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device={device!r} is not supported; use 'cpu' or 'cuda'")
    seen = torch.cuda.device_count() if chosen.type == "cuda" else 1
    if not seen:
        raise ValueError(f"device={device!r}: torch sees no CUDA device here; use device='cpu'")
    if (chosen.index or 0) >= seen:
        raise ValueError(f"device={device!r}: torch sees {seen} of that kind; use device='{chosen.type}'")
    return device


def check_path(name: str, value: Any, what: str) -> str | os.PathLike[str]:
    """A name or a path.

    Args:
        name: Parameter name.
        value: What was given.
        what: What it names, for the message.

    Returns:
        The value.

    Raises:
        ValueError: Neither text nor a path.
    """
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise ValueError(f"{name}={value!r} must be {what}")
    return value


def check_seed(name: str, value: Any) -> int | None:
    """A seed: a whole number of at least 0, or None.

    Args:
        name: Parameter name.
        value: What was given.

    Returns:
        The seed.

    Raises:
        ValueError: Anything else.
    """
    if value is not None and (not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0):
        raise ValueError(f"{name}={value!r} must be a whole number of at least 0")
    return value if value is None else int(value)


def check_listed(name: str, value: Any, what: str) -> None:
    """A list, tuple, set or array of names, text alone excluded.

    Args:
        name: Parameter name.
        value: What was given.
        what: What it lists, for the message.

    Raises:
        ValueError: Anything else.
    """
    listed = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
    if not listed or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name}={value!r} must be a list of {what}")


def check_made(name: str, value: Any, kind: type, how: str) -> None:
    """An object of one of this package's classes.

    Args:
        name: Parameter name.
        value: What was given.
        kind: The class.
        how: What makes such an object, for the message.

    Raises:
        ValueError: Anything else.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{name}={str(value)[:60]!r} must be a {kind.__name__}, as {how} makes it")


def check_row(name: str, value: Any, length: int) -> int:
    """The number of a row; negative ones count from the end.

    Args:
        name: Parameter name.
        value: What was given.
        length: Rows that there are.

    Returns:
        The number.

    Raises:
        ValueError: Anything else.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not -length <= value < length:
        raise ValueError(f"{name}={value!r} is not one of the {length} rows")
    return int(value)


def check_text(name: str, value: Any, what: str) -> str:
    """Text, not empty.

    Args:
        name: Parameter name.
        value: What was given.
        what: What it says, for the message.

    Returns:
        The text.

    Raises:
        ValueError: Anything else.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}={value!r} must be text: {what}")
    return value


def check_unmasked(name: str, value: Any) -> None:
    """Refuse masked entries: numpy would take what they hide for values.

    Args:
        name: Parameter name.
        value: What was given: anything, a masked array, or a list that holds some.

    Raises:
        ValueError: A masked entry; its row, or its place in a vector, is named.
    """
    listed = isinstance(value, list | tuple)
    for place, part in enumerate(value if listed else (value,)):
        if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
            first = place if listed else int(np.argwhere(np.ma.getmaskarray(part)).ravel()[:1].sum())
            where = f" row {first}" if listed or part.ndim > 1 else f"[{first}]" if part.ndim else ""
            raise ValueError(f"{name}{where} is masked; fill it in (filled()), or leave it out")


def check_real(name: str, value: Any, what: str) -> NDArray[np.float64]:
    """Real numbers in an array of any shape.

    Args:
        name: Parameter name.
        value: What was given: a number, a list, an array, a table or a tensor.
        what: What is right, for the message.

    Returns:
        A float64 array; the values may be NaN or infinite.

    Raises:
        ValueError: Text, truth values, complex numbers, objects, a ragged list, masked entries, or a tensor that numpy
            cannot read.
    """
    check_unmasked(name, value)
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and not any(isinstance(each, str | complex | bool) for each in array.flat):
            array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        array = None
    if array is None or value is None or array.dtype.kind not in "fiu":
        hint = f"; give {name}.detach().cpu()" if hasattr(value, "detach") else ""
        raise ValueError(f"{name}={str(value)[:60]!r} must be {what}{hint}")
    return array.astype(np.float64)


def check_column(name: str, value: Any, length: int) -> NDArray[np.float64]:
    """A column of a table: one number per row, any of which may be missing.

    Args:
        name: Its name.
        value: What was given; what is None, pandas' NA or masked is missing.
        length: Rows of the table.

    Returns:
        (length,) float64, NaN where missing.

    Raises:
        ValueError: As `check_real`; another length; a truth value or an infinite one, whose row is named.
    """
    cells = value.tolist() if isinstance(value, np.ma.MaskedArray) else value
    if not isinstance(cells, list | tuple) and getattr(cells, "dtype", None) in (np.dtype(object), np.dtype(bool)):
        cells = np.asarray(cells).tolist()
    if isinstance(cells, list | tuple):
        for row, cell in enumerate(cells):
            if isinstance(cell, bool | np.bool_):
                raise ValueError(f"{name}[{row}]={cell!r} is a truth value; write a number, such as {int(cell)}")
        cells = [np.nan if _is_missing(cell) else cell for cell in cells]
    column = check_real(name, cells, "one number per formula")
    if column.shape != (length,):
        raise ValueError(f"{name} has shape {column.shape}; expected ({length},), one value per formula")
    if np.isinf(column).any():
        raise ValueError(f"{name}[{int(np.argmax(np.isinf(column)))}] is infinite; use NaN for an absent value")
    return column


def _is_missing(cell: Any) -> bool:
    return cell is None or cell is np.ma.masked or type(cell).__name__ == "NAType"


def check_rows(name: str, value: Any, length: int) -> NDArray[np.int64]:
    """Rows of a table, by number or by a mask.

    Args:
        name: Parameter name.
        value: What was given.
        length: Rows of the table.

    Returns:
        Row numbers (n,), none of them negative.

    Raises:
        ValueError: Anything else, or a row that the table lacks.
    """
    check_unmasked(name, value)
    try:
        chosen = np.asarray(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={str(value)[:60]!r} must be row numbers or a mask") from None
    if chosen.dtype == np.bool_:
        if chosen.shape != (length,):
            raise ValueError(
                f"{name} is a mask of shape {chosen.shape}; expected ({length},), one flag per row of data"
            )
        return np.flatnonzero(chosen)
    if chosen.ndim != 1 or (chosen.size and not np.issubdtype(chosen.dtype, np.integer)):
        raise ValueError(f"{name} has dtype {chosen.dtype} and shape {chosen.shape}; expected row numbers or a mask")
    if chosen.size and not (0 <= chosen.min() and chosen.max() < length):
        raise ValueError(f"{name} spans {chosen.min()}..{chosen.max()}; data has rows 0..{length - 1}")
    return chosen.astype(np.int64)


def check_choice(name: str, value: Any, known: Iterable[str]) -> str:
    """One of some names.

    Args:
        name: Parameter name.
        value: What was given.
        known: Names that exist.

    Returns:
        The name.

    Raises:
        ValueError: Anything else.
    """
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}={value!r} is unknown; choose one of {', '.join(known)}")
    return value
