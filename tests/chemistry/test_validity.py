"""Charge neutrality and balance: equal to SMACT 4.0.2, frozen and live; oxidation states; the ionic regime."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matenv
from matenv.chemistry import (
    COMMON_SHARE,
    is_all_metal,
    is_charge_neutral,
    is_electronegativity_balanced,
    oxidation_states,
)
from matenv.chemistry.table import PATH, SALTS, load_table
from matenv.composition import CompositionBatch
from matenv.elements import INDEX, SYMBOLS, values
from matenv.tasks import TASKS, Task, load_task
from studies.chemistry.validity import random_formulas
from tools import build_oxidation_states as build
from tools import smact_reference
from tools.smact_reference import KINDS, MODES

RULES = (is_charge_neutral, is_electronegativity_balanced)

formulas = st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 12), min_size=1, max_size=6)
small = st.dictionaries(
    st.sampled_from(["Fe", "Cu", "Au", "Sn", "O", "F", "Pm", "La", "H", "He"]),
    st.integers(1, 4),
    min_size=2,
    max_size=3,
)


def spelled(counts):
    return "".join(f"{symbol}{count}" for symbol, count in counts.items())


def disagreements(batch, answers):
    """Rows and modes in which the compiled rules differ from SMACT's answers."""
    wrong = []
    for bit, (pauling, alloys, mixed) in enumerate(MODES):
        ours = RULES[pauling](batch, alloys, mixed)
        rows = np.flatnonzero(ours != (answers >> bit & 1).astype(bool))
        wrong += [(name, MODES[bit]) for name in batch[rows].formulas()]
    return wrong


@pytest.fixture(scope="module")
def frozen():
    file = np.load(smact_reference.PATH)
    elements, counts = file["elements"].astype(np.int16), file["counts"].astype(np.int32)
    batch = CompositionBatch(elements, counts, (counts > 0).sum(axis=1).astype(np.int16))
    return batch, file["kind"], file["answers"]


def test_equal_to_smact_on_the_frozen_reference(frozen):
    batch, kind, answers = frozen
    assert len(batch) > 10_000 and (np.bincount(kind, minlength=len(KINDS)) >= 1500).all()
    assert len(np.unique(answers)) > 5 and disagreements(batch, answers) == []


def test_every_accepted_form_gives_the_same_answers(frozen):
    batch = frozen[0]
    batch = batch[np.flatnonzero(batch.atoms <= 300)]
    for rule in RULES:
        expected = rule(batch).tolist()
        assert rule(batch.fractions()).tolist() == expected
        assert rule(batch.fractions().astype(np.float32)).tolist() == expected
        assert rule(batch.dense_counts()).tolist() == expected
        assert rule(batch[:200].formulas()).tolist() == expected[:200]
        assert [bool(rule(x)[0]) for x in batch[:20].fractions()] == expected[:20]
    noisy = batch.fractions()[:50] * (1 + 1e-5 * np.random.default_rng(0).standard_normal((50, 89)))
    few = batch[:50].atoms <= 20
    assert is_charge_neutral(noisy)[few].tolist() == is_charge_neutral(batch[:50])[few].tolist()


def test_the_shipped_table_is_smacts():
    pytest.importorskip("smact", reason="comes with the extra 'bench'")
    assert build.table_text() == PATH.read_text()


def test_the_table_says_which_electronegativities_are_its_own():
    own, usual = load_table().electronegativity, values("electronegativity")
    differing = [SYMBOLS[e] for e in np.flatnonzero(np.abs(own - usual) > 1e-9)]
    assert " ".join(differing) + " differ from matenv.elements" in PATH.read_text()
    assert [SYMBOLS[e] for e in np.flatnonzero(np.isnan(own))] == ["Ar", "He", "Ne", "Pm"]


@pytest.mark.slow
def test_equal_to_smact_live(frozen):
    pytest.importorskip("smact", reason="comes with the extra 'bench'")
    batch, _, answers = frozen
    rows = np.random.default_rng(1).choice(len(batch), 500, replace=False)
    assert smact_reference.answers(batch[rows].formulas()).tolist() == answers[rows].tolist()
    fresh, _ = smact_reference.formulas(seed=2)
    fresh = fresh[np.random.default_rng(2).choice(len(fresh), 1500, replace=False)]
    assert disagreements(fresh, smact_reference.answers(fresh.formulas())) == []


@settings(max_examples=200, deadline=None)
@given(small, st.booleans(), st.booleans())
def test_equal_to_trying_every_combination(counts, ordered, mixed):
    table = load_table()
    sites: list[tuple[list[tuple[int, float]], int]] = []
    for symbol, count in counts.items():
        element = INDEX[symbol]
        states = [
            (int(s), float(table.electronegativity[element])) for s in table.states[element, : table.number[element]]
        ]
        sites += [(states, 1)] * count if mixed and table.mixed_valence[element] else [(states, count)]
    if math.gcd(*counts.values()) > 1 or math.prod(len(states) for states, _ in sites) > 200_000:
        return  # the rules reduce a formula first; trying more takes too long
    expected = False
    for choice in product(*(states for states, _ in sites)):
        if np.dot([state for state, _ in choice], [n for _, n in sites]):
            continue
        cations, anions = ([level for s, level in choice if s * sign > 0] for sign in (1, -1))
        expected |= not ordered or all(low < high for low in cations for high in anions)
    if ordered and "Pm" in counts:
        expected = False
    assert RULES[ordered](spelled(counts), mixed_valence=mixed).tolist() == [expected]


@settings(max_examples=150, deadline=None)
@given(formulas, st.integers(2, 7), st.randoms())
def test_rules_are_consistent(counts, factor, random):
    turned = list(counts.items())
    random.shuffle(turned)
    same = [spelled(counts), spelled(dict(turned)), spelled({s: n * factor for s, n in counts.items()})]
    verdict = {}
    for mode in MODES:
        pauling, alloys, mixed = mode
        answers = set(RULES[pauling](same, alloys, mixed).tolist())
        assert len(answers) == 1
        verdict[mode] = answers.pop()
    for pauling, alloys, mixed in MODES:
        assert verdict[False, alloys, mixed] >= verdict[pauling, alloys, mixed]
        assert verdict[pauling, True, mixed] >= verdict[pauling, alloys, mixed]
        assert verdict[pauling, alloys, True] >= verdict[pauling, alloys, mixed]
    assert verdict[False, True, False] == (verdict[False, False, False] or bool(is_all_metal(same[0])[0]))


@settings(max_examples=150, deadline=None)
@given(formulas, st.floats(0, 1), st.floats(0, 1), st.booleans(), st.booleans())
def test_a_larger_share_never_accepts_more(counts, one, other, ordered, alloys):
    name, rule = spelled(counts), RULES[ordered]
    less, more = sorted([one**3, other**3])  # most states are rare
    accepted = [bool(rule(name, alloys, min_share=share)[0]) for share in (0.0, less, more)]
    assert accepted[0] == rule(name, alloys)[0] and accepted == sorted(accepted, reverse=True)


def test_share_leaves_out_what_a_chemist_would():
    odd = ["CaCl", "Ca5N2", "BF", "LaO", "Er2O4", "NiAl", "SrO2", "ZnCl"]
    plain = (
        "FeO Fe2O3 MnO MnO2 KMnO4 Cr2O3 CrO3 Cu2O CuO SO2 SO3 NaNO2 NaNO3 Na3N Na3P PCl3 P2O5 As2O5 Sb2O3 TeO2 KIO3 "
        "KIO4 KClO3 KClO4 KBrO3 V2O3 VO2 V2O5 MoO2 MoO3 WO3 EuO Eu2O3 SnO SnO2 PbO PbO2 TlCl TlCl3 NaH H2O Na2S FeS2 "
        "MnPS3 NH4Cl CeO2 YbCl2 HgCl AuCl3 UO3 OsO4"
    ).split()
    assert is_charge_neutral(odd).all() and not is_charge_neutral(odd, min_share=COMMON_SHARE).any()
    assert is_electronegativity_balanced(plain, min_share=COMMON_SHARE).all()
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="min_share="):
            is_charge_neutral("NaCl", min_share=bad)


@pytest.mark.slow
def test_share_is_smacts_commonality():
    smact = pytest.importorskip("smact.utils.oxidation", reason="comes with the extra 'bench'")
    for share in (0.005, 0.03, 0.1, 0.5):
        table = smact.ICSD24OxStatesFilter().filter(commonality=100 * share)
        theirs = {row.element: {int(s) for s in row.oxidation_state.split()} for row in table.itertuples()}
        ours = load_table(share)
        for element, symbol in enumerate(SYMBOLS):
            own = set(ours.states[element, : ours.number[element]].tolist())
            assert own - {SALTS.get(symbol)} == theirs.get(symbol, set()) - {SALTS.get(symbol)}


def test_what_smact_does_with_odd_ones():
    names = ["Xe", "He", "Al", "He2O", "NiAl", "Mg17Al12", "Mg2Cu", "Pm2O3", "Pm2Fe", "Fe3O4"]
    assert is_charge_neutral(names).tolist() == [True, True, True, False, True, False, False, True, False, False]
    alloys = is_charge_neutral(names, alloys=True).tolist()
    assert alloys == [True, True, True, False, True, True, True, True, False, False]
    assert is_electronegativity_balanced(["Pm2O3", "NiAl", "Fe3O4"], mixed_valence=True).tolist() == [
        False,
        False,
        True,
    ]
    # Fe has 7 states, O 3, F 1: 7 ** 6 * 3 and 7 ** 7 combinations stay below a million, 7 ** 7 * 3 and 7 ** 8 do not.
    edge = ["Fe6O7", "Fe7F15", "Fe7O8", "Fe8F17"]
    assert is_charge_neutral(edge, mixed_valence=True).tolist() == [True, True, False, False]
    assert not is_charge_neutral(edge).any() and None not in map(oxidation_states, edge)
    empty = CompositionBatch.from_counts(np.zeros((2, 89)), allow_empty=True)
    assert not is_charge_neutral(empty, alloys=True).any() and is_charge_neutral(empty[:0]).shape == (0,)


def test_worst_cases_stay_cheap():
    table = load_table()
    dense = np.zeros((200, 89), np.int64)
    dense[:, np.argsort(-table.number)[:10]] = np.random.default_rng(0).integers(1, 1000, (200, 10))
    assert is_charge_neutral(CompositionBatch.from_counts(dense)).mean() > 0.5
    assert is_charge_neutral("Fe300000O400000").tolist() == [False]
    assert is_charge_neutral("Na499999Cl499999").tolist() == [True]


def test_errors_at_the_door():
    for rule in (*RULES, is_all_metal):
        with pytest.raises(ValueError, match=r"X has shape \(1, 3\)"):
            rule(np.ones(3))
        with pytest.raises(ValueError, match="X row 1 holds a negative amount"):
            rule(np.stack([matenv.fractions("NaCl"), -matenv.fractions("NaCl")]))
        with pytest.raises(ValueError, match="X row 0 holds NaN"):
            rule(np.full((1, 89), np.nan))
        with pytest.raises(ValueError, match="sums to zero"):
            rule(np.zeros(89))
        with pytest.raises(ValueError, match="Xx"):
            rule("XxO2")
        with pytest.raises(ValueError, match="fractional amounts"):
            rule(["NaCl", "Li0.5CoO2"])
        with pytest.raises(ValueError, match="has 2,000,001 atoms"):
            rule(["NaCl", "Na1000001Cl1000000"])


def test_validity_is_not_viability(data):
    stable = data.labels["decomposition_energy"] <= 0
    stiff = stable & (data.labels["log10_bulk_modulus"] >= np.log10(200))
    neutral = is_charge_neutral(data.compositions)
    assert [round(float(neutral[rows].mean()), 3) for rows in (stable, ~stable, stiff)] == [0.783, 0.790, 0.644]
    chance = random_formulas(10_000, 3)
    assert (chance.size == 3).all() and chance.counts.max() == 12
    assert not {"He", "U"} & {SYMBOLS[e] for e in np.unique(chance.elements[:, :3])}
    assert is_charge_neutral(chance).mean() == pytest.approx(0.289, abs=0.001)
    assert is_electronegativity_balanced(chance, alloys=True).mean() == pytest.approx(0.653, abs=0.001)


def test_validity_acts_in_the_ionic_regime_only(oracle):
    names = ["LiFePO4", "NiAl", "Cs2Pt", "Fe3O4", "Na2KF4", "MgO"]
    a = oracle.assess(names)
    assert not {"charge_neutral", "electronegativity_balanced"} & set(vars(a))  # nothing worked out before it is asked
    anywhere = replace(load_task("stable-novel"), novel=False)
    free, ionic = anywhere.score(a), replace(anywhere, regime="ionic", valence_share=0.0).score(a)
    assert not {"charge_neutral", "electronegativity_balanced"} & set(vars(a))  # the task asks by its own share
    assert a.charge_neutral.tolist() == [True, True, True, False, False, True]
    assert a.electronegativity_balanced.tolist() == [True, False, True, False, False, True]
    assert free.terms["validity"].all()
    assert ionic.terms["validity"].tolist() == a.electronegativity_balanced.tolist()
    assert ionic.score == pytest.approx(free.score * a.electronegativity_balanced)
    odd = oracle.assess(["CaCl", "Ca5N2", "BF", "BaBiO3", "KMnO4", "MnPS3", "NH4Cl", "Ca3N2"])
    rare, common = (replace(anywhere, regime="ionic", valence_share=share) for share in (0.0, COMMON_SHARE))
    assert rare == replace(common, valence_share=0.0) and common.valence_share == Task("t", "", ()).valence_share
    assert rare.score(odd).terms["validity"].all()
    assert common.score(odd).terms["validity"].tolist() == [False] * 4 + [True] * 4
    assert TASKS["wide-gap-ionic-novel"].regime == "ionic" and TASKS["superhard"].regime == "any"
    with pytest.raises(ValueError, match="regime='metallic' is unknown; choose one of any, ionic"):
        Task("t", "", (), regime="metallic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"valence_share=3 must be a number between 0 and 1"):
        Task("t", "", (), valence_share=3)
