"""Reliability, its pictures, and the decoy test."""

import json
from itertools import product
from math import gcd

import numpy as np
import pytest

from studies.honesty import decoys, reliability
from studies.honesty.draw import draw_intervals, draw_stability


@pytest.fixture(scope="module")
def stabilities():
    return reliability.stability("default")


@pytest.fixture(scope="module")
def found():
    return reliability.intervals("default")


def test_numbers_of_a_forecast_by_hand():
    forecast = reliability.Stability(
        "system", "2 elements", np.array([0.05, 0.05, 0.95, 0.95]), np.array([False, True, True, True])
    )
    mean, share, rows = forecast.bins()
    np.testing.assert_allclose((mean, share, rows), ([0.05, 0.95], [0.5, 1.0], [2, 2]))
    assert forecast.calibration_error == pytest.approx(0.5 * (0.45 + 0.05))
    assert forecast.sharpness == pytest.approx(0.45)
    edge = reliability.Stability("system", "2 elements", np.array([1.0]), np.array([True]))
    assert edge.bins()[2].tolist() == [1]


def test_stability_is_reliable_on_both_splits(stabilities):
    assert {s.split for s in stabilities} == set(reliability.SPLITS)
    system = [s for s in stabilities if s.split == "system"]
    assert sum(len(s.p) for s in system) == 16468
    assert all(s.calibration_error < 0.08 for s in system)
    frontier = [s for s in stabilities if s.split == "frontier"]
    assert 0 < sum(len(s.p) for s in frontier) < 16468  # those that both splits hold out


def test_intervals_are_reliable(found):
    for part in found:
        if part.rows >= 1000:
            assert np.abs(part.inside - reliability.LEVELS).max() < 0.06, (part.name, part.label)
        assert (np.diff(part.inside) >= 0).all() and part.width >= 0


def test_both_tables_are_made_from_what_is_stored(stabilities, found):
    stored = json.loads(json.dumps(reliability.described(stabilities, found)))
    text = reliability.tables(stored)
    assert "| system | 3 elements | 7,872 |" in text and "| formation_energy |" in text


def test_gold_is_not_tested_on_what_it_has_seen():
    with pytest.raises(ValueError, match="never pays a reward"):
        reliability.stability("gold")


def test_pictures_are_drawn(stabilities, found, tmp_path):
    draw_stability(stabilities, tmp_path / "stability.png", "title")
    draw_intervals(found, tmp_path / "intervals.png", "title")
    for name in ("stability", "intervals"):
        assert (tmp_path / f"{name}.png").stat().st_size > 20_000


@pytest.mark.parametrize("size", [2, 3])
def test_all_compositions_are_counted_once(size):
    patterns = {tuple(row) for row in decoys._patterns(size).tolist()}
    every = product(range(1, decoys.MAX_ATOMS + 1), repeat=size)
    expected = {counts for counts in every if sum(counts) <= decoys.MAX_ATOMS and gcd(*counts) == 1}
    assert patterns == expected and len(decoys._patterns(size)) == len(expected)


def test_decoys_are_over_counted_and_the_factor_mends_the_sum():
    counted = decoys.count("default", "all", 2, systems=3)
    assert counted.compositions == 3 * 127 and len(counted.systems) == 3
    assert 0 < counted.stable <= counted.known < counted.compositions
    assert counted.expected_known < counted.expected and counted.over_counting > 1
    assert 0 < counted.found < 0.5 * counted.expected
    assert 0 < counted.unbeaten < counted.compositions
    assert counted.stable_unbeaten <= min(counted.stable, counted.unbeaten)
    assert counted.expected_unbeaten < counted.expected
    p = np.array([0.1, 0.5, 0.9])
    factor = decoys._odds_factor(p, 0.7)
    odds = factor * p / (1 - p)
    assert (odds / (1 + odds)).sum() == pytest.approx(0.7)
