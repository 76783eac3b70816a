"""Compiled pieces of neural networks: inference without gradients, for a few rows at a time.

At the widths used here the many small tensor operations between two matrix products would cost as much as the products.
The products are our own as well: every element of a result is summed in one fixed order, so that what a row gives
never depends on the other rows of its batch, and for a few dozen rows they are faster than a general library's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import config

from matenv.compiled.jit import njit
from matenv.compiled.panels import PANEL, Array, panels

# Sums may be reordered, which is what lets them use the whole vector unit; NaN and infinity keep their meaning.
FASTMATH = {"reassoc", "contract", "nsz"}
"""Liberties the compiler may take with these functions and those around them."""

PLAIN = "MATENV_PLAIN_PRODUCTS"
"""Environment variable; at 1, products do without hand-written tiles."""

_EPSILON = np.float32(1e-5)  # of torch.nn.LayerNorm
_LOG2E = np.float32(1.4426950408889634)


@njit(inline="always")
def exp_minus(x: np.float32) -> np.float32:
    """Exp(-x) as 2^n times the Taylor series of 2^f, |f| <= 1/2, so that loops vectorise."""
    t = min(max(-x * _LOG2E, np.float32(-120.0)), np.float32(120.0))
    n = np.floor(t + np.float32(0.5))
    f = t - n
    p = np.float32(1.5403530e-4)
    p = p * f + np.float32(1.3333558e-3)
    p = p * f + np.float32(9.6181291e-3)
    p = p * f + np.float32(5.5504109e-2)
    p = p * f + np.float32(2.4022651e-1)
    p = p * f + np.float32(6.9314718e-1)
    p = p * f + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(inline="always")
def silu(x: np.float32) -> np.float32:
    """X sigmoid(x)."""
    return x / (np.float32(1.0) + exp_minus(x))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def standardise(line: Array, out: Array) -> np.float32:
    """Write (line - mean) / std to `out`, as LayerNorm without its affine part, and return 1 / std.

    `out` may be `line`.
    """
    width = line.shape[0]
    total = np.float32(0.0)
    for k in range(width):
        total += line[k]
    mean = total / np.float32(width)
    squares = np.float32(0.0)
    for k in range(width):
        squares += (line[k] - mean) * (line[k] - mean)
    scale = np.float32(1.0) / np.sqrt(squares / np.float32(width) + _EPSILON)
    for k in range(width):
        out[k] = (line[k] - mean) * scale
    return scale


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def add_product_plainly(base: Array, left: Array, matrix: Array, result: Array) -> None:
    """As `add_product`, to the bit, in plain numba: several times slower."""
    rows, depth = left.shape
    sums = np.empty(PANEL, np.float32)
    for p in range(result.shape[1] // PANEL):
        panel, column = matrix[p * depth : (p + 1) * depth], p * PANEL
        for row in range(rows):
            line, origin = left[row], base[min(row, base.shape[0] - 1)]
            for k in range(PANEL):
                sums[k] = origin[column + k]
            whole = depth // 4 * 4
            for d in range(0, whole, 4):  # four at a time: the sums are read and written less often
                for k in range(PANEL):
                    total = sums[k] + line[d] * panel[d, k]
                    total = total + line[d + 1] * panel[d + 1, k]
                    total = total + line[d + 2] * panel[d + 2, k]
                    sums[k] = total + line[d + 3] * panel[d + 3, k]
            for d in range(whole, depth):
                for k in range(PANEL):
                    sums[k] += line[d] * panel[d, k]
            for k in range(PANEL):
                result[row, column + k] = sums[k]


def _fastest() -> Callable[[Array, Array, Array, Array], None]:
    """The hand-written product, if it may be used and works here, else the plain one."""
    if os.environ.get(PLAIN, "0") not in ("", "0"):
        # Code kept on disk holds one product or the other: this process keeps its own, and displaces none.
        folder = getattr(config, "CACHE_DIR", "") or Path(__file__).parent / "__pycache__"
        config.CACHE_DIR = str(Path(folder) / "plain")  # type: ignore[attr-defined]
        return add_product_plainly
    try:
        from matenv.compiled.tiles import add_product as by_tiles

        ones = np.ones((2, PANEL), np.float32)
        result = np.empty_like(ones)
        by_tiles(ones, ones, panels(np.ones((PANEL, PANEL), np.float32), PANEL, PANEL), result)
        if not (result == PANEL + 1).all():
            raise ArithmeticError("wrong product")
    except Exception as error:  # whatever another version of a compiler may raise
        reason = f"{type(error).__name__}: {error}"
        warnings.warn(f"matrix products are plain ones, several times slower: {reason}", RuntimeWarning, stacklevel=2)
        return add_product_plainly
    return by_tiles


add_product = _fastest()
"""Write base + left @ matrix to the result; each element is summed in the order of the matrix's rows.

Args:
    base: (R, columns), or (1, columns) for all rows; contiguous, and may be the result itself.
    left: (R, depth), contiguous.
    matrix: As `panels` returns it, (columns / 32 x depth, 32), contiguous.
    result: (R, columns), contiguous; columns a multiple of 32.
"""
