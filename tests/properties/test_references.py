"""What networks are told of the training table, and the family that listens."""

import numpy as np
import pytest
import torch

import matenv
from matenv import CompositionBatch, ConvexHull
from matenv import elements as alphabet
from matenv.properties import heads
from matenv.properties.networks import references
from matenv.properties.networks.features import pack
from matenv.properties.networks.informed import InformedNetwork
from matenv.properties.networks.references import References, describe_apart
from matenv.properties.sources import _told
from matenv.thermo import solver
from matenv.training.optimizers import OPTIMIZERS

TABLE = ["LiF", "NaF", "KF", "LiCl", "KCl", "MgF2", "Na2O", "LiNaCl2"]


def batch(*formulas):
    return CompositionBatch.from_fractions(matenv.fractions(list(formulas)))


def labels(energies):
    values = np.full((len(energies), len(heads.NAMES)), np.nan)
    values[:, 0] = energies
    return values


def place(formula, element):
    return batch(formula).elements[0].tolist().index(alphabet.INDEX[element])


@pytest.fixture
def energies():
    return np.array([-3.0, -2.9, -2.8, -2.1, -2.2, -3.7, -1.4, -2.05])


def test_compounds_with_one_element_exchanged_are_found(energies):
    told = References(batch(*TABLE), labels(energies)).describe(batch("NaCl"))[0]
    mean, weight, nearest, unlike = told[place("NaCl", "Cl"), 3:7]
    assert nearest == pytest.approx(-2.9 / 0.25)  # NaF; its subsystems are pure elements, at zero
    assert weight > 0 and 0 < unlike <= 3.0
    assert mean == pytest.approx(nearest * np.expm1(weight) / (np.expm1(weight) + 0.3), rel=1e-5)
    sodium = told[place("NaCl", "Na"), 3:7]
    assert sodium[2] * 0.25 == pytest.approx(-2.1) or sodium[2] * 0.25 == pytest.approx(-2.2)  # LiCl or KCl
    assert not told[2:].any()
    lonely = References(batch(*TABLE), labels(energies)).describe(batch("BaS"))[0]
    np.testing.assert_allclose(lonely[:2, 3:7], [[0, 0, 0, 3.0]] * 2)


def test_competing_phases_leave_the_own_system_out(energies):
    near = References(batch(*TABLE), labels(energies)).describe(batch("Na2LiCl3"))[0]
    # NaCl is not in the table: 1/3 LiCl + 2/3 (elements); LiNaCl2 is of the own system.
    assert near[0, 1] == pytest.approx(-2.1 / 3)
    whole = References(batch(*TABLE), labels(energies), competitors="all").describe(batch("Na2LiCl3"))[0]
    assert whole[0, 1] == pytest.approx(-2.05 * 2 / 3)
    amounts = batch("Na2LiCl3").amounts[0, :3]
    for told in (near, whole):
        assert told[:3, 2].sum() == pytest.approx(told[0, 1])  # potentials times fractions
        np.testing.assert_allclose(told[:3, 2], told[:3, 0] * amounts, rtol=1e-6)


def test_subsystem_decomposition_equals_a_hull_without_the_system(data):
    hull = ConvexHull.from_dataset(data)
    rows = np.flatnonzero(data.compositions.size >= 2)
    rows = np.random.default_rng(0).choice(rows, 12, replace=False)
    ours = hull.decompose_into_subsystems(data.compositions[rows])
    for k, row in enumerate(rows.tolist()):
        inside = set(data.systems[row].split("-"))
        part = [set(s.split("-")) < inside for s in data.systems]
        if any(part):
            expected = ConvexHull.from_dataset(data, np.array(part)).energy(data.compositions[[row]])[0]
        else:
            expected = 0.0
        assert ours.energy[k] == pytest.approx(expected, abs=1e-8)
    assert hull.decompose_into_subsystems("Fe").energy[0] == 0.0


def test_the_general_code_leaves_the_own_system_out_too(data, monkeypatch):
    hull = ConvexHull.from_dataset(data)
    formulas = ["LiFePO4", "Fe2O3", "BaTiO3"]
    expected = hull.decompose_into_subsystems(formulas).energy
    monkeypatch.setattr(solver, "MAX_PIVOTS", 0)
    again = hull.decompose_into_subsystems(formulas)
    assert (again.status == again.FALLBACK).any()
    np.testing.assert_allclose(again.energy, expected, atol=1e-8)


@pytest.mark.parametrize("competitors", references.COMPETITORS)
def test_a_row_is_not_told_its_own_label(data, competitors):
    """Other rows' labels say how alike elements are, so weights may move a little; values and energies may not."""
    rows = data.part("train")[::40]
    some = data.compositions[rows]
    known = labels(data.formation_energy[rows])
    before = References(some, known, competitors).describe(some)
    changed = known.copy()
    moved = np.array([5, 300, 900])
    changed[moved, 0] += 1.0
    after = References(some, changed, competitors).describe(some)
    np.testing.assert_allclose(after[moved, :, :3], before[moved, :, :3], atol=1e-6)
    hidden = np.setdiff1d(np.arange(len(some)), moved)
    missing = References(some[hidden], known[hidden], competitors).describe(some[moved])
    np.testing.assert_allclose(missing[:, :, :3], before[moved, :, :3], atol=1e-6)
    np.testing.assert_allclose(missing[:, :, 4] > 0, before[moved, :, 4] > 0)


@pytest.mark.parametrize("competitors", references.COMPETITORS)
def test_in_training_a_label_is_told_to_no_row_of_its_own_part(data, competitors):
    rows = data.part("train")[::40]
    some, known = data.compositions[rows], labels(data.formation_energy[rows])
    part = np.random.default_rng(7).permutation(len(some)) % 3

    def told(energies):
        return describe_apart(some, energies, 3, np.random.default_rng(7), competitors)

    changed = known.copy()
    changed[part == 1, 0] += np.random.default_rng(0).normal(size=(part == 1).sum())
    np.testing.assert_array_equal(told(changed)[part == 1], told(known)[part == 1])
    assert (told(changed)[part != 1] != told(known)[part != 1]).any()


def test_polymorphs_of_other_parts_are_told():
    table = batch("SiO2", "SiO2", "SiO2", "NaCl")
    known = np.full((4, len(heads.NAMES)), np.nan)
    known[:, 1] = [6.0, 7.5, 3.0, 5.0]
    column = 3 + 4 * len(heads.NAMES) + 2  # of the PBE gap
    own = describe_apart(table, known, 4, np.random.default_rng(0), polymorphs=True)[:, 0, column : column + 2]
    np.testing.assert_allclose(own, np.array([[3.5, 1.0], [3.0, 1.0], [4.5, 1.0], [0.0, 0.0]]), atol=1e-6)
    told = References(table, known, polymorphs=True)
    asked = told.describe(batch("SiO2", "GeO2"))[:, 0, column : column + 2]
    np.testing.assert_allclose(asked, np.array([[5.5 / 1.5, 1.0], [0.0, 0.0]]), atol=1e-6)
    assert not References(table, known).describe(table)[:, :, column - 2 :].any()


def test_one_part_alone_is_refused(energies):
    with pytest.raises(ValueError, match="folds=1"):
        describe_apart(batch(*TABLE), labels(energies), 1, np.random.default_rng(0))


def test_unknown_competitors_are_refused(energies):
    with pytest.raises(ValueError, match="competitors='none'"):
        References(batch(*TABLE), labels(energies), competitors="none")


def test_an_informed_network_starts_from_the_competing_phases():
    torch.manual_seed(0)
    network = InformedNetwork(heads.OUTPUTS, 8, 1).eval()
    told = np.zeros((1, 10, references.WIDTH), np.float32)
    low = network(pack(batch("NaCl"), told)[0])
    told[:, :2, 1] = -2.0
    with torch.no_grad():
        network.from_references.weight.zero_()
        moved = network(pack(batch("NaCl"), told)[0])
        still = network(pack(batch("NaCl"), 0 * told)[0])
    assert (moved - still)[0, 0] == pytest.approx(-2.0 / heads.WIDTHS[0], rel=1e-5)
    torch.testing.assert_close(moved[:, 1:], still[:, 1:])
    assert low.shape == (1, heads.OUTPUTS)
    with pytest.raises(ValueError, match="references is missing"):
        network(pack(batch("NaCl"))[0])


def test_muon_moves_hidden_matrices_and_adamw_the_rest():
    network = InformedNetwork(heads.OUTPUTS, 8, 2)
    muon, adamw = OPTIMIZERS["muon"](network, 1e-3, 0.0)
    parts = [{id(p) for group in part.param_groups for p in group["params"]} for part in (muon, adamw)]
    assert not parts[0] & parts[1] and len(parts[0] | parts[1]) == len(list(network.parameters()))
    assert id(network.enter.weight) in parts[0] and len(parts[0]) == 3 + 2 * 3
    assert {id(network.embedding.weight), id(network.head.weight), id(network.from_references.weight)} <= parts[1]


@pytest.fixture(scope="module")
def accurate():
    return matenv.load_predictor("accurate")


def test_accurate_errs_less_than_the_others_where_systems_are_held_out(data, accurate):
    rows = data.part("test")[::12]
    some, truth = data.compositions[rows], data.formation_energy[rows]
    ours, theirs = (
        np.abs(model.predict_batch(some).mean["formation_energy"] - truth).mean()
        for model in (accurate, matenv.load_predictor("ensemble"))
    )
    assert accurate.role == "proxy" and ours < 0.97 * theirs


def test_accurate_answers_alike_however_a_composition_is_written(accurate):
    formulas = ["LiFePO4", "NaCl", "Fe", "YBa2Cu3O7"]
    together = accurate.predict(formulas)
    for row, formula in enumerate(formulas):
        for written in (
            formula,
            7.0 * matenv.fractions(formula),
            CompositionBatch.from_fractions(matenv.fractions([formula])),
        ):
            alone = accurate.predict(written)
            for name, (mean, std) in alone.items():
                assert (mean[0], std[0]) == pytest.approx((together[name][0][row], together[name][1][row]), abs=1e-5)
    assert together["formation_energy"][0][2] == 0.0


def test_a_trace_does_not_shift_what_the_other_elements_are_told(accurate, energies):
    table = References(batch(*TABLE), labels(energies))
    names = ["Cl", "K", "Na"]  # in alphabet order, as compositions list them
    elements = np.array([[alphabet.INDEX[name] for name in names] + [-1] * 7], np.int16)
    amounts = np.array([[0.4995, 0.001, 0.4995] + [0.0] * 7])
    told = _told(table, elements, amounts, np.array([3], np.int16))[0]
    whole = table.describe(batch("NaCl"))[0]
    np.testing.assert_array_equal(told[[0, 2]], whole[:2])
    assert not told[1].any() and not told[3:].any() and whole[:2].any()
    trace = 0.999 * matenv.fractions("NaCl") + 0.001 * matenv.fractions("K")
    assert all(np.isfinite(mean).all() for mean, _ in accurate.predict(trace).values())


def test_accurate_serves_oracle_and_card():
    oracle = matenv.Oracle(predictor="accurate")
    assessed = oracle.assess(["LiFePO4", "NaCl", "CsLiNaO24"])
    assert ((assessed.p_stable > 0) & (assessed.p_stable < 1)).all()
    assert assessed.p_stable[1] > assessed.p_stable[2]
    card = matenv.explain("LiFePO4", "train", predictor="accurate")
    assert card.formation_energy.mean == pytest.approx(assessed.mean["formation_energy"][0], abs=1e-5)
    assert card.hit_rate is not None
