"""Guards as functions of positions and formulas."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

import matenv
from matenv.composition import CompositionBatch
from matenv.guards import GUARDS, LATENT_GUARDS, Guards, Mahalanobis, NearestPoint, properties_of, reference_rows
from matenv.tasks import load_task

POINTS = np.random.default_rng(0).normal(size=(500, 5)) @ np.random.default_rng(1).normal(size=(5, 5))


@pytest.fixture(scope="module")
def space():
    return matenv.load_latent("vae")


@pytest.fixture(scope="module")
def guards(space, oracle):
    return Guards(GUARDS, space, oracle.predictor, ("formation_energy", "band_gap_pbe"))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_distances_are_what_other_libraries_say_and_rows_do_not_meet(seed, rows):
    z = 4 * np.random.default_rng(seed).normal(size=(rows, 5))
    nearest, mahalanobis = NearestPoint(POINTS), Mahalanobis(POINTS)
    np.testing.assert_allclose(nearest(z), cdist(z, POINTS).min(axis=1), rtol=1e-4, atol=1e-5)
    inverse = np.linalg.inv(np.cov(POINTS.T))
    expected = cdist(z, POINTS.mean(axis=0)[None], "mahalanobis", VI=inverse)[:, 0]
    np.testing.assert_allclose(mahalanobis(z), expected, rtol=1e-9)
    for guard in (nearest, mahalanobis):
        assert np.array_equal(guard(z), np.concatenate([guard(z[i : i + 1]) for i in range(rows)]))


def test_one_is_the_quantile_of_rows_that_nobody_fitted(data, space, oracle, guards):
    held_out = data.compositions[data.part("validation")]
    values = guards.of_formulas(oracle.assess(held_out))
    for name in ("mahalanobis", "nearest", "uncertainty", "disagreement"):
        assert np.quantile(values[name], 0.99) == pytest.approx(1.0, abs=0.02), name
    assert (values["cycle"] == 0).mean() > 0.9  # the encoding of a formula decodes to it
    z = space.sample(1000, 5)
    assert (guards(z, oracle.assess(space.decode_batch(z)))["cycle"] > 1).mean() < 0.03
    rows = reference_rows(data)
    assert not set(rows) & set(data.part("validation")) and len(set(rows)) == 4096


def test_values_do_not_depend_on_the_other_rows(space, oracle, guards):
    z = space.sample(40, 1)
    together = guards(z, oracle.assess(space.decode_batch(z)))
    for row in range(0, 40, 7):
        alone = guards(z[row : row + 1], oracle.assess(space.decode_batch(z[row : row + 1])))
        assert {name: values[0] for name, values in alone.items()} == {n: v[row] for n, v in together.items()}
        assert all(0 <= values[0] < np.inf for values in alone.values())


def test_the_worst_property_counts(oracle):
    formulas = ["BeF2", "W3N4", "NaCl", "CsF"]
    assessment = oracle.assess(formulas)
    one, other, both = (
        Guards(["uncertainty"], None, oracle.predictor, names)(None, assessment)["uncertainty"]
        for names in (("formation_energy",), ("band_gap_pbe",), ("formation_energy", "band_gap_pbe"))
    )
    std = assessment.std["band_gap_pbe"]
    np.testing.assert_allclose(other / other[0], std / std[0])
    worst = np.maximum(one, other)  # up to the unit of the two together
    np.testing.assert_allclose(both / both[0], worst / worst[0])


def test_a_guard_without_anything_to_measure_is_zero(space, oracle):
    nothing = matenv.Oracle(budget=1)
    nothing.assess("NaCl")
    batch = CompositionBatch.from_counts(np.zeros((1, 89), int), allow_empty=True)
    guards = Guards(GUARDS, space, nothing.predictor)
    assert {float(v[0]) for v in guards.of_formulas(nothing.assess(batch)).values()} == {0.0}
    values = guards.of_formulas(nothing.assess(["KCl"]))
    assert values["uncertainty"] == 0 == values["disagreement"] and values["nearest"] > 0


def test_uncertainty_tells_where_the_predictor_errs_and_latent_distance_does_not(data, space, oracle):
    """The finding of docs/guards.md, on a tenth of the test rows."""
    from studies.guards.errors import spearman

    part = data.subset(data.part("test")[::10])
    assessment = oracle.assess(part.compositions)
    error = np.abs(assessment.mean["formation_energy"] - part.formation_energy)
    values = Guards(GUARDS, space, oracle.predictor).of_formulas(assessment)
    correlation = {name: spearman(values[name], error) for name in GUARDS}
    assert min(correlation["uncertainty"], correlation["disagreement"]) > 0.3
    assert max(correlation[name] for name in LATENT_GUARDS) < 0.2


def test_a_task_says_which_properties_count(oracle):
    assert properties_of(load_task("wide-gap-novel"), oracle.predictor) == ("formation_energy", "band_gap_pbe")
    assert properties_of(load_task("stable-novel"), oracle.predictor) == ("formation_energy",)
    for task, names in (("wide-gap-novel", ("band_gap_pbe",)), ("stable-novel", ("formation_energy",))):
        assert properties_of(replace(load_task(task), viability="none"), oracle.predictor) == names


def test_refusals(oracle):
    with pytest.raises(ValueError, match="'nearst', which is not a guard; did you mean 'nearest'"):
        Guards(["nearst"], None, oracle.predictor)
    with pytest.raises(ValueError, match="space=None"):
        Guards(["cycle"], None, oracle.predictor)
    with pytest.raises(ValueError, match="properties="):
        Guards(["uncertainty"], None, oracle.predictor, ("melting_point",))
    with pytest.raises(ValueError, match="melting_point"):
        oracle.assess("NaCl").disagreement("melting_point")
