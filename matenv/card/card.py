"""`Card`: what is known and predicted about one formula, and how it is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from matenv.card.parts import LARGE, Decomposed, Estimate, Gap, KnownFormula, Label, Opinion
from matenv.card.text import LABEL, interval, line, number, shown_unit, wrapped
from matenv.chemistry import MOST_ATOMS_EXPLAINED, States, is_ionic, spelled
from matenv.oracle.rivals import Standing
from matenv.oracle.stability import HitRate

CAVEATS = (
    "No structure is predicted: numbers are means over what compositions like this turned out to be.",
    "Energies are those of 0 K, PBE/PBE+U; temperature, entropy and kinetics are left out.",
    "Nothing here is a statement about synthesis.",
)

REGIMES = {
    "metallic": "metallic: metals only, for which oxidation states mean little",
    "ionic": "ionic: oxidation states balance, cations less electronegative than anions",
    "neither": "neither metals only nor ionic with one oxidation state per element",
    "unknown": "unknown: no oxidation states are assigned to so large a formula unit",
}

LABELS = {
    "formation_energy": "E_f",
    "decomposition_energy": "E_d",
    "band_gap_pbe": "band gap, PBE",
    "band_gap_expt": "band gap, measured",
    "log10_bulk_modulus": "bulk modulus",
    "log10_shear_modulus": "shear modulus",
}
"""Names of the built-in properties in words; one's own stand as they are."""

NEIGHBOUR_COLUMNS = {
    "formation_energy": "E_f",
    "decomposition_energy": "E_d",
    "band_gap_pbe": "PBE gap",
    "log10_bulk_modulus": "K",
    "log10_shear_modulus": "G",
}
"""DFT values of a neighbour, in order; moduli in GPa."""

SEEN = {
    "train": "The proxy was trained on this formula, the judge on every row: neither is tested here.",
    "validation": "The proxy was not trained on this formula, only chosen and calibrated with it; the judge was.",
    "test": "The proxy has never seen this formula; the judge was trained on it.",
}
"""What the predictors know of a formula, by part of the split."""


@dataclass(frozen=True)
class Card(Opinion):
    """What is known and predicted about one formula; ``print(card)`` lays it out, `to_dict` is for machines.

    The fields of `Opinion` are those of the proxy, the predictor that rewards are paid by.

    Attributes:
        gold: What the judge says: a predictor of another family, trained on all rows, that no reward may use.
        formula: Reduced formula.
        part: Part of the frozen `system` split that holds it (``"train"``, ``"validation"``, ``"test"``); None if it
            is not in the table.
        dft: DFT ``formation_energy`` and ``decomposition_energy`` (against the whole table) of its ground state
            [eV/atom]; empty if it is not in the table.
        polymorphs: DFT values known as medians over its polymorphs, by name.
        measured: Experimental values, medians over reports, by name.
        reference: Phases of the hull, as `Oracle` takes them.
        max_atoms: Most atoms in a reduced formula of these phases; None for no limit.
        energy_scheme: Which energies these are.
        too_good: Whether E_d lies lower than that of 99.9 % of the stable formulas with as many elements.
        hit_rate: How often held-out rows with such a P(stable) and number of elements were stable.
        standing: How it stands among all compositions of its chemical system: p_found, place, margin to its rivals.
        reaction: What it would decompose into, balanced.
        products: The same as atom fractions, by formula.
        large: Atoms of those of the formula and its products that have more than `LARGE`, by formula.
        without_large: What it would decompose into without such phases; None where no product is one.
        entries: Known compounds in each subsystem of two and more elements, e.g. ``{"Fe-O": 5}``.
        charge_neutral: Whether one state per element can sum to zero (SMACT's rule, rare states count, no exemption for
            alloys).
        electronegativity_balanced: Whether they can with cations less electronegative than anions.
        oxidation_states: A likely assignment, see `matenv.chemistry.oxidation_states`; None where there is none, and
            where more than `MOST_ATOMS_EXPLAINED` atoms per formula unit leave it unsought.
        all_metal: Whether it holds metals only, for which oxidation states mean little.
        neighbours: The nearest known formulas, itself included if known.
    """

    gold: Opinion
    formula: str
    part: str | None
    dft: Mapping[str, float]
    polymorphs: Mapping[str, Label]
    measured: Mapping[str, Label]
    reference: str
    max_atoms: int | None
    energy_scheme: str
    too_good: bool
    hit_rate: HitRate | None
    standing: Standing
    reaction: str
    products: Mapping[str, float]
    large: Mapping[str, int]
    without_large: Decomposed | None
    entries: Mapping[str, int]
    charge_neutral: bool
    electronegativity_balanced: bool
    oxidation_states: States | None
    all_metal: bool
    neighbours: tuple[KnownFormula, ...]

    @property
    def dft_stable(self) -> bool | None:
        """Whether DFT has the formula on the hull of the whole table (E_d <= 0); None if it is not in the table."""
        return self.dft["decomposition_energy"] <= 0 if self.dft else None

    @property
    def regime(self) -> str:
        """``"metallic"`` (metals only), ``"ionic"`` (see `matenv.chemistry.is_ionic`) or ``"neither"``.

        ``"unknown"`` where the formula unit is too large to be assigned oxidation states.
        """
        if self.all_metal:
            return "metallic"
        if self.too_large_to_assign:
            return "unknown"
        return "ionic" if is_ionic(self.oxidation_states) else "neither"

    @property
    def too_large_to_assign(self) -> bool:
        """Whether the formula unit has more atoms than oxidation states are assigned to."""
        return self.large.get(self.formula, 0) > MOST_ATOMS_EXPLAINED

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, `dft_stable`, `regime` and the caveats, ready for `json.dumps`."""
        values = (
            {"formula": self.formula}
            | asdict(self)
            | {"dft_stable": self.dft_stable, "regime": self.regime, "caveats": list(CAVEATS)}
        )
        if self.hit_rate is not None:
            values["hit_rate"] = self.hit_rate._asdict()
        for opinion in (values, values["gold"]):
            opinion["p_stable"] = {f"{threshold:g}": p for threshold, p in opinion["p_stable"].items()}
        return values

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(card: Card) -> list[str]:
    """A card, line by line."""
    where = "not in" if card.part is None else f"{card.part} part of the system split of"
    return [
        f"{card.formula}   ({where} the table mp-ground-states)", "",
        *_known(card), "", *_predicted(card), "", *_hull(card), "", *_states(card), "", *_neighbours(card), "",
        f"  Energy scheme {card.energy_scheme}.", *(f"  {caveat}" for caveat in CAVEATS),
    ]  # fmt: skip


def _known(card: Card) -> list[str]:
    """What DFT and experiments say, each kind of value on a line of its own."""
    if not card.dft:
        return ["DFT: nothing known of this formula"]
    e_f, e_d = card.dft["formation_energy"], card.dft["decomposition_energy"]
    shown = f"{e_d:.3f}" if abs(e_d) >= 5e-4 else f"{e_d:.1g}"  # never an unstable 0.000
    verdict = "stable" if card.dft_stable else "unstable"
    text = [f"DFT: {verdict}, E_d {shown} eV/atom, E_f {e_f:.3f} eV/atom (ground state; hull of the whole table)"]
    text += [_on_record(name, label, "DFT", "polymorph") for name, label in card.polymorphs.items()]
    return text + [_on_record(name, label, "experiment", "report") for name, label in card.measured.items()]


def _on_record(name: str, label: Label, source: str, each: str) -> str:
    unit, factor = shown_unit(label.unit), 10**label.spread
    span = f"{label.spread:.3f} {unit}" if unit == label.unit else f"a factor {factor:.{2 if factor >= 2 else 3}g}"
    words = f"median of {each}s that spread over {span}" if label.spread else f"one {each} or all alike"
    return line(LABELS.get(name, name), f"{number(label.median, label.unit):>8s} {unit:4s} {source}, {words}")


def _predicted(card: Card) -> list[str]:
    """Proxy beside judge: means with 90 % intervals, and P(stable)."""
    gold = card.gold
    rows = [("", f"   proxy: {card.predictor}", f"   judge: {gold.predictor}")]
    mine = {"formation_energy": card.formation_energy, "decomposition_energy": card.decomposition_energy}
    theirs = {"formation_energy": gold.formation_energy, "decomposition_energy": gold.decomposition_energy}
    energies = [_row(name, estimate, theirs) for name, estimate in mine.items()]
    chances = [
        (
            "P(stable), E_d <= 0" if threshold == 0 else f"P(E_d <= {threshold:g} eV/atom)",
            f"{p:8.3f}",
            f"{gold.p_stable[threshold]:8.3f}",
        )
        for threshold, p in card.p_stable.items()
    ]
    rows += [*energies, *chances]
    for name, each in card.properties.items():
        rows.append(_row(name, each, gold.properties))
        if name in card.gaps:
            rows += _metal(card.gaps[name], gold.gaps[name])
    width = max(LABEL - 2, *(len(label) + 1 for label, *_ in rows))
    text = ["Predicted from the composition alone; in brackets what holds the truth in 90 % of cases"]
    text += [f"  {label:{width}s}{proxy:32s}{judge}".rstrip() for label, proxy, judge in rows]
    if card.part is not None:
        text.append(f"  {SEEN[card.part]}")
    if card.dft:
        text.append("  DFT above is the answer for this formula; here stands what its composition alone would suggest.")
    if card.hit_rate is not None:
        low, high, count, stable = card.hit_rate
        text.append(
            line("observed", f"{stable:8.3f}  stable of {count} held-out rows with P(stable) in {low:g} .. {high:g}")
        )
    text += _among_rivals(card.standing)
    if card.too_good:
        text += wrapped(
            "too good to be true", "E_d is lower than that of 99.9 % of the stable formulas with as many elements"
        )
    return text


def _among_rivals(standing: Standing) -> list[str]:
    """P of all compositions of the system, place among them, and whether rivals beat it."""
    words = f"{standing.p_found:8.2g}  is P(a stable phase), of all compositions of its system (p_found);"
    if standing.place is None or standing.margin is None:
        words += " its system was not ranked (more than 5 elements, 20 atoms or 12 of one)"
    else:
        words += f" number {standing.place:,} of {standing.among:,};"
        against = "lies below" if standing.unbeaten else "is beaten by"
        words += f" {against} phases and plausible rivals by {abs(standing.margin):.3f} eV/atom"
    return wrapped("among all formulas", words, indent=LABEL + 10)


def _row(name: str, estimate: Estimate, others: Mapping[str, Estimate]) -> tuple[str, str, str]:
    other = interval(others[name]) if name in others else ""
    return f"{LABELS.get(name, name)} [{shown_unit(estimate.unit)}]", interval(estimate), other


def _metal(mine: Gap, theirs: Gap) -> list[tuple[str, str, str]]:
    """A gap's expected value blurs two answers: whether there is one, and how wide it then is."""
    both = (mine, theirs)
    if_none = [interval(Estimate(gap.median, gap.low, gap.high, "eV")) for gap in both]
    return [
        ("  P(metal)", f"{mine.p_metal:8.3f}", f"{theirs.p_metal:8.3f}"),
        ("  if no metal [eV]", if_none[0], if_none[1]),
    ]


def _hull(card: Card) -> list[str]:
    """What competes."""
    phases = {"all": "the whole table", "train": "the train part of the table"}[card.reference]
    limit = "" if card.max_atoms is None else f", formulas of at most {card.max_atoms} atoms"
    text = ["Competing phases", line("hull", phases + limit)]
    text += wrapped("would decompose as", card.reaction)
    if card.large:
        names = ", ".join(f"{formula} ({atoms} atoms)" for formula, atoms in card.large.items())
        text += wrapped("large formulas", f"{names}: more than {LARGE} atoms; often a supercell with a defect")
    if (other := card.without_large) is not None:
        text += wrapped("without those", f"{other.reaction}; E_d {other.lower:.3f} eV/atom lower")
    text += wrapped("other compounds", ", ".join(f"{system} {count}" for system, count in card.entries.items()))
    if missing := [system for system, count in card.entries.items() if not count]:
        text += wrapped("the hull may flatter", f"no other compound is known of {', '.join(missing)}")
    return text


def _states(card: Card) -> list[str]:
    text = ["Oxidation states", line("regime", REGIMES[card.regime])]
    if card.all_metal:
        return text
    rule = {True: "yes", False: "no"}
    if card.too_large_to_assign:
        states = f"left out: {card.large[card.formula]:,} atoms per formula unit, more than {MOST_ATOMS_EXPLAINED:,}"
    else:
        states = "none that sum to zero" if card.oxidation_states is None else spelled(card.oxidation_states)
    return [
        *text,
        line("a likely assignment", states),
        line("charge neutral", f"{rule[card.charge_neutral]} (one state per element)"),
        line(
            "electronegativity order",
            f"{rule[card.electronegativity_balanced]} (all cations less electronegative than anions)",
        ),
    ]


def _neighbours(card: Card) -> list[str]:
    cells = "".join(f"{heading:>9s}" for heading in NEIGHBOUR_COLUMNS.values())
    text = [
        "Nearest known formulas: L1 distance (0 to 2), DFT energies [eV/atom], gap [eV], moduli [GPa]",
        f"  {'':26s}{'distance':>9s}{cells}",
    ]
    for neighbour in card.neighbours:
        dft = neighbour.dft
        cells = "".join(_cell(name, dft[name]) if name in dft else " " * 9 for name in NEIGHBOUR_COLUMNS)
        text.append(f"  {neighbour.formula:26s}{neighbour.distance:9.3f}{cells}".rstrip())
    return text


def _cell(name: str, value: float) -> str:
    return f"{10**value:9.0f}" if name.startswith("log10_") else f"{value:9.3f}"
