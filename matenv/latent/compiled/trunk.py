"""What encoder and decoder of a `CountsVAE` have in common, compiled: an affine entrance, then residual blocks.

Weights are folded and padded as `matenv.compiled.folding` says; sizes in docstrings are those before padding. The first
state is an affine map of what enters, and so, but for its division by one number, is its normalised form: the first
block's first product is folded into the entrance, where it costs as many rows of weights as there are inputs in place
of `width`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from matenv.compiled.folding import beside, cut, fold, padded_bias
from matenv.compiled.jit import njit
from matenv.compiled.panels import PANEL, Array, padded
from matenv.compiled.products import FASTMATH, add_product, silu, standardise
from matenv.latent.networks.counts_vae import Residual


class Trunk(NamedTuple):
    """Weights, float32. Products map inputs to ``inputs @ weight + bias``.

    Attributes:
        width: Of the state.
        enter: Inputs to the first state and to the first block's inner values (n, width + inner).
        enter_bias: Its bias (1, width + inner).
        up: First products of the later blocks (blocks - 1, width, inner).
        up_bias: Biases of the first products of all blocks (blocks, inner).
        down: Second products of the blocks (blocks, inner, width).
        down_bias: Their biases (blocks, width).
    """

    width: int
    enter: Array
    enter_bias: Array
    up: Array
    up_bias: Array
    down: Array
    down_bias: Array

    @staticmethod
    @torch.no_grad()
    def of(entrance: nn.Linear, blocks: Sequence[Residual]) -> Trunk:
        """Copy the weights of an entrance and the blocks that follow."""
        weight, bias = entrance.weight.double(), entrance.bias.double()
        width, inputs = weight.shape
        ups = [fold(block.norm, block.up) for block in blocks]
        parts = [(weight, bias)]
        if ups:
            first = ups[0][0]
            centred = first - first.mean(1, keepdim=True)  # equals removing the mean of what it multiplies
            parts.append((centred @ weight, centred @ bias))
        state, inner = padded(width), padded(len(ups[0][1])) if ups else PANEL
        return Trunk(
            width,
            *beside(parts, inputs),
            _each([cut(up, state) for up, _ in ups[1:]]),
            _lines([up_bias for _, up_bias in ups], inner),
            _each([cut(block.down.weight, inner) for block in blocks]),
            _lines([block.down.bias for block in blocks], state),
        )


def _each(matrices: list[Array]) -> Array:
    """Matrices on a new first axis; there may be none."""
    return np.stack(matrices) if matrices else np.zeros((0, 0, PANEL), np.float32)


def _lines(biases: list[Tensor], columns: int) -> Array:
    """Padded biases (B, columns); there may be none."""
    return np.stack([padded_bias(bias) for bias in biases]) if biases else np.zeros((0, columns), np.float32)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def final_state(inputs: Array, w: Trunk) -> Array:
    """Normalised final state (B, padded width) of rows of inputs (B, n)."""
    rows, blocks, inner, wide = inputs.shape[0], w.down.shape[0], w.up_bias.shape[1], w.down_bias.shape[1]
    entered = np.empty((rows, w.enter_bias.shape[1]), np.float32)
    add_product(w.enter_bias, inputs, w.enter, entered)
    state, standard = np.empty((rows, wide), np.float32), np.zeros((rows, wide), np.float32)
    hidden = np.empty((rows, inner), np.float32)
    for i in range(rows):
        line, values = entered[i], state[i]
        for k in range(wide):
            values[k] = line[k]
        scale = standardise(values[: w.width], standard[i, : w.width])
        if blocks:
            values, bias = hidden[i], w.up_bias[0]
            for k in range(inner):
                values[k] = silu(line[wide + k] * scale + bias[k])
    for block in range(blocks):
        if block:
            add_product(w.up_bias[block : block + 1], standard, w.up[block - 1], hidden)
            for i in range(rows):
                values = hidden[i]
                for k in range(inner):
                    values[k] = silu(values[k])
        add_product(state, hidden, w.down[block], state)
        for i in range(rows):
            values, bias = state[i], w.down_bias[block]
            for k in range(wide):
                values[k] += bias[k]
            standardise(values[: w.width], standard[i, : w.width])
    return standard
