"""Wishes: windows beside targets, what they are worth, and that the benchmark's draws stay what they were."""

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matenv.envs.wishes import check_wish
from matenv.tasks import load_task
from matenv.tasks.as_data import task_to_data
from matenv.tasks.wishes import NARROWEST, PARTS, SMALLEST_GAP, TOLERANCES, Inside, Near, Wish, draw, windows_around


def test_the_wishes_of_the_benchmark_are_targets_as_they_always_were():
    words = [str(draw(np.random.default_rng(seed), part)) for part in PARTS for seed in range(100)]
    assert (
        hashlib.sha256("\n".join(words).encode()).hexdigest()
        == "9ad6cc6c1f7931055a755a7f978a9d014fd44cb433dd36ec71097c7c8c553158"
    )


@given(st.integers(0, 2**31), st.sampled_from(PARTS))
@settings(max_examples=50, deadline=None)
def test_a_window_is_around_what_would_have_been_the_target(seed, part):
    target, window = (draw(np.random.default_rng(seed), part, share) for share in (0.0, 1.0))
    assert (window.required, window.excluded, window.elements) == (target.required, target.excluded, target.elements)
    assert set(window.windows) == set(target.targets) and not window.targets
    for name, (low, high) in window.windows.items():
        value = target.targets[name][0]
        assert (low is None or low <= value) and (high is None or value <= high)
        assert low is None or high is None or high - low >= NARROWEST * TOLERANCES[name]
        assert name != "band_gap_pbe" or (low is not None and low >= SMALLEST_GAP)  # no wish that every metal answers


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_windows_hold_the_values_they_are_drawn_around(seed):
    rng = np.random.default_rng(seed)
    values = np.stack([rng.uniform(0.5, 2.7, 50), rng.uniform(0.0, 6.0, 50)], axis=1)
    values[rng.random(values.shape) < 0.1] = np.nan
    low, high = windows_around(values, 0.5, rng)
    known = np.isfinite(values)
    assert ((low <= values) & (values <= high))[known].all() and np.isnan(low[~known]).all()
    assert (low == high)[values[:, 1] < SMALLEST_GAP, 1].all()  # of a metal, a target of its own


def test_utility_is_one_inside_and_falls_off_as_that_of_a_target_does(oracle):
    assessment = oracle.assess(["ZnO", "GaN", "MgO", "NaCl", "TiN", "Si"])
    mean = assessment.mean["band_gap_pbe"]
    window = Inside("band_gap_pbe", 1.0, 2.5, 0.45).utility(assessment)
    ends = [Near("band_gap_pbe", end, 0.45).utility(assessment) for end in (1.0, 2.5)]
    inside = (mean >= 1.0) & (mean <= 2.5)
    assert (window[inside] == 1.0).all() and inside.any() and (~inside).any()
    assert np.array_equal(window[mean < 1.0], ends[0][mean < 1.0])
    assert np.array_equal(window[mean > 2.5], ends[1][mean > 2.5])
    assert np.array_equal(
        Inside("band_gap_pbe", None, 2.5, 0.45).utility(assessment)[mean < 2.5], np.ones((mean < 2.5).sum())
    )


def test_success_is_inside_windows_and_within_a_tolerance_of_targets(oracle):
    assessment = oracle.assess(["MgO"])
    gap = float(assessment.mean["band_gap_pbe"][0])
    for wish, met in (
        (Wish(windows={"band_gap_pbe": (gap - 0.1, None)}, novel=False), True),
        (Wish(windows={"band_gap_pbe": (gap + 0.1, None)}, novel=False), False),
        (Wish({"band_gap_pbe": (gap + 0.4, 0.45)}, novel=False), True),
    ):
        scored = wish.task().score(assessment)
        assert bool(scored.terms["utility"][0] >= wish.task().success_utility) == met


def test_a_wish_with_a_window_is_a_task_that_a_file_can_hold():
    task = Wish(windows={"band_gap_pbe": (1.0, 2.5), "log10_bulk_modulus": (2.0, None)}, required=("O",)).task()
    assert load_task(task_to_data(task)).objectives == task.objectives


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"windows": {"band_gap_expt": (1.0, 2.5)}}, "windows know log10_bulk_modulus and band_gap_pbe only"),
        ({"windows": {"band_gap_pbe": (None, None)}}, "at least one of them a number"),
        ({"windows": {"band_gap_pbe": (1.0, float("nan"))}}, r"windows\['band_gap_pbe'\]=nan must be finite"),
        (
            {"windows": {"log10_bulk_modulus": (2.0, 2.1)}},
            "narrower than the predictor's error; give ends at least 0.2 apart",
        ),
        ({"targets": {"band_gap_pbe": (1.0, 0.45)}, "windows": {"band_gap_pbe": (1.0, None)}}, "has the target"),
    ],
)
def test_windows_are_checked_when_a_wish_is_made(fields, message):
    with pytest.raises(ValueError, match=message):
        Wish(**fields)


def test_an_unknown_share_of_windows_is_refused():
    with pytest.raises(ValueError, match=r"windows=2 must be a share in \[0, 1\]"):
        draw(np.random.default_rng(0), windows=2)
    with pytest.raises(ValueError, match="tolerance=0 must be positive"):
        Inside("band_gap_pbe", 1.0, 2.0, 0)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"targets": {"band_gap_pbe": (2.0,)}}, r"targets\['band_gap_pbe'\]=\(2.0,\) must be a value and a tolerance"),
        ({"targets": {"band_gap_pbe": "2"}}, r"targets\['band_gap_pbe'\]='2'"),
        ({"targets": {"band_gap_pbe": (2.0, 0.0)}}, "must have a tolerance above 0"),
        ({"targets": {"of_my_own": 2.0}}, r"targets\['of_my_own'\]=2.0 must be a value and a tolerance"),
        ({"targets": [("band_gap_pbe", 2.0)]}, "must be a dictionary such as"),
        ({"required": "Zn"}, "required='Zn' must be a list of symbols"), ({"excluded": ["Xx"]}, "Xx"),
        ({"required": ["Zn"], "excluded": ["Zn"]}, "required and excluded both hold Zn"),
        ({"required": ["Zn", "O", "S"], "elements": 2}, "elements=2 is less than the 3 elements in required"),
        ({"elements": "3"}, "elements='3'"), ({"elements": 2.5}, "elements=2.5"), ({"elements": 0}, "elements=0"),
    ],
)  # fmt: skip
def test_wishes_that_make_no_sense_are_named(fields, said):
    with pytest.raises(ValueError, match=said):
        Wish(**fields)
    with pytest.raises(ValueError, match=said):
        check_wish("wish", fields)


def test_a_wish_out_of_reach_of_predictions_is_named():
    for fields in ({"windows": {"band_gap_pbe": (100.0, 200.0)}}, {"targets": {"band_gap_pbe": 100.0}}):
        with pytest.raises(ValueError, match=r"wish: band_gap_pbe=100.0 must lie between -\d.* and \d"):
            check_wish("wish", fields)


def test_equal_wishes_are_one():
    loosely: Any = {"targets": {"band_gap_pbe": 2.0, "log10_bulk_modulus": 2.0}, "required": ["O"]}
    first = Wish(**loosely, elements=np.int64(3))  # type: ignore[arg-type]
    other = Wish({"log10_bulk_modulus": (2, 0.1), "band_gap_pbe": (2.0, 0.45)}, ("O",), elements=3)
    assert first == other and len({first, other}) == 1
