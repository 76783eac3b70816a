"""Calibrated predictive distributions: what a `Prediction` knows about each property of each composition.

A property is a mixture of normals with one centre (a `Bell`, heavy-tailed). A band gap is a `Hurdle`: exactly zero with
probability p0, otherwise the same bell cut off below zero. `training/calibration.py` says where the numbers come from.
Both are a `Distribution`, and so is what a property of one's own says (`own.Normal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_real, check_share
from matenv.compiled.threads import run_blocks
from matenv.properties import heads, mixture

Array = NDArray[np.float64]
MAX_SIZE = 10
"""Most elements in a composition (`matenv.composition.integers.MAX_ELEMENTS`)."""
ROWS_PER_THREAD = 512
"""Smallest block worth a thread of its own (about 0.2 ms of work)."""


class Distribution(Protocol):
    """What is said of one property of B compositions, whether a built-in one or one's own.

    Ends and values are numbers or one per row (B,), in the property's unit.
    """

    @property
    def mean(self) -> Array:
        """Expected value (B,), in the property's unit."""

    @property
    def std(self) -> Array:
        """Standard deviation (B,), in the property's unit."""

    def cdf(self, value: ArrayLike) -> Array:
        """Probability that the property is at most `value` (B,)."""

    def prob(self, low: ArrayLike | None, high: ArrayLike | None) -> Array:
        """Probability that it lies in the closed interval [low, high] (B,); None for an open end."""

    def interval(self, coverage: float = 0.9) -> tuple[Array, Array]:
        """Central interval that holds it with a given probability: lower and upper ends (B,)."""

    def disagreement(self) -> Array:
        """Standard deviation between the models behind it (B,), in its unit; NaN where there is but one."""


@dataclass(frozen=True)
class Calibration:
    """How the ensemble's raw outputs for one property become a calibrated distribution.

    The variance is ``(within v_w + between v_b + floor)^power by_size[n]``, with v_w the members' mean predicted
    variance, v_b the variance between members and n the number of elements. A power above 1 says that the networks
    understate how much the errors of different compositions differ in size.

    Attributes:
        within: Factor of v_w.
        between: Factor of v_b.
        floor: Lower limit of the sum.
        power: Exponent, dimensionless.
        by_size: Factor of the variance for each number of elements 0..10, (11,).
        weights: Share of each normal of the mixture, (K,); sums to 1.
        widths: Standard deviation of each normal in units of the total one, (K,).
        slope: Of the recalibrated logit of P(gap = 0); unused without a hurdle.
        intercept: Likewise.
    """

    within: float
    between: float
    floor: float
    power: float
    by_size: tuple[float, ...]
    weights: tuple[float, ...]
    widths: tuple[float, ...]
    slope: float = 1.0
    intercept: float = 0.0


UNCALIBRATED: Mapping[str, Calibration] = dict.fromkeys(
    heads.NAMES, Calibration(1.0, 1.0, 0.0, 1.0, (1.0,) * (MAX_SIZE + 1), (1.0,), (1.0,))
)
"""Calibrations that change nothing."""


class CalibrationTable:
    """The calibrations of all properties as arrays, rows as `heads.NAMES`: what `mixture.calibrate` reads.

    Attributes:
        numbers: within, between, floor, power, slope and intercept, (5, 6).
        by_size: Factors of the variance (5, 11).
        weights: Shares of the normals (5, K), padded with 0.
        widths: Their widths (5, K), padded with 1.
    """

    def __init__(self, calibrations: Mapping[str, Calibration]) -> None:
        """Arrange calibrations.

        Args:
            calibrations: One for each name of `heads.NAMES`.
        """
        ordered = [calibrations[name] for name in heads.NAMES]
        self.numbers = np.array([[c.within, c.between, c.floor, c.power, c.slope, c.intercept] for c in ordered])
        self.by_size = np.array([c.by_size for c in ordered])
        normals = max(len(c.weights) for c in ordered)
        self.weights, self.widths = np.zeros((len(ordered), normals)), np.ones((len(ordered), normals))
        for k, c in enumerate(ordered):
            self.weights[k, : len(c.weights)], self.widths[k, : len(c.widths)] = c.weights, c.widths


class _Bells(NamedTuple):
    """Centres, standard deviations (5, B), P(gap = 0) (2, B), variances between models (B, 5), sizes (B,)."""

    centre: Array
    scale: Array
    zero: Array
    between: Array
    size: NDArray[np.int16]
    calibrations: CalibrationTable


class Bell:
    """One property of a `Prediction`: a mixture of normals with a common centre.

    Args:
        raw: The bells of all properties.
        k: Position of the property in `heads.NAMES`.
        mean: Expected value (B,), in the property's unit.
        std: Standard deviation (B,).
    """

    __slots__ = ("_k", "_raw", "mean", "std")  # five of these are made in every step

    def __init__(self, raw: _Bells, k: int, mean: Array, std: Array) -> None:
        self._raw, self._k, self.mean, self.std = raw, k, mean, std

    def cdf(self, value: ArrayLike) -> Array:
        """Calibrated probability that the property is at most `value`.

        Args:
            value: A number or one per row (B,), in the property's unit; infinities are fine, NaN gives NaN.

        Returns:
            P(Y <= value) (B,).

        Raises:
            ValueError: A wrong shape.
        """
        return mixture.cdf(self._values(value), *self._bell)

    def prob(self, low: ArrayLike | None, high: ArrayLike | None) -> Array:
        """Calibrated probability that the property lies in the closed interval [low, high].

        Args:
            low: Lower end, a number or (B,); None for an open end.
            high: Upper end, likewise.

        Returns:
            Probabilities (B,). A metal's gap of exactly 0 counts in every interval that contains 0.

        Raises:
            ValueError: An end that is NaN; low not below high.
        """
        lower = self._values(-np.inf if low is None else low, "low")
        upper = self._values(np.inf if high is None else high, "high")
        if not (lower < upper).all():
            if np.isnan(lower).any() or np.isnan(upper).any():
                raise ValueError(f"low={low!r}, high={high!r}: an end is NaN; use None for an open end")
            raise ValueError(f"low={low!r} must be below high={high!r}")
        return np.clip(self.cdf(upper) - self._under(lower), 0.0, 1.0)

    def interval(self, coverage: float = 0.9) -> tuple[Array, Array]:
        """Central interval that holds the property with a given probability.

        Args:
            coverage: Probability inside, between 0 and 1.

        Returns:
            Lower and upper ends (B,), in the property's unit.

        Raises:
            ValueError: `coverage` outside (0, 1).
        """
        check_share("coverage", coverage)
        half = 0.5 * coverage
        return self._quantile(0.5 - half), self._quantile(0.5 + half)

    def disagreement(self) -> Array:
        """Standard deviation between the locations that the models state, before any calibration.

        Returns:
            (B,) in the property's unit; a student's guess of it if the predictor is one.
        """
        return np.sqrt(self._raw.between[:, self._k])

    @property
    def _bell(self) -> tuple[Array, Array, Array, Array]:
        """Centre and scale (B,), weights and widths (K,)."""
        raw, k = self._raw, self._k
        return raw.centre[k], raw.scale[k], raw.calibrations.weights[k], raw.calibrations.widths[k]

    def _under(self, value: Array) -> Array:
        """P(Y < value)."""
        return self.cdf(value)

    def _ends(self) -> tuple[Array, Array]:
        """Ends (B,) between which all quantiles lie."""
        centre, scale, *_ = self._bell
        return centre - 40.0 * scale, centre + 40.0 * scale

    def _quantile(self, q: float | Array) -> Array:
        """By bisection: the cdf of a mixture has no closed inverse."""
        low, high = self._ends()
        for _ in range(60):
            middle = 0.5 * (low + high)
            above = self.cdf(middle) >= q
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return high

    def _values(self, value: ArrayLike, name: str = "value") -> Array:
        """Contiguous (B,)."""
        array, rows = check_real(name, value, "a number, or one per row"), len(self.mean)
        if array.shape == ():
            return np.full(rows, array)
        if array.shape != (rows,):
            raise ValueError(f"{name} has shape {array.shape}; expected a number or ({rows},), one per row")
        return np.ascontiguousarray(array)


class Hurdle(Bell):
    """A band gap: exactly zero with some probability, otherwise a bell cut off below zero."""

    __slots__ = ()

    def cdf(self, value: ArrayLike) -> Array:
        """As `Bell.cdf`; 0 below 0."""
        centre, scale, weights, widths = self._bell
        return mixture.hurdle_cdf(self._values(value), centre, scale, self.p_metal, weights, widths)

    @property
    def p_metal(self) -> Array:
        """Probability that the gap is exactly 0 (B,)."""
        return self._raw.zero[heads.HURDLE.index(self._k)]

    def interval(self, coverage: float = 0.9) -> tuple[Array, Array]:
        """Central interval that holds the gap with at least a given probability, made to hold its expected value.

        Where a metal is all but certain the central interval is the point 0, and what little chance there is of a gap
        lifts the expected value above it.

        Args:
            coverage: Probability inside, between 0 and 1.

        Returns:
            Lower and upper ends (B,), in the property's unit; the lower end is 0 where metals are likely.

        Raises:
            ValueError: `coverage` outside (0, 1).
        """
        low, high = super().interval(coverage)
        return np.minimum(low, self.mean), np.maximum(high, self.mean)

    def without_caution(self, caution: float) -> Hurdle:
        """The same bell with the variance between models as it fits table rows.

        Args:
            caution: What a committee multiplied that variance by (`training.committee`), at least 1.

        Returns:
            The distribution; its expected value stays as it was.
        """
        raw, k = self._raw, self._k
        _, factor, _, power, *_ = raw.calibrations.numbers[k]
        by_size = raw.calibrations.by_size[k, raw.size]
        scale = raw.scale.copy()
        variance = (scale[k] ** 2 / by_size) ** (1.0 / power) - factor * (1.0 - 1.0 / caution) * raw.between[:, k]
        scale[k] = np.sqrt(variance**power * by_size)
        return Hurdle(raw._replace(scale=scale), k, self.mean, self.std)

    def if_no_metal(self, coverage: float = 0.9) -> tuple[Array, Array, Array]:
        """The gap given that there is one: the answer of a hurdle beside `p_metal`.

        Args:
            coverage: Probability inside the central interval, between 0 and 1.

        Returns:
            Median, lower and upper end (B,), in the property's unit.

        Raises:
            ValueError: `coverage` outside (0, 1).
        """
        tail, rest = 0.5 - 0.5 * check_share("coverage", coverage), 1.0 - self.p_metal
        median, low, high = (self._quantile(self.p_metal + rest * q) for q in (0.5, tail, 1.0 - tail))
        return median, low, high

    def _under(self, value: Array) -> Array:
        return np.where(value <= 0.0, 0.0, self.cdf(value))  # the share of exact zeros lies inside [0, high]

    def _ends(self) -> tuple[Array, Array]:
        centre, scale, *_ = self._bell
        return np.zeros_like(centre), np.maximum(centre, 0.0) + 40.0 * scale


_SHAPES: tuple[tuple[int, str, type[Bell]], ...] = tuple(
    (k, name, Hurdle if k in heads.HURDLE else Bell) for k, name in enumerate(heads.NAMES)
)
"""Position, name and kind of each property."""


class Prediction:
    """Predicted properties of B compositions, as calibrated distributions.

    Attributes:
        by_name: The distribution of each property; the methods here ask it by name.
    """

    def __init__(
        self,
        location: Array,
        within: Array,
        between: Array,
        zero: Array,
        size: NDArray,
        calibrations: CalibrationTable,
    ) -> None:
        """Combine the ensemble's outputs.

        Args:
            location: Mean of the members' locations (B, 5), columns as `heads.NAMES`, in the properties' units.
            within: Mean of the members' predicted variances (B, 5).
            between: Variance of the members' locations (B, 5).
            zero: Mean of the members' probabilities of a zero gap (B, 2), columns as `heads.HURDLE`.
            size: Number of elements (B,).
            calibrations: Of all properties.
        """
        size, c = np.ascontiguousarray(size, np.int16), calibrations

        def run(rows: slice) -> tuple[Array, Array, Array, Array, Array]:
            raw = (location[rows], within[rows], between[rows], zero[rows], size[rows])
            return mixture.calibrate(*raw, c.numbers, c.by_size, c.weights, c.widths)

        parts = run_blocks(run, len(size), ROWS_PER_THREAD)
        centre, scale, mean, std, p0 = (
            parts[0] if len(parts) == 1 else (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
        )
        self._raw = _Bells(centre, scale, p0, between, size, calibrations)
        moments = zip(_SHAPES, mean, std, strict=True)
        self.by_name = {name: shape(self._raw, k, m, s) for (k, name, shape), m, s in moments}

    @cached_property
    def mean(self) -> dict[str, Array]:
        """Expected value of each property, (B,) float64 each, in its unit; a gap's is never negative."""
        return {name: each.mean for name, each in self.by_name.items()}

    @cached_property
    def std(self) -> dict[str, Array]:
        """Standard deviation of each property, (B,) float64 each, in its unit."""
        return {name: each.std for name, each in self.by_name.items()}

    @cached_property
    def zero_probability(self) -> dict[str, Array]:
        """P(gap = 0), that is P(metal), (B,) float64 for each band gap."""
        return {heads.NAMES[k]: p for k, p in zip(heads.HURDLE, self._raw.zero, strict=True)}

    def __len__(self) -> int:
        return self._raw.centre.shape[1]

    def cdf(self, name: str, value: ArrayLike) -> Array:
        """`Bell.cdf` of a property (B,); an unknown name is a ValueError."""
        return self._of(name).cdf(value)

    def prob(self, name: str, low: ArrayLike | None, high: ArrayLike | None) -> Array:
        """`Bell.prob` of a property (B,); an unknown name is a ValueError."""
        return self._of(name).prob(low, high)

    def interval(self, name: str, coverage: float = 0.9) -> tuple[Array, Array]:
        """`Bell.interval` of a property, (B,) each; an unknown name is a ValueError."""
        return self._of(name).interval(coverage)

    def if_no_metal(self, name: str, coverage: float = 0.9) -> tuple[Array, Array, Array]:
        """`Hurdle.if_no_metal` of a band gap, (B,) each; any other name is a ValueError."""
        found = self._of(name)
        if not isinstance(found, Hurdle):
            raise ValueError(f"name={name!r} is no band gap; choose one of {', '.join(self.zero_probability)}")
        return found.if_no_metal(coverage)

    def disagreement(self, name: str) -> Array:
        """`Bell.disagreement` of a property (B,); an unknown name is a ValueError."""
        return self._of(name).disagreement()

    def _of(self, name: str) -> Bell:
        if not isinstance(name, str) or name not in self.by_name:
            raise ValueError(f"name={name!r} is not a predicted property; choose one of {', '.join(heads.NAMES)}")
        return self.by_name[name]
