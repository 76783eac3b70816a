"""The convex hull's known answers, words and contract."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import matenv
from matenv import CompositionBatch, ConvexHull
from matenv.data import Dataset
from matenv.elements import INDEX
from matenv.thermo import Decomposition, solver
from tests.thermo.hull_cases import compositions, embedded_hull, perturbed, table


def toy(formulas, energies, **options):
    return ConvexHull.from_dataset(Dataset.from_formulas(formulas, energies, energy_scheme="toy"), **options)


def same(a: Decomposition, b: Decomposition) -> bool:
    fields = ("energy", "status", "degenerate", "potentials")
    return all(np.array_equal(getattr(a, f), getattr(b, f), equal_nan=True) for f in fields) and all(
        a.products(i) == b.products(i) for i in range(len(a))
    )


def test_the_papers_example_with_its_misprint_corrected():
    dec = toy(["Ga31Mo6", "MoS2", "GaS"], [-0.5, -0.9, -0.6]).decompose("Ga(MoS2)4")
    products = dict(dec.products(0))
    assert products == pytest.approx({"MoS2": 498 / 559, "Ga31Mo6": 37 / 559, "GaS": 24 / 559}, abs=1e-14)
    # The paper prints the weights as amounts that add to one: 6/91, 49/55 and 3/70, to three digits.
    assert [products[f] for f in ("Ga31Mo6", "MoS2", "GaS")] == pytest.approx([6 / 91, 49 / 55, 3 / 70], abs=4e-4)
    assert dec.energy[0] == pytest.approx((-0.5 * 37 - 0.9 * 498 - 0.6 * 24) / 559, abs=1e-14)
    assert not dec.degenerate[0]


def test_lithium_iron_phosphate_without_itself():
    hull, data = embedded_hull(), table()
    dec = hull.decompose("LiFePO4", exclude_self=True)
    assert [formula for formula, _ in dec.products(0)] == ["Fe3(PO4)2", "Li3PO4"]
    assert [weight for _, weight in dec.products(0)] == pytest.approx([13 / 21, 8 / 21], abs=1e-12)
    assert dec.reaction(0) == "LiFePO4 -> 1/3 Fe3(PO4)2 + 1/3 Li3PO4"
    e_f = data.formation_energy[data.formulas == "LiFePO4"][0]
    assert e_f - dec.energy[0] == pytest.approx(-0.008, abs=5e-4)
    itself = hull.decompose("LiFePO4")
    assert itself.products(0) == [("LiFePO4", pytest.approx(1.0, abs=1e-12))]
    assert itself.energy[0] == pytest.approx(e_f, abs=1e-12)
    assert itself.degenerate[0]


def test_rock_salt():
    dec = embedded_hull().decompose(["NaCl", "Na3Cl"])
    assert dec.energy[0] == pytest.approx(-2.105, abs=1e-3)
    assert dec.products(1) == [("Na", pytest.approx(0.5)), ("NaCl", pytest.approx(0.5))]
    assert dec.reaction(1) == "Na3Cl -> 2 Na + NaCl"


def test_the_tables_own_decomposition_energies_follow_from_its_formation_energies():
    data, hull = table(), embedded_hull()
    rows = np.random.default_rng(0).choice(len(data), 20_000, replace=False)
    e_d = data.formation_energy[rows] - hull.energy(data.compositions[rows], exclude_self=True)
    difference = np.abs(e_d - data.labels["decomposition_energy"][rows])
    assert np.median(difference) < 1e-12
    assert np.percentile(difference, 99) < 1e-3
    assert difference.max() < 6e-3


def test_size_of_the_embedded_hull():
    hull = embedded_hull()
    assert len(hull) == 33_981 == len(hull.formulas)
    assert hull.energy_scheme == table().energy_scheme
    assert {"LiFePO4", "NaCl"} <= set(hull.formulas.tolist())
    assert "33,981 stable of 85,014 compounds" in repr(hull)


def test_pure_elements():
    hull = embedded_hull()
    dec = hull.decompose(["Fe", "O"])
    assert dec.energy.tolist() == [0.0, 0.0]
    assert dec.products(0) == [("Fe", 1.0)] and dec.products(1) == [("O2", 1.0)]
    assert dec.reaction(1) == "O2 -> O2"
    assert not dec.degenerate.any() and (dec.status == Decomposition.OK).all()
    assert dec.potentials[0, INDEX["Fe"]] == 0.0 and np.isnan(np.delete(dec.potentials[0], INDEX["Fe"])).all()

    alone = hull.decompose(["Fe", "NaCl"], exclude_self=True)
    assert np.isnan(alone.energy[0]) and alone.status.tolist() == [Decomposition.UNDEFINED, Decomposition.OK]
    assert alone.products(0) == [] and alone.reaction(0) == "" and np.isnan(alone.potentials[0]).all()
    assert not alone.degenerate[0]


def test_elements_without_phases_form_a_tie_line():
    dec = embedded_hull().decompose(["HeFe2", "HeNe", "XeNaCl"])
    assert dec.energy[:2].tolist() == [0.0, 0.0]
    assert dec.products(0) == [("Fe", pytest.approx(2 / 3)), ("He", pytest.approx(1 / 3))]
    assert dec.products(2) == [("NaCl", pytest.approx(2 / 3)), ("Xe", pytest.approx(1 / 3))]


def test_an_empty_composition_of_a_packed_batch_has_no_answer():
    batch = CompositionBatch.from_counts(np.eye(89, dtype=int)[:2] * [[0], [1]], allow_empty=True)
    for exclude_self in (False, True):
        dec = embedded_hull().decompose(batch, exclude_self)
        assert dec.status[0] == Decomposition.UNDEFINED and np.isnan(dec.energy[0]) and dec.products(0) == []


def test_every_form_of_input_gives_the_same_answer():
    hull = embedded_hull()
    formulas = ["LiFePO4", "BaTiO3", "Fe", "Pb5Fe7O2"]
    x = matenv.fractions(formulas)
    for exclude_self in (False, True):
        expected = hull.energy(formulas, exclude_self)
        for form in (x, 7.3 * x, x.tolist(), CompositionBatch.from_fractions(x), tuple(formulas)):
            assert hull.energy(form, exclude_self) == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert hull.energy(x[0], exclude_self) == pytest.approx(expected[:1], abs=1e-12)
        assert hull.energy("LiFePO4", exclude_self).shape == (1,)


def test_formulas_with_fractional_amounts_are_not_rounded():
    dec = embedded_hull().decompose("Na1.0001Cl")
    assert dict(dec.products(0)) == pytest.approx({"NaCl": 2 / 2.0001, "Na": 0.0001 / 2.0001}, abs=1e-12)
    with pytest.raises(ValueError, match="not an integer formula"):
        dec.reaction(0)


def test_unknown_and_unstable_formulas_do_not_miss_themselves():
    hull, data = embedded_hull(), table()
    unstable = np.flatnonzero(data.labels["decomposition_energy"] > 0.01)[:500]
    batch = data.compositions[unstable]
    assert np.array_equal(hull.energy(batch), hull.energy(batch, exclude_self=True))
    unknown = perturbed(500, seed=5)
    assert np.array_equal(hull.energy(unknown), hull.energy(unknown, exclude_self=True))


def test_a_float_vectors_own_formula_is_the_one_within_round_off():
    hull = embedded_hull()
    x = matenv.fractions("LiFePO4")
    without = hull.energy(x, exclude_self=True)[0]
    li, fe = INDEX["Li"], INDEX["Fe"]
    near, far = x.copy(), x.copy()
    near[[li, fe]] += [6e-8, -6e-8]
    far[[li, fe]] += [6e-6, -6e-6]
    assert hull.energy(near, exclude_self=True)[0] == pytest.approx(without, abs=1e-6)
    assert hull.energy(near, exclude_self=True)[0] != without  # decomposed at its own composition
    single = hull.decompose(x.astype(np.float32), exclude_self=True)
    assert single.reaction(0) == "LiFePO4 -> 1/3 Fe3(PO4)2 + 1/3 Li3PO4"
    assert hull.energy(far, exclude_self=True)[0] == hull.energy(far)[0] < without - 0.005


def test_exclusion_equals_a_hull_built_without_the_formula():
    data = table()
    palette = [INDEX[s] for s in ("Li", "Na", "Mg", "Fe", "Mn", "O", "S", "P", "F")]
    inside = np.isin(data.compositions.elements, [-1, *palette]).all(axis=1)
    small = data.subset(np.flatnonzero(inside))
    hull = ConvexHull.from_dataset(small)
    assert 150 < len(hull) < len(small)
    for row in np.random.default_rng(1).choice(len(small), 60, replace=False):
        without = ConvexHull.from_dataset(small, rows=np.arange(len(small)) != row)
        one = small.compositions[row : row + 1]
        a, b = hull.decompose(one, exclude_self=True), without.decompose(one)
        assert a.energy[0] == pytest.approx(b.energy[0], abs=1e-12)
        assert dict(a.products(0)) == pytest.approx(dict(b.products(0)), abs=1e-9)
        assert small.formulas[row] not in dict(a.products(0))


def test_what_replaces_a_stable_phase_may_be_unstable():
    # AB is stable; just above the line to A lies A3B, off the hull as long as AB is there.
    hull = toy(["NaCl", "Na3Cl", "NaCl3"], [-1.0, -0.4, -0.4])
    assert hull.formulas.tolist() == ["NaCl"]
    assert dict(hull.decompose("NaCl", exclude_self=True).products(0)) == pytest.approx({"Na3Cl": 0.5, "NaCl3": 0.5})


def test_polymorphs_merge_to_the_lowest_and_leave_together():
    data = Dataset.from_formulas(["NaCl", "Na3Cl"], [-1.0, -0.1])
    twice = data.subset(np.array([0, 0, 1]))
    twice.formation_energy[:2] = [-0.7, -1.0]
    hull = ConvexHull.from_dataset(twice)
    assert hull.energy("NaCl")[0] == -1.0
    assert hull.energy("NaCl", exclude_self=True)[0] == pytest.approx(-0.1 * 2 / 3)
    assert ConvexHull.from_dataset(twice, rows=[0]).energy("NaCl")[0] == -0.7


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.where(np.arange(89) == 3, np.nan, 1.0), "row 1 holds NaN"),
        (np.where(np.arange(89) == 3, np.inf, 0.0), "row 1 holds NaN or infinite"),
        (np.where(np.arange(89) == 3, -0.1, 0.0), "row 1 holds a negative"),
        (np.zeros(89), "row 1 sums to zero"),
        ((np.arange(89) < 11).astype(float), "row 1 has 11 elements"),
    ],
)
def test_bad_rows_are_named(x, message):
    good = matenv.fractions("NaCl")
    for ask in (embedded_hull().energy, embedded_hull().decompose):
        with pytest.raises(ValueError, match=message):
            ask(np.stack([good, x]))


def test_bad_arguments():
    hull = embedded_hull()
    with pytest.raises(ValueError, match=r"shape \(1, 88\)"):
        hull.energy(np.ones(88))
    with pytest.raises(ValueError, match="shape"):
        hull.energy(np.ones((2, 2, 89)))
    with pytest.raises(ValueError, match="Po"):
        hull.energy("PoO2")
    data = Dataset.from_formulas(["NaCl", "KCl"], [-1.0, np.nan])
    with pytest.raises(ValueError, match="no formation energy"):
        ConvexHull.from_dataset(data, rows=[1])
    with pytest.raises(ValueError, match=r"rows spans 0\.\.2"):
        ConvexHull.from_dataset(data, rows=[0, 2])
    with pytest.raises(ValueError, match="mask of shape"):
        ConvexHull.from_dataset(data, rows=np.array([True]))
    with pytest.raises(ValueError, match="row numbers or a mask"):
        ConvexHull.from_dataset(data, rows=[0.5])
    with pytest.raises(ValueError, match="threads=0"):
        ConvexHull.from_dataset(data, threads=0)
    with pytest.raises(ValueError, match="pure element Na is below zero"):
        toy(["Na", "NaCl"], [-0.2, -1.0])


def test_rows_without_energy_and_element_rows_are_left_out():
    hull = toy(["NaCl", "KCl", "Na", "Cl2"], [-1.0, np.nan, 0.3, 0.0])
    assert hull.formulas.tolist() == ["NaCl"]
    assert hull.energy(["K", "KCl", "Na"]).tolist() == [0.0, 0.0, 0.0]
    only_elements = toy(["Na"], [0.0])
    assert len(only_elements) == 0 and only_elements.decompose("NaCl").reaction(0) == "NaCl -> 1/2 Cl2 + Na"


def test_rows_choose_the_references():
    data = table()
    train = data.split("system").train
    by_number, by_mask = (ConvexHull.from_dataset(data, rows) for rows in (train, np.isin(np.arange(len(data)), train)))
    x = perturbed(500, seed=2)
    assert np.array_equal(by_number.energy(x), by_mask.energy(x))
    assert (by_number.energy(x) >= embedded_hull().energy(x) - 2e-9).all()
    assert (by_number.energy(x) > embedded_hull().energy(x) + 1e-3).any()


@pytest.mark.parametrize("exclude_self", [False, True])
def test_the_batch_does_not_matter(exclude_self):
    hull = embedded_hull()
    x = np.concatenate([compositions(60, seed=3), perturbed(60, seed=4), table().fractions[:8000:100]])
    whole = hull.decompose(x, exclude_self)
    order = np.random.default_rng(0).permutation(len(x))
    shuffled = hull.decompose(x[order], exclude_self)
    assert np.array_equal(shuffled.energy, whole.energy[order], equal_nan=True)
    assert np.array_equal(shuffled.potentials, whole.potentials[order], equal_nan=True)
    assert np.array_equal(hull.energy(x, exclude_self), whole.energy, equal_nan=True)
    for i in range(0, len(x), 7):
        alone = hull.decompose(x[i], exclude_self)
        assert alone.energy[0] == whole.energy[i] and alone.products(0) == whole.products(i)


def test_threads_do_not_matter():
    data = table()
    x = np.tile(perturbed(1500, seed=6), (4, 1))
    hulls = [ConvexHull.from_dataset(data, rows=slice_, threads=t) for slice_, t in ((None, 1), (None, 4))]
    single, several = (hull.decompose(x) for hull in hulls)
    assert np.array_equal(single.energy, several.energy)
    assert np.array_equal(single.potentials, several.potentials, equal_nan=True)
    with ThreadPoolExecutor(4) as pool:  # the first use of exclude_self, from four threads at once
        energies = list(pool.map(lambda _: hulls[1].energy(data.compositions[:3000], exclude_self=True), range(4)))
    expected = hulls[0].energy(data.compositions[:3000], exclude_self=True)
    assert all(np.array_equal(e, expected) for e in energies)


@pytest.mark.parametrize("exclude_self", [False, True])
def test_the_order_of_the_table_does_not_matter(exclude_self):
    data = table().subset(np.arange(0, 85_014, 10))
    shuffled = data.subset(np.random.default_rng(1).permutation(len(data)))
    x = np.concatenate([compositions(100, seed=8, sizes=(2, 6)), data.fractions[::40]])
    a, b = (ConvexHull.from_dataset(d).decompose(x, exclude_self) for d in (data, shuffled))
    assert same(a, b)


def test_a_copy_in_another_process_answers_alike():
    hull = toy(["NaCl", "Na3Cl"], [-1.0, -0.4])
    copy = pickle.loads(pickle.dumps(hull))
    assert same(hull.decompose(["Na2Cl", "NaCl"], True), copy.decompose(["Na2Cl", "NaCl"], True))


@pytest.mark.parametrize("exclude_self", [False, True])
def test_rows_the_simplex_gives_up_are_solved_by_the_general_code(monkeypatch, exclude_self):
    hull = embedded_hull()
    x = np.concatenate([compositions(25, seed=9), table().fractions[:8000:400], matenv.fractions(["Fe", "HeFe"])])
    expected = hull.decompose(x, exclude_self)
    assert (expected.status != Decomposition.FALLBACK).all()
    hull.energy("NaCl", exclude_self=True)  # what is stored stays stored
    monkeypatch.setattr(solver, "MAX_PIVOTS", 0)
    dec = hull.decompose(x, exclude_self)
    assert (dec.status == Decomposition.FALLBACK).sum() >= 25
    assert dec.energy == pytest.approx(expected.energy, abs=2e-9, nan_ok=True)
    assert np.array_equal(hull.energy(x, exclude_self), dec.energy, equal_nan=True)
    assert np.array_equal(dec.degenerate, expected.degenerate)
    for i in np.flatnonzero(~expected.degenerate):
        assert dict(dec.products(i)) == pytest.approx(dict(expected.products(i)), abs=1e-8)
        assert dec.potentials[i] == pytest.approx(expected.potentials[i], abs=1e-7, nan_ok=True)


def test_trace_amounts_are_answered():
    hull = embedded_hull()
    for trace in (1e-6, 1e-9, 1e-11):
        x = matenv.fractions("NaCl")
        x[INDEX["Fe"]] = trace
        dec = hull.decompose(x)
        assert dec.energy[0] == pytest.approx(hull.energy("NaCl")[0], abs=10 * trace + 1e-9)
        assert len(dec.products(0)) >= 2
