"""`explain`: fills a candidate card."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np

from matenv import elements as alphabet
from matenv.card.card import Card, Estimate, KnownFormula, Opinion
from matenv.chemistry import is_all_metal, is_charge_neutral, is_electronegativity_balanced, oxidation_states
from matenv.composition import CompositionBatch, FormulaIndex, read
from matenv.data import load_dataset
from matenv.data.dataset import PARTS
from matenv.data.neighbours import closest
from matenv.oracle import DEFAULT_PREDICTOR, Assessment, Oracle
from matenv.oracle.stability import decoy_factor, hit_rate, scale_odds
from matenv.tasks import TOO_GOOD

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


def explain(
    formula: str | Composition,
    reference: str = "all",
    predictor: str = DEFAULT_PREDICTOR,
    properties: Iterable[Property] = (),
) -> Card:
    """The candidate card of one formula.

    Args:
        formula: An integer formula of at least two elements.
        reference: Phases of the hull: ``"all"`` (the whole table) or ``"train"``; P(stable) is calibrated for each.
        predictor: Name of the proxy, as `Oracle` takes it; ``"accurate"`` errs least.
        properties: Properties of one's own to predict besides.

    Returns:
        The card.

    Raises:
        ValueError: An unreadable formula, a pure element, or one with an element that the table knows no compound of;
            an unknown predictor, or a gold one, which is on every card as the judge.

    Examples:
        >>> card = explain("LiFePO4")
        >>> card.reaction, card.oxidation_states["Fe"], card.entries["Li-P-O"] > 0
        ('LiFePO4 -> 1/3 Fe3(PO4)2 + 1/3 Li3PO4', 2, True)
    """
    batch = read(formula, whole=True)
    oracle = Oracle(reference, predictor=predictor, properties=properties)
    assessment = oracle.assess(batch)
    if not assessment.valid[0]:
        raise ValueError(
            f"formula={str(formula)!r} cannot be explained: it needs two elements or more, all of which the "
            f"{reference!r} table knows compounds of"
        )
    proxy = _opinion(predictor, assessment)
    size, p_stable = int(batch.size[0]), proxy.p_stable[0.0]
    part, neighbours = _part(batch), _neighbours(batch)
    factor = decoy_factor(predictor, reference, size)
    return Card(
        **vars(proxy),
        gold=_opinion(GOLD, Oracle(reference, predictor=GOLD, judge=True).assess(batch)),
        formula=assessment.formulas[0],
        part=part,
        dft={} if part is None else neighbours[0].dft,
        reference=reference,
        energy_scheme=oracle.hull.energy_scheme,
        too_good=proxy.decomposition_energy.mean < TOO_GOOD.get(min(size, max(TOO_GOOD)), -np.inf),
        hit_rate=hit_rate(p_stable, size, predictor, reference),
        p_among_all=None if part is not None or factor is None else scale_odds(p_stable, factor),
        reaction=oracle.hull.decompose(batch, exclude_self=True).reaction(0),
        entries=_entries(batch, reference),
        charge_neutral=bool(is_charge_neutral(batch)[0]),
        electronegativity_balanced=bool(is_electronegativity_balanced(batch)[0]),
        oxidation_states=oxidation_states(assessment.formulas[0]),
        all_metal=bool(is_all_metal(batch)[0]),
        neighbours=neighbours,
    )


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
    )


def _part(batch: CompositionBatch) -> str | None:
    """Part of the frozen split that holds a formula, None if the table does not."""
    table = load_dataset("mp-ground-states")
    (row,) = table.find(batch)
    return None if row < 0 else PARTS[table.system_part[row]]


def _entries(batch: CompositionBatch, reference: str) -> dict[str, int]:
    """Compounds of the reference in each subsystem of two and more elements of a formula, its own left out."""
    table = load_dataset("mp-ground-states")
    known = table.compositions if reference == "all" else table.compositions[table.split("system").train]
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
    columns = {"formation_energy": table.formation_energy, **table.labels}
    return tuple(
        KnownFormula(
            str(table.formulas[row]),
            round(float(distance), 6),
            {name: float(values[row]) for name, values in columns.items() if np.isfinite(values[row])},
        )
        for row, distance in zip(rows.tolist(), distances.tolist(), strict=True)
    )
