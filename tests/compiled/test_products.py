"""The matrix product that networks share."""

import numpy as np
import pytest

from matenv.compiled.products import add_product, padded, panels


def test_padding():
    assert [padded(n) for n in (0, 1, 32, 33, 64)] == [0, 32, 32, 64, 64]
    laid_out = panels(np.ones((3, 40), np.float32), 4, 64)
    assert laid_out.shape == (8, 32) and laid_out.sum() == 120
    assert (laid_out[3] == 0).all() and (laid_out[4:7, 8:] == 0).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7, 8, 9, 33])
@pytest.mark.parametrize(("depth", "columns"), [(19, 32), (64, 128), (1, 64), (256, 64)])
def test_product_equals_numpy_and_rows_do_not_see_each_other(rows, depth, columns):
    rng = np.random.default_rng(rows)
    left, matrix = rng.normal(size=(rows, depth)).astype(np.float32), rng.normal(size=(depth, columns))
    before = rng.normal(size=(rows, columns)).astype(np.float32)
    result, laid_out = before.copy(), panels(matrix.astype(np.float32), depth, columns)
    add_product(result, left, laid_out, result)
    np.testing.assert_allclose(result, before + left @ matrix, atol=1e-4)
    shared = np.empty_like(result)
    add_product(before[:1], left, laid_out, shared)
    np.testing.assert_allclose(shared, before[:1] + left @ matrix, atol=1e-4)
    for row in range(rows):
        alone = before[row : row + 1].copy()
        add_product(alone, left[row : row + 1].copy(), laid_out, alone)
        assert (alone[0] == result[row]).all()


def test_nothing_is_written_beyond_the_result():
    room = np.full((12, 32), 7.0, np.float32)
    add_product(room[:5], np.ones((5, 3), np.float32), panels(np.ones((3, 32), np.float32), 3, 32), room[:5])
    assert (room[:5] == 10).all() and (room[5:] == 7).all()
