"""Reward terms about a formula's elements, and about what it is in contact with.

None of them is worked out unless the reward names it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.envs.rewards import TermFunction, Transition
from matenv.oracle.reactions import reaction_energy
from matenv.properties.element_properties import ELEMENT_PROPERTIES, ElementProperty
from matenv.thermo import ConvexHull

ENVIRONMENTS = ("Li", "water", "air")
"""Environments whose reactions are reward terms by name; others are `matenv.tasks.StableAgainst`, as an objective."""

ENERGY_LIMIT = 1.0
"""eV/atom: a reaction costs no more than this."""

BOUND = 5.0
"""A property's term lies within this many of its scales."""


def reservoir_terms(hull: ConvexHull) -> dict[str, TermFunction]:
    """Terms by name: ``reaction_Li``, ``reaction_water``, ``reaction_air``; ``scaled_price`` and so on.

    Args:
        hull: Hull of the oracle.

    Returns:
        The terms. A reaction is its energy [eV/atom], from -1 for a formula that reacts vigorously to 0 for one that
        does not, 0 also where nothing was predicted. One of `ELEMENT_PROPERTIES` is (value - centre) / scale, as
        observations hold it, within +- 5; 0, the centre, where the value is unknown.
    """
    terms = {f"reaction_{environment}": _reaction(hull, environment) for environment in ENVIRONMENTS}
    return terms | {f"scaled_{name}": _value(each) for name, each in ELEMENT_PROPERTIES.items()}


def _reaction(hull: ConvexHull, environment: str) -> TermFunction:
    def term(transition: Transition) -> NDArray[np.float64]:
        after = transition.after
        energy = reaction_energy(hull, after.compositions, after.mean["formation_energy"], environment)
        return np.clip(np.nan_to_num(energy), -ENERGY_LIMIT, 0.0)

    return term


def _value(each: ElementProperty) -> TermFunction:
    def term(transition: Transition) -> NDArray[np.float64]:
        value = (each.of(transition.after.compositions).mean - each.centre) / each.scale
        return np.clip(np.nan_to_num(value), -BOUND, BOUND)

    return term
