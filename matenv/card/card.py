"""`Card`: what is known and predicted about one formula, its parts, and how it is laid out as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matenv.oracle.stability import HitRate

CAVEATS = (
    "No structure is predicted: all numbers are means over what compositions like this one turned out to be.",
    "Energies are those of 0 K, PBE/PBE+U; temperature, entropy and kinetics are left out.",
    "Nothing here is a statement about synthesis.",
)

REGIMES = {
    "metallic": "metallic: metals only, for which oxidation states mean little",
    "ionic": "ionic: oxidation states balance, with cations less electronegative than anions",
    "neither": "neither metals only nor ionic",
}


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
        return "\n".join(_lines(self))


def _lines(card: Card) -> list[str]:
    """A card, line by line."""
    known = (
        "not in the table"
        if card.part is None
        else f"in the table mp-ground-states, {card.part} part of the system split"
    )
    text = [f"{card.formula}   ({known})", "", *_numbers(card), "", *_stability(card), ""]
    text.append(f"  would decompose as    {card.reaction}")
    listed = ", ".join(f"{system} {count}" for system, count in card.entries.items())
    text.append(f"  known compounds       {listed}")
    if missing := [system for system, count in card.entries.items() if not count]:
        text.append(f"  the hull may flatter  nothing is known of {', '.join(missing)}")
    text += ["", f"  regime                {REGIMES[card.regime]}", f"  oxidation states      {_states(card)}"]
    rule = {True: "yes", False: "no"}
    text.append(
        f"  one state per element sums to zero: {rule[card.charge_neutral]}; cations less electronegative: "
        f"{rule[card.electronegativity_balanced]}"
    )
    text += ["", "  nearest known formulas, with distance (L1, 0 to 2) and DFT values"]
    for neighbour in card.neighbours:
        values = "  ".join(f"{name} {value:.3f}" for name, value in neighbour.dft.items())
        text.append(f"    {neighbour.formula:20s}{neighbour.distance:6.3f}  {values}")
    return [*text, "", f"  Energy scheme {card.energy_scheme}.", *(f"  {caveat}" for caveat in CAVEATS)]


def _numbers(card: Card) -> list[str]:
    """Proxy beside judge beside DFT: means with 90 % intervals, and P(stable)."""
    gold = card.gold
    rows = [("", f"   proxy: {card.predictor}", f"   judge: {gold.predictor}", "   DFT" * bool(card.dft))]

    def add(name: str, label: str, mine: Estimate, others: Mapping[str, Estimate]) -> None:
        dft = f"{card.dft[name]:8.3f}" if name in card.dft else ""
        rows.append((f"{label} [{mine.unit}]", str(mine), str(others.get(name, "")), dft))

    add("formation_energy", "formation_energy", card.formation_energy, {"formation_energy": gold.formation_energy})
    add("decomposition_energy", "E_d", card.decomposition_energy, {"decomposition_energy": gold.decomposition_energy})
    for threshold, p in card.p_stable.items():
        rows.append((f"P(E_d <= {threshold:g} eV/atom)", f"{p:8.3f}", f"{gold.p_stable[threshold]:8.3f}", ""))
    for name, estimate in card.properties.items():
        add(name, name, estimate, gold.properties)
    width = max(len(label) for label, *_ in rows) + 3
    text = [f"  {label:{width}s}{mine:29s}{other:29s}{dft}".rstrip() for label, mine, other, dft in rows]
    text.append("  Predicted from the composition; in brackets what holds the truth in 90 % of cases.")
    if card.part is not None:
        who = "The judge has" if card.part == "test" else "Proxy and judge have"
        text.append(f"  {who} learned from this very formula.")
    return text


def _stability(card: Card) -> list[str]:
    text = [f"  hull                  {card.reference}"]
    if card.hit_rate is not None:
        text.append(f"  observed              {card.hit_rate}")
    if card.p_among_all is not None:
        text += [
            f"  among all formulas    {card.p_among_all:8.2g}   is P(E_d <= 0) of any formula; P above is that of one",
            f"  {'':33s}which somebody had reason to compute (decoy test, docs/honesty.md);",
            f"  {'':33s}measured up to 4 elements, beyond that at most this",
        ]
    if card.too_good:
        text.append(
            "  too good to be true   E_d is lower than that of 99.9 % of the stable formulas with as many elements"
        )
    return text


def _states(card: Card) -> str:
    if card.oxidation_states is None:
        return "none that sum to zero"
    words = []
    for symbol, state in card.oxidation_states.items():
        each = state if isinstance(state, dict) else {state: 0}
        words += [f"{count or ''}{' ' * bool(count)}{symbol}{charge:+d}" for charge, count in each.items()]
    return ", ".join(words)
