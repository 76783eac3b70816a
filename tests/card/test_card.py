import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matenv
from matenv.card.card import CAVEATS
from matenv.card.explaining import THRESHOLDS
from matenv.card.parts import LARGE, Estimate
from matenv.card.text import WIDTH, interval
from matenv.data.neighbours import closest
from matenv.oracle.stability import hit_rate


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
    assert 0 < card.standing.p_found < 1 and not card.too_good
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
        assert interval(estimate) in text
    assert all(f"{p:.3f}" in text for p in card.gold.p_stable.values()) and "judge: gold" in text


def test_dft_leads_and_each_kind_of_value_has_its_line(data):
    card = matenv.explain("Fe2O3")
    assert card.dft_stable and set(card.dft) == {"formation_energy", "decomposition_energy"}
    row = int(np.flatnonzero(data.formulas == "Fe2O3")[0])
    assert card.polymorphs["band_gap_pbe"].spread == data.spread["band_gap_pbe"][row]
    assert set(card.measured) == {"band_gap_expt"} and "band_gap_expt" not in card.neighbours[0].dft
    text = str(card).splitlines()
    first = next(line for line in text if line and not line.startswith("Fe2O3"))
    assert first.startswith("DFT: stable, E_d -0.100 eV/atom, E_f -1.886 eV/atom")
    assert any("2.200 eV" in line and "experiment" in line for line in text)
    assert "3.483 eV   DFT, median of polymorphs that spread over 3.922 eV" in str(matenv.explain("LiFePO4"))
    assert "103 GPa  DFT, median of polymorphs that spread over a factor 4.3" in str(matenv.explain("BN"))
    barely = str(matenv.explain("Li8MnFe7(PO4)8"))  # 0.0002 eV/atom above the hull
    assert "DFT: unstable, E_d 0.0002 eV/atom" in barely
    unknown = matenv.explain("Li6CF4")
    assert unknown.dft_stable is None and "DFT: nothing known" in str(unknown)


def test_a_gap_on_the_card_is_a_hurdle():
    card, a = matenv.explain("AlAs"), matenv.Oracle("all").assess(["AlAs", "Fe"])
    assert set(card.gaps) == {"band_gap_pbe", "band_gap_expt"} == set(card.gold.gaps)
    gap, (median, low, high) = card.gaps["band_gap_expt"], a.gap_if_no_metal()
    assert (gap.p_metal, gap.median, gap.low, gap.high) == (a.p_metal()[0], median[0], low[0], high[0])
    assert f"P(metal)              {gap.p_metal:8.3f}" in str(card) and "if no metal [eV]" in str(card)
    assert not a.valid[1] and np.isnan([a.p_metal()[1], median[1]]).all()  # an element
    with pytest.raises(ValueError, match="'formation_energy' is no band gap"):
        a.p_metal("formation_energy")


def test_only_train_rows_taught_the_proxy(data):
    said = {"train": "was trained on", "validation": "was not trained on", "test": "has never seen"}
    for part, words in said.items():
        card = matenv.explain(str(data.formulas[data.part(part)[0]]))
        assert card.part == part and f"The proxy {words} this formula" in str(card)


@pytest.mark.slow
def test_large_formulas_are_marked_and_can_be_left_out(data):
    card = matenv.explain("MgH2")
    assert card.large == {"Mg149H": 150} and card.without_large is not None
    assert card.without_large.reaction == "MgH2 -> H2 + Mg" and "Mg149H (150 atoms)" in str(card)
    small = matenv.explain("MgH2", max_atoms=LARGE)
    assert small.reaction == "MgH2 -> H2 + Mg" and not small.large and small.without_large is None
    lower = card.decomposition_energy.mean - small.decomposition_energy.mean
    assert lower == pytest.approx(card.without_large.lower) and 0 < lower < 0.01
    hull = matenv.ConvexHull.from_dataset(data, data.compositions.atoms <= LARGE)
    assert hull.decompose("MgH2", exclude_self=True).reaction(0) == small.reaction
    assert matenv.explain("Mg149H").large == {"Mg149H": 150} and not matenv.explain("NaCl").large
    with pytest.raises(ValueError, match="max_atoms=1 must be"):
        matenv.explain("MgH2", max_atoms=1)


@pytest.mark.parametrize(
    "formula", ["LiFePO4", "SiO2", "BN", "Co8Si7", "Li6CF4", "CeRh3", "Ba17Ho16Zn8Pt4O57", "KNa3Al12H24(SO7)8"]
)
def test_a_card_fits_its_width_and_json(formula):
    card = matenv.explain(formula)
    assert max(map(len, str(card).splitlines())) <= WIDTH
    read = json.loads(json.dumps(card.to_dict(), allow_nan=False))
    assert list(read)[0] == "formula" and read["gold"]["predictor"] == "gold" and read["regime"] == card.regime
    assert set(read) == {*card.__dataclass_fields__, "dft_stable", "regime", "caveats"}
    assert read["p_stable"]["0.05"] == card.p_stable[0.05] and sum(read["products"].values()) == pytest.approx(1)
    assert card.hit_rate is None or read["hit_rate"]["rows"] == card.hit_rate.rows


def test_states_on_the_card():
    magnetite, nitride = matenv.explain("Fe3O4"), matenv.explain("Fe4N")
    assert magnetite.regime == "ionic" and "1 Fe+2, 2 Fe+3, O-2" in str(magnetite)
    assert nitride.regime == "neither" and "Fe+1 (rare: 0.3 % of reports), N-4 (rare" in str(nitride)


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
        ("XeF2", "no compound of Xe"),
        ("HeXeF", "no compound of He, Xe"),
        ("PoO2", "holds Po, which is outside"),
        ("Xx", "cannot be read"),
        ("LiFeP0.5", "integer"),
    ],
)
def test_what_cannot_be_explained_says_why(formula, message):
    with pytest.raises(ValueError, match=message):
        matenv.explain(formula)


def test_what_of_all_formulas_of_a_system_is_a_phase():
    phase, debris = matenv.explain("CoSi2"), matenv.explain("Co8Si7")
    assert phase.standing.p_found > 100 * debris.standing.p_found
    assert (debris.standing.place or 0) > 20 and debris.standing.among == 87 and not debris.standing.unbeaten
    assert "number" in str(debris) and "is beaten by" in str(debris)
    large = matenv.explain("Co29Si31").standing
    assert large.place is None and large.unbeaten is None and 0 < large.p_found < 0.01


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


@pytest.mark.parametrize(("formula", "atoms"), [("Ba200Y100Cu300O693", "1,293"), ("Fe999999O", "1,000,000")])
def test_a_large_formula_unit_leaves_its_oxidation_states_out(formula, atoms):
    card = matenv.explain(formula)
    assert card.oxidation_states is None and card.regime == "unknown" and card.too_large_to_assign
    assert f"left out: {atoms} atoms per formula unit, more than 1,000" in str(card)
    assert json.loads(json.dumps(card.to_dict()))["regime"] == "unknown"
    assert all(len(line) <= WIDTH for line in str(card).splitlines())
