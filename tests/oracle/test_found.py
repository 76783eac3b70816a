import json
import time
from importlib.resources import files

import numpy as np
import pytest

import matenv
from matenv.composition import CompositionBatch, integer_counts
from matenv.oracle.found import SMALLEST, FoundModel
from matenv.oracle.found_features import QUICK_NAMES, THOROUGH_NAMES
from matenv.oracle.found_tables import FoundTables
from matenv.thermo import ConvexHull


def batch_of(*formulas):
    return CompositionBatch.from_counts(integer_counts(list(formulas)))


@pytest.fixture(scope="module")
def data():
    return matenv.load_dataset("mp-ground-states")


@pytest.fixture(scope="module")
def small(data):
    """Alkali halides and oxides: few enough to count by hand."""
    wanted = {"Li", "Na", "K", "Cl", "Br", "O"}
    rows = [i for i, name in enumerate(data.systems.tolist()) if set(name.split("-")) <= wanted]
    return data.subset(np.array(rows))


@pytest.fixture(scope="module")
def model():
    return FoundModel.load("train")


def test_relatives_of_a_formula_are_counted_by_likeness(small):
    tables = FoundTables.of(small, ConvexHull.from_dataset(small))
    likeness = tables.arrays[0]
    row = tables.quick(batch_of("NaCl"))[0]
    na, cl, expected = matenv.elements.INDEX["Na"], matenv.elements.INDEX["Cl"], 0.0
    for elements, counts in zip(small.compositions.elements.tolist(), small.compositions.counts.tolist(), strict=True):
        pair = set(elements) - {-1}
        if sum(counts) == 2 and len(pair & {na, cl}) == 1:  # NaBr, KCl, ...
            kept = (pair & {na, cl}).pop()
            expected += likeness[(pair - {kept}).pop(), cl if kept == na else na]
    assert {"LiCl", "KCl", "NaBr"} <= set(small.formulas.tolist())
    assert row[0] == pytest.approx(np.log(tables.scale * expected + 1e-3), abs=1e-5)
    assert np.allclose(likeness, likeness.T) and (np.diag(likeness) == 1).all() and likeness.min() >= 0


def test_a_formula_is_no_evidence_for_itself(data):
    """Counts of a reference with and without a formula agree on that formula, but for the likeness of elements."""
    rows = np.flatnonzero(data.compositions.size <= 3)[::3]
    own = rows[len(rows) // 2]
    with_it, without = data.subset(rows), data.subset(rows[rows != own])
    hull = ConvexHull.from_dataset(with_it)
    query = data.compositions[np.array([own])]
    a, b = FoundTables.of(with_it, hull).thorough(query), FoundTables.of(without, hull).thorough(query)
    assert a == pytest.approx(b, abs=0.1)


def test_known_and_unknown_formulas_have_finite_features(model, data):
    assert np.isfinite(model.tables.quick(data.compositions[::50])).all()
    batch = batch_of("NaCl", "XeHe", "Ar3Ne5Kr7", "LiFePO4", "Mg149H", "LiBeBCNOFNaMgAl")
    features = model.tables.thorough(batch)
    assert features.shape == (6, len(QUICK_NAMES) + len(THOROUGH_NAMES))
    assert np.isfinite(features).all()


def test_probabilities_do_not_depend_on_the_batch(model, data):
    batch = data.compositions[data.part("test")[:700]]
    whole = model.prob(batch, np.linspace(0, 1, 700))
    assert ((whole >= 0) & (whole < 1)).all()
    assert np.array_equal(whole[::7], model.prob(batch[::7], np.linspace(0, 1, 700)[::7]))
    exact = model.prob(batch[:20], thorough=True)
    assert np.array_equal(exact[3:5], model.prob(batch[3:5], thorough=True))


def test_a_larger_p_stable_is_a_larger_p_found(model):
    batch = batch_of("NaCl", "SrTiO3", "LiFePO4", "LaBaCuFeO5", "LiNaKRbCsF5")
    for thorough in (False, True):
        low, high = (model.prob(batch, np.full(len(batch), p), thorough) for p in (0.1, 0.8))
        assert (low < high).all()
    unknown = model.prob(batch, np.full(len(batch), np.nan))
    assert np.array_equal(unknown, model.prob(batch))


def test_pure_elements_and_empty_rows_are_never_found(model):
    empty = CompositionBatch.from_counts(np.zeros((1, matenv.elements.NUM_ELEMENTS), int), allow_empty=True)
    batch = CompositionBatch.concatenate([batch_of("Fe", "NaCl"), empty])
    p = model.prob(batch, np.full(3, 0.5))
    assert p[0] == 0 and p[2] == 0 and p[1] > 0
    assert batch.size.min() < SMALLEST


def test_it_knows_which_formula_of_a_system_is_stable(model):
    for right, wrong in (("SrTiO3", "Sr3TiO2"), ("LiFePO4", "Li4FePO"), ("CaF2", "Ca2F")):
        for thorough in (False, True):
            good, bad = model.prob(batch_of(right, wrong), thorough=thorough)
            assert good > 20 * bad
    good, large = model.prob(batch_of("CaF2", "Ca29F31"))
    assert good > 20 * large


def test_both_references_load_and_others_are_named():
    assert FoundModel.load("all").tables.scale == 1.0
    assert FoundModel.load("train").tables.scale == pytest.approx(1 / 0.806, rel=0.02)
    with pytest.raises(ValueError, match="reference='test'"):
        FoundModel.load("test")


def test_the_card_names_the_weights_shipped():
    import hashlib

    folder = files("matenv.oracle") / "weights"
    card = json.loads((folder / "found.json").read_text())
    raw = (folder / "found.npz").read_bytes()
    assert card["sha256"] == hashlib.sha256(raw).hexdigest()
    assert card["quick features"] == list(QUICK_NAMES)
    assert len(raw) < 1_500_000


@pytest.mark.slow
def test_a_row_of_a_step_costs_microseconds(model, data):
    batch = data.compositions[data.part("train")[:4096]]
    model.prob(batch, np.full(len(batch), 0.5))
    spent = []
    for _ in range(10):
        started = time.process_time()
        model.prob(batch, np.full(len(batch), 0.5))
        spent.append(time.process_time() - started)
    assert min(spent) / len(batch) < 6e-6  # 2e-6 on an idle core


@pytest.mark.slow
def test_held_out_ternaries_are_ranked(model, data):
    """First is stable: 0.7 of those that hold a stable phase; here of 60 systems."""
    from tools.fit_found import enumerated

    hits = [
        stable[np.argmax(model.prob(batch))]
        for _, batch, stable in enumerated(data, data.part("test"), 3, 120)
        if stable.any()
    ]
    assert np.mean(hits) > 0.5
