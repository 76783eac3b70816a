"""Reactions: read back, every one conserves every element."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matenv
from matenv.composition import parse
from matenv.elements import SYMBOLS
from tests.thermo.hull_cases import embedded_hull, table


def read_side(side: str) -> dict[str, Fraction]:
    """Atoms of each element on one side of a reaction."""
    atoms: dict[str, Fraction] = {}
    for term in side.split(" + "):
        words = term.split(" ")
        assert len(words) in (1, 2), term
        coefficient = Fraction(words[0]) if len(words) == 2 else Fraction(1)
        assert coefficient > 0 and (len(words) == 1 or coefficient != 1)
        for symbol, count in zip(SYMBOLS, parse([words[-1]])[0], strict=True):
            if count:
                atoms[symbol] = atoms.get(symbol, Fraction(0)) + coefficient * int(count)
    return atoms


def check(dec, formula: str) -> None:
    left, right = dec.reaction(0).split(" -> ")
    assert left == formula
    assert read_side(left) == read_side(right)
    assert [term.split(" ")[-1] for term in right.split(" + ")] == [name for name, _ in dec.products(0)]


@pytest.mark.parametrize("exclude_self", [False, True])
def test_reactions_of_known_compounds_balance(exclude_self):
    data = table()
    for formula in data.formulas[np.random.default_rng(3).choice(len(data), 60, replace=False)].tolist():
        check(embedded_hull().decompose(formula, exclude_self), formula)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 12), min_size=1, max_size=6))
def test_reactions_of_any_formula_balance(counts):
    amounts = parse(["".join(f"{symbol}{count}" for symbol, count in counts.items())])
    formula = matenv.formula(amounts)[0]
    for form in (amounts, formula):
        check(embedded_hull().decompose(form), formula)


def test_customary_formula_units_are_counted():
    hull = embedded_hull()
    assert hull.decompose("H2O2", exclude_self=True).reaction(0) == "H2O2 -> H2O + 1/2 O2"
    assert hull.decompose("LiO3").reaction(0) == "LiO3 -> 1/2 Li2O2 + O2"
