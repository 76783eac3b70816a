"""Reactions with reservoirs: DFT energies for formulas of the reference table, predicted ones for all others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.elements import INDEX, NUM_ELEMENTS
from matenv.thermo import ConvexHull
from matenv.thermo.open_hull import check_potentials
from matenv.thermo.reservoirs import potentials_of

ROUND_OFF = 1e-7
"""eV/atom; a formula that reacts by less is a product itself."""


def onset(hull: ConvexHull, batch: CompositionBatch, environment: str | Mapping[str, float]) -> NDArray[np.float64]:
    """Formation energy above which compositions react with a reservoir.

    Args:
        hull: Hull of the reference phases.
        batch: Compositions (B).
        environment: Chemical potentials by element [eV/atom], or a name that stands for them.

    Returns:
        (B,) eV/atom; NaN for a composition of the reservoir's elements only.

    Raises:
        ValueError: As `ConvexHull.open_to` and `potentials_of`.
    """
    if isinstance(environment, str):
        potentials = potentials_of(environment, hull)
    else:
        potentials = check_potentials(environment, "environment")
    energy = hull.open_to(potentials).energy(batch)
    mu = np.zeros(NUM_ELEMENTS + 1)  # the last stands for padding
    for symbol, value in potentials.items():
        mu[INDEX[symbol]] = value
    return energy + (batch.amounts * mu[batch.elements]).sum(axis=1)


def reaction_energy(
    hull: ConvexHull,
    batch: CompositionBatch,
    predicted: NDArray[np.float64],
    environment: str | Mapping[str, float],
) -> NDArray[np.float64]:
    """Energy of the reaction with a reservoir (B,) eV per atom of the composition; negative: it reacts.

    Args:
        hull: As `onset`.
        batch: As `onset`.
        predicted: Formation energies (B,) [eV/atom] of what is no reference phase.
        environment: As `onset`.

    Returns:
        (B,); NaN where a composition has neither energy, or none but the reservoir's elements.

    Raises:
        ValueError: As `onset`.
    """
    known = hull.known_energy(batch)
    return onset(hull, batch, environment) - np.where(np.isnan(known), predicted, known)
