from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matenv
from matenv.card.card import CAVEATS, Estimate
from matenv.card.explaining import THRESHOLDS
from matenv.data.neighbours import closest
from matenv.oracle.stability import decoy_factor, hit_rate, scale_odds
from studies.honesty import decoys


def test_card_of_a_known_formula_holds_all_that_is_promised(data):
    card, oracle = matenv.explain("LiFePO4"), matenv.Oracle("all")
    a, row = oracle.assess("LiFePO4"), int(np.flatnonzero(data.formulas == "LiFePO4")[0])
    assert card.formula == "LiFePO4" and row in data.part(card.part)
    assert card.energy_scheme == data.energy_scheme
    assert card.formation_energy.mean == a.mean["formation_energy"][0]
    assert card.decomposition_energy.mean == pytest.approx(a.decomposition_energy[0])
    assert list(card.p_stable) == list(THRESHOLDS) and card.p_stable[0.0] == a.p_stable[0]
    for estimate in (card.formation_energy, card.decomposition_energy, *card.properties.values()):
        assert estimate.low <= estimate.mean <= estimate.high and estimate.unit
    assert set(card.properties) == set(a.mean) - {"formation_energy"}
    judge = matenv.Oracle("all", predictor="gold", judge=True).assess("LiFePO4")
    assert card.gold.formation_energy.mean == judge.mean["formation_energy"][0] and card.predictor == "default"
    assert card.gold.p_stable == {t: judge.prob_stable(t)[0] for t in THRESHOLDS}
    assert set(card.gold.properties) == set(card.properties) and card.gold.decomposition_energy.low < 0.1
    assert card.dft["formation_energy"] == data.formation_energy[row] and card.regime == "ionic"
    assert card.p_among_all is None and not card.too_good  # somebody did compute it
    assert card.reaction == "LiFePO4 -> 1/3 Fe3(PO4)2 + 1/3 Li3PO4"
    assert card.oxidation_states == {"Li": 1, "Fe": 2, "P": 5, "O": -2}
    assert card.charge_neutral and card.electronegativity_balanced and not card.all_metal
    first = card.neighbours[0]
    assert len(card.neighbours) == 5 and (first.formula, first.distance) == ("LiFePO4", 0)
    assert first.dft["formation_energy"] == data.formation_energy[row]
    assert [n.distance for n in card.neighbours] == sorted(n.distance for n in card.neighbours)
    text = str(card)
    assert all(caveat in text for caveat in CAVEATS) and "P+5" in text and "train part" in text
    for estimate in (card.formation_energy, card.gold.formation_energy, *card.gold.properties.values()):
        assert f"{estimate.mean:.3f}  ({estimate.low:.3f} .. {estimate.high:.3f})" in text
    assert all(f"{p:.3f}" in text for p in card.gold.p_stable.values()) and "judge: gold" in text
    assert f"{card.dft['band_gap_pbe']:.3f}" in text and "have learned from this very formula" in text
    assert all(len(line) < 150 for line in text.splitlines()[:18])


def test_completeness_of_the_hull_counts_other_formulas_of_each_subsystem(data):
    card = matenv.explain("LiFePO4", reference="all")
    assert len(card.entries) == 11 and list(card.entries)[0] == "Li-Fe"  # subsets of 2, 3 and 4 elements
    for system, count in card.entries.items():
        members = data.systems == "-".join(sorted(system.split("-")))
        assert count == int(members.sum()) - (system == "Li-Fe-P-O")
    train = matenv.explain("LiFePO4", reference="train")
    assert all(train.entries[system] <= count for system, count in card.entries.items())


def test_cards_of_the_unknown_the_metallic_and_the_unbalanced():
    unknown = matenv.explain("Co8Si7")
    assert unknown.part is None and unknown.neighbours[0].formula == "CoSi" and "not in the table" in str(unknown)
    assert matenv.explain("Cu3Zn5").all_metal and "metals only" in str(matenv.explain("Cu3Zn5"))
    unbalanced = matenv.explain("NaCl2")
    assert unbalanced.oxidation_states is None and "none that sum to zero" in str(unbalanced)
    assert "2 Fe+3" in str(matenv.explain("Fe3O4")) and "Fe+2" in str(matenv.explain("Fe3O4"))


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("Fe", "two elements or more"),
        ("XeF2", "cannot be explained"),
        ("Xx", "cannot be read"),
        ("LiFeP0.5", "integer"),
    ],
)
def test_what_cannot_be_explained_says_why(formula, message):
    with pytest.raises(ValueError, match=message):
        matenv.explain(formula)


def test_what_p_stable_is_worth_where_nobody_had_a_reason_to_compute():
    card = matenv.explain("Co8Si7", predictor="two-family", reference="train")
    p = card.p_stable[0.0]
    assert card.p_among_all is not None
    assert card.p_among_all == pytest.approx(scale_odds(p, 0.025)) and 0 < card.p_among_all < 0.1 * p
    assert card.p_among_all / (1 - card.p_among_all) == pytest.approx(0.025 * p / (1 - p))
    assert card.predictor == "two-family" and f"{card.p_among_all:.2g}" in str(card) and "decoy test" in str(card)
    assert [decoy_factor("default", "all", n) for n in (1, 2, 3, 4, 6)] == [None, 0.033, 0.018, 0.0022, 0.0022]
    assert decoy_factor("ensemble", "all", 2) is None
    assert matenv.explain("Co8Si7", predictor="ensemble").p_among_all is None


@pytest.mark.slow
def test_decoy_factors_are_those_of_the_decoy_test():
    for reference in ("train", "all"):
        for predictor in ("default", "two-family", "accurate"):
            found = decoys.count(predictor, reference, 2).odds_factor
            assert decoy_factor(predictor, reference, 2) == float(f"{found:.2g}")


def test_a_card_shows_ones_own_properties_and_refuses_gold_as_proxy():
    mass = matenv.Property("mean_mass", "u/atom", lambda x: (x @ matenv.elements.values("mass"), np.ones(len(x))))
    card = matenv.explain("MgO", properties=[mass])
    assert card.properties["mean_mass"].mean == pytest.approx(20.152, abs=1e-3) and "mean_mass [u/atom]" in str(card)
    assert "mean_mass" not in card.gold.properties
    with pytest.raises(ValueError, match="gold predictor"):
        matenv.explain("MgO", predictor="gold")


def test_too_good_to_be_true_is_said():
    low = Estimate(-0.9, -1.0, -0.8, "eV/atom")
    card = replace(matenv.explain("LiFePO4"), decomposition_energy=low, too_good=True)
    assert "too good to be true" in str(card) and "too good" not in str(matenv.explain("LiFePO4"))


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.integers(2, 9))
def test_hit_rates_are_those_of_the_bin(p, size):
    rate = hit_rate(p, size)
    if rate is not None:
        assert rate.low <= p < rate.high and rate.rows > 0 and 0 <= rate.stable <= 1


def test_closest_is_the_smallest_distance(data):
    table = data.compositions[np.arange(0, len(data), 97)]
    x = table.fractions()
    for row in range(0, len(table), 200):
        rows, distance = closest(table, table[row : row + 1], 4)
        expected = np.abs(x - x[row]).sum(axis=1)
        assert rows[0] == row and distance == pytest.approx(np.sort(expected)[:4], abs=1e-12)
