"""`explain`: fills a candidate card."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matenv import elements as alphabet
from matenv.card.card import Card
from matenv.card.parts import LARGE, Decomposed, Estimate, Gap, KnownFormula, Label, Opinion
from matenv.checks import check_choice, check_listed, check_whole
from matenv.chemistry import (
    MOST_ATOMS_EXPLAINED,
    is_all_metal,
    is_charge_neutral,
    is_electronegativity_balanced,
    oxidation_states,
)
from matenv.composition import CompositionBatch, FormulaIndex, read
from matenv.data import Dataset, load_dataset
from matenv.data.dataset import PARTS, UNITS
from matenv.data.neighbours import closest
from matenv.oracle import DEFAULT_PREDICTOR, REFERENCES, Assessment, Oracle
from matenv.oracle.rivals import standings
from matenv.oracle.stability import hit_rate
from matenv.tasks import TOO_GOOD
from matenv.thermo import ConvexHull

if TYPE_CHECKING:
    from pymatgen.core import Composition

    from matenv.properties import Property

THRESHOLDS = (0.0, 0.05, 0.1)
"""eV/atom: P(E_d <= t) is given at these."""

COVERAGE = 0.9
"""Share of truths that an interval is calibrated to hold."""

NEIGHBOURS = 5
"""Known formulas listed."""

GOLD = "gold"
"""The judge on every card."""

GAPS = ("band_gap_pbe", "band_gap_expt")
"""Properties that are exactly 0 for a metal."""

MEASURED = ("band_gap_expt",)
"""Labels of the table that experiments gave; DFT gave the others."""


def explain(
    formula: str | Composition,
    reference: str = "all",
    predictor: str = DEFAULT_PREDICTOR,
    properties: Iterable[Property | str | Path] = (),
    max_atoms: int | None = None,
) -> Card:
    """The candidate card of one formula.

    Args:
        formula: An integer formula of at least two elements; one of more than 1,000 atoms per formula unit is assigned
            no oxidation states, and the card says so.
        reference: Phases of the hull: ``"all"`` (the whole table) or ``"train"``; P(stable) is calibrated for each.
        predictor: Name of the proxy, as `Oracle` takes it; ``"accurate"`` errs least.
        properties: Properties of one's own to predict besides, or paths of their files (`load_property`).
        max_atoms: Leave phases with more atoms in their reduced formula out of the hull, many of which are supercells
            with a defect.

    Returns:
        The card.

    Raises:
        ValueError: An unreadable formula, a pure element, or one with an element that the table knows no compound of
            (it is named); an unknown predictor, or a gold one, which is on every card as the judge.

    Examples:
        >>> card = explain("LiFePO4")
        >>> card.reaction, card.oxidation_states["Fe"], card.entries["Li-P-O"] > 0
        ('LiFePO4 -> 1/3 Fe3(PO4)2 + 1/3 Li3PO4', 2, True)
        >>> card.dft_stable, round(card.dft["decomposition_energy"], 3), card.polymorphs["band_gap_pbe"].spread > 3
        (True, -0.008, True)
    """
    batch = read(formula, "formula", whole=True)
    if len(batch) != 1:
        raise ValueError(f"formula={str(formula)[:60]!r} must be one formula; it lists {len(batch)}")
    check_choice("reference", reference, REFERENCES)
    if max_atoms is not None:
        max_atoms = check_whole("max_atoms", max_atoms, "atoms, at least 2")
    phases = _phases(reference, max_atoms)
    _check(str(formula), batch, phases)
    known = reference if max_atoms is None else phases  # a hull by name is built once, and shared
    oracle = Oracle(known, predictor=predictor, properties=properties)
    assessment = oracle.assess(batch)
    proxy = _opinion(predictor, assessment)
    size, p_stable = int(batch.size[0]), proxy.p_stable[0.0]
    row = int(load_dataset("mp-ground-states").find(batch)[0])
    decomposition = oracle.hull.decompose(batch, exclude_self=True)
    products = dict(decomposition.products(0))
    return Card(
        **vars(proxy),
        gold=_opinion(GOLD, Oracle(known, predictor=GOLD, judge=True).assess(batch)),
        formula=assessment.formulas[0],
        **_on_record(row),
        reference=reference,
        max_atoms=max_atoms,
        energy_scheme=oracle.hull.energy_scheme,
        too_good=proxy.decomposition_energy.mean < TOO_GOOD.get(min(size, max(TOO_GOOD)), -np.inf),
        hit_rate=hit_rate(p_stable, size, predictor, reference),
        standing=standings(oracle, batch)[0],
        reaction=decomposition.reaction(0),
        products=products,
        large=large_formulas([assessment.formulas[0], *products]),
        without_large=_without_large(batch, reference, decomposition.energy[0]) if large_formulas(products) else None,
        entries=_entries(batch, phases),
        charge_neutral=bool(is_charge_neutral(batch)[0]),
        electronegativity_balanced=bool(is_electronegativity_balanced(batch)[0]),
        oxidation_states=oxidation_states(assessment.formulas[0]) if batch.atoms[0] <= MOST_ATOMS_EXPLAINED else None,
        all_metal=bool(is_all_metal(batch)[0]),
        neighbours=_neighbours(batch),
    )


def large_formulas(formulas: Iterable[str]) -> dict[str, int]:
    """Atoms of those formulas that have more than `LARGE`, by formula."""
    listed: Any = list(formulas) if isinstance(formulas, Iterable) and not isinstance(formulas, str) else formulas
    check_listed("formulas", listed, "formulas, such as ['LiFePO4']")
    atoms = read(listed, whole=True).atoms.tolist()
    return {formula: count for formula, count in zip(listed, atoms, strict=True) if count > LARGE}


@lru_cache(maxsize=4)
def _phases(reference: str, max_atoms: int | None) -> Dataset:
    check_choice("reference", reference, REFERENCES)
    table = load_dataset("mp-ground-states")
    keep = np.ones(len(table), np.bool_)
    if reference == "train":
        keep[table.split("system").test] = False
    if max_atoms is not None:
        if check_whole("max_atoms", max_atoms, "atoms, at least 2") < 2:
            raise ValueError(f"max_atoms={max_atoms} must be at least 2: no compound has fewer atoms")
        keep &= table.compositions.atoms <= max_atoms
    return table.subset(keep)


def _check(formula: str, batch: CompositionBatch, phases: Dataset) -> None:
    """Refuse what no hull can be asked about."""
    present = batch.elements[0, : batch.size[0]]
    if unknown := [alphabet.SYMBOLS[e] for e in present.tolist() if not (phases.compositions.elements == e).any()]:
        raise ValueError(
            f"formula={formula!r} cannot be explained: the table knows no compound of {', '.join(unknown)}"
        )
    if len(present) < 2:
        raise ValueError(f"formula={formula!r} cannot be explained: it needs two elements or more")


@lru_cache(maxsize=2)
def _hull_without_large(reference: str) -> ConvexHull:
    return ConvexHull.from_dataset(_phases(reference, LARGE))


def _without_large(batch: CompositionBatch, reference: str, energy: float) -> Decomposed:
    other = _hull_without_large(reference).decompose(batch, exclude_self=True)
    return Decomposed(LARGE, other.reaction(0), float(other.energy[0] - energy))


def _on_record(row: int) -> dict[str, Any]:
    """What the table knows of a formula, as fields of the card; `row` is -1 where it does not hold it."""
    if row < 0:
        return {"part": None, "dft": {}, "polymorphs": {}, "measured": {}}
    table = load_dataset("mp-ground-states")
    energies = {
        "formation_energy": table.formation_energy,
        "decomposition_energy": table.labels["decomposition_energy"],
    }
    labels = {
        name: Label(float(table.labels[name][row]), float(spread[row]), UNITS[name])
        for name, spread in table.spread.items()
        if np.isfinite(table.labels[name][row])
    }
    return {
        "part": PARTS[table.system_part[row]],
        "dft": {name: float(values[row]) for name, values in energies.items()},
        "polymorphs": {name: label for name, label in labels.items() if name not in MEASURED},
        "measured": {name: label for name, label in labels.items() if name in MEASURED},
    }


def _opinion(predictor: str, assessment: Assessment) -> Opinion:
    estimates = {}
    for name, unit in assessment.units.items():
        low, high = assessment.interval(name, COVERAGE)
        estimates[name] = Estimate(float(assessment.mean[name][0]), float(low[0]), float(high[0]), unit)
    low, high = assessment.interval("decomposition_energy", COVERAGE)
    distance = Estimate(float(assessment.decomposition_energy[0]), float(low[0]), float(high[0]), "eV/atom")
    return Opinion(
        predictor=predictor,
        formation_energy=estimates.pop("formation_energy"),
        decomposition_energy=distance,
        p_stable={t: float(assessment.prob_stable(t)[0]) for t in THRESHOLDS},
        properties=estimates,
        gaps={name: _gap(assessment, name) for name in GAPS},
    )


def _gap(assessment: Assessment, name: str) -> Gap:
    answer = (assessment.p_metal(name), *assessment.gap_if_no_metal(name, COVERAGE))
    return Gap(*(float(each[0]) for each in answer))


def _entries(batch: CompositionBatch, phases: Dataset) -> dict[str, int]:
    """Compounds among the phases in each subsystem of two and more elements of a formula, its own left out."""
    known = phases.compositions
    present = batch.elements[0, : batch.size[0]]
    inside = (np.isin(known.elements, present) | (known.elements < 0)).all(axis=1) & (known.size >= 2)
    rows = known[np.flatnonzero(inside)]
    itself = FormulaIndex(batch).find(rows) >= 0
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
    labels = {name: values for name, values in table.labels.items() if name not in MEASURED}
    columns = {"formation_energy": table.formation_energy, **labels}
    return tuple(
        KnownFormula(
            str(table.formulas[row]),
            round(float(distance), 6),
            {name: float(values[row]) for name, values in columns.items() if np.isfinite(values[row])},
        )
        for row, distance in zip(rows.tolist(), distances.tolist(), strict=True)
    )
