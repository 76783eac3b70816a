import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

import matenv
from matenv import composition as comp
from matenv.elements import ABSENT, SYMBOLS

formulas = st.dictionaries(
    st.sampled_from([s for s in SYMBOLS if s not in ABSENT]), st.integers(1, 24), min_size=1, max_size=8
)


@settings(max_examples=200, deadline=None)
@given(formulas)
def test_formula_inverts_fractions_and_spells_as_pymatgen(counts):
    text = "".join(f"{symbol}{count}" for symbol, count in counts.items())
    x = matenv.fractions(text)
    assert x.shape == (89,) and x.sum() == pytest.approx(1.0)
    assert matenv.formula(x) == Composition(text).reduced_formula


@settings(max_examples=100, deadline=None)
@given(formulas, st.integers(2, 5))
def test_scaling_a_formula_changes_nothing(counts, factor):
    once = comp.CompositionBatch.from_counts(comp.integer_counts(["".join(f"{s}{n}" for s, n in counts.items())]))
    more = comp.CompositionBatch.from_counts(
        comp.integer_counts(["".join(f"{s}{n * factor}" for s, n in counts.items())])
    )
    assert np.array_equal(once.counts, more.counts) and np.array_equal(once.elements, more.elements)
    assert math.gcd(*once.counts[0].tolist()) == 1


def test_whole_table_spelled_as_pymatgen_and_round_trips(data):
    rows = np.random.default_rng(0).choice(len(data), 4000, replace=False)
    names = data.formulas[rows].tolist()
    assert names == [Composition(name).reduced_formula for name in names]
    assert matenv.formula(data.fractions[rows]) == names


@pytest.mark.slow
def test_every_formula_of_the_table(data):
    names = data.formulas.tolist()
    assert names == [Composition(name).reduced_formula for name in names]
    assert matenv.formula(data.fractions) == names


def test_round_trip_of_both_integer_rules_over_the_whole_table(data):
    counts = data.compositions.dense_counts()
    smallest = comp.CompositionBatch.from_fractions(data.fractions).dense_counts()
    paper = comp.threshold_counts(data.fractions)
    assert (smallest == counts).all(axis=1).mean() == pytest.approx(0.979, abs=0.001)
    assert (paper == counts).all(axis=1).mean() == pytest.approx(0.290, abs=0.001)


def test_paper_rule_breaks_lithium_iron_phosphate():
    counts = comp.threshold_counts(matenv.fractions("LiFePO4"))
    assert comp.CompositionBatch.from_counts(counts).formulas() == ["Li2Fe2P2O7"]


def test_noise_within_tolerance_is_forgiven():
    x = matenv.fractions(["Fe2O3", "LiFePO4", "Ga(MoS2)4"])
    noisy = x + np.where(x > 0, 4e-5, 0) * np.sign(np.sin(np.arange(89)))
    batch = comp.CompositionBatch.from_fractions(noisy)
    assert batch.formulas() == ["Fe2O3", "LiFePO4", "Ga(MoS2)4"]


def test_accepts_pymatgen_compositions_and_fractional_amounts():
    assert np.array_equal(matenv.fractions(Composition("NaCl")), matenv.fractions("NaCl"))
    with pytest.raises(ValueError, match="isotope D"):  # deuterium is not hydrogen
        matenv.fractions([Composition("D2O")])
    assert matenv.formula(matenv.fractions("Ag0.5GeS4")) == "Ag(GeS4)2" == Composition("AgGe2S8").reduced_formula


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "empty"),
        ("Xx2", "Xx2.*cannot be read"),
        ("Po2O3", "Po, which is outside matenv's 89"),
        ("LiFe(", r"LiFe\(.*cannot be read"),
        (Composition({"Fe": -1, "O": 2}, allow_negative=True), "cannot be negative"),
        (3, "int"),
        ("AmO2", "Am, which is outside"),
    ],
)
def test_bad_formulas(bad, message):
    with pytest.raises(ValueError, match=message):
        matenv.fractions([bad])


@pytest.mark.parametrize(
    ("entry", "message"),
    [(np.nan, "row 1 holds NaN"), (-0.5, "row 1 holds a negative"), (np.inf, "row 1 holds NaN or inf")],
)
def test_bad_fractions_name_the_row(entry, message):
    x = matenv.fractions(["NaCl", "Fe2O3"])
    x[1, 0] = entry
    with pytest.raises(ValueError, match=message):
        matenv.formula(x)


def test_other_bad_vectors():
    with pytest.raises(ValueError, match="row 0 sums to zero"):
        matenv.formula(np.zeros(89))
    with pytest.raises(ValueError, match=r"shape \(1, 88\)"):
        matenv.formula(np.ones(88))
    with pytest.raises(ValueError, match="has 11 elements"):
        matenv.formula(np.r_[np.ones(11), np.zeros(78)])
    with pytest.raises(ValueError, match="fractional amounts; write an integer formula, such as"):
        comp.integer_counts(["Ag0.5S"])
    with pytest.raises(ValueError, match="max_atoms=0"):
        matenv.formula(matenv.fractions("NaCl"), max_atoms=0)
    with pytest.raises(ValueError, match="non-negative integers"):
        comp.CompositionBatch.from_counts(np.full((1, 89), 0.5))
