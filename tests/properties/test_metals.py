import numpy as np
import pytest
import torch

from matenv.properties import store
from matenv.properties.training import calibration, metals


def test_a_row_of_the_last_layer_is_all_that_changes():
    shipped = store.load(store.locate("default")).members[0]
    width = shipped["head.weight"].shape[1]
    changed = metals._with_row(shipped, np.full(width, 0.1), -1.0)
    for name, tensor in shipped.items():
        same = changed[name] == tensor
        assert same[:-1].all() if name.startswith("head.") and "norm" not in name else same.all(), name
    assert (changed["head.weight"][-1] == torch.tensor(0.1).half().float()).all() and changed["head.bias"][-1] == -1.0


def test_the_logit_is_found_again():
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, (20_000, 3))
    zero = rng.random(len(x)) < 1 / (1 + np.exp(-(0.6 * x[:, 0] - 0.3 * x[:, 1] + 0.2)))
    slope, bias = metals._logistic(x, zero, np.ones(len(x)))
    np.testing.assert_allclose([*slope, bias], [0.6, -0.3, 0.0, 0.2], atol=0.12)


def test_few_gaps_get_a_wider_bell():
    rng = np.random.default_rng(1)
    n = 60
    location, size = rng.uniform(2, 4, n), rng.integers(2, 6, n)
    truth = location + rng.laplace(0, 0.3, n)
    spread, zero = np.full(n, 0.1), np.full(n, 0.05)
    plain = calibration.fit(truth, location, spread, spread, size, zero)
    wide = calibration.fit_few(truth, location, spread, spread, size, zero)
    ratio = np.array(wide.by_size) / np.array(plain.by_size)
    assert np.ptp(ratio) < 1e-12 and 1.0 <= ratio[0] < 1.6
    assert (wide.weights, wide.slope) == (plain.weights, plain.slope)


@pytest.mark.slow
def test_the_shipped_student_is_what_the_refit_makes():
    shipped = store.load(store.locate("default"))
    again = metals.refit(shipped).members[0]
    np.testing.assert_allclose(again["head.weight"], shipped.members[0]["head.weight"], atol=2e-3)
    fitted, kept = metals.recalibrated(shipped), shipped.calibrations
    assert {name for name in kept if fitted[name] != kept[name]} <= {"band_gap_expt"}
    assert fitted["band_gap_expt"].slope == pytest.approx(kept["band_gap_expt"].slope, rel=1e-3)
