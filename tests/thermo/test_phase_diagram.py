"""Hulls with more phases, large formulas of one's own, and pymatgen's phase diagrams."""

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry
from pymatgen.core import Composition

import matenv
from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.thermo import ConvexHull

SCHEME = "mp-legacy-pbe-u"
LARGE = ["Y100Ba200Cu300O693", "Y2O3", "BaO", "CuO"]


@pytest.fixture(scope="module")
def hull(data):
    return ConvexHull.from_dataset(data)


def test_own_formulas_of_more_than_a_thousand_atoms_are_left_out():
    data = Dataset.from_formulas(LARGE, [-2.2, -3.8, -2.8, -0.8])
    hull = ConvexHull.from_dataset(data)
    own, x = data.compositions[:1], data.fractions[:1]
    apart = 0.5 * 5 / 12.93 * -3.8 + 2 * 2 / 12.93 * -2.8 + 3 * 2 / 12.93 * -0.8 - 0.43 / 12.93 * 0
    for X in (own, x, x * 12.93, own.formulas(), ["YBa2Cu3O6.93"], own.dense_counts(), ["YBa2Cu3O6.93", "Y2O3"]):
        assert hull.energy(X)[0] == pytest.approx(-2.2) and hull.known_energy(X)[0] == pytest.approx(-2.2)
        assert hull.energy(X, exclude_self=True)[0] == pytest.approx(apart, abs=0.02)
        assert hull.decompose(X, exclude_self=True).products(0)[0][0] != own.formulas()[0]
    values = [hull.energy(X, exclude_self=True)[0] for X in (own, x, own.formulas(), ["YBa2Cu3O6.93"])]
    assert np.ptp(values) < 1e-9
    assert CompositionBatch.from_counts(own.dense_counts()).same_as(own).all()


def test_formulas_and_compositions_of_a_dataset_agree(data):
    mine = Dataset.from_formulas([*LARGE, "La0.7Sr0.3MnO3", "Na"], [-2.2, -3.8, -2.8, -0.8, -2.5, 0.0])
    hull = ConvexHull.from_dataset(mine)
    for exclude in (False, True):
        by_name, by_counts = (hull.energy(X, exclude_self=exclude) for X in (mine.formulas, mine.compositions))
        np.testing.assert_array_equal(by_name, by_counts)


def test_adding_phases_makes_a_new_hull(hull):
    mine = {"formula": ["Na3Cl5", "NaCl"], "formation_energy": [-1.8, -1.0]}
    more = hull.add(mine, SCHEME)
    assert more.known_energy(["Na3Cl5", "NaCl"]).tolist() == [-1.8, hull.known_energy("NaCl")[0]]
    assert "Na3Cl5" in more.formulas and "Na3Cl5" not in hull.formulas
    entries = [PDEntry(Composition(name), energy) for name, energy in (("Na", -1.3), ("Cl", -1.8), ("Na3Cl5", -27.3))]
    added = hull.add(entries, SCHEME)  # (-27.3 + 3.9 + 9.0) / 8
    assert added.energy("Na3Cl5") == pytest.approx([-1.8])
    with pytest.raises(ValueError, match="'file:table', which do not mix"):
        hull.add(mine)
    with pytest.raises(ValueError, match="formula='Xy'"):
        hull.add({"formula": ["NaCl", "Xy"], "formation_energy": [-1.0, -1.0]}, SCHEME)


def test_there_and_back_with_pymatgen(hull, data):
    diagram = hull.to_phase_diagram(["Li", "Fe", "O"])
    rows = np.random.default_rng(0).choice(len(diagram.all_entries), 12, replace=False)
    formulas = [entry.composition.reduced_formula for entry in map(diagram.all_entries.__getitem__, rows)]
    theirs = [diagram.get_hull_energy_per_atom(Composition(name)) for name in formulas]
    assert hull.energy(formulas) == pytest.approx(theirs, abs=1e-8)
    back = ConvexHull.from_phase_diagram(diagram, SCHEME)
    X = ["LiFe2O3", "Li5FeO8", "LiFeO"]
    assert back.energy(X) == pytest.approx(hull.energy(X), abs=1e-9)
    assert len(hull.to_phase_diagram("Li-O").all_entries) < len(diagram.all_entries)
    for wrong in ([], ["Xy"]):
        with pytest.raises(ValueError, match="elements"):
            hull.to_phase_diagram(wrong)
    with pytest.raises(ValueError, match="holds no compound"):
        ConvexHull.from_phase_diagram(hull.to_phase_diagram(["Na"]), SCHEME)
    assert matenv.ConvexHull is ConvexHull
