"""The map from predicted energies to P(stable), what it rests on, and intervals that are told the hull."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matenv
from matenv.composition import read
from matenv.data import Dataset
from matenv.oracle import fitting, intervals
from matenv.oracle.sampling import EVIDENCE, Sampling, describe
from matenv.oracle.stability import Logit, StabilityModel, hit_rate

BINARIES = ["NaCl", "NaCl2", "MgO", "Na2O", "MgCl2", "NaMgCl3"]


@pytest.fixture(scope="module")
def data():
    return matenv.load_dataset("mp-ground-states")


def test_evidence_by_hand():
    sampling = Sampling.of(read(BINARIES, whole=True))
    assert np.expm1(sampling.compounds[matenv.elements.INDEX["Na"]]) == pytest.approx(4)
    asked = read(["Na2MgCl4", "NaMgClO", "NaCl"], whole=True)
    members, weights = np.full((3, 10), -1, np.int32), np.zeros((3, 10))
    members[0, :2], weights[0, :2] = (89, 3), (0.75, 0.25)
    members[1, :2], weights[1, :2] = (90, 91), (0.5, 0.5)
    members[2, :1], weights[2, :1] = 89, 1.0
    said = describe(asked, np.array([-1.0, -0.249, -2.0]), members, weights, sampling)
    assert said.shape == (3, len(EVIDENCE))
    assert said[:, 0] == pytest.approx([1 / 3, 1 / 3, 0.0])  # Na-Mg; Na-Mg and Cl-O of six
    assert said[:, 1] == pytest.approx([0.0, 3 / 4, 0.0])
    least = np.log1p([3, 2, 4])
    assert said[:, 2] == pytest.approx(least)
    assert said[0, 3] == pytest.approx(np.log1p([4, 3, 4]).mean())
    assert said[:, 4] == pytest.approx([-1.0, -0.249, -2.0])
    assert said[1, 5] == pytest.approx(0.5)
    assert said[:, 6] == pytest.approx([0.25, 0.0, 0.0]) and said[:, 7].tolist() == [2, 2, 1]


def test_map_follows_its_formula():
    random = np.random.default_rng(0)
    below = Logit(np.array([0.1, -0.2, 0.3, 0.4]), random.normal(size=89), random.normal(size=8))
    complete = Logit(np.array([0.5, 0.6, 0.7, 0.8]), random.normal(size=89), random.normal(size=8))
    word = StabilityModel.at_its_word()
    model = StabilityModel(np.array([1.0, 1.2, 0.8, 0.5]), below, complete, word.sampling)
    batch = read(["NaCl", "LiFePO4", "CaTiO3", "MgO", "KCaNaMgBaO6"], whole=True)
    raw, evidence = np.array([0.0, 0.2, 0.7, 1.0, 0.4]), random.normal(size=(5, 8))
    clipped, group = np.clip(raw, 1e-6, 1 - 1e-6), np.array([0, 2, 1, 0, 3])
    present = (batch.fractions() > 0).astype(float)

    def odds(part, slope):
        return part.intercept[group] + present @ part.elements + evidence @ part.evidence + slope

    first = odds(below, model.slope[group] * np.log(clipped / (1 - clipped)))
    expected = 1 / (1 + np.exp(-first)) / (1 + np.exp(-odds(complete, 0.0)))
    np.testing.assert_allclose(model.correct(raw, batch, evidence), expected, rtol=1e-12)
    np.testing.assert_allclose(word.correct(raw, batch, evidence), clipped, rtol=1e-9)
    assert np.isnan(word.correct(np.array([np.nan]), batch[:1], evidence[:1]))


def test_fit_recovers_a_missing_competitor(data):
    random = np.random.default_rng(1)
    batch = data.compositions[random.choice(len(data), 20_000, replace=False)]
    raw, evidence = random.uniform(0.01, 0.99, len(batch)), random.normal(size=(len(batch), 8))
    logit = np.log(raw / (1 - raw))
    expected = 1 / (1 + np.exp(-(1.5 * logit - 0.5))) / (1 + np.exp(-(0.5 + evidence[:, 0])))
    sampling = Sampling.of(batch)
    stable = random.random(len(batch)) < expected
    model = fitting.fit(raw, batch, evidence, stable, sampling, complete=False)
    assert np.abs(model.correct(raw, batch, evidence) - expected).mean() < 0.03
    assert model.complete.evidence[0] == pytest.approx(1.0, abs=0.15)
    whole = fitting.fit(raw, batch, evidence, stable, sampling, complete=True)
    assert (whole.complete.intercept == np.inf).all() and not whole.below.evidence[:4].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 84_000), st.sampled_from(["train", "all"]), st.floats(-6, 6), st.floats(0.01, 3))
def test_at_one_composition_p_only_falls_with_energy(row, hull, where, step):
    batch = matenv.load_dataset("mp-ground-states").compositions[np.array([row, row])]
    model = StabilityModel.load("default", hull)
    raw = 1 / (1 + np.exp(-np.array([where, where + step])))
    low, high = model.correct(raw, batch, np.zeros((2, 8)))
    assert low < high


def test_the_top_is_not_flat(data):
    rows = data.part("test")
    rows = rows[data.compositions.size[rows] == 3]
    p = matenv.Oracle("train").assess(data.compositions[rows]).p_stable
    best = np.sort(p)[-1000:]
    assert len(np.unique(best)) > 990 and best[-1] - best[0] > 0.1
    stable = data.labels["decomposition_energy"][rows] <= 0
    assert stable[np.argsort(-p)[:1000]].mean() > 0.8


def test_each_hull_has_its_own_map(data):
    rows = np.random.default_rng(3).choice(data.part("test"), 4000, replace=False)
    stable = data.labels["decomposition_energy"][rows] <= 0
    for hull in ("train", "all"):
        oracle = matenv.Oracle(hull)
        a = oracle.assess(data.compositions[rows])
        assert abs(a.p_stable.mean() - stable.mean()) < 0.03
        np.testing.assert_array_equal(a.p_stable, a.prob_stable(0.0))
        assert (a.prob_stable(0.1) >= a.p_stable).all()
    train, whole = (hit_rate(0.55, 2, "default", hull) for hull in ("train", "all"))
    assert train is not None and whole is not None and train != whole
    mine = Dataset.from_formulas(["MgO", "Mg2Si"], [-3.0, -0.2], energy_scheme="mp-legacy-pbe-u")
    assert matenv.Oracle(mine).stability is matenv.Oracle("all").stability


def test_intervals_of_energies_are_told_the_hull(data):
    rows = data.part("test")
    a = matenv.Oracle("all").assess(data.compositions[rows])
    low, high = a.interval("decomposition_energy")
    truth = data.labels["decomposition_energy"][rows]
    inside = (low <= truth) & (truth <= high)
    for known in (a.decomposition_energy, a.disagreement("formation_energy"), a.p_stable):
        for tenth in np.array_split(np.argsort(known), 10):
            assert 0.85 <= inside[tenth].mean() <= 0.95
    lower, upper = a.interval("formation_energy")
    np.testing.assert_allclose((lower - a.hull_energy, upper - a.hull_energy), (low, high), atol=1e-12)
    narrow, wide = a.interval("decomposition_energy", 0.5), a.interval("decomposition_energy", 0.99)
    assert (wide[0] < narrow[0]).all() and (narrow[1] < wide[1]).all()
    with pytest.raises(ValueError, match="not predicted"):
        a.interval("colour")


def test_a_measured_gap_is_told_what_its_committee_exaggerates(data):
    a = matenv.Oracle("train", predictor="two-family").assess(["MgF2", "SrTiO3", "NaCl", "Cu3Au"])
    said: Any = a._said["band_gap_expt"]
    low, high = a.interval("band_gap_expt")
    lower, upper = said.interval()
    assert ((high - low)[:3] < 0.9 * (upper - lower)[:3]).all() and (high - low > 0).all()
    assert ((low <= a.mean["band_gap_expt"]) & (a.mean["band_gap_expt"] <= high)).all()
    median, bottom, top = a.gap_if_no_metal()
    assert ((bottom < median) & (median < top)).all()
    np.testing.assert_array_equal(a.p_metal(), said.p_metal)  # and what is paid stays
    np.testing.assert_array_equal(a.prob("band_gap_expt", 3.0, None), said.prob(3.0, None))
    np.testing.assert_allclose(said.without_caution(1.0).interval(), (lower, upper), rtol=1e-9)
    usual = matenv.Oracle("train").assess(["MgF2"])
    np.testing.assert_array_equal(usual.interval("band_gap_expt"), usual._said["band_gap_expt"].interval())


def test_interval_factors_leave_out_what_they_promise():
    random = np.random.default_rng(0)
    margin, disagreement = random.uniform(-0.3, 0.3, 4000), np.full(4000, np.nan)
    size = random.integers(2, 7, 4000)
    below, above = random.normal(size=(2, 4000)) * 0.5 * (1 + 2 * (margin > 0))
    basis = intervals.columns(margin, disagreement, size)
    model = intervals.fit(below, above, basis)
    low, high = model.factors(margin, disagreement, size)
    assert (above > high).mean() == pytest.approx(0.05, abs=0.005)
    assert (below > low).mean() == pytest.approx(0.05, abs=0.005)
    assert high[margin > 0.05].mean() > 2 * high[margin < -0.05].mean()
