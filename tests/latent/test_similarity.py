"""Decomposition similarity: the paper's worked example, affine encoders, missing decompositions, wrong shapes."""

import numpy as np
import pytest

import matenv
from matenv.latent.evaluation.similarity import blend, compare

DATA = matenv.load_dataset()
GALLIUM = ["Ga31Mo6", "MoS2", "GaS"]
SHARES = np.array([[37, 498, 24]]) / 559


@pytest.fixture(scope="module")
def hull():
    rows = np.random.default_rng(0).choice(len(DATA), 3000, replace=False)
    return matenv.ConvexHull.from_dataset(DATA, rows)


def tanh_layer(x, seed=0):
    """A small non-linear encoder (B, 89) -> (B, 10)."""
    random = np.random.default_rng(seed)
    return np.tanh(x @ random.normal(size=(89, 40)) * 9) @ random.normal(size=(40, 10)) + 20.0


def test_the_papers_example_by_hand():
    x, parts = matenv.fractions(["Ga(MoS2)4"]), matenv.fractions(GALLIUM)
    mixed = blend(parts, [[0, 1, 2]], SHARES)
    np.testing.assert_allclose(mixed, x, atol=1e-15)
    np.testing.assert_allclose(compare(x, mixed), [[1.0], [0.0]], atol=1e-12)
    # As printed, with GaS2, the vectors do not agree: 10 % of the gallium is missing.
    wrong = compare(x, blend(matenv.fractions(["Ga31Mo6", "MoS2", "GaS2"]), [[0, 1, 2]], SHARES))
    assert wrong.residual[0] > 0.01
    # Any encoder, by hand: one cosine and one residual from their definitions.
    z, codes, centre = tanh_layer(x), tanh_layer(parts), np.full(10, 19.0)
    a, b = z[0] - centre, SHARES[0] @ codes - centre
    found = compare(z, blend(codes, [[0, 1, 2]], SHARES), centre)
    assert found.cosine[0] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), abs=1e-12)
    assert found.residual[0] == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a), abs=1e-12)


def test_affine_encoders_score_one_and_others_do_not(hull):
    random = np.random.default_rng(1)
    matrix, offset = random.normal(size=(89, 10)), random.normal(size=10)
    rows = np.flatnonzero(DATA.formation_energy > hull.energy(DATA.compositions) + 1e-6)[:500]
    x, decomposition = DATA.compositions[rows], hull.decompose(DATA.compositions[rows])
    references = hull.references.fractions()
    mixed = blend(references, decomposition.members, decomposition.weights)
    np.testing.assert_allclose(mixed, x.fractions(), atol=1e-9)  # reference numbers mean what `references` says
    for centre in (0.0, offset):
        codes = blend(references @ matrix + offset, decomposition.members, decomposition.weights)
        affine = compare(x.fractions() @ matrix + offset, codes, centre)
        assert affine.cosine.min() > 1 - 1e-12 and affine.residual.max() < 1e-6
    codes = tanh_layer(references)
    z, mixed = tanh_layer(x.fractions()), blend(codes, decomposition.members, decomposition.weights)
    raw, centred = compare(z, mixed), compare(z, mixed, codes.mean(axis=0))
    assert np.median(raw.cosine) > np.median(centred.cosine) + 0.02  # the common offset hides the difference
    assert np.median(centred.residual) > 0.1


def test_rows_without_decomposition_are_nan(hull):
    elements = matenv.fractions(["Fe", "Cu"])
    decomposition = hull.decompose(elements, exclude_self=True)
    mixed = blend(np.ones((len(hull.references), 4)), decomposition.members, decomposition.weights)
    assert np.isnan(mixed).all()
    assert np.isnan(compare(np.ones((2, 4)), mixed)).all()


def test_a_shipped_space_is_measured_from_its_centre(hull):
    space = matenv.load_latent("vae-elawady")
    rows = np.arange(0, len(DATA), 200)
    decomposition = hull.decompose(DATA.compositions[rows])
    mixed = blend(space.encode(hull.references), decomposition.members, decomposition.weights)
    found = compare(space.encode(DATA.compositions[rows]), mixed)
    itself = decomposition.weights.max(axis=1) > 1 - 1e-9
    np.testing.assert_allclose(found.cosine[itself], 1.0, atol=1e-6)
    assert 0.5 < np.median(found.cosine[~itself]) < 0.999


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"expected \(R, n\), \(B, m\), \(B, m\)"):
        blend(np.ones((3, 2)), [0, 1], [0.5, 0.5])
    with pytest.raises(ValueError, match="encode hull.references"):
        blend(np.ones((3, 2)), [[0, 3]], [[0.5, 0.5]])
    with pytest.raises(ValueError, match="expected the same"):
        compare(np.ones((3, 2)), np.ones((3, 4)))
