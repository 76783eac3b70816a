"""Objectives: as much as possible, as little as possible, near a value, inside a range.

An objective turns what an oracle predicts into a utility in [0, 1] per row; `Task` multiplies those of its objectives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matenv.checks import check_number
from matenv.compiled.jit import njit
from matenv.oracle import Assessment


class Objective(Protocol):
    """One objective: a utility in [0, 1] per row. Besides the classes here, any object of this shape will do."""

    @property
    def name(self) -> str:
        """Name of the part in `TaskScore.terms`."""

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,); 0 where nothing was predicted."""


@dataclass(frozen=True)
class Ramp:
    """More is better: utility rises linearly from 0 at `low` to 1 at `high` of the predicted mean.

    With `low` > `high` less is better. `maximise` and `minimise` say which is meant.

    Attributes:
        property_name: Name of the predicted property.
        low: Value with utility 0, in the property's unit.
        high: Value with utility 1.
    """

    property_name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the ends."""
        _check_name("Ramp", self.property_name)
        check_finite(f"Ramp({self.property_name!r})", low=self.low, high=self.high)
        if self.low == self.high:
            raise ValueError(f"Ramp({self.property_name!r}): low={self.low}, high={self.high} must differ")

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.property_name

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,)."""
        return _ramp(assessment.mean[self.property_name], float(self.low), float(self.high))


@dataclass(frozen=True)
class Window:
    """Inside a range: utility is the calibrated probability that the property lies there.

    A distribution, not a bare mean: the property's own error is usually wider than the window one would like.

    Attributes:
        property_name: Name of the predicted property.
        low: Lower end in the property's unit, or None.
        high: Upper end, or None.
    """

    property_name: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Check the ends."""
        _check_name("Window", self.property_name)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        for end, value in (("low", low), ("high", high)):
            if not isinstance(value, Real) or isinstance(value, bool) or np.isnan(_float(value)):
                raise ValueError(f"Window({self.property_name!r}): {end}={value!r} must be a number, or None")
        if not low < high:
            raise ValueError(f"Window({self.property_name!r}): low={self.low} must lie below high={self.high}")

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.property_name

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,)."""
        return assessment.prob(self.property_name, self.low, self.high)


def limit(where: str, property_name: str, low: float | None, high: float | None) -> Window:
    """A `Window` as a limit on what is valid; errors say where it was given, and nothing of windows.

    Args:
        where: What the limit is called, for messages.
        property_name: Name of the property.
        low: Lower end in its unit, or None.
        high: Upper end, or None.

    Returns:
        The window.

    Raises:
        ValueError: No name, an end that is no number, or `low` not below `high`.
    """
    try:
        return Window(property_name, low, high)
    except ValueError as error:
        reason = str(error).removeprefix(f"Window({property_name!r}): ").removeprefix("Window: ")
        raise ValueError(f"{where}: {reason}") from None


def maximise(property_name: str, low: float, high: float) -> Ramp:
    """As much as possible: utility rises from 0 at `low` and below to 1 at `high` and above.

    Args:
        property_name: Name of the predicted property.
        low: What is worth nothing, in the property's unit.
        high: What is worth all.

    Returns:
        The objective.

    Raises:
        ValueError: `low` not below `high`, or an end that is not finite.
    """
    _check_order("maximise", property_name, low, high)
    return Ramp(property_name, low, high)


def minimise(property_name: str, low: float, high: float) -> Ramp:
    """As little as possible: utility falls from 1 at `low` and below to 0 at `high` and above.

    Args:
        property_name: Name of the predicted property.
        low: What is worth all, in the property's unit.
        high: What is worth nothing.

    Returns:
        The objective, a `Ramp` that runs downwards.

    Raises:
        ValueError: `low` not below `high`, or an end that is not finite.

    Examples:
        >>> minimise("band_gap_pbe", 0.0, 2.0)
        Ramp(property_name='band_gap_pbe', low=2.0, high=0.0)
    """
    _check_order("minimise", property_name, low, high)
    return Ramp(property_name, high, low)


def target(property_name: str, value: float, tolerance: float) -> Window:
    """Near a value: utility is the calibrated probability that the property lies within `tolerance` of it.

    Args:
        property_name: Name of the predicted property.
        value: What is asked for, in the property's unit.
        tolerance: How far from it is still good. With one much narrower than the predictor's own error (0.4 eV for a
            PBE gap) no formula reaches a high utility.

    Returns:
        The objective, a `Window` around the value.

    Raises:
        ValueError: A value that is not finite, or a tolerance that is not positive.

    Examples:
        >>> target("band_gap_pbe", 1.5, tolerance=0.25)
        Window(property_name='band_gap_pbe', low=1.25, high=1.75)
    """
    _check_name("target", property_name)
    check_finite(f"target({property_name!r})", value=value, tolerance=tolerance)
    if tolerance <= 0:
        raise ValueError(f"target({property_name!r}): tolerance={tolerance} must be positive")
    return Window(property_name, value - tolerance, value + tolerance)


def _check_order(kind: str, name: str, low: float, high: float) -> None:
    _check_name(kind, name)
    check_finite(f"{kind}({name!r})", low=low, high=high)
    if not low < high:
        raise ValueError(f"{kind}({name!r}): low={low} must lie below high={high}")


def check_finite(where: str, **given: float) -> None:
    """Refuse, by a ValueError that says where it is and names it, what is no finite number."""
    for name, value in given.items():
        check_number(f"{where}: {name}", value, -np.inf, np.inf, "a finite number")


def check_pair(where: str, **given: tuple[float, float]) -> None:
    """Likewise what is no pair of finite numbers that differ."""
    for name, value in given.items():
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise ValueError(f"{where}: {name}={value!r} must be a pair of numbers, such as (1.5, 0.0)")
        for end in value:
            check_number(f"{where}: {name}={value!r}: each end", end, -np.inf, np.inf, "a finite number")
        if value[0] == value[1]:
            raise ValueError(f"{where}: the two ends of {name}={value!r} must differ")


def _float(value: Any) -> float:
    """As a float; a whole number beyond every float is infinite."""
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _check_name(kind: str, name: str) -> None:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{kind}: property_name={name!r} must be the name of a property, such as 'band_gap_pbe'")


@njit(cache=True, nogil=True, error_model="numpy")
def _ramp(value: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """0 at `low`, 1 at `high`, linear between and flat beyond (B,); 0 for NaN."""
    share = np.zeros(len(value))
    for row in range(len(value)):
        if not math.isnan(value[row]):
            share[row] = min(max((value[row] - low) / (high - low), 0.0), 1.0)
    return share
