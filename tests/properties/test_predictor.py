"""The shipped property predictor: what it accepts, what its numbers mean, and how good they are on held-out rows."""

import numpy as np
import pytest

import matenv
from matenv.composition import CompositionBatch
from matenv.data.embedded import ENERGY_SCHEME
from matenv.properties import store
from matenv.properties.evaluation.evaluate import probability_transform
from matenv.properties.families import build
from matenv.properties.heads import NAMES
from matenv.properties.sources import Networks

FORMULAS = ["NaCl", "LiFePO4", "Fe2O3", "WC", "Ga(MoS2)4", "YBa2Cu3O7", "Si3N4", "CsPbI3"]


@pytest.fixture(scope="module")
def model():
    return matenv.load_predictor()


def test_units_and_scheme(model):
    assert model.units == {
        "formation_energy": "eV/atom",
        "band_gap_pbe": "eV",
        "band_gap_expt": "eV",
        "log10_bulk_modulus": "log10(GPa)",
        "log10_shear_modulus": "log10(GPa)",
    }
    assert model.energy_scheme == ENERGY_SCHEME


def test_every_way_of_writing_a_composition_agrees(model):
    X = matenv.fractions(FORMULAS)
    by_formula = model.predict(FORMULAS)
    assert list(by_formula) == list(NAMES)
    for other in (model.predict(X), model.predict(CompositionBatch.from_fractions(X)), model.predict(X.tolist())):
        for name in NAMES:
            for ours, theirs in zip(by_formula[name], other[name], strict=True):
                assert ours.shape == (len(FORMULAS),) and ours.dtype == np.float64
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    for single in (model.predict("LiFePO4"), model.predict(X[1])):
        for name in NAMES:
            mean, std = single[name]
            assert mean.shape == std.shape == (1,)
            np.testing.assert_allclose(mean[0], by_formula[name][0][1], atol=1e-5)


def test_scale_of_a_row_does_not_matter(model):
    X = matenv.fractions(FORMULAS)
    scaled = model.predict(X * np.arange(1, len(X) + 1)[:, None])
    for name, (mean, std) in model.predict(X).items():
        np.testing.assert_allclose(scaled[name][0], mean, atol=1e-5)
        np.testing.assert_allclose(scaled[name][1], std, atol=1e-5)
    assert model.predict("NaCl")["formation_energy"][0] == model.predict("Na3Cl3")["formation_energy"][0]


@pytest.mark.parametrize("name", ["default", "ensemble"])
def test_rows_do_not_depend_on_each_other(name, held_out):
    """Bit for bit: in any order, in batches of any size, alone."""
    model, batch = matenv.load_predictor(name), held_out.compositions
    together = model.predict_batch(batch)
    order = np.random.default_rng(0).permutation(len(batch))
    for rows in (order, order[:1024], order[:33], order[40:47], *(np.array([row]) for row in range(40))):
        part = model.predict_batch(batch[rows])
        for key in NAMES:
            assert (part.mean[key] == together.mean[key][rows]).all()
            assert (part.std[key] == together.std[key][rows]).all()
            assert (part.cdf(key, 0.5) == together.cdf(key, 0.5)[rows]).all()


@pytest.mark.parametrize("name", ["default", "ensemble"])
def test_networks_on_a_device_agree_with_the_compiled_ones(name, held_out):
    """The path of other devices, tried on this one."""
    contents = store.load(store.locate(name))
    model, other = matenv.load_predictor(name), matenv.load_predictor(name)
    assert isinstance(source := other.source, Networks)
    source._fast, source._networks = None, []
    for parameters in contents.members:
        network = build(contents.family, contents.outputs, contents.width, contents.layers)
        network.load_state_dict(parameters)
        source._networks.append(network.eval())
    ours, theirs = (m.predict_batch(held_out.compositions) for m in (model, other))
    for name in NAMES:
        np.testing.assert_allclose(ours.mean[name], theirs.mean[name], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(ours.std[name], theirs.std[name], rtol=1e-5, atol=1e-5)


def test_strided_and_read_only_batches_are_fine(model, held_out):
    whole = model.predict_batch(held_out.compositions[:40])
    strided = model.predict_batch(held_out.compositions[:40:3])
    for values in (fixed := held_out.compositions[:40][np.arange(40)]).arrays:
        values.flags.writeable = False
    frozen = model.predict_batch(fixed)
    for name in NAMES:
        np.testing.assert_allclose(strided.mean[name], whole.mean[name][::3], atol=1e-5)
        assert (frozen.mean[name] == whole.mean[name]).all()


def test_repeating_a_batch_gives_the_same_bits(model, held_out):
    first, second = (model.predict_batch(held_out.compositions) for _ in range(2))
    for name in NAMES:
        assert (first.mean[name] == second.mean[name]).all() and (first.std[name] == second.std[name]).all()


def test_numbers_are_physical(model, held_out):
    prediction = model.predict_batch(held_out.compositions)
    for name in NAMES:
        assert np.isfinite(prediction.mean[name]).all() and (prediction.std[name] > 0).all()
    for name in ("band_gap_pbe", "band_gap_expt"):
        assert (prediction.mean[name] >= 0).all()
        assert (prediction.cdf(name, -1e-9) == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_prob_is_additive_and_consistent_with_the_cdf(model, name):
    ends = {"formation_energy": (-4.0, -2.0, 0.5), "log10_bulk_modulus": (0.5, 1.7, 2.4)}.get(name, (0.0, 1.2, 3.0))
    low, middle, high = ends
    left, right = model.prob(FORMULAS, name, low, middle), model.prob(FORMULAS, name, middle, high)
    whole = model.prob(FORMULAS, name, low, high)
    assert ((whole >= 0) & (whole <= 1)).all() and whole.max() > 0.5
    np.testing.assert_allclose(left + right, whole, atol=1e-12)
    below, above = model.prob(FORMULAS, name, None, middle), model.prob(FORMULAS, name, middle, None)
    np.testing.assert_allclose(below + above, 1.0, atol=1e-12)
    np.testing.assert_allclose(below, model.distribution(FORMULAS).cdf(name, middle), atol=1e-12)


def test_a_metal_counts_in_an_interval_that_holds_zero(model):
    metals = model.distribution(["Cu3Au", "NaCl"])
    p0 = metals.zero_probability["band_gap_pbe"]
    assert p0[0] > 0.9 and p0[1] < 0.1
    np.testing.assert_allclose(metals.prob("band_gap_pbe", None, 0.0), p0)
    assert (metals.prob("band_gap_pbe", 0.0, 1e-6) >= p0).all()
    assert metals.prob("band_gap_pbe", 1e-6, None)[0] < 0.1


def test_cdf_takes_one_value_per_row(model):
    prediction = model.distribution(FORMULAS)
    values = prediction.mean["formation_energy"] + np.linspace(-1, 1, len(FORMULAS))
    together = prediction.cdf("formation_energy", values)
    single = [prediction.cdf("formation_energy", value)[row] for row, value in enumerate(values)]
    np.testing.assert_allclose(together, single, atol=1e-12)
    assert together[0] < 0.05 and together[-1] > 0.95
    with pytest.raises(ValueError, match=r"expected a number or \(8,\)"):
        prediction.cdf("formation_energy", [0.0, 1.0])


def test_interval_holds_what_it_says(model):
    prediction = model.distribution(FORMULAS)
    for name in NAMES:
        low, high = prediction.interval(name, 0.9)
        # At a gap of 0 the cdf jumps, and where little is beyond it the expected value is the upper end.
        smooth = (high > 1e-9) & (high > prediction.mean[name])
        np.testing.assert_allclose(prediction.cdf(name, high)[smooth], 0.95, atol=1e-6, err_msg=name)
        assert (low <= high).all() and (prediction.cdf(name, high) > 0.95 - 1e-6).all()
        assert (prediction.cdf(name, low - 1e-6) < 0.05 + 1e-4).all()


def test_no_expected_value_lies_outside_its_interval(model, held_out):
    prediction = model.predict_batch(held_out.compositions)
    for name in NAMES:
        for coverage in (0.5, 0.9):
            low, high = prediction.interval(name, coverage)
            assert ((low <= prediction.mean[name]) & (prediction.mean[name] <= high)).all(), name


def test_a_gap_is_answered_by_whether_there_is_one_and_how_wide_it_then_is(model):
    prediction = model.distribution(FORMULAS)
    for name in ("band_gap_pbe", "band_gap_expt"):
        p0, (median, low, high) = prediction.zero_probability[name], prediction.if_no_metal(name, 0.8)
        assert ((0 < low) & (low < median) & (median < high)).all()
        for value, share in ((low, 0.1), (median, 0.5), (high, 0.9)):
            np.testing.assert_allclose((prediction.cdf(name, value) - p0) / (1 - p0), share, atol=1e-4)
    with pytest.raises(ValueError, match="'formation_energy' is no band gap"):
        prediction.if_no_metal("formation_energy")
    with pytest.raises(ValueError, match="coverage=0"):
        prediction.if_no_metal("band_gap_pbe", 0.0)


def test_insulators_are_no_metals(model):
    said = model.distribution(["Be3Al2(SiO3)6", "LiFePO4", "P2O5", "AlAs", "Na2SO4", "Cu3Au", "TiNi"])
    p_metal, mean = said.zero_probability["band_gap_expt"], said.mean["band_gap_expt"]
    assert (p_metal[:5] < 0.2).all() and (p_metal[5:] > 0.9).all()
    assert (mean[[0, 1, 2, 4]] > 3.0).all() and mean[3] == pytest.approx(2.2, abs=0.5)  # AlAs: 2.16 eV


def test_held_out_gaps_are_covered_and_none_is_answered_by_zero(model, data):
    rows = data.part("test")
    rows = rows[(data.labels["band_gap_expt"][rows] > 0) & (data.labels["band_gap_pbe"][rows] > 1)]
    truth, said = data.labels["band_gap_expt"][rows], model.predict_batch(data.compositions[rows])
    low, high = said.interval("band_gap_expt", 0.9)
    assert len(rows) > 100 and 0.85 <= ((low <= truth) & (truth <= high)).mean() <= 0.95
    assert (said.zero_probability["band_gap_expt"] < 0.95).all() and (high > 0.5).all()


def test_held_out_rows_are_predicted_and_covered(model, held_out):
    prediction = model.predict_batch(held_out.compositions)
    assert np.abs(prediction.mean["formation_energy"] - held_out.formation_energy).mean() < 0.12
    for name, limit in (("formation_energy", 0.12), ("band_gap_pbe", 0.45), ("log10_bulk_modulus", 0.085)):
        truth = held_out.formation_energy if name == "formation_energy" else held_out.labels[name]
        known = np.isfinite(truth)
        assert np.abs(prediction.mean[name] - truth)[known].mean() < limit
        position = probability_transform(prediction, name, truth)[known]
        assert 0.8 < (np.abs(position - 0.5) < 0.45).mean() < 0.97


def test_known_formation_energies(model):
    mean, std = model.predict(["NaCl", "LiF", "MgO", "Fe"])["formation_energy"]
    assert mean[0] == pytest.approx(-2.105, abs=0.15)
    assert mean[1] < mean[0] < 0 and mean[2] < -2.5
    assert mean[3] == 0.0  # an element against itself, by definition
    assert (std > 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.prob("NaCl", "gap", 0, 1), "name='gap' is not a predicted property"),
        (lambda m: m.prob("NaCl", "band_gap_pbe", 2.0, 1.0), "must be below high"),
        (lambda m: m.prob("NaCl", "band_gap_pbe", 1.0, 1.0), "must be below high"),
        (lambda m: m.prob("NaCl", "band_gap_pbe", np.nan, 1.0), "NaN"),
        (lambda m: m.distribution("NaCl").interval("band_gap_pbe", 1.0), "coverage=1.0"),
        (lambda m: m.predict(np.ones((2, 88))), r"expected \(B, 89\)"),
        (lambda m: m.predict(np.zeros(89)), "sums to zero"),
        (lambda m: m.predict("XeF2"), "noble gases"),
        (lambda m: m.predict(["NaCl", "Li2XeF2"]), "row 1 holds one of"),
        (
            lambda m: m.predict_batch(CompositionBatch.from_counts(np.zeros((1, 89)), allow_empty=True)),
            "row 0 is an empty composition",
        ),
        (lambda m: m.predict("Xx2"), "cannot be read"),
        (lambda m: matenv.load_predictor("nonesuch"), "is not a predictor"),
    ],
)
def test_bad_arguments_are_refused_by_name(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_empty_batch(model):
    prediction = model.predict_batch(CompositionBatch.from_counts(np.zeros((0, 89), int)))
    assert len(prediction) == 0 and prediction.cdf("formation_energy", 0.0).shape == (0,)
