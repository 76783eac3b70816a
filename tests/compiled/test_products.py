"""The matrix product that networks share."""

import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest

from matenv.compiled import products, tiles
from matenv.compiled.panels import padded, panels
from matenv.compiled.products import add_product, add_product_plainly


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


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 48])
@pytest.mark.parametrize(("depth", "columns"), [(1, 32), (3, 64), (19, 96), (256, 64)])
def test_plain_products_are_the_same_to_the_bit(rows, depth, columns):
    assert add_product is tiles.add_product
    rng = np.random.default_rng(rows)
    left, base = (rng.normal(size=(rows, n)).astype(np.float32) for n in (depth, columns))
    matrix = panels(rng.normal(size=(depth, columns)).astype(np.float32), depth, columns)
    for start in (base, base[:1]):
        by_tiles, plain = np.empty_like(base), np.empty_like(base)
        add_product(start, left, matrix, by_tiles)
        add_product_plainly(start, left, matrix, plain)
        assert (by_tiles == plain).all()
    add_product(base, left, matrix, by_tiles)
    add_product_plainly(base, left, matrix, base)  # the result may be what is added to
    assert (by_tiles == base).all()


def test_plain_products_where_the_tiles_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "matenv.compiled.tiles", None)
    with pytest.warns(RuntimeWarning, match="several times slower: .*matenv.compiled.tiles"):
        assert products._fastest() is add_product_plainly
    wrong = types.SimpleNamespace(add_product=lambda base, left, matrix, result: result.fill(0.0))
    monkeypatch.setitem(sys.modules, "matenv.compiled.tiles", wrong)
    with pytest.warns(RuntimeWarning, match="several times slower: ArithmeticError"):
        assert products._fastest() is add_product_plainly


def run_plainly(code):
    """What code prints in a process without hand-written products."""
    environment = {**os.environ, products.PLAIN: "1"}
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def test_plain_products_on_demand():
    code = "import json; from matenv.compiled import products; print(json.dumps(products.add_product.__name__))"
    assert run_plainly(code) == "add_product_plainly"


@pytest.mark.slow
def test_plain_products_change_no_bit_of_what_networks_give():
    code = (
        "import json, matenv\n"
        "space, model = matenv.load_latent('vae'), matenv.load_predictor('two-family')\n"
        "z = space.encode(matenv.load_dataset('mp-ground-states').compositions[::2000])\n"
        "formulas = space.decode_batch(z)\n"
        "mean = [values[0].tolist() for values in model.predict(formulas).values()]\n"
        "result = [z.tolist(), formulas.formulas(), mean]\n"
    )
    here: dict = {}
    exec(code, here)
    assert run_plainly(code + "print(json.dumps(result))") == here["result"]
