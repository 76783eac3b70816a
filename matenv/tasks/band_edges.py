"""`WaterSplitting`: whether the band edges of a semiconductor straddle the potentials of water."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, check_packed
from matenv.elements import values
from matenv.oracle import Assessment
from matenv.tasks.objectives import check_finite

VACUUM = 4.44
"""Energy of the standard hydrogen electrode below the vacuum level [eV] (Trasatti, Pure Appl. Chem. 58, 955, 1986)."""

OXYGEN = 1.23
"""Potential of O2 / H2O against the hydrogen electrode at pH 0 [V]."""

_MULLIKEN = (values("ionization_energy") + np.maximum(values("electron_affinity"), 0.0)) / 2
"""Absolute electronegativity of the atoms (89,) [eV]: half the sum of ionization energy and electron affinity."""


@dataclass(frozen=True)
class WaterSplitting:
    """Splits water under visible light: utility is the probability that the gap allows it.

    The middle of the gap lies at the geometric mean of the atoms' absolute electronegativities (Butler & Ginley, J.
    Electrochem. Soc. 125, 228, 1978; for oxides good to about half a volt). The conduction band must lie
    `overpotential` above H+ / H2 and the valence band as much below O2 / H2O, which asks for a smallest gap; light
    sets a largest.

    Attributes:
        largest_gap: Widest useful gap [eV]; visible light ends at 3.1.
        overpotential: Beyond either potential [V].
    """

    largest_gap: float = 2.8
    overpotential: float = 0.2

    def __post_init__(self) -> None:
        """Check both."""
        check_finite("WaterSplitting", largest_gap=self.largest_gap, overpotential=self.overpotential)
        if not OXYGEN < self.largest_gap < np.inf or not 0 <= self.overpotential < np.inf:
            raise ValueError(
                f"WaterSplitting: largest_gap={self.largest_gap} must exceed {OXYGEN} eV, and "
                f"overpotential={self.overpotential} must not be negative"
            )

    @property
    def name(self) -> str:
        """Name of the part."""
        return "water_splitting"

    @property
    def needs(self) -> tuple[str, ...]:
        """Properties that must be predicted."""
        return ("band_gap_expt",)

    def smallest_gap(self, batch: CompositionBatch) -> NDArray[np.float64]:
        """The gap from which on both bands lie where they must (B,) [eV]."""
        check_packed("batch", batch)
        middle = mid_gap(batch)
        return 2.0 * (np.maximum(middle, OXYGEN - middle) + self.overpotential)

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,)."""
        smallest = self.smallest_gap(assessment.compositions)
        possible = smallest < self.largest_gap
        smallest = np.where(possible, smallest, self.largest_gap - 1.0)
        return assessment.prob("band_gap_expt", smallest, self.largest_gap) * possible


def mid_gap(batch: CompositionBatch) -> NDArray[np.float64]:
    """Potential of the middle of the gap (B,) [V against the hydrogen electrode, pH 0], as `WaterSplitting` says.

    Examples:
        >>> import matenv
        >>> titania = CompositionBatch.from_fractions(matenv.fractions(["TiO2"]))
        >>> (mid_gap(titania) - 3.2 / 2).round(2).tolist()  # conduction band; measured: -0.1 to -0.3
        [-0.23]
    """
    return np.exp(batch.fractions() @ np.log(_MULLIKEN)) - VACUUM
