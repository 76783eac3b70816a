"""What generated formulas are worth: known values of each measure."""

from itertools import combinations
from typing import Any, cast

import numpy as np
import pytest

import matenv
from matenv.composition import CompositionBatch, integer_counts
from matenv.composition.movers import movers_distance
from matenv.report.generated import measure_generated


def batch(*formulas):
    return CompositionBatch.from_counts(integer_counts(formulas))


def test_measures_by_hand(oracle):
    formulas = ["NaCl", "KCl", "NaCl", "Na9Cl2"]
    said, a = measure_generated(batch(*formulas), oracle), oracle.assess(formulas)
    assert said["neutral"] == said["balanced"] == said["unique"] == 0.75
    # Na and K are neighbours on the scale: half of the atoms move by one place.
    pairs = [movers_distance(batch(one), batch(other)).item() for one, other in combinations(formulas, 2)]
    assert said["diversity"] == pytest.approx(np.mean(pairs)) and pairs[:2] == pytest.approx([0.5, 0.0])
    assert said["in_table"] == (a.known | a.rediscovered).mean() == 0.75
    assert said["stable"] == (a.p_stable >= 0.5).mean() and said["p_found"] == pytest.approx(a.p_found.mean())
    assert said["above_hull"] == pytest.approx(np.median(np.maximum(a.decomposition_energy, 0)))
    assert said["near_hull"] == pytest.approx(a.prob_stable(0.1).mean()) and said["near_hull"] >= said["p_stable"]
    assert said["mean_band_gap_pbe"] == pytest.approx(a.mean["band_gap_pbe"].mean())


def test_what_is_no_compound_passes_no_rule_and_is_not_predicted(oracle):
    counts = np.zeros((3, 89), np.int64)
    counts[0, [matenv.elements.INDEX["Mg"], matenv.elements.INDEX["O"]]] = 1
    counts[1, matenv.elements.INDEX["Fe"]] = 1
    said = measure_generated(CompositionBatch.from_counts(counts, allow_empty=True), oracle)
    assert said["neutral"] == pytest.approx(2 / 3)  # a pure element is neutral, nothing is not
    assert said["mean_formation_energy"] == pytest.approx(oracle.assess("MgO").mean["formation_energy"][0])
    with pytest.raises(ValueError, match="none of the 1 formulas has two elements"):
        measure_generated(batch("Fe"), oracle)
    with pytest.raises(ValueError, match="batch"):
        measure_generated(cast(Any, ["MgO"]), oracle)
