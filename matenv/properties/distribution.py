"""Calibrated predictive distributions: what a `Prediction` knows about each property of each composition.

A property is a mixture of normals with one centre (a heavy-tailed bell). A band gap is a hurdle: exactly zero with
probability p0, otherwise the same bell cut off below zero. `calibration.py` says where the numbers come from.

May import: `matenv.properties.heads`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtr

from matenv.properties import heads

Array = NDArray[np.float64]
MAX_SIZE = 10
"""Most elements in a composition (`matenv.rational.MAX_ELEMENTS`)."""


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

    def scale(self, within: Array, between: Array, size: NDArray) -> Array:
        """Calibrated standard deviation of the bell (B,), from v_w (B,), v_b (B,) and the number of elements (B,)."""
        variance = self.within * within + self.between * between + self.floor
        return np.sqrt(variance**self.power * np.asarray(self.by_size)[size])

    def zero_probability(self, raw: Array) -> Array:
        """Calibrated P(gap = 0) (B,) from the members' mean probability (B,)."""
        return expit(self.slope * logit(np.clip(raw, 1e-6, 1.0 - 1e-6)) + self.intercept)


@dataclass(frozen=True)
class Bell:
    """Mixtures of normals with a common centre, one per row.

    Attributes:
        centre: (B,).
        scale: Standard deviation (B,).
        calibration: Shape of the mixture.
    """

    centre: Array
    scale: Array
    calibration: Calibration

    def below(self, value: ArrayLike) -> Array:
        """P(Y <= value) (B,), without a hurdle."""
        z = (np.asarray(value, dtype=np.float64) - self.centre) / self.scale
        return sum(w * ndtr(z / k) for w, k in self._parts())  # type: ignore[return-value]

    def positive_moments(self) -> tuple[Array, Array]:
        """E[Y | Y > 0] and E[Y^2 | Y > 0], (B,) each: the moments of a truncated normal, mixed."""
        mass, first, second = (np.zeros_like(self.centre) for _ in range(3))
        for w, k in self._parts():
            sigma = k * self.scale
            t = self.centre / sigma
            area, density = w * ndtr(t), w * np.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
            mass += area
            first += self.centre * area + sigma * density
            second += (self.centre**2 + sigma**2) * area + self.centre * sigma * density
        return first / mass, second / mass

    def _parts(self) -> zip[tuple[float, float]]:
        return zip(self.calibration.weights, self.calibration.widths, strict=True)


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
        calibrations: Mapping[str, Calibration],
    ) -> None:
        """Combine the ensemble's outputs.

        Args:
            location: Mean of the members' locations (B, 5), columns as `heads.NAMES`, in the properties' units.
            within: Mean of the members' predicted variances (B, 5).
            between: Variance of the members' locations (B, 5).
            zero: Mean of the members' probabilities of a zero gap (B, 2), columns as `heads.HURDLE`.
            size: Number of elements (B,).
            calibrations: One for each name of `heads.NAMES`.
        """
        self.mean: dict[str, Array] = {}
        self.std: dict[str, Array] = {}
        self.zero_probability: dict[str, Array] = {}
        self._bells: dict[str, Bell] = {}
        for k, name in enumerate(heads.NAMES):
            calibration = calibrations[name]
            bell = Bell(
                np.ascontiguousarray(location[:, k]),
                calibration.scale(within[:, k], between[:, k], size),
                calibration,
            )
            self._bells[name] = bell
            if k in heads.HURDLE:
                p0 = calibration.zero_probability(zero[:, heads.HURDLE.index(k)])
                first, second = bell.positive_moments()
                self.zero_probability[name] = p0
                self.mean[name] = (1.0 - p0) * first
                self.std[name] = np.sqrt(np.maximum((1.0 - p0) * second - self.mean[name] ** 2, 0.0))
            else:
                self.mean[name], self.std[name] = bell.centre, bell.scale

    def __len__(self) -> int:
        return len(self.mean[heads.NAMES[0]])

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
        value = self._values(name, value)
        if name not in self.zero_probability:
            return np.clip(self._bells[name].below(value), 0.0, 1.0)
        p0, bell = self.zero_probability[name], self._bells[name]
        cut = bell.below(0.0)
        share = (bell.below(np.maximum(value, 0.0)) - cut) / (1.0 - cut)
        return np.where(value < 0.0, 0.0, np.clip(p0 + (1.0 - p0) * share, 0.0, 1.0))

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
        lower = self._values(name, -np.inf if low is None else low)
        upper = self._values(name, np.inf if high is None else high)
        if np.isnan(lower).any() or np.isnan(upper).any():
            raise ValueError(f"low={low!r}, high={high!r}: an end is NaN; use None for an open end")
        if not (lower < upper).all():
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
        self._check(name)
        return self._quantile(name, 0.5 - 0.5 * coverage), self._quantile(name, 0.5 + 0.5 * coverage)

    def _quantile(self, name: str, q: float) -> Array:
        """By bisection: the cdf of a mixture has no closed inverse."""
        bell = self._bells[name]
        reach = 40.0 * bell.scale
        low, high = bell.centre - reach, bell.centre + reach
        if name in self.zero_probability:
            low, high = np.zeros_like(low), np.maximum(high, reach)
        for _ in range(60):
            middle = 0.5 * (low + high)
            above = self.cdf(name, middle) >= q
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return high

    def _check(self, name: str) -> None:
        if name not in self._bells:
            raise ValueError(f"name={name!r} is not a predicted property; choose one of {', '.join(self._bells)}")

    def _values(self, name: str, value: ArrayLike) -> Array:
        self._check(name)
        array = np.asarray(value, dtype=np.float64)
        if array.shape not in ((), (len(self),)):
            raise ValueError(f"a value has shape {array.shape}; expected a number or ({len(self)},), one per row")
        return np.broadcast_to(array, (len(self),))
