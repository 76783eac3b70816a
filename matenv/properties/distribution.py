"""Calibrated predictive distributions: what a `Prediction` knows about each property of each composition.

A property is a mixture of normals with one centre (a heavy-tailed bell). A band gap is a hurdle: exactly zero with
probability p0, otherwise the same bell cut off below zero. `calibration.py` says where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.compiled.threads import run_blocks
from matenv.properties import heads, mixture

Array = NDArray[np.float64]
_POSITION = {name: k for k, name in enumerate(heads.NAMES)}
MAX_SIZE = 10
"""Most elements in a composition (`matenv.composition.integers.MAX_ELEMENTS`)."""
ROWS_PER_THREAD = 512
"""Smallest block worth a thread of its own (about 0.2 ms of work)."""


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


class Prediction:
    """Predicted properties of B compositions, as calibrated distributions.

    Attributes:
        mean: Expected value of each property, (B,) float64 each, in its unit; a gap's is never negative.
        std: Standard deviation of each property, (B,) float64 each, in its unit.
        zero_probability: P(gap = 0), that is P(metal), (B,) float64 for each band gap.
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
        self._centre: Array
        self._scale: Array
        self._centre, self._scale, mean, std, p0 = (
            parts[0] if len(parts) == 1 else (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
        )
        self._calibrations = calibrations
        self._between = between
        self.mean: dict[str, Array] = dict(zip(heads.NAMES, mean, strict=True))
        self.std: dict[str, Array] = dict(zip(heads.NAMES, std, strict=True))
        self.zero_probability: dict[str, Array] = {heads.NAMES[k]: p for k, p in zip(heads.HURDLE, p0, strict=True)}

    def __len__(self) -> int:
        return self._centre.shape[1]

    def disagreement(self, name: str) -> Array:
        """Standard deviation between the locations that the models state, before any calibration.

        Args:
            name: Property.

        Returns:
            (B,) in the property's unit; a student's guess of it if the predictor is one.

        Raises:
            ValueError: Unknown property.
        """
        return np.sqrt(self._between[:, self._position(name)])

    def cdf(self, name: str, value: ArrayLike) -> Array:
        """Calibrated probability that a property is at most `value`.

        Args:
            name: Property.
            value: A number or one per row (B,), in the property's unit; infinities are fine, NaN gives NaN.

        Returns:
            P(Y <= value) (B,).

        Raises:
            ValueError: Unknown property, or a wrong shape.
        """
        k, values = self._position(name), self._values(value)
        centre, scale = self._centre[k], self._scale[k]
        weights, widths = self._calibrations.weights[k], self._calibrations.widths[k]
        if k in heads.HURDLE:
            return mixture.hurdle_cdf(values, centre, scale, self.zero_probability[name], weights, widths)
        return mixture.cdf(values, centre, scale, weights, widths)

    def prob(self, name: str, low: ArrayLike | None, high: ArrayLike | None) -> Array:
        """Calibrated probability that a property lies in the closed interval [low, high].

        Args:
            name: Property.
            low: Lower end, a number or (B,); None for an open end.
            high: Upper end, likewise.

        Returns:
            Probabilities (B,). A metal's gap of exactly 0 counts in every interval that contains 0.

        Raises:
            ValueError: Unknown property; an end that is NaN; low not below high.
        """
        self._position(name)
        lower = self._values(-np.inf if low is None else low)
        upper = self._values(np.inf if high is None else high)
        if not (lower < upper).all():
            if np.isnan(lower).any() or np.isnan(upper).any():
                raise ValueError(f"low={low!r}, high={high!r}: an end is NaN; use None for an open end")
            raise ValueError(f"low={low!r} must be below high={high!r}")
        under = self.cdf(name, lower)
        if name in self.zero_probability:
            under = np.where(lower <= 0.0, 0.0, under)  # the share of exact zeros lies inside [0, high]
        return np.clip(self.cdf(name, upper) - under, 0.0, 1.0)

    def interval(self, name: str, coverage: float = 0.9) -> tuple[Array, Array]:
        """Central interval that holds a property with a given probability.

        Args:
            name: Property.
            coverage: Probability inside, between 0 and 1.

        Returns:
            Lower and upper ends (B,), in the property's unit; a gap's lower end is 0 where metals are likely.

        Raises:
            ValueError: Unknown property, or `coverage` outside (0, 1).
        """
        if not 0.0 < coverage < 1.0:
            raise ValueError(f"coverage={coverage} must lie between 0 and 1, for example 0.9")
        self._position(name)
        return self._quantile(name, 0.5 - 0.5 * coverage), self._quantile(name, 0.5 + 0.5 * coverage)

    def _quantile(self, name: str, q: float) -> Array:
        """By bisection: the cdf of a mixture has no closed inverse."""
        centre, reach = self._centre[_POSITION[name]], 40.0 * self._scale[_POSITION[name]]
        low, high = centre - reach, centre + reach
        if name in self.zero_probability:
            low, high = np.zeros_like(low), np.maximum(high, reach)
        for _ in range(60):
            middle = 0.5 * (low + high)
            above = self.cdf(name, middle) >= q
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return high

    def _position(self, name: str) -> int:
        k = _POSITION.get(name)
        if k is None:
            raise ValueError(f"name={name!r} is not a predicted property; choose one of {', '.join(heads.NAMES)}")
        return k

    def _values(self, value: ArrayLike) -> Array:
        """Contiguous (B,)."""
        array = np.asarray(value, dtype=np.float64)
        if array.shape == ():
            return np.full(len(self), array)
        if array.shape != (len(self),):
            raise ValueError(f"a value has shape {array.shape}; expected a number or ({len(self)},), one per row")
        return np.ascontiguousarray(array)
