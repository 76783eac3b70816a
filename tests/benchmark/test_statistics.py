"""Interquartile mean, bootstrap intervals, probability of improvement, diversity: against values worked out by hand."""

import numpy as np
import pytest

import matenv
from matenv import elements
from matenv.benchmark.diversity import diversity, pairwise_distances
from matenv.benchmark.statistics import estimate, interquartile_mean, probability_of_improvement
from matenv.composition import CompositionBatch


def test_interquartile_mean_by_hand():
    assert interquartile_mean([[100, 2, 3, -50]]) == pytest.approx(2.5)  # the outer two are cut off
    assert interquartile_mean([[0, 1, 2, 3], [4, 5, 6, 7]]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    assert interquartile_mean([[0, 1, 2, 4, 8, 100]]) == pytest.approx((1 + 2 + 4 + 8) / 4)  # one at either end
    assert interquartile_mean([[[7.0]], [[8.0]]]).tolist() == [7.0, 8.0]


def test_probability_of_improvement_by_hand():
    # Task 1: of 2 x 2 pairs (3 against 1, 2; 1 against 1, 2) two are won, one is a tie. Task 2: all four are lost.
    assert probability_of_improvement([[3, 1], [0, 0]], [[1, 2], [5, 5]]) == pytest.approx((2.5 / 4 + 0) / 2)
    assert probability_of_improvement([[1, 2]], [[1, 2]]) == 0.5
    with pytest.raises(ValueError, match="the same tasks"):
        probability_of_improvement([[1], [2]], [[1]])


def test_intervals_cover_resample_within_tasks_and_repeat():
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        found = estimate(interquartile_mean, random.normal(size=(1, 30)), resamples=300)
        hits += found.low <= 0.0 <= found.high
    assert 85 <= hits <= 99
    apart = np.array([[0.0] * 5, [1.0] * 5])  # tasks differ, seeds do not: drawn within tasks, nothing varies
    found = estimate(interquartile_mean, apart, resamples=50)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    runs = random.normal(size=(2, 6))
    assert estimate(interquartile_mean, runs) == estimate(interquartile_mean, runs)
    better = estimate(probability_of_improvement, runs + 10, runs)
    assert (better.value, better.low, better.high) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="expected \\(tasks, seeds\\)"):
        estimate(interquartile_mean, [1.0, 2.0])


def test_modified_pettifor_scale_is_a_ranking_of_the_alphabet():
    place = dict(zip(elements.SYMBOLS, elements.MODIFIED_PETTIFOR, strict=True))
    assert len(set(place.values())) == 89
    assert (place["He"], place["Y"], place["Sc"], place["Mg"], place["C"], place["N"], place["H"]) == (
        1, 21, 48, 73, 87, 88, 103,
    )  # fmt: skip


def test_diversity_by_hand():
    # K 10, Na 11, Li 12, Sr 15, Ca 16, Ti 51, O 97, Cl 101 on the scale.
    some = CompositionBatch.from_fractions(matenv.fractions(["CaTiO3", "SrTiO3", "Li2O", "NaCl"]))
    movers = pairwise_distances(some)
    assert movers[0] == pytest.approx(0.2)  # a fifth of the atoms moves by one place
    # CaTiO3 to Li2O: 1/5 Ca and 1/5 Ti and 4/15 of O go to Li; the rest of O stays.
    assert movers[1] == pytest.approx((16 - 12) / 5 + (51 - 12) / 5 + (97 - 12) * 4 / 15)
    # Li2O to NaCl: Li covers Na (1/2 by one place down), 1/6 of Li and 1/3 of O go up to Cl.
    assert movers[5] == pytest.approx((12 - 11) / 2 + (101 - 12) / 6 + (101 - 97) / 3)
    assert diversity(some) == pytest.approx(movers.mean())
    assert diversity(some[:1]) == 0.0
    with pytest.raises(ValueError, match="empty"):
        pairwise_distances(
            CompositionBatch.concatenate([some, CompositionBatch.from_counts(np.zeros((1, 89), int), allow_empty=True)])
        )
