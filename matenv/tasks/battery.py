"""Objectives about lithium batteries: `LithiumWindow` of an electrolyte, `LithiumCathode`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from matenv.checks import check_number
from matenv.chemistry import is_electronegativity_balanced
from matenv.composition import CompositionBatch
from matenv.elements import INDEX, values
from matenv.oracle import Assessment
from matenv.tasks.objectives import check_pair

LI = INDEX["Li"]

REDOX = ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Nb", "Mo")
"""Transition metals whose oxidation state a cathode may change."""

HOST_SHARE = 0.01
"""Smallest share of reports of an oxidation state in a host: Co 4+, Ni 4+ and Fe 4+ are states, O 1- is not."""

HOST_ABOVE = 0.1
"""How far above the hull a host may lie [eV/atom]."""

CHARGE = 26_801.0
"""Charge of a mole of electrons [mAh]."""


@dataclass(frozen=True)
class LithiumWindow:
    """Electrochemical window against lithium: utility is a ramp on its lower end times a ramp on its upper one.

    Thermodynamic onsets of `ConvexHull.window`, by the predicted formation energy; interphases widen real windows.

    Attributes:
        reduction: Reduction onset [V against Li] worth nothing, and worth all.
        oxidation: Oxidation onset likewise.
    """

    reduction: tuple[float, float] = (1.5, 0.0)
    oxidation: tuple[float, float] = (2.0, 4.5)

    def __post_init__(self) -> None:
        """Check both."""
        check_pair("LithiumWindow", reduction=self.reduction, oxidation=self.oxidation)

    @property
    def name(self) -> str:
        """Name of the part."""
        return "lithium_window"

    @property
    def needs(self) -> tuple[str, ...]:
        """Properties that must be predicted."""
        return ("formation_energy",)

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,); 0 without lithium."""
        reduction, oxidation = assessment.window("Li")
        oxidation = np.where(np.isfinite(oxidation), oxidation, np.nan)
        return _ramp(reduction, *self.reduction) * _ramp(oxidation, *self.oxidation)


@dataclass(frozen=True)
class LithiumCathode:
    """Insertion cathode: utility is the product of what voltage, capacity and the delithiated host are worth.

    Mean voltage of taking all lithium out, from the predicted formation energies of the formula and of the host
    (Aydinol et al., Phys. Rev. B 56, 1354, 1997); no structure is known, so that the host may have another one. The
    host must have oxidation states that sum to zero, a transition metal that changes its state, and lie within 0.1
    eV/atom of the hull, by its probability.

    Attributes:
        voltage: Lowest and highest voltage [V against Li]; utility is the probability to lie between.
        error: Standard deviation of a predicted voltage [V]; of the formation energies' own (0.06 eV/atom each) most
            cancels between a formula and its host.
        capacity: Capacity [mAh per g of the lithiated formula] worth nothing, and worth all.
    """

    voltage: tuple[float, float] = (3.0, 4.5)
    error: float = 0.4
    capacity: tuple[float, float] = (80.0, 250.0)

    def __post_init__(self) -> None:
        """Check them."""
        check_pair("LithiumCathode", voltage=self.voltage, capacity=self.capacity)
        check_number("LithiumCathode: error", self.error, 0, np.inf, "a number of volts above 0")
        if not self.voltage[0] < self.voltage[1]:
            raise ValueError(f"LithiumCathode: voltage={self.voltage!r} must be (lowest, highest)")

    @property
    def name(self) -> str:
        """Name of the part."""
        return "lithium_cathode"

    @property
    def needs(self) -> tuple[str, ...]:
        """Properties that must be predicted."""
        return ("formation_energy",)

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,); 0 for what is no cathode."""
        batch = assessment.compositions
        rows, host = _hosts(batch)
        rows = rows & np.isfinite(assessment.mean["formation_energy"])
        result = np.zeros(len(batch))
        chosen = np.flatnonzero(rows)
        if not len(chosen):
            return result
        without = CompositionBatch.from_counts(host[chosen])
        delithiated = assessment.others(without)
        counts = batch[chosen].dense_counts()
        # Per formula unit of the lithiated formula; lithium metal is the zero of energy.
        energy = assessment.mean["formation_energy"][chosen] * counts.sum(axis=1)
        left = delithiated.mean["formation_energy"] * host[chosen].sum(axis=1)
        volt = (left - energy) / counts[:, LI]
        low, high = self.voltage
        worth = ndtr((volt - low) / self.error) * ndtr((high - volt) / self.error)
        worth *= _ramp(CHARGE * counts[:, LI] / (counts @ values("mass")), *self.capacity)
        lasts = delithiated.prob("formation_energy", high=delithiated.hull_energy + HOST_ABOVE)
        result[chosen] = np.nan_to_num(worth * lasts)
        return result


def _hosts(batch: CompositionBatch) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which rows could give up their lithium (B,), and the counts (B, 89) of what is left of them."""
    host = batch.dense_counts().astype(np.int64)
    lithium, metal = host[:, LI] > 0, (host[:, [INDEX[symbol] for symbol in REDOX]] > 0).any(axis=1)
    host[:, LI] = 0
    rows = lithium & metal & ((host > 0).sum(axis=1) >= 2)
    chosen = np.flatnonzero(rows)
    if len(chosen):
        rows[chosen] = is_electronegativity_balanced(CompositionBatch.from_counts(host[chosen]), min_share=HOST_SHARE)
    return rows, host


def _ramp(value: NDArray[np.float64], nothing: float, everything: float) -> NDArray[np.float64]:
    return np.nan_to_num(np.clip((value - nothing) / (everything - nothing), 0.0, 1.0))
