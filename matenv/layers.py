"""Compiled pieces of neural networks: what lies between two matrix products when a network runs without gradients.

At the widths used here the many small tensor operations between two products would cost as much as the products.

May import: nothing of matenv.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Sums may be reordered, which is what lets them use the whole vector unit; NaN and infinity keep their meaning.
FASTMATH = {"reassoc", "contract", "nsz"}
"""Liberties the compiler may take with these functions and those around them."""

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
