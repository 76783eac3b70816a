"""What a card is made of: predicted quantities, values of the table, opinions of predictors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LARGE = 40
"""Atoms in a reduced formula above which a phase is marked: many such are supercells with a defect (Mg149H, Fe43O64),
others real compounds (Th14Au51). 5 % of the table's rows have more."""


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


@dataclass(frozen=True)
class Gap:
    """What a predictor says of a band gap: whether there is one, and how wide it then is.

    Attributes:
        p_metal: Probability of none.
        median: Median of the gap if there is one [eV].
        low: Lower end of its 90 % interval [eV].
        high: Upper end [eV].
    """

    p_metal: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Label:
    """A value of the table that stands for several polymorphs or reports.

    Attributes:
        median: Their median.
        spread: Largest minus smallest; 0 for a single one.
        unit: Unit of both; of a logarithm the spread is that of a ratio.
    """

    median: float
    spread: float
    unit: str


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
class Decomposed:
    """What a formula decomposes into if phases of many atoms are left out of the hull.

    Attributes:
        max_atoms: Most atoms in a reduced formula that were left in.
        reaction: The decomposition, balanced.
        lower: How much lower every E_d of the formula then is [eV/atom].
    """

    max_atoms: int
    reaction: str
    lower: float


@dataclass(frozen=True)
class Opinion:
    """What one predictor says of a formula.

    Attributes:
        predictor: Its name.
        formation_energy: E_f.
        decomposition_energy: E_d: E_f minus the exact hull of the reference without the formula.
        p_stable: P(E_d <= t) by t in eV/atom.
        properties: Every other property that it predicts.
        gaps: Of band gaps P(metal), and the gap if it is no metal.
    """

    predictor: str
    formation_energy: Estimate
    decomposition_energy: Estimate
    p_stable: Mapping[float, float]
    properties: Mapping[str, Estimate]
    gaps: Mapping[str, Gap]
