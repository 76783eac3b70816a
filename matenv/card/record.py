"""`Card`: what is known and predicted about one formula, and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matenv.card.text import lines
from matenv.oracle.stability import HitRate


@dataclass(frozen=True)
class Estimate:
    """A predicted quantity.

    Attributes:
        mean: Expected value.
        low: Lower end of the 90 % interval.
        high: Upper end.
        unit: Unit of all three.
    """

    mean: float
    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        return f"{self.mean:8.3f}  ({self.low:.3f} .. {self.high:.3f})"


@dataclass(frozen=True)
class KnownFormula:
    """A formula of the table near the candidate.

    Attributes:
        formula: Reduced formula.
        distance: L1 distance of the atom fractions, 0 (the same) to 2 (nothing in common).
        dft: Its DFT values by name, in the units of `matenv.data.dataset.UNITS`; what is unknown is left out.
    """

    formula: str
    distance: float
    dft: Mapping[str, float]


@dataclass(frozen=True)
class Opinion:
    """What one predictor says of a formula.

    Attributes:
        predictor: Its name.
        formation_energy: E_f.
        decomposition_energy: E_d: E_f minus the exact hull of the reference without the formula.
        p_stable: P(E_d <= t) by t in eV/atom.
        properties: Every other property that it predicts.
    """

    predictor: str
    formation_energy: Estimate
    decomposition_energy: Estimate
    p_stable: Mapping[float, float]
    properties: Mapping[str, Estimate]


@dataclass(frozen=True)
class Card(Opinion):
    """What is known and predicted about one formula; ``print(card)`` lays it out.

    The fields of `Opinion` are those of the proxy, the predictor that rewards are paid by.

    Attributes:
        gold: What the judge says: a predictor of another family, trained on all rows, that no reward may use.
        formula: Reduced formula.
        part: Part of the frozen `system` split that holds it (``"train"``, ``"validation"``, ``"test"``); None if it
            is not in the table.
        dft: Its DFT values by name; empty if it is not in the table.
        reference: Phases of the hull, as `Oracle` takes them.
        energy_scheme: Which energies these are.
        too_good: Whether E_d lies lower than that of 99.9 % of the stable formulas with as many elements.
        hit_rate: How often held-out rows with such a P(stable) and number of elements were stable.
        p_among_all: P(stable) if nobody had a reason to compute the formula; None if it is in the table.
        reaction: What it would decompose into, balanced.
        entries: Known compounds in each subsystem of two and more elements, e.g. ``{"Fe-O": 5}``.
        charge_neutral: Whether oxidation states can sum to zero (SMACT's rule, no exemption for alloys).
        electronegativity_balanced: Whether they can with cations less electronegative than anions.
        oxidation_states: A likely assignment, see `matenv.chemistry.oxidation_states`; None where there is none.
        all_metal: Whether it holds metals only, for which oxidation states mean little.
        neighbours: The nearest known formulas, itself included if known.
    """

    gold: Opinion
    formula: str
    part: str | None
    dft: Mapping[str, float]
    reference: str
    energy_scheme: str
    too_good: bool
    hit_rate: HitRate | None
    p_among_all: float | None
    reaction: str
    entries: Mapping[str, int]
    charge_neutral: bool
    electronegativity_balanced: bool
    oxidation_states: Mapping[str, int | dict[int, int]] | None
    all_metal: bool
    neighbours: tuple[KnownFormula, ...]

    @property
    def regime(self) -> str:
        """``"metallic"`` (metals only), ``"ionic"`` (oxidation states balance) or ``"neither"``."""
        if self.all_metal:
            return "metallic"
        return "ionic" if self.electronegativity_balanced else "neither"

    def __str__(self) -> str:
        return "\n".join(lines(self))
