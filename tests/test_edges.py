"""Formulas as people paste them, counts of any size, and what rounding loses."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

import matenv
from matenv.composition import CompositionBatch, FormulaError, RoundingWarning, parse
from matenv.elements import INDEX
from matenv.wrappers.sb3 import _together


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("CuSO4·5H2O", "CuSO4(H2O)5"), ("CuSO4*5H2O", "CuSO4(H2O)5"), ("CaSO4•0.5H2O", "Ca2S2O8H2O"),
        ("3CaO·2SiO2", "Ca3Si2O7"), ("Fe₂O₃", "Fe2O3"), ("Fe$_{2}$O$_3$", "Fe2O3"), ("Fe<sub>2</sub>O3", "Fe2O3"),
        ("CuSO4.500H2O", "Cu2H4S2O11"), ("Rb(VI)2", "RbV2I2"), ("Sr2VO3.5H", "Sr4V2H2O7"), ("Li.5CoO2", "LiCo2O4"),
        ("Li Fe P O4", "LiFePO4"), ("Fe 2 O 3", "Fe2O3"), ("CoFe 2O4", "CoFe2O4"), ("Mg O 2", "MgO2"),
        ("Li 3 Fe 2 P 3 O 12", "Li3Fe2(PO4)3"), ("Li3 Fe 2 P3 O12", "Li3Fe2(PO4)3"), ("Al 2 (SO4) 3", "Al2(SO4)3"),
        ("K Fe 3 (SO4) 2 (OH) 6", "KFe3H6(SO7)2"), ("Na0.5 Li 0.5 CoO2", "NaLiCo2O4"), ("MgO · 2 H2O", "MgO(H2O)2"),
    ],
)  # fmt: skip
def test_formulas_as_pasted(written, plain):
    assert np.allclose(matenv.fractions(written), matenv.fractions(plain))


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("CuSO4.5H2O", "write 'CuSO4·5H2O' for the latter, or 'CuSO4.500H2O' for an amount"),
        ("CoCl2.6NH3", "'CoCl2.600NH3' for an amount"), ("CaO.2Al2O3", "'CaO·2Al2O3' for the latter"),
        ("LaCl3.7OH2", "dot of a hydrate"), ("CuCl2.2HCl", "adduct"), ("CoCl2.6CH3OH", "adduct"),
        ("CaSO4.0.5H2O", "write 'CaSO4·0.5H2O' for the latter$"), ("Na2CO3.10H2O", "write 'Na2CO3·10H2O'"),
        ("MgO 2 H2O", "write 'MgO·2H2O' for the latter, or 'MgO2H2O' for an amount"), ("MgO 2H2O", "write 'MgO·2H2O'"),
        ("Ca O 2 Al2O3", "write 'CaO·2Al2O3' for the latter"), ("CaCO 3 MgCO3", "'CaCO3MgCO3' for an amount"),
        ("FeSO4 7 H2O", "write 'FeSO4·7H2O'$"), ("CuSO4 5H2O", "write 'CuSO4·5H2O'$"), ("Fe2O3 2", "two numbers"),
        ("CaSO4 0.5H2O", "write 'CaSO4·0.5H2O'$"), ("Al2O3·2 SiO2 2 H2O", "write '2SiO2·2H2O'"),
        ("Fe2O3(s)", r"\(s\) is a state of matter"), ("H2O (l)", "state of matter"), ("NaCl aq", "aq is a state of"),
        ("Fe0.5.5O", "Fe has an amount of 0.5.5, which is no number"), ("Fe.O", "Fe has an amount of ., "),
        ("Fe2O3(xyz)", "'xyz' is not understood"),
        ("Fe(II)O", r"\(II\) may be an oxidation state"), ("Fe(III)2O3", "oxidation state"), ("U(VI)O3", "oxidation"),
        ("Ni0.999999999Fe0.000000001", "amount of Fe that is too small"), ("Fe3+", "charge"), ("SO4^2-", "charge"),
        ("D2O", "isotope"), ("CuSO4·xH2O", "left open"), ("MnO3-δ", "left open"), ("Fe0O", "amount of zero"),
        ("@Fe", "no place"), ("Na1e2Cl", "power of ten"), ("Na1.5e-1Cl", "power of ten"), ("mp-149", "identifier"),
        ("fe2o3", "a capital and"), ("FE2O3", "'E' is no element; .* a capital and"), ("2Fe2O3", "stands before it"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_is_refused(written, why):
    with pytest.raises(FormulaError, match=why):
        parse([written])


def test_one_bad_formula_of_many_names_itself():
    with pytest.raises(FormulaError, match=r"row 1: formula 'Xx'.*1 more cannot be read: row 3") as caught:
        parse(["NaCl", "Xx", "LiF", None])  # type: ignore[list-item]
    assert caught.value.rows == [1, 3]


def test_formulas_in_pandas():
    names = pd.Series(["NaCl", "Fe2O3"], index=[5, 9])
    for given in (names, pd.Index(names), names.astype("string"), names.astype("category")):
        assert matenv.is_charge_neutral(given).tolist() == [True, True]


def test_one_cap_on_counts():
    with pytest.raises(ValueError, match="at most 1,000,000"):
        matenv.Oracle().assess("Fe3000000000O")
    with pytest.raises(ValueError, match="counted exactly"):
        CompositionBatch.from_counts(np.eye(89)[:1] * 1e300)
    assert matenv.Oracle().assess("Fe999999O").formulas == ["Fe999999O"]
    assert matenv.formula(np.array([1e232, 1e220, *[0.0] * 87])) == "Ac"


def test_counts_that_sum_to_zero_are_refused_as_fractions_are():
    with pytest.raises(ValueError, match="counts row 1 sums to zero; a composition needs at least one element"):
        CompositionBatch.from_counts(np.eye(2, 89)[::-1] * [[1], [0]])
    empty = CompositionBatch.from_counts(np.zeros((1, 89)), allow_empty=True)  # what a decoder names no element in
    assert empty.formulas() == [""] and not matenv.Oracle().assess(empty).valid.any()
    assert len(CompositionBatch.from_counts(np.zeros((0, 89)))) == 0


def test_what_rounding_loses_is_said():
    with pytest.raises(ValueError, match="row 0 loses an element in Fe, the nearest formula of at most 1000 atoms"):
        matenv.formula(matenv.fractions("Fe10000000O"))
    with pytest.raises(ValueError, match="the nearest, Ni, differs by 9e-05"):
        matenv.formula(matenv.fractions("Fe0.00009Ni0.99991"))
    with pytest.raises(ValueError, match="YBa2Cu3O6.93.*Ba200Y100"):
        matenv.Oracle().assess("YBa2Cu3O6.93")
    with pytest.warns(RoundingWarning, match="Ba2YCu3O7"):
        said = matenv.Oracle("all").assess(matenv.fractions("YBa2Cu3O6.93"))
    assert not said.known[0] and said.rounding[0] > 1e-3


def test_numbers_that_are_no_amounts():
    x = matenv.fractions("NaCl")
    for bad, why in ((x * (1 + 1j), "complex"), (np.ma.masked_less(x, 0.1), "masked")):
        with pytest.raises(ValueError, match=why):
            matenv.is_charge_neutral(bad)


def test_a_trace_does_not_move_potentials():
    hull = matenv.ConvexHull.from_dataset(matenv.load_dataset("mp-ground-states"))
    x = matenv.fractions("Fe2O3")
    x[INDEX["Co"]] = 1e-17
    for exclude_self in (False, True):
        traced, plain = (hull.decompose(each, exclude_self=exclude_self).potentials for each in (x, "Fe2O3"))
        assert np.allclose(traced, plain, equal_nan=True)


def test_a_large_formula_of_a_table_is_its_own():
    names = ["Y100Ba200Cu300O693", "BaO", "CuO", "Y2O3"]
    hull = matenv.ConvexHull.from_dataset(matenv.Dataset.from_formulas(names, [-5.0, -1.0, -1.0, -1.0]))
    for given in (names[0], "YBa2Cu3O6.93", matenv.fractions(names[0])):
        assert hull.known_energy(given)[0] == -5.0
        assert hull.decompose(given, exclude_self=True).energy[0] > -1.0


def test_max_episode_steps_means_one_thing():
    single = gym.make("MaterialLatent-v0", max_episode_steps=2)
    vectors = [
        gym.make_vec("MaterialLatent-v0", num_envs=1, max_episode_steps=2, vectorization_mode=mode)
        for mode in (None, "sync")
    ]
    single.reset(seed=0)
    ends = [[single.step(single.action_space.sample())[3] for _ in range(2)]]
    for envs in vectors:
        envs.reset(seed=0)
        ends.append([bool(envs.step(envs.action_space.sample())[3][0]) for _ in range(2)])
    assert ends == [[False, True]] * 3


def test_a_copied_oracle_is_said():
    env = gym.make("MaterialLatent-v0", oracle=matenv.Oracle())
    with pytest.warns(UserWarning, match="oracle is a copy"):
        assert env.spec is not None
        gym.make(env.spec)


def test_options_of_rows_are_given_row_by_row():
    assert _together([{"formula": "NaCl"}, {"formula": "LiF"}]) == {"formula": ["NaCl", "LiF"]}
    with pytest.raises(ValueError, match=r"options\[1\] lacks"):
        _together([{"formula": "NaCl"}, {}])
