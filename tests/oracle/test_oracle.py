import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matenv
from matenv import Oracle
from matenv.composition import CompositionBatch
from matenv.data.dataset import UNITS, Dataset
from matenv.oracle.ledger import Ledger
from matenv.tasks import TASKS, Ramp, Task, Window, load_task, maximise, minimise, target, viability_of


def test_assessment_is_consistent(oracle, data):
    rows = np.random.default_rng(0).choice(len(data), 300, replace=False)
    a = oracle.assess(data.formulas[rows].tolist())
    assert a.formulas == data.formulas[rows].tolist() and a.evaluated.all() and a.valid.all()
    assert set(a.mean) == set(a.std) == set(UNITS) - {"decomposition_energy"}
    assert np.array_equal(a.decomposition_energy, a.mean["formation_energy"] - a.hull_energy)
    assert ((a.p_stable > 0) & (a.p_stable < 1)).all()
    assert np.array_equal(a.prob_stable(0.0), a.p_stable) and (a.prob_stable(0.1) >= a.p_stable).all()
    train = set(data.split("system").train)
    assert a.known.tolist() == [row in train for row in rows]
    assert not (a.known & a.novel).any()
    assert a.dft_formation_energy == pytest.approx(data.formation_energy[rows])
    assert a.dft_decomposition_energy == pytest.approx(data.labels["decomposition_energy"][rows])
    for i in range(5):
        assert a.formulas[i] not in dict(a.products(i))
        assert sum(dict(a.products(i)).values()) == pytest.approx(1)


def test_a_result_depends_on_the_composition_only(oracle):
    names = ["LiFePO4", "MgO", "BaTiO3", "Cs3Bi2I9", "TiN"]
    together, alone = oracle.assess(names), [oracle.assess(name) for name in names]
    for i, one in enumerate(alone):
        assert together.p_stable[i] == pytest.approx(one.p_stable[0], abs=1e-5)
        for name in together.mean:
            assert together.mean[name][i] == pytest.approx(one.mean[name][0], abs=1e-5)
    x = matenv.fractions("LiFePO4")
    noisy = oracle.assess(x + np.where(x > 0, 3e-5, 0))
    assert noisy.formulas == ["LiFePO4"] and noisy.p_stable[0] == pytest.approx(together.p_stable[0], abs=1e-5)


def test_predicting_beside_the_hull_changes_nothing(monkeypatch):
    """The path of a predictor on another device, tried on this one."""
    oracle = matenv.Oracle("train")
    names = ["LiFePO4", "MgO", "Fe", "Cs3Bi2I9", "TiN"]
    expected = oracle.assess(names)
    monkeypatch.setattr(oracle, "_elsewhere", True)
    beside = oracle.assess(names)
    assert np.array_equal(beside.p_stable, expected.p_stable)
    assert np.array_equal(beside.decomposition_energy, expected.decomposition_energy, equal_nan=True)
    assert [beside.products(i) for i in range(5)] == [expected.products(i) for i in range(5)]
    with pytest.raises(RuntimeError, match="no such device"):
        monkeypatch.setattr(oracle, "_predict", lambda batch: (_ for _ in ()).throw(RuntimeError("no such device")))
        oracle.assess(names)


def test_invalid_compositions_get_no_numbers(oracle):
    a = oracle.assess(["Fe", "XeF2", "MgO"])
    assert a.valid.tolist() == [False, False, True] and a.p_stable[:2].tolist() == [0, 0]
    assert np.isnan(a.mean["formation_energy"][:2]).all() and np.isnan(a.hull_energy[:2]).all()
    assert a.products(0) == [] and a.prob("band_gap_pbe", 0, 1)[0] == 0
    empty = oracle.assess(CompositionBatch.from_counts(np.zeros((2, 89)), allow_empty=True))
    assert empty.formulas == ["", ""] and not empty.valid.any()
    assert (load_task().score(empty).score == 0).all()


def test_calls_count_distinct_formulas_and_the_budget_stops():
    oracle = matenv.Oracle("train", budget=3)
    a = oracle.assess(["MgO", "Mg2O2", "NaCl", "TiO2", "KCl", "NaCl"])
    assert oracle.calls == 3 and oracle.exhausted
    assert a.evaluated.tolist() == [True, True, True, True, False, True]
    assert np.isnan(a.mean["formation_energy"][4]) and load_task().score(a).score[4] == 0
    assert oracle.history().formulas() == ["MgO", "NaCl", "TiO2"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=0, max_size=3), max_size=40),
       st.integers(1, 30))  # fmt: skip
def test_ledger_is_an_ordered_set_with_a_limit(rows, budget):
    dense = np.zeros((len(rows), 89), int)
    for i, row in enumerate(rows):
        for element, count in row:
            dense[i, element] = count
    ledger = Ledger(budget)
    expected: list[str] = []
    batch = CompositionBatch.from_counts(dense, allow_empty=True)
    for name, accepted in zip(batch.formulas(), ledger.register(batch), strict=True):
        if name and name not in expected and len(expected) < budget:
            expected.append(name)
        assert accepted == (name in expected or not name)
    assert ledger.history().formulas() == expected and len(ledger) == len(expected)


def test_ledger_grows(data):
    ledger = Ledger()
    for start in range(0, 20_000, 3_000):
        ledger.register(data.compositions[start : start + 4_000])
    assert ledger.history().formulas() == data.formulas[: len(ledger)].tolist()


def test_an_empty_batch_is_an_empty_assessment(oracle):
    nothings: list[Any] = [
        [],
        np.zeros((0, 89)),
        np.array([], dtype=str),
        CompositionBatch.from_counts(np.zeros((0, 89))),
    ]
    for nothing in nothings:
        a = oracle.assess(nothing)
        assert len(a) == 0 and a.formulas == [] and a.fractions.shape == a.potentials.shape == (0, 89)
        assert all(len(values) == 0 for values in (a.p_stable, a.novel, a.prob("band_gap_pbe", 1, 2), a.prob_stable()))
        assert len(a.dft_formation_energy) == 0 and len(load_task().score(a).score) == 0
    assert oracle.hull.energy([]).shape == (0,) and matenv.is_charge_neutral([]).shape == (0,)
    assert oracle.predictor.predict([])["band_gap_pbe"][0].shape == (0,) and matenv.formula(np.zeros((0, 89))) == []
    assert matenv.load_latent("vae").encode([]).shape[0] == 0


def test_formulas_may_stand_in_an_array(oracle):
    names = np.array(["MgO", "LiFePO4"])
    for array in (names, names.astype(object)):
        assert oracle.assess(array).formulas == ["MgO", "LiFePO4"]
        assert np.array_equal(matenv.fractions(array), matenv.fractions(names.tolist()))
        assert oracle.hull.decompose(array).energy.shape == matenv.is_charge_neutral(array).shape == (2,)
    assert oracle.assess(names[0]).formulas == oracle.assess(np.array("MgO")).formulas == ["MgO"]


@pytest.mark.parametrize("wrong", [None, 3, {"Mg": 1}, {"MgO"}, b"MgO", (name for name in ["MgO"]), [3, "MgO"]])
def test_what_is_no_composition_is_refused_by_name(oracle, wrong):
    for ask, name in (
        (oracle.assess, "x"),
        (oracle.hull.energy, "X"),
        (oracle.predictor.predict, "X"),
        (matenv.is_charge_neutral, "X"),
        (matenv.load_latent("vae").encode, "X"),
        (matenv.formula, "fractions"),
    ):
        with pytest.raises(ValueError, match=rf"^{name}(=.*give a formula such as 'LiFePO4'| has shape \(\))"):
            ask(wrong)
    with pytest.raises(ValueError, match="fractions=.*holds formulas; expected amounts"):
        matenv.formula(["MgO"])  # type: ignore[list-item]


def test_a_copy_of_an_oracle_counts_for_itself():
    """Gymnasium copies the arguments of an environment whenever it is made again from its spec."""
    first = matenv.Oracle("train", budget=3)
    first.assess(["MgO", "NaCl"])
    second = copy.deepcopy(first)
    assert second.hull is first.hull and second.calls == 2 and second.budget == 3
    assert second.assess(["TiN", "KCl"]).evaluated.tolist() == [True, False]
    assert first.calls == 2 and second.history().formulas() == ["MgO", "NaCl", "TiN"]


def test_an_oracle_behind_free_checks_counts_what_passes_in_the_same_ledger():
    oracle, task = Oracle(budget=2), load_task("wide-gap-ionic-novel")
    screened = oracle.screened(task.screen)
    said = screened.assess(["MgF2", "Cs3Be2F7", "Li2MgF3"])
    assert said.evaluated.tolist() == [False, True, False] and screened.calls == oracle.calls == 1
    assert np.isnan(said.mean["band_gap_pbe"]).tolist() == [True, False, True]
    assert task.score(said).score[[0, 2]].tolist() == [0.0, 0.0]
    for twin in (copy.deepcopy(screened), pickle.loads(pickle.dumps(screened))):
        assert twin.assess(["MgF2", "Rb3Be2F7"]).evaluated.tolist() == [False, True] and twin.calls == 2
    assert screened.calls == 1 and screened.anew().assess(["MgF2"]).evaluated.all()
    assert screened.screened(None).assess(["MgF2"]).evaluated.all() and oracle.calls == 2
    with pytest.raises(ValueError, match="no name stands for .screen."):
        screened.arguments()
    with pytest.raises(ValueError, match="screen=3 must be a function"):
        oracle.screened(3)  # type: ignore[arg-type]


def test_oracle_refusals():
    with pytest.raises(ValueError, match="reference='test'"):
        matenv.Oracle("test")
    with pytest.raises(ValueError, match="budget=-1"):
        matenv.Oracle(budget=-1)
    mine = Dataset.from_formulas(["MgO"], [-3.0], energy_scheme="my-r2scan")
    with pytest.raises(ValueError, match="different schemes"):
        matenv.Oracle(mine)


def test_a_table_that_names_no_scheme_is_compared_with_the_embedded_one(data, tmp_path):
    frame = data.subset(np.arange(0, len(data), 100)).to_pandas().drop(columns="energy_scheme")
    frame.to_csv(tmp_path / "mine.csv", index=False)
    mine = matenv.load_dataset(tmp_path / "mine.csv")
    assert mine.energy_scheme == "file:mine.csv"
    assert np.isfinite(matenv.Oracle(mine).assess(["MgO", "LiFeO2"]).p_stable).all()
    other = replace(mine, formation_energy=mine.formation_energy - 0.2)
    with pytest.raises(ValueError, match="they differ by 0.200 eV/atom. Convert them: matenv.data.fit_conversion"):
        matenv.Oracle(other)
    converted = matenv.data.fit_conversion(other, data).apply(other)
    assert matenv.Oracle(converted).hull.energy_scheme == data.energy_scheme
    with pytest.warns(UserWarning, match="shares 1 formulas, which differ by .* too few to tell"):
        matenv.Oracle(Dataset.from_formulas(["MgO"], [-3.0]))


def test_probability_of_stability_is_calibrated_on_held_out_systems(oracle, data):
    rows = np.random.default_rng(3).choice(data.split("system").test, 3000, replace=False)
    p = oracle.assess(data.compositions[rows]).p_stable
    stable = data.labels["decomposition_energy"][rows] <= 0
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)):
        inside = (p >= low) & (p < high)
        assert abs(p[inside].mean() - stable[inside].mean()) < 0.08
    assert p[stable].mean() - p[~stable].mean() > 0.15


def test_scores_are_products_of_their_parts(oracle, data):
    rows = np.random.default_rng(5).choice(len(data), 400, replace=False)
    a = oracle.assess(data.compositions[rows])
    for task in TASKS.values():
        own = matenv.Oracle("train", properties=task.properties) if task.properties else None
        scored = task.score(own.assess(data.compositions[rows]) if own else a)
        assert ((scored.score >= 0) & (scored.score <= 1)).all() and np.isfinite(scored.score).all()
        parts = scored.terms
        assert scored.score == pytest.approx(parts["utility"] * parts["viability"] * parts["validity"])
        assert scored.score[scored.success].min(initial=1) > 0
        if task.novel:
            assert (scored.score[~a.novel] == 0).all()
    assert (viability_of(a) <= a.p_stable).all()


def test_task_rules_refuse_trivial_optima(oracle):
    task = load_task("stiff-stable")
    a = oracle.assess(["W24C", "CsLiNaO24", "ThC", "TcB", "TiN", "LiNaKRbCsFO"])
    assert task.allows(a.compositions).tolist() == [False, False, False, False, True, False]


def test_objectives_by_hand(oracle):
    a = oracle.assess(["MgO", "Fe"])
    k = a.mean["log10_bulk_modulus"][0]
    assert Ramp("log10_bulk_modulus", 1.2, 2.6).utility(a) == pytest.approx([(k - 1.2) / 1.4, 0])
    less = Ramp("log10_bulk_modulus", 2.6, 1.2).utility(a)
    assert less[0] == pytest.approx(1 - (k - 1.2) / 1.4)
    p = Window("band_gap_pbe", 2.0, 6.0).utility(a)
    assert p.tolist() == a.prob("band_gap_pbe", 2.0, 6.0).tolist() and 0.3 < p[0] <= 1 and p[1] == 0


def test_the_four_ways_to_wish(oracle):
    a = oracle.assess(["MgO", "TiN", "NaCl", "Fe"])
    more, less = maximise("log10_bulk_modulus", 1.2, 2.6), minimise("log10_bulk_modulus", 1.2, 2.6)
    assert more == Ramp("log10_bulk_modulus", 1.2, 2.6) and less == Ramp("log10_bulk_modulus", 2.6, 1.2)
    assert (more.utility(a) + less.utility(a))[:3] == pytest.approx(1.0)
    assert np.argmax(more.utility(a)) == np.argmin(less.utility(a)[:3]) == np.nanargmax(a.mean["log10_bulk_modulus"])
    near = target("band_gap_pbe", 4.5, tolerance=0.5)
    assert near == Window("band_gap_pbe", 4.0, 5.0)
    assert np.array_equal(near.utility(a), a.prob("band_gap_pbe", 4.0, 5.0)) and near.utility(a)[3] == 0
    for objective, message in (
        (lambda: maximise("k", 2, 1), "maximise\\('k'\\): low=2 must lie below high=1"),
        (lambda: minimise("k", 0, np.inf), "must be a finite number"),
        (lambda: target("k", 1, 0), "tolerance=0 must be positive"),
        (lambda: target("k", np.nan, 1), "value=nan must be a finite number"),
        (lambda: target(3, 1, 1), "property_name=3 must be the name"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=message):
            objective()


def test_success_asks_the_product_of_the_objectives(oracle, data):
    a = oracle.assess(data.compositions[:500])
    gap, hard = Window("band_gap_pbe", low=1.0), maximise("log10_bulk_modulus", 1.2, 2.6)
    one, two = Task("one", "", (gap,)).score(a), Task("two", "", (gap, hard)).score(a)
    assert two.terms["utility"] == pytest.approx(two.terms["band_gap_pbe"] * two.terms["log10_bulk_modulus"])
    met = (two.terms["utility"] >= 0.5) & (two.terms["validity"] > 0) & (a.p_stable >= 0.5)
    assert np.array_equal(two.success, met) and two.success.sum() < one.success.sum()
    half = Task("half", "", (gap, hard), success_utility=0.25).score(a)  # each objective met half
    assert two.success.sum() < half.success.sum() and (half.terms["utility"][half.success] >= 0.25).all()


def test_task_refusals():
    with pytest.raises(ValueError, match="min_elements=4, max_elements=3"):
        Task("t", "", (), min_elements=4, max_elements=3)
    with pytest.raises(ValueError, match="max_atoms=0"):
        Task("t", "", (), max_atoms=0)
    with pytest.raises(ValueError, match="not registered"):
        load_task("gold")
    with pytest.raises(ValueError, match="low=1, high=1"):
        Ramp("band_gap_pbe", 1, 1)
    with pytest.raises(ValueError, match="low=3 must lie below"):
        Window("band_gap_pbe", 3, 2)
    with pytest.raises(ValueError, match="distinct names"):
        Task("t", "", (Ramp("band_gap_pbe", 0, 1), Window("band_gap_pbe", 0, 1)))
    with pytest.raises(ValueError, match="success_utility=5"):
        Task("t", "", (), success_utility=5)
    assert "U" not in load_task(elements=["U", "O"]).exclude and "Th" in load_task(exclude=["O"]).exclude
