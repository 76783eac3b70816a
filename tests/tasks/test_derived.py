"""Objectives worked out from several properties, against values that are known."""

import numpy as np
import pytest

import matenv
from matenv import CompositionBatch, Oracle
from matenv.tasks import Hardness, LithiumCathode, LithiumWindow, WaterSplitting
from matenv.tasks.band_edges import mid_gap
from matenv.tasks.hardness import vickers


@pytest.fixture(scope="module")
def oracle():
    return Oracle("all")


def test_hardness_of_the_hardest():
    """Diamond and cubic boron nitride, measured at 96 and 63 GPa; the rule is good to about a tenth."""
    assert vickers(np.array([442.3, 375.7]), np.array([535.5, 403.4])) == pytest.approx([96, 63], rel=0.12)


def test_hardness_ranks_what_is_hard(oracle):
    utility = Hardness().utility(oracle.assess(["TiB2", "Al2O3", "NaCl", "Fe"]))
    assert utility[0] > utility[1] > utility[2] == 0.0 == utility[3]  # Fe: an element, nothing predicted


@pytest.mark.parametrize(
    ("formula", "gap", "conduction"), [("TiO2", 3.2, -0.29), ("SrTiO3", 3.2, -0.6), ("CdS", 2.4, -0.5)]
)
def test_band_edges_lie_where_they_are_measured_within_half_a_volt(formula, gap, conduction):
    """Conduction band against the hydrogen electrode: Xu & Schoonen, Am. Mineral. 85, 543 (2000)."""
    batch = CompositionBatch.from_fractions(matenv.fractions([formula]))
    assert mid_gap(batch)[0] - gap / 2 == pytest.approx(conduction, abs=0.5)


def test_water_splitting_is_the_probability_of_the_gap_that_it_needs(oracle):
    a, objective = oracle.assess(["CdS", "WO3", "NaCl"]), WaterSplitting()
    need = objective.smallest_gap(a.compositions)
    assert objective.utility(a)[0] == pytest.approx(a.prob("band_gap_expt", need[0], 2.8)[0])
    assert need[1] > 2.8 and objective.utility(a)[1] == 0.0  # WO3's conduction band lies too low


def test_voltages_of_known_cathodes(oracle):
    """LiCoO2, LiFePO4 and LiMnPO4 are cathodes; rock salt and Li2O are none, nor is LiTi2O4, at 1.5 V."""
    utility = LithiumCathode().utility(oracle.assess(["LiCoO2", "LiFePO4", "LiMnPO4", "NaCl", "Li2O", "LiTi2O4"]))
    assert (utility[:3] > 0.3).all() and (utility[3:] < 0.02).all()
    assert oracle.calls <= 20


def test_hosts_do_not_count_as_calls():
    fresh = Oracle("all", budget=3)
    LithiumCathode().utility(fresh.assess(["LiCoO2", "LiFePO4"]))
    assert fresh.calls == 2


def test_lithium_window_prefers_halides_to_sulfides(oracle):
    a = oracle.assess(["LiCl", "Li3PS4", "NaCl"])
    utility = LithiumWindow().utility(a)
    assert utility[0] > 0.8 and utility[1:].tolist() == [0.0, 0.0]  # Li3PS4 is reduced at 1.7 V; NaCl has no lithium
    reduction, oxidation = a.window("Li")
    expected = oracle.hull.window(["LiCl"], "Li")
    assert (reduction[0], oxidation[0]) == pytest.approx((expected[0][0], expected[1][0]))


@pytest.mark.parametrize(
    "make",
    [lambda: Hardness(40, 5), lambda: WaterSplitting(largest_gap=1.0), lambda: WaterSplitting(overpotential=-1)],
)
def test_ends_are_checked(make):
    with pytest.raises(ValueError, match="must"):
        make()
