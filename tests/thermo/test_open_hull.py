"""Hulls at fixed chemical potentials: beside pymatgen's grand-potential diagrams, and beside what is known."""

from typing import Any

import numpy as np
import pytest

import matenv
from matenv.thermo.reservoirs import OXYGEN_IN_AIR, potentials_of
from tests.thermo.hull_cases import embedded_hull, table

CASES = [
    ("Li3PS4", {"Li": 0.0}), ("Li3PS4", {"Li": -2.0}), ("Li3PS4", {"Li": -3.0}), ("Li7La3Zr2O12", {"Li": 0.0}),
    ("Li7La3Zr2O12", {"Li": -3.5}), ("LiTi2(PO4)3", {"Li": -1.0}), ("LiFePO4", {"Li": -4.0}), ("LiF", {"Li": 0.0}),
    ("FeO", {"O": OXYGEN_IN_AIR}), ("BaTiO3", {"O": -2.0}), ("Al2O3", {"Li": 0.0}), ("CaS", {"O": -0.3}),
    ("MgO", {"O": -0.292, "H": -1.941}), ("Na3PS4", {"Na": -1.5}), ("NaCl", {"F": -3.0}),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "potentials"), CASES)
def test_pymatgen_finds_the_same_energies_and_products(formula, potentials):
    from pymatgen.analysis.phase_diagram import GrandPotentialPhaseDiagram, PDEntry
    from pymatgen.core import Composition, Element

    data, hull = table(), embedded_hull()
    wanted = {*potentials, *(str(element) for element in Composition(formula))}
    positions = [matenv.elements.INDEX[symbol] for symbol in wanted]
    inside = np.flatnonzero(np.isclose(data.fractions[:, positions].sum(axis=1), 1.0))
    entries = [PDEntry(symbol, 0.0) for symbol in wanted]
    for row in inside:
        composition = Composition(data.formulas[row])
        entries.append(PDEntry(composition, float(data.formation_energy[row]) * composition.num_atoms))
    reference = GrandPotentialPhaseDiagram(entries, {Element(symbol): mu for symbol, mu in potentials.items()})
    closed = Composition({e: n for e, n in Composition(formula).items() if str(e) not in potentials})
    expected = reference.get_hull_energy(closed) / Composition(formula).num_atoms
    dec = hull.decompose(formula, potentials=potentials)
    assert dec.energy[0] == pytest.approx(expected, abs=1e-7)
    assert hull.open_to(potentials).energy(formula)[0] == dec.energy[0]
    products: Any = reference.get_decomposition(closed)
    theirs = {matenv.formula(matenv.fractions(entry.original_comp.reduced_formula)) for entry in products}
    assert {matenv.formula(matenv.fractions(name)) for name, _ in dec.products(0)} == theirs


def test_atoms_balance_and_energies_add_up():
    data, hull = table(), embedded_hull()
    rows = np.random.default_rng(0).integers(len(data), size=300)
    potentials = {"Li": -3.0, "O": -1.0}
    dec = hull.decompose(data.compositions[rows], potentials=potentials)
    defined = dec.status == 0
    assert np.array_equal(defined, dec.closed_share > 0)
    for i in np.flatnonzero(defined)[:100]:
        total, energy = np.zeros(89), 0.0
        for formula, amount in dec.products(i):
            total += amount * matenv.fractions(formula)
            energy += amount * hull.known_energy(formula)[0]
        for k, symbol in enumerate(potentials):
            total[matenv.elements.INDEX[symbol]] -= dec.exchanged[i, k]
        assert np.allclose(total, data.fractions[rows[i]], atol=1e-9)
        total = sum(amount * matenv.fractions(formula) for formula, amount in dec.products(i))
        energy -= sum(mu * total[matenv.elements.INDEX[symbol]] for symbol, mu in potentials.items())
        assert energy == pytest.approx(dec.energy[i], abs=1e-9)
    # A phase never lies below the hull that holds it, and one by one or together makes no difference.
    assert (dec.reaction_energy(hull.known_energy(data.compositions[rows]))[defined] <= 1e-9).all()
    alone = [hull.decompose(data.compositions[r : r + 1], potentials=potentials).energy[0] for r in rows[:20].tolist()]
    assert np.array_equal(alone, dec.energy[:20], equal_nan=True)


def test_what_lithium_does():
    hull = embedded_hull()
    stable = ["LiF", "Li2O", "LiCl", "Li3N"]
    dec = hull.decompose([*stable, "Li3PS4", "Li7La3Zr2O12", "Li"], potentials={"Li": 0.0})
    energy = dec.reaction_energy(hull.known_energy([*stable, "Li3PS4", "Li7La3Zr2O12", "Li"]))
    assert np.abs(energy[:4]).max() < 1e-9 and dec.reaction(0) == "LiF -> LiF"
    assert energy[4] == pytest.approx(-1.424, abs=1e-3) and energy[5] == pytest.approx(-0.021, abs=1e-3)
    assert dec.reaction(4) == "Li3PS4 + 8 Li -> 4 Li2S + Li3P"
    assert dec.reaction(5) == "Li7La3Zr2O12 + 7 Li -> 7 Li2O + 3/2 La2O3 + 1/2 Zr4O"
    assert np.isnan(energy[6]) and dec.reaction(6) == "" and dec.products(6) == []
    given_off = hull.decompose("Li2O2", potentials={"O": -4.0})
    assert given_off.reaction(0) == "Li2O2 -> Li2O + 1/2 O2" and given_off.exchanged[0, 0] == pytest.approx(-0.25)


def test_windows_of_electrolytes():
    hull = embedded_hull()
    # Roughly as in Zhu, He & Mo, ACS Appl. Mater. Interfaces 7, 23685 (2015).
    expected = {"LiF": (0.0, 6.36), "Li2O": (0.0, 2.91), "LiCl": (0.0, 4.26), "Li3PS4": (1.72, 2.36),
                "Li7La3Zr2O12": (0.05, 2.91)}  # fmt: skip
    reduction, oxidation = hull.window(list(expected))
    assert np.allclose(np.stack([reduction, oxidation], axis=1), list(expected.values()), atol=0.01)
    # Beside a scan of the potential: within the window nothing is exchanged, beyond it something is.
    for formula, low, high in zip(expected, reduction, oxidation, strict=True):
        for volt, kept in ((low + 0.01, True), (high - 0.01, True), (low - 0.01, False), (high + 0.01, False)):
            if volt > 0:
                dec = hull.decompose(formula, potentials={"Li": -volt})
                assert (abs(dec.exchanged[0, 0]) < 1e-6) == kept
    assert hull.window("Al2O3")[1][0] == np.inf and hull.window("Al2O3")[0][0] > 0.0
    # A formula that nobody computed, predicted 0.1 eV/atom below the hull, has a wider window than its products.
    unknown = "Li5P3O11"
    bare, below = hull.window(unknown), hull.window(unknown, formation_energy=hull.energy(unknown) - 0.1)
    assert below[0][0] < bare[0][0] and below[1][0] > bare[1][0]


def test_errors_say_which():
    hull = embedded_hull()
    for potentials, says in [
        ({}, "must name an element"), ({"Xx": 0.0}, r"holds \['Xx'\]"), ({"Li": None}, "Li has the potential None"),
        ({"O": 0.0, "H": float("nan")}, "H has the potential nan"), ({"Li": 0.5}, "Li would form"),
        ({"O": 0.0, "H": 0.0}, "H2O would form from the reservoirs"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=says):
            hull.decompose("Li3PS4", potentials=potentials)
    with pytest.raises(ValueError, match="exclude_self"):
        hull.decompose("Li3PS4", exclude_self=True, potentials={"Li": 0.0})
    with pytest.raises(ValueError, match="ion='Xx'"):
        hull.window("Li3PS4", "Xx")
    with pytest.raises(ValueError, match="environment='acid'"):
        potentials_of("acid", hull)
    data = table()
    dry = matenv.ConvexHull.from_dataset(data, ~np.isin(data.formulas, ["H2O"]))
    with pytest.raises(ValueError, match="no H2O, so H has no potential"):
        potentials_of("water", dry)
