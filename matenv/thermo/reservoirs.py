"""What materials are in contact with, as chemical potentials: a metal, air, water.

Corrections that are made: of O2 gas from 0 K to 298.15 K and its partial pressure in air. Not made: vibrations of
solids, entropy and pressure of anything else, solvation (a salt that merely dissolves counts as stable in water), pH,
the nitrogen, carbon dioxide and water in air. The table's oxygen energies are corrected for oxides; oxyanions with much
more oxygen per cation (ClO4-, NO3-) come out too stable, so that air oxidises NaCl to NaClO4 on this hull.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matenv import elements as alphabet

if TYPE_CHECKING:
    from matenv.thermo.hull import ConvexHull

OXYGEN_GAS = -0.272
"""eV/atom: half of H(298.15 K) - H(0 K) - T S of O2 at 1 bar (8.68 kJ/mol, 205.15 J/mol/K; NIST-JANAF tables)."""

OXYGEN_IN_AIR = OXYGEN_GAS + 0.5 * 8.617333e-5 * 298.15 * float(np.log(0.21))
"""eV/atom against O2 at 0 K: at 298 K and 0.21 bar (-0.292)."""

NAMES = ("air", "water")
"""Environments that are no pure element."""


def potentials_of(environment: str, hull: ConvexHull) -> dict[str, float]:
    """Chemical potentials of an environment.

    Args:
        environment: ``"air"``: O2 at 298 K and 0.21 bar. ``"water"``: water in contact with that air, so O as in air
            and H such that 2 mu_H + mu_O is the energy of H2O in the hull's own table (its hydroxides carry the same
            errors as its water, which lies 1.2 eV per molecule below the measured enthalpy). An element's symbol: that
            element at 0, such as lithium metal for ``"Li"``.
        hull: The hull that the potentials are for.

    Returns:
        Potential by element, eV/atom against the pure elements.

    Raises:
        ValueError: An unknown environment, or water on a hull without H2O.
    """
    if environment == "air":
        return {"O": OXYGEN_IN_AIR}
    if environment == "water":
        water = float(hull.known_energy("H2O")[0])
        if np.isnan(water):
            raise ValueError(
                f"environment='water': the table of {hull!r} has no H2O, so H has no potential; give potentials={{'H': "
                "..., 'O': ...}} yourself"
            )
        return {"H": 0.5 * (3.0 * water - OXYGEN_IN_AIR), "O": OXYGEN_IN_AIR}
    if environment not in alphabet.INDEX:
        raise ValueError(f"environment={environment!r} is unknown; choose an element, {' or '.join(NAMES)}")
    return {environment: 0.0}
