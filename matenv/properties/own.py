"""`Property`: a property predicted by a function or model of one's own, beside the built-in ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from matenv.checks import check_number, check_real, check_share, check_unmasked
from matenv.composition import CompositionBatch, check_packed
from matenv.data.dataset import UNITS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Normal:
    """A `Distribution` of B compositions: a normal one each, or a bare value where `std` is 0.

    Attributes:
        mean: Predicted mean (B,), in the property's unit.
        std: Predicted standard deviation (B,); 0 if the model states none.
    """

    mean: Array
    std: Array

    def cdf(self, value: ArrayLike) -> Array:
        """Probability that the property is at most `value` (B,), a number or one per row; 0 or 1 without a `std`."""
        value, width = np.asarray(value, np.float64), np.where(self.std > 0.0, self.std, 1.0)
        return np.where(self.std > 0.0, ndtr((value - self.mean) / width), self.mean <= value)

    def prob(self, low: ArrayLike | None, high: ArrayLike | None) -> Array:
        """Probability that the property lies in the closed interval [low, high] (B,).

        Args:
            low: Lower end in the property's unit, or None for an open end.
            high: Upper end, or None.

        Returns:
            (B,) float64; exactly 0 or 1 where no standard deviation is stated.

        Raises:
            ValueError: low not below high, or an end that is NaN.
        """
        lower = check_real("low", -np.inf if low is None else low, "a number, or None for an open end")
        upper = check_real("high", np.inf if high is None else high, "a number, or None for an open end")
        if not (lower < upper).all():
            raise ValueError(f"low={low!r} must be below high={high!r}; use None for an open end")
        inside = (lower <= self.mean) & (self.mean <= upper)
        return np.where(self.std > 0.0, self.cdf(upper) - self.cdf(lower), inside)

    def interval(self, coverage: float = 0.9) -> tuple[Array, Array]:
        """Central interval that holds the property with a given probability: lower and upper ends (B,)."""
        check_share("coverage", coverage)
        reach = ndtri(0.5 + 0.5 * coverage) * self.std
        return self.mean - reach, self.mean + reach

    def disagreement(self) -> Array:
        """NaN (B,): there is but one model."""
        return np.full(len(self.mean), np.nan)


@dataclass(frozen=True)
class Property:
    """A property that an `Oracle` predicts with a function or model of your own.

    It stands beside the built-in ones: tasks may ask for it, `Assessment.mean`, ``std``, ``prob`` and ``interval``
    know it, and so do an environment's ``info["predicted"]`` and the ``properties`` block of its observations.

    Attributes:
        name: Its name; distinct from every built-in property.
        unit: Its unit, such as ``"g/cm3"``; ``"1"`` for a pure number.
        predict: Either a function ``f(fractions)`` of atom fractions (B, 89), columns as `matenv.elements.SYMBOLS`,
            rows summing to 1, that returns means (B,) or a pair of means and standard deviations (B,); or a fitted
            model with a method ``predict``, such as a scikit-learn regressor, whose ``return_std=True`` is used where
            it has one. What is said of a row must depend on that row alone. Rows without a valid formula are left out.
            Without a standard deviation the mean is taken at its word: a range then has probability 0 or 1, which is
            a reward with cliffs and no doubt in it.
        centre: Centre of the observation: the ``properties`` block holds (mean - centre) / scale, clipped to +- 5.
        scale: Scale of the observation, in the property's unit; choose both so that the values are of order one.

    Raises:
        ValueError: A name that is taken or no word, `predict` of the wrong kind, or a bad scale.

    Examples:
        >>> import matenv
        >>> mass = matenv.elements.values("mass")  # u
        >>> mean_mass = Property("mean_atomic_mass", "u/atom", lambda x: x @ mass)
        >>> oracle = matenv.Oracle(properties=[mean_mass])
        >>> oracle.assess("MgO").mean["mean_atomic_mass"].round(2).tolist()
        [20.15]
    """

    name: str
    unit: str
    predict: Callable[[Array], Any] | Any
    centre: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check what was given."""
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"Property name={self.name!r} must be a word such as 'density', of letters, digits and _")
        if self.name in UNITS:
            raise ValueError(f"Property name={self.name!r} is a built-in property; choose another name")
        if not isinstance(self.unit, str) or not self.unit:
            raise ValueError(f"Property({self.name!r}): unit={self.unit!r} must be text such as 'eV'; '1' for a number")
        if inspect.isclass(self.predict) or not (callable(self.predict) or hasattr(self.predict, "predict")):
            raise ValueError(
                f"Property({self.name!r}): predict={self.predict!r} must be a function of fractions (B, 89) or a "
                "fitted model with a method predict"
            )
        if hasattr(self.predict, "predict_proba") and not callable(self.predict):
            raise ValueError(
                f"Property({self.name!r}): predict={self.predict!r} is a classifier, whose labels are no property; "
                "pass the probability of the class you want: predict=lambda x: model.predict_proba(x)[:, 1]"
            )
        check_number(f"Property({self.name!r}): centre", self.centre, -np.inf, np.inf, "a finite number")
        check_number(f"Property({self.name!r}): scale", self.scale, 0, np.inf, "a finite number above 0")

    def of(self, batch: CompositionBatch) -> Normal:
        """Predict.

        Args:
            batch: B compositions, none of them empty; for none at all the model is not asked.

        Returns:
            A distribution for each.

        Raises:
            ValueError: The model answers with something else than one finite number (and, if it likes, one
                standard deviation, finite and not negative) per row. Property, row and formula are named.
        """
        check_packed("batch", batch)
        if not len(batch):
            return Normal(np.zeros(0), np.zeros(0))
        try:
            said = self._function(batch.fractions())
        except Exception as error:
            error.add_note(f"raised by predict of the property {self.name!r}, given fractions ({len(batch)}, 89)")
            raise
        pair = isinstance(said, tuple)
        if pair and len(said) != 2:
            raise ValueError(f"{self._says} a tuple of {len(said)}; expected means, or (means, standard deviations)")
        mean, std = said if pair else (said, None)
        mean = self._column(mean, "means", batch)
        if std is None:
            return Normal(mean, np.zeros(len(batch)))
        std = self._column(std, "standard deviations", batch)
        if (negative := std < 0).any():
            row = int(negative.argmax())
            raise ValueError(f"{self._says} the standard deviation {std[row]} for {_named(batch, row)}")
        return Normal(mean, std)

    @cached_property
    def _function(self) -> Callable[[Array], Any]:
        """`predict` as a function of fractions."""
        model = self.predict
        if not hasattr(model, "predict"):
            return model
        last = model.steps[-1][1] if hasattr(model, "steps") else model  # a scikit-learn Pipeline passes options on
        if "return_std" in inspect.signature(last.predict).parameters:
            return partial(model.predict, return_std=True)  # a lambda could not be pickled
        return model.predict

    @property
    def _says(self) -> str:
        return f"property {self.name!r}: predict returned"

    def _column(self, values: Any, what: str, batch: CompositionBatch) -> Array:
        """Means or standard deviations (B,) float64, checked."""
        check_unmasked(f"{self._says} {what}:", values)
        column = np.asarray(values)
        if column.dtype.kind not in "fiub":
            raise ValueError(f"{self._says} {what} of type {column.dtype}; expected numbers")
        if column.shape == (len(batch), 1):  # as scikit-learn answers if it was fitted on a column
            column = column[:, 0]
        if column.shape != (len(batch),):
            raise ValueError(f"{self._says} {what} of shape {column.shape}; expected ({len(batch)},), one per row")
        column = column.astype(np.float64)
        if not (finite := np.isfinite(column)).all():
            row = int(finite.argmin())
            raise ValueError(f"{self._says} {column[row]} among the {what}, for {_named(batch, row)}")
        return column


def _named(batch: CompositionBatch, row: int) -> str:
    return f"row {row} ({batch[row : row + 1].formulas()[0]})"
