"""Properties that the elements alone decide: cost, scarcity and hazard of a formula. Exact, so they have no deviation.

`ELEMENT_PROPERTIES` holds those that ship. A task may name them without more ado; each is a `Property`, so an oracle
takes it too. A formula with an element whose value is unknown has the value NaN: it meets no limit and no objective.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch
from matenv.elements import values
from matenv.properties.own import Normal, Property

Array = NDArray[np.float64]

MASS, LOG_MASS, LOG_LEAST, ANY, ATOM = range(5)
"""How elements' values become a formula's: mean by mass, log10 of it, log10 of the least, largest, mean by atoms."""


@dataclass(frozen=True)
class ElementProperty(Property):
    """A `Property` worked out from one value per element.

    Attributes:
        column: Name of the value, as `matenv.elements.values` takes it.
        rule: `MASS`, `LOG_MASS`, `LOG_LEAST`, `ANY` or `ATOM`.
    """

    predict: Any = field(default=None, compare=False, repr=False)  # follows from the rest
    column: str = ""
    rule: int = MASS

    def __post_init__(self) -> None:
        """The function that `Property` asks for."""
        object.__setattr__(self, "predict", self._predict)
        super().__post_init__()

    def of(self, batch: CompositionBatch) -> Normal:
        """The value of each formula (B,); NaN where an element's value is unknown."""
        mean = _by_rule(batch.elements, batch.amounts, batch.size, self._values, _MASS, self.rule)
        return Normal(mean, np.zeros(len(batch)))

    def _predict(self, fractions: Array) -> Array:
        elements = np.argsort(fractions <= 0, axis=1, kind="stable").astype(np.int16)
        amounts = np.take_along_axis(fractions, elements.astype(np.int64), axis=1)
        size = (fractions > 0).sum(axis=1).astype(np.int16)
        return _by_rule(elements, amounts, size, self._values, _MASS, self.rule)

    @cached_property
    def _values(self) -> Array:
        return values(self.column)


_MASS = values("mass")


@njit(cache=True, nogil=True, error_model="numpy")
def _by_rule(
    elements: NDArray[np.int16], amounts: Array, size: NDArray[np.int16], value: Array, mass: Array, rule: int
) -> Array:
    """Values of formulas (B,) from those of their elements (89,)."""
    result = np.full(len(size), np.nan)
    for row in range(len(size)):
        total = weight = by_atoms = 0.0
        least, most = np.inf, -np.inf
        known = size[row] > 0
        for k in range(size[row]):
            element = elements[row, k]
            known &= not np.isnan(value[element])
            share = amounts[row, k] * mass[element]
            total += share * value[element]
            weight += share
            by_atoms += amounts[row, k] * value[element]
            least, most = min(least, value[element]), max(most, value[element])
        if not known:
            continue
        if rule == MASS:
            result[row] = total / weight
        elif rule == LOG_MASS:
            result[row] = np.log10(total / weight)
        elif rule == LOG_LEAST:
            result[row] = np.log10(least)
        elif rule == ATOM:
            result[row] = by_atoms
        else:
            result[row] = most
    return result


ELEMENT_PROPERTIES: dict[str, ElementProperty] = {
    each.name: each
    for each in (
        ElementProperty("price", "USD/kg", centre=100.0, scale=300.0, column="price", rule=MASS),
        ElementProperty("log10_price", "log10 USD/kg", centre=1.5, scale=1.0, column="price", rule=LOG_MASS),
        ElementProperty("log10_abundance", "log10 mg/kg", centre=0.5, scale=2.0, column="abundance", rule=LOG_LEAST),
        ElementProperty("hhi_production", "1", centre=3500.0, scale=2500.0, column="hhi_production", rule=MASS),
        ElementProperty("hhi_reserves", "1", centre=3000.0, scale=2000.0, column="hhi_reserves", rule=MASS),
        ElementProperty("mean_mass", "u/atom", centre=50.0, scale=30.0, column="mass", rule=ATOM),
        ElementProperty("rohs", "1", column="rohs", rule=ANY),
        ElementProperty("toxic", "1", column="toxic", rule=ANY),
        ElementProperty("radioactive", "1", column="radioactive", rule=ANY),
    )
}
"""By name. ``price``: of the elements in a kilogram of the formula, as traded. ``log10_abundance``: of the element that
is scarcest in the Earth's crust. ``mean_mass``: mean atomic mass.
``hhi_...``: Herfindahl-Hirschman index, weighted by mass as Gaultois et al. do (Chem.
Mater. 25, 2911, 2013); below 1,500 counts as unconcentrated, above 2,500 as highly concentrated. The flags are 1 if one
element or more has them. `matenv.elements.SUPPLY` has the units, ``supply.csv`` the sources."""
