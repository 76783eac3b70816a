"""Numbers as people write them in tables: ``39 +- 1``, ``39.1(2)``, empty cells, and what is no number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ABSENT = frozenset({"", "-", "--", "n/a", "na", "nan", "none", "null", "<na>", "#n/a", "?"})
"""Cells that hold nothing, in small letters."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(_NUMBER)
_PLUS_MINUS = re.compile(rf"({_NUMBER})\s*(?:\+-|\+/-|±)\s*({_NUMBER})")
_DIGITS = re.compile(r"([+-]?\d+(?:\.(\d*))?)\((\d+)\)")
_RANGE = re.compile(rf"{_NUMBER}\s*(?:-|–|to|\.\.)\s*{_NUMBER}")


class Reading(NamedTuple):
    """A cell.

    Attributes:
        value: The number; NaN where the cell is empty or holds none.
        std: Its stated uncertainty; NaN where none is stated.
        problem: Why it was not read; empty if it was, or was empty.
    """

    value: float
    std: float = np.nan
    problem: str = ""


def is_absent(cell: Any) -> bool:
    """Whether a cell holds nothing: None, a missing value of pandas, a float NaN, or a word of `ABSENT`."""
    if isinstance(cell, str):
        return cell.strip().lower() in ABSENT
    return cell is None or _is_nan(cell) or type(cell).__name__ == "NAType"


def _is_nan(cell: Any) -> bool:
    return (
        cell.is_nan() if isinstance(cell, Decimal) else isinstance(cell, float | np.floating) and bool(np.isnan(cell))
    )


def read_number(cell: Any, decimal_comma: bool = False) -> Reading:
    """Read one cell.

    Args:
        cell: Text, a number (`Decimal` and `Fraction`, too), or one with uncertainty of the package `uncertainties`.
        decimal_comma: Whether 3,5 is a number.

    Returns:
        What it holds.

    Examples:
        >>> read_number("39 +- 1")[:2], read_number("12.34(5)")[:2]
        ((39.0, 1.0), (12.34, 0.05))
        >>> read_number(">40").problem
        'a bound, not a value'
    """
    if is_absent(cell):
        return Reading(np.nan)
    if hasattr(cell, "nominal_value"):
        return _finite(float(cell.nominal_value), float(cell.std_dev))
    if isinstance(cell, bool | np.bool_):
        return Reading(np.nan, problem="a truth value, not a number")
    if isinstance(cell, Real | Decimal | np.integer | np.floating):
        return _real(cell)
    if not isinstance(cell, str):
        return Reading(np.nan, problem=f"a {type(cell).__name__}, not a number")
    text = cell.strip().replace("\u2212", "-").replace("\u00a0", " ")
    if decimal_comma:
        text = text.replace(",", ".")
    if _PLAIN.fullmatch(text):
        return _finite(float(text))
    if found := _PLUS_MINUS.fullmatch(text):
        return _finite(float(found[1]), float(found[2]))
    if found := _DIGITS.fullmatch(text):  # the digits in brackets count in the last places
        return _finite(float(found[1]), int(found[3]) * 10.0 ** -len(found[2] or ""))
    return Reading(np.nan, problem=_why(text))


def _real(cell: Any) -> Reading:
    """A number of any type, in floating point."""
    try:
        return _finite(float(cell))
    except OverflowError:
        return Reading(np.nan, problem="beyond the largest number in floating point")


def _finite(value: float, std: float = np.nan) -> Reading:
    if np.isinf(value) or np.isinf(std):
        return Reading(np.nan, problem="infinite; leave an absent value empty")
    if std < 0:
        return Reading(np.nan, problem="an uncertainty below zero")
    return Reading(value, std)


def _why(text: str) -> str:
    if text[0] in "<>≤≥~≈":
        return "a bound, not a value"
    if _RANGE.fullmatch(text):
        return "a range, not a value; write its middle +- half its width"
    if text.lower() in ("inf", "+inf", "-inf", "infinity"):
        return "infinite; leave an absent value empty"
    if re.fullmatch(r"[+-]?\d[\d.,]*", text):
        return "not a number; write it without separators of thousands, such as 1234.5"
    return "not a number"


def read_column(cells: Iterable[Any], decimal_comma: bool = False) -> tuple[NDArray, NDArray, dict[int, str]]:
    """Read a column.

    Args:
        cells: n cells.
        decimal_comma: As `read_number`.

    Returns:
        Values (n,) and stated uncertainties (n,), NaN where absent, and why a cell was not read, by row.
    """
    read = [read_number(cell, decimal_comma) for cell in cells]
    values, std = (np.array([reading[k] for reading in read], np.float64) for k in (0, 1))
    return values, std, {row: reading.problem for row, reading in enumerate(read) if reading.problem}
