"""No window of a task or a wish is narrower than the error of the predictor that measures it."""

import numpy as np
import pytest

from matenv import load_predictor
from matenv.properties.evaluation.evaluate import held_out
from matenv.tasks import BENCHMARK, TASKS, TRAINING_WHEELS, Window
from matenv.tasks.wishes import TOLERANCES
from tools.references_page import errors, window


def width(each):
    low, high = (np.inf if end is None else end for end in (each.low, each.high))
    return high - low if np.isfinite([low, high]).all() else np.inf


@pytest.mark.parametrize("name", [*BENCHMARK, *TRAINING_WHEELS])
def test_windows_of_tasks_are_as_wide_as_the_error(name):
    windows = [each for each in TASKS[name].objectives if isinstance(each, Window)]
    for each in windows:
        assert width(each) >= errors()[each.property_name]["rmse"], each
    found = window(TASKS[name])
    if found is not None and found[0] in errors():  # that of water-splitting, too, at its widest
        assert found[2] - found[1] >= errors()[found[0]]["rmse"]
    assert found is not None or all(width(each) == np.inf for each in windows)


def test_the_test_has_windows_to_look_at():
    closed = {name for name in BENCHMARK if window(TASKS[name]) is not None}
    assert {"stiff-semiconductor-novel", "absorber-abundant", "pb-free-absorber", "water-splitting"} <= closed


@pytest.mark.parametrize("name", TOLERANCES)
def test_wishes_are_as_wide_as_the_error(name):
    error = errors()[name]
    assert 2 * TOLERANCES[name] >= error["rmse"] > TOLERANCES[name] >= error["mae"]


@pytest.mark.slow
def test_the_card_has_the_errors_of_the_predictor_that_ships():
    found = held_out(load_predictor())
    for name, error in errors().items():
        assert {kind: found[name][kind] for kind in ("mae", "rmse")} == pytest.approx(
            {kind: error[kind] for kind in ("mae", "rmse")}, rel=1e-3
        )
