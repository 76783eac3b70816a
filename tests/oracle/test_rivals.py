"""All compositions of a system, ranked, and what beats what."""

from itertools import product
from math import gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matenv
from matenv.composition import CompositionBatch, FormulaIndex, integer_counts
from matenv.elements import INDEX, SYMBOLS
from matenv.oracle import Oracle
from matenv.oracle.found import MAX_ATOMS, MAX_COUNT
from matenv.oracle.rivals import compositions, margins, patterns, rank_system, standings
from matenv.thermo import ConvexHull

NA_CL = sorted((INDEX["Na"], INDEX["Cl"]))


def batch_of(*formulas):
    return CompositionBatch.from_counts(integer_counts(list(formulas)))


@pytest.fixture(scope="module")
def hull():
    """Alkali chlorides and bromides: few phases."""
    data = matenv.load_dataset("mp-ground-states")
    wanted = {"Li", "Na", "K", "Cl", "Br"}
    return ConvexHull.from_dataset(
        data.subset(np.array([i for i, name in enumerate(data.systems.tolist()) if set(name.split("-")) <= wanted]))
    )


@pytest.fixture(scope="module")
def all_phases():
    return Oracle("all")


@pytest.fixture(scope="module")
def binaries():
    return compositions(NA_CL)


energies = st.lists(st.floats(-3.0, 1.0), min_size=87, max_size=87).map(np.array)
marks = st.lists(st.booleans(), min_size=87, max_size=87).map(np.array)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_patterns_are_every_reduced_composition_once(size):
    every = product(range(1, MAX_COUNT + 1), repeat=size)
    expected = {counts for counts in every if sum(counts) <= MAX_ATOMS and gcd(*counts) == 1}
    found = [tuple(row) for row in patterns(size).tolist()]
    assert set(found) == expected and len(found) == len(expected)


def test_compositions_hold_the_systems_elements(binaries):
    assert len(binaries) == 87 and (binaries.size == 2).all()
    assert (binaries.elements[:, :2] == NA_CL).all() and (binaries.elements[:, 2:] == -1).all()
    assert "NaCl" in binaries.formulas() and len(set(binaries.formulas())) == 87


@settings(max_examples=25, deadline=None)
@given(energies, marks)
def test_what_lies_above_a_plausible_rival_or_a_mixture_of_them_is_beaten(hull, binaries, energy, plausible):
    margin = margins(hull, binaries, energy, plausible)
    phases = hull.decompose(binaries, exclude_self=True).energy
    assert (margin >= energy - phases - 1e-6).all()  # rivals only add to what a formula must beat
    share = binaries.counts[:, 0] / binaries.atoms
    rivals = np.flatnonzero(plausible)
    for row in range(0, len(binaries), 9):
        for left in rivals[share[rivals] < share[row]][:3]:
            for right in rivals[share[rivals] > share[row]][:3]:
                t = (share[row] - share[left]) / (share[right] - share[left])
                between = (1 - t) * energy[left] + t * energy[right]
                assert margin[row] >= energy[row] - between - 1e-6
                assert energy[row] <= between + 1e-6 or margin[row] > 0.0


@settings(max_examples=15, deadline=None)
@given(energies, marks, st.randoms(use_true_random=False))
def test_margins_do_not_depend_on_the_order_of_a_system(hull, binaries, energy, plausible, random):
    order = np.array(random.sample(range(87), 87))
    shuffled = margins(hull, binaries[order], energy[order], plausible[order])
    np.testing.assert_allclose(shuffled, margins(hull, binaries, energy, plausible)[order], atol=1e-7)


@settings(max_examples=15, deadline=None)
@given(energies, marks, st.integers(0, 86), st.floats(0.01, 1.0))
def test_a_rival_of_lower_energy_beats_more_and_itself_less(hull, binaries, energy, plausible, row, less):
    plausible[row] = True
    lower = energy.copy()
    lower[row] -= less
    before, after = margins(hull, binaries, energy, plausible), margins(hull, binaries, lower, plausible)
    others = np.arange(87) != row
    assert (after[others] >= before[others] - 1e-6).all()
    assert after[row] == pytest.approx(before[row] - less, abs=1e-6)


def test_without_plausible_rivals_only_phases_count(hull, binaries):
    energy = np.full(87, -0.3)
    margin = margins(hull, binaries, energy, np.zeros(87, np.bool_))
    np.testing.assert_allclose(margin, energy - hull.decompose(binaries, exclude_self=True).energy, atol=1e-7)


def test_a_system_without_phases_knows_the_elements_only(binaries):
    data = matenv.load_dataset("mp-ground-states")
    iron = ConvexHull.from_dataset(data.subset(np.flatnonzero(data.systems == "Fe-O")))
    energy = np.linspace(-1.0, 1.0, 87)
    np.testing.assert_array_equal(margins(iron, binaries, energy, np.zeros(87, np.bool_)), energy)


@pytest.mark.parametrize("system", [("Na", "Cl"), ("Sr", "Ti", "O")])
def test_a_system_is_ranked_alike_however_it_is_named(all_phases, system):
    ranked, other = rank_system(all_phases, system), rank_system(all_phases, system[::-1])
    for name in ("p_found", "p_stable", "decomposition_energy", "margin"):
        np.testing.assert_array_equal(getattr(ranked, name), getattr(other, name))
    assert ranked.compositions.formulas() == other.compositions.formulas()
    assert len(ranked.p_found) == len(patterns(len(system))) and (np.diff(ranked.p_found) <= 0).all()
    assert ranked.compositions.formulas()[0] == {2: "NaCl", 3: "SrTiO3"}[len(system)]
    np.testing.assert_array_equal(ranked.unbeaten, ranked.margin <= 0.0)
    alone = all_phases.assess(ranked.compositions[:3])
    np.testing.assert_allclose(alone.prob_found(thorough=True), ranked.p_found[:3], rtol=1e-9)
    np.testing.assert_allclose(alone.decomposition_energy, ranked.decomposition_energy[:3], atol=1e-9)


def test_a_rank_is_that_of_the_reduced_formula_alone_or_in_a_batch(all_phases):
    names = ("NaCl", "Na2Cl2", "SrTiO3", "Na3Cl")
    together = standings(all_phases, batch_of(*names))
    for name, standing in zip(names, together, strict=True):
        assert standings(all_phases, batch_of(name)) == [standing]
    assert together[0] == together[1] and together[0].place == 1 and together[0].unbeaten
    assert together[3].place is not None and together[3].place > 3 and not together[3].unbeaten
    ranked = rank_system(all_phases, ["Na", "Cl"])
    place = int(FormulaIndex(ranked.compositions).find(batch_of("Na3Cl"))[0])
    assert (together[3].place, together[3].among) == (place + 1, 87)
    assert together[3].margin == ranked.margin[place]


def test_what_no_ranking_holds_has_a_probability_and_no_place(all_phases):
    for standing in standings(all_phases, batch_of("Na21Cl20", "NaCl13", "LiNaKRbCsF5")):
        assert 0.0 <= standing.p_found < 1.0
        assert standing.place is standing.among is standing.margin is standing.unbeaten is None


@pytest.mark.parametrize("system", [["Na"], ["Na", "Na"], ["Li", "Na", "K", "Rb", "Cs", "F"], ["Na", "Qq"]])
def test_a_system_that_is_none_is_named(all_phases, system):
    with pytest.raises(ValueError, match="system"):
        rank_system(all_phases, system)


def test_every_symbol_of_a_ranked_system_is_its_own(all_phases):
    ranked = rank_system(all_phases, ["Cl", "Na"])
    used = {SYMBOLS[e] for e in np.unique(ranked.compositions.elements) if e >= 0}
    assert used == {"Na", "Cl"}
