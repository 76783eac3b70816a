import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

import matenv
from matenv.composition import CompositionBatch
from matenv.composition.movers import movers_distance
from matenv.elements import MODIFIED_PETTIFOR, NUM_ELEMENTS

PLACES = np.array(MODIFIED_PETTIFOR)


@given(
    st.lists(st.dictionaries(st.integers(0, NUM_ELEMENTS - 1), st.integers(1, 12), min_size=1, max_size=5), min_size=2)
)
@settings(max_examples=50, deadline=None)
def test_distance_is_the_earth_movers_along_the_scale(formulas):
    counts = np.zeros((len(formulas), NUM_ELEMENTS), int)
    for row, formula in enumerate(formulas):
        counts[row, list(formula)] = list(formula.values())
    batch = CompositionBatch.from_counts(counts)
    other = batch[np.roll(np.arange(len(batch)), 1)]
    weights = batch.fractions(), other.fractions()
    expected = [wasserstein_distance(PLACES, PLACES, a, b) for a, b in zip(*weights, strict=True)]
    np.testing.assert_allclose(movers_distance(batch, other), expected, atol=1e-9)
    np.testing.assert_allclose(movers_distance(batch, batch), 0.0)


def test_an_empty_composition_is_infinitely_far():
    empty = CompositionBatch.from_counts(np.zeros((1, NUM_ELEMENTS), int), allow_empty=True)
    some = CompositionBatch.from_fractions(matenv.fractions(["NaCl"]))
    assert movers_distance(empty, some).tolist() == movers_distance(some, empty).tolist() == [np.inf]
