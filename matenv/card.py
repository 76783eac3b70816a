"""`explain`: the candidate card, everything one should know before trusting a predicted material.

May import: `matenv.oracle`, `matenv.stability`, `matenv.chemistry`, `matenv.data`,
`matenv.composition`, `matenv.elements`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np

from matenv import elements as alphabet
from matenv.chemistry import is_all_metal, is_charge_neutral, is_electronegativity_balanced, oxidation_states
from matenv.composition import CompositionBatch, integer_counts
from matenv.data import load_dataset
from matenv.data.neighbours import closest
from matenv.oracle import Oracle
from matenv.stability import HitRate, hit_rate

if TYPE_CHECKING:
    from pymatgen.core import Composition

THRESHOLDS = (0.0, 0.05, 0.1)
"""eV/atom: P(E_d <= t) is given at these."""

COVERAGE = 0.9
"""Share of truths that an interval is calibrated to hold."""

NEIGHBOURS = 5
"""Known formulas listed."""

CAVEATS = (
    "No structure is predicted: all numbers are means over what compositions like this one turned out to be.",
    "Energies are those of 0 K, PBE/PBE+U; temperature, entropy and kinetics are left out.",
    "Nothing here is a statement about synthesis.",
)


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
        return f"{self.mean:8.3f}   90 %: {self.low:.3f} .. {self.high:.3f} {self.unit}"


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
class Card:
    """What is known and predicted about one formula; ``print(card)`` lays it out.

    Attributes:
        formula: Reduced formula.
        part: Part of the frozen `system` split that holds it (``"train"``, ``"validation"``, ``"test"``); None if it
            is not in the table.
        reference: Phases of the hull, as `Oracle` takes them.
        energy_scheme: Which energies these are.
        formation_energy: E_f, predicted.
        decomposition_energy: E_d, predicted E_f minus the exact hull of the reference without the formula.
        p_stable: P(E_d <= t) by t in eV/atom.
        hit_rate: How often held-out rows with such a P(stable) and number of elements were stable.
        reaction: What it would decompose into, balanced.
        entries: Known compounds in each subsystem of two and more elements, e.g. ``{"Fe-O": 5}``.
        properties: Every other predicted property.
        charge_neutral: Whether oxidation states can sum to zero (SMACT's rule, no exemption for alloys).
        electronegativity_balanced: Whether they can with cations less electronegative than anions.
        oxidation_states: A likely assignment, see `matenv.chemistry.oxidation_states`; None where there is none.
        all_metal: Whether it holds metals only, for which oxidation states mean little.
        neighbours: The nearest known formulas, itself included if known.
    """

    formula: str
    part: str | None
    reference: str
    energy_scheme: str
    formation_energy: Estimate
    decomposition_energy: Estimate
    p_stable: Mapping[float, float]
    hit_rate: HitRate | None
    reaction: str
    entries: Mapping[str, int]
    properties: Mapping[str, Estimate]
    charge_neutral: bool
    electronegativity_balanced: bool
    oxidation_states: Mapping[str, int | dict[int, int]] | None
    all_metal: bool
    neighbours: tuple[KnownFormula, ...]

    def __str__(self) -> str:
        known = "not in the table" if self.part is None else f"in the table, {self.part} part of the system split"
        lines = [f"{self.formula}   ({known})", ""]
        lines += [f"  {'formation_energy':22s}{self.formation_energy}", f"  {'E_d':22s}{self.decomposition_energy}"]
        lines += [f"  {f'P(E_d <= {t:g} eV/atom)':22s}{p:8.3f}" for t, p in self.p_stable.items()]
        if self.hit_rate is not None:
            lines.append(f"  {'observed':22s}{self.hit_rate}")
        conservative = "P(stable) is calibrated for the hull of the train part, and cautious here"
        lines.append(f"  {'hull':22s}{self.reference}" + f"; {conservative}" * (self.reference == "all"))
        lines.append("")
        lines += [f"  {name:22s}{estimate}" for name, estimate in self.properties.items()]
        lines += ["", f"  would decompose as    {self.reaction}"]
        listed = ", ".join(f"{system} {count}" for system, count in self.entries.items())
        lines.append(f"  known compounds       {listed}")
        if missing := [system for system, count in self.entries.items() if not count]:
            lines.append(f"  the hull may flatter  nothing is known of {', '.join(missing)}")
        lines += ["", f"  oxidation states      {self._states()}"]
        rule = {True: "yes", False: "no"}
        lines.append(
            f"  one state per element sums to zero: {rule[self.charge_neutral]}; cations less electronegative: "
            f"{rule[self.electronegativity_balanced]}" + ("; metals only, so neither says much" * self.all_metal)
        )
        lines += ["", "  nearest known formulas, with distance (L1, 0 to 2) and DFT values"]
        for neighbour in self.neighbours:
            values = "  ".join(f"{name} {value:.3f}" for name, value in neighbour.dft.items())
            lines.append(f"    {neighbour.formula:20s}{neighbour.distance:6.3f}  {values}")
        lines += ["", f"  Energy scheme {self.energy_scheme}.", *(f"  {caveat}" for caveat in CAVEATS)]
        return "\n".join(lines)

    def _states(self) -> str:
        if self.oxidation_states is None:
            return "none that sum to zero"
        words = []
        for symbol, state in self.oxidation_states.items():
            each = state if isinstance(state, dict) else {state: 0}
            words += [f"{count or ''}{' ' * bool(count)}{symbol}{charge:+d}" for charge, count in each.items()]
        return ", ".join(words)


def explain(formula: str | Composition, reference: str = "all", predictor: str = "default") -> Card:
    """The candidate card of one formula.

    Args:
        formula: An integer formula of at least two elements.
        reference: Phases of the hull: ``"all"`` (the whole table) or ``"train"``. P(stable) is calibrated for
            ``"train"`` and conservative for ``"all"``, where fewer competitors are missing.
        predictor: Name of a shipped predictor, as `matenv.load_predictor` takes it; ``"accurate"`` errs least.

    Returns:
        The card.

    Raises:
        ValueError: An unreadable formula, a pure element, or one with an element that the table knows no compound of.

    Examples:
        >>> card = explain("LiFePO4")
        >>> card.reaction, card.oxidation_states["Fe"], card.entries["Li-P-O"] > 0
        ('LiFePO4 -> 1/3 Fe3(PO4)2 + 1/3 Li3PO4', 2, True)
    """
    batch = CompositionBatch.from_counts(integer_counts([formula]))
    oracle = _oracle(reference, predictor)
    assessment = oracle.assess(batch)
    if not assessment.valid[0]:
        raise ValueError(
            f"formula={str(formula)!r} cannot be explained: it needs two elements or more, all of which the "
            f"{reference!r} table knows compounds of"
        )
    units = oracle.predictor.units
    estimates = {}
    for name, unit in units.items():
        low, high = assessment.interval(name, COVERAGE)
        estimates[name] = Estimate(float(assessment.mean[name][0]), float(low[0]), float(high[0]), unit)
    energy = estimates.pop("formation_energy")
    hull_energy = float(assessment.hull_energy[0])
    p_stable = {t: float(assessment.prob_stable(t)[0]) for t in THRESHOLDS}
    return Card(
        formula=assessment.formulas[0],
        part=_part(batch),
        reference=reference,
        energy_scheme=oracle.hull.energy_scheme,
        formation_energy=energy,
        decomposition_energy=Estimate(
            energy.mean - hull_energy, energy.low - hull_energy, energy.high - hull_energy, energy.unit
        ),
        p_stable=p_stable,
        hit_rate=hit_rate(p_stable[0.0], int(batch.size[0]), predictor),
        reaction=oracle.hull.decompose(batch, exclude_self=True).reaction(0),
        entries=_entries(batch, reference),
        properties=estimates,
        charge_neutral=bool(is_charge_neutral(batch)[0]),
        electronegativity_balanced=bool(is_electronegativity_balanced(batch)[0]),
        oxidation_states=oxidation_states(assessment.formulas[0]),
        all_metal=bool(is_all_metal(batch)[0]),
        neighbours=_neighbours(batch),
    )


@lru_cache(maxsize=4)
def _oracle(reference: str, predictor: str) -> Oracle:
    return Oracle(reference, predictor=predictor, judge=True)  # a card pays no reward


def _part(batch: CompositionBatch) -> str | None:
    """Part of the frozen split that holds a formula, None if the table does not."""
    table = load_dataset("mp-ground-states")
    rows, distance = closest(table.compositions, batch, 1)
    if distance[0] > 1e-9:
        return None
    return next(part for part in ("train", "validation", "test") if rows[0] in table.part(part))


def _entries(batch: CompositionBatch, reference: str) -> dict[str, int]:
    """Compounds of the reference in each subsystem of two and more elements of a formula, its own left out."""
    table = load_dataset("mp-ground-states")
    known = table.compositions if reference == "all" else table.compositions[table.split("system").train]
    present = batch.elements[0, : batch.size[0]]
    inside = (np.isin(known.elements, present) | (known.elements < 0)).all(axis=1) & (known.size >= 2)
    rows = known[np.flatnonzero(inside)]
    itself = (rows.elements == batch.elements).all(axis=1) & (rows.counts == batch.counts).all(axis=1)
    found: dict[tuple[int, ...], int] = {}
    for elements in rows[np.flatnonzero(~itself)].elements.tolist():
        system = tuple(element for element in elements if element >= 0)
        found[system] = found.get(system, 0) + 1
    order = present[np.argsort(alphabet.values("electronegativity")[present], kind="stable")].tolist()
    systems = chain.from_iterable(combinations(order, n) for n in range(2, len(order) + 1))
    return {"-".join(alphabet.SYMBOLS[e] for e in system): found.get(tuple(sorted(system)), 0) for system in systems}


def _neighbours(batch: CompositionBatch) -> tuple[KnownFormula, ...]:
    table = load_dataset("mp-ground-states")
    rows, distances = closest(table.compositions, batch, NEIGHBOURS)
    columns = {"formation_energy": table.formation_energy, **table.labels}
    return tuple(
        KnownFormula(
            str(table.formulas[row]),
            round(float(distance), 6),
            {name: float(values[row]) for name, values in columns.items() if np.isfinite(values[row])},
        )
        for row, distance in zip(rows.tolist(), distances.tolist(), strict=True)
    )
