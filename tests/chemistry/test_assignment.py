"""Oxidation states of known compounds, and that they explain what the rules say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matenv.chemistry import (
    COMMON_SHARE,
    is_charge_neutral,
    is_electronegativity_balanced,
    is_ionic,
    oxidation_states,
    spelled,
)
from matenv.chemistry.assignment import rare_states
from matenv.chemistry.table import load_table, shares
from matenv.composition import CompositionBatch, integer_counts
from matenv.elements import INDEX, SYMBOLS

THIRD = pytest.approx(-1 / 3)

KNOWN = {
    "LiFePO4": {"Li": 1, "Fe": 2, "P": 5, "O": -2}, "LiCoO2": {"Li": 1, "Co": 3, "O": -2},
    "CaCO3": {"Ca": 2, "C": 4, "O": -2}, "K2Cr2O7": {"K": 1, "Cr": 6, "O": -2}, "KMnO4": {"K": 1, "Mn": 7, "O": -2},
    "K2FeO4": {"K": 1, "Fe": 6, "O": -2}, "K2MnO4": {"K": 1, "Mn": 6, "O": -2}, "CrO2": {"Cr": 4, "O": -2},
    "CuFeS2": {"Fe": 3, "Cu": 1, "S": -2}, "CsAu": {"Cs": 1, "Au": -1}, "CH4": {"H": 1, "C": -4},
    "NaBH4": {"Na": 1, "B": 3, "H": -1}, "MnPS3": {"Mn": 2, "P": 4, "S": -2}, "SnPS3": {"Sn": 2, "P": 4, "S": -2},
    "Pm2O3": {"O": -2, "Pm": 3}, "NiAl": {"Al": -3, "Ni": 3}, "Na2S2O3": {"Na": 1, "S": 2, "O": -2},
    # mixed valence
    "Fe3O4": {"Fe": {2: 1, 3: 2}, "O": -2}, "Mn3O4": {"Mn": {2: 1, 3: 2}, "O": -2},
    "Co3O4": {"Co": {2: 1, 3: 2}, "O": -2}, "Pb3O4": {"Pb": {2: 2, 4: 1}, "O": -2},
    "Eu3O4": {"Eu": {2: 1, 3: 2}, "O": -2}, "Eu3S4": {"Eu": {2: 1, 3: 2}, "S": -2},
    "LuFe2O4": {"Lu": 3, "Fe": {2: 1, 3: 1}, "O": -2}, "Fe7S8": {"Fe": {2: 5, 3: 2}, "S": -2},
    "YBa2Cu3O7": {"Ba": 2, "Y": 3, "Cu": {2: 2, 3: 1}, "O": -2}, "Ti4O7": {"Ti": {3: 2, 4: 2}, "O": -2},
    "YMn2O5": {"Y": 3, "Mn": {3: 1, 4: 1}, "O": -2}, "U3O8": {"U": {5: 2, 6: 1}, "O": -2},
    "CsAuCl3": {"Cs": 1, "Au": {1: 0.5, 3: 0.5}, "Cl": -1}, "BaBiO3": {"Ba": 2, "Bi": {3: 0.5, 5: 0.5}, "O": -2},
    "PtCl3": {"Pt": {2: 0.5, 4: 0.5}, "Cl": -1}, "TlS": {"Tl": {1: 0.5, 3: 0.5}, "S": -2},
    "Te2O5": {"Te": {4: 1, 6: 1}, "O": -2}, "Sn2S3": {"Sn": {2: 1, 4: 1}, "S": -2},
    "Fe7(AsO4)6": {"Fe": {2: 3, 3: 4}, "As": 5, "O": -2}, "LiW(PO3)4": {"Li": 1, "W": 3, "P": 5, "O": -2},
    # bonds between anions
    "Na2O2": {"Na": 1, "O": -1}, "CaO2": {"Ca": 2, "O": -1}, "KO2": {"K": 1, "O": -0.5}, "KO3": {"K": 1, "O": THIRD},
    "Rb4O6": {"Rb": 1, "O": {-1: 1, -0.5: 2}}, "FeS2": {"Fe": 2, "S": -1}, "K2S5": {"K": 1, "S": -0.4},
    "Cs4Hf3Se14": {"Cs": 1, "Hf": 4, "Se": {-2: 2, -1: 12}}, "ZrS3": {"Zr": 4, "S": {-2: 1, -1: 2}},
    "CaC2": {"Ca": 2, "C": -1},
    "NaN3": {"Na": 1, "N": THIRD}, "TlN3": {"Tl": 1, "N": THIRD}, "Ba(N3)2": {"Ba": 2, "N": THIRD},
    # ammonium
    "NH4Cl": {"H": 1, "N": -3, "Cl": -1}, "(NH4)2SO4": {"H": 1, "S": 6, "N": -3, "O": -2},
    "NH4H2PO4": {"P": 5, "H": 1, "N": -3, "O": -2}, "NH4NO3": {"H": 1, "N": {-3: 1, 5: 1}, "O": -2},
    "Fe": None, "He2O": None, "NaCl2": None, "CaB6": None,
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_known_compounds(name):
    found = oxidation_states(name)
    assert found == KNOWN[name]
    assert is_ionic(found) == (name not in ("Fe", "He2O", "NaCl2", "CaB6", "NiAl", "Pm2O3"))


def test_a_metallic_nitride_is_not_ionic():
    found = oxidation_states("Fe4N")
    assert found is not None and set(rare_states(found)) == {("Fe", 1), ("N", -4)} and not is_ionic(found)
    assert spelled(found) == "Fe+1 (rare: 0.3 % of reports), N-4 (rare: 0.04 % of reports)"


def test_in_words():
    words = {
        "KO2": "K+1, O-1/2 (superoxide)", "NaN3": "Na+1, N-1/3 (azide)", "FeS2": "Fe+2, S-1 (disulfide)",
        "K2S5": "K+1, S-0.4 (bonded to each other)", "BaO2": "Ba+2, O-1 (peroxide)", "KMnO4": "K+1, Mn+7, O-2",
        "CsAuCl3": "Cs+1, 0.5 Au+1, 0.5 Au+3, Cl-1",
    }  # fmt: skip
    assert {name: spelled(oxidation_states(name) or {}) for name in words} == words


def test_errors_at_the_door():
    with pytest.raises(ValueError, match="must be one formula"):
        oxidation_states(["NaCl"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1,001 atoms; at most 1,000"):
        oxidation_states("Na1000Cl")


def held_atoms(found, atoms):
    return {s: state if isinstance(state, dict) else {state: atoms[s]} for s, state in found.items()}


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 12), min_size=1, max_size=6))
def test_oxidation_states_explain_the_verdicts(counts):
    name = "".join(f"{symbol}{count}" for symbol, count in counts.items())
    batch, table = CompositionBatch.from_counts(integer_counts([name])), load_table()
    found = oxidation_states(name)
    if found is None:
        assert len(counts) == 1 or not is_charge_neutral(name, mixed_valence=True)[0]
        return
    atoms = dict(zip((SYMBOLS[e] for e in batch.elements[0, : batch.size[0]]), batch.counts[0].tolist(), strict=False))
    held = held_atoms(found, atoms)
    assert {s: sum(states.values()) for s, states in held.items()} == pytest.approx(atoms, abs=1e-4)
    assert sum(q * n for states in held.values() for q, n in states.items()) == pytest.approx(0, abs=1e-3)
    level = {s: table.electronegativity[INDEX[s]] for s in held}
    sided = {s: states for s, states in held.items() if len({q > 0 for q in states}) == 1}
    cations, anions = ([level[s] for s, states in sided.items() for q in states if q * sign > 0] for sign in (1, -1))
    ordered = bool(cations and anions) and max(cations) < min(anions)
    assert ordered >= is_electronegativity_balanced(name)[0] and ordered >= is_ionic(found)
    if is_electronegativity_balanced(name, min_share=COMMON_SHARE)[0]:
        assert is_ionic(found)
        reported = shares()
        assert all(reported.get((s, q), 1) > 0.005 for s, states in held.items() for q in states if q == int(q))


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(SYMBOLS), st.floats(0, 1))
def test_states_kept_are_those_within_the_share(symbol, share):
    table, element, reported = load_table(share), INDEX[symbol], shares()
    kept = set(table.states[element, : table.number[element]].tolist())
    inside = {state for (other, state), value in reported.items() if other == symbol and value >= share}
    salt = {"Mn": {7}, "Cl": {5}, "Br": {5}}.get(symbol, set())
    assert kept == inside | salt and (np.diff(table.states[element, : table.number[element]]) > 0).all()
