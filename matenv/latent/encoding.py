"""Fast encoding by a trained `CountsVAE` on a CPU, without gradients.

The same arithmetic as `CountsVAE.posterior` (a test holds the two together), as one compiled function. An encoder's
weights exceed the inner caches, so a product reads them once for a block of rows. Every row goes through the same
instructions, four rows at a time, so an encoding has the same bits whatever it is encoded with.

May import: `matenv.latent.counts_vae`, `matenv.latent.inference`, `matenv.layers`, `matenv.parallel`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.latent.counts_vae import LOG_VARIANCE_RANGE, MAX_COUNT, CountsVAE, Residual
from matenv.latent.inference import fold, stack
from matenv.layers import FASTMATH, Array, silu, standardise
from matenv.parallel import run_blocks

BLOCK = 32
"""Rows encoded at a time; a multiple of four."""

ROWS_PER_THREAD = 64
"""Fewest rows whose encoding is worth a thread of its own."""


class Weights(NamedTuple):
    """An encoder's weights, float32. Products map inputs to ``inputs @ weight.T + bias``.

    Normalisations and the first block's first product are folded as in `matenv.latent.inference.Weights`.

    Attributes:
        elements: Shift and scale of each element's token (2, 89, token).
        counts: Shift and scale of each count's token (2, 65, token).
        normal: Gain and offset of the tokens' normalisation (2, token).
        enter: Summed tokens to the first state and to the first block's inner values (width + inner, token).
        enter_bias: Its bias (width + inner,).
        up: First products of the later blocks (blocks - 1, inner, width).
        up_bias: Biases of the first products of all blocks (blocks, inner).
        down: Second products of the blocks (blocks, width, inner).
        down_bias: Their biases (blocks, width).
        head: State to mean and log-variance (2 n, width).
        head_bias: Its bias (2 n,).
    """

    elements: Array
    counts: Array
    normal: Array
    enter: Array
    enter_bias: Array
    up: Array
    up_bias: Array
    down: Array
    down_bias: Array
    head: Array
    head_bias: Array

    @staticmethod
    @torch.no_grad()
    def of(network: CountsVAE) -> Weights:
        """Copy a network's weights."""
        width = network.config["encoder"]
        blocks = [cast(Residual, block) for block in network.encoder_blocks]
        ups = [fold(block.norm, block.up) for block in blocks]
        enter, enter_bias = network.encoder_in.weight.double(), network.encoder_in.bias.double()
        first = ups[0][0] if ups else torch.zeros(0, width, dtype=torch.float64)
        centred = first - first.mean(1, keepdim=True)  # equals removing the mean of what it multiplies
        tensors = (
            torch.stack([network.element_shift, network.element_scale]),
            torch.stack([network.count_shift, network.count_scale]),
            torch.stack([network.token_norm.weight, network.token_norm.bias]),
            torch.cat([enter, centred @ enter]), torch.cat([enter_bias, centred @ enter_bias]),
            stack([weight for weight, _ in ups[1:]], width, width), stack([bias for _, bias in ups], width),
            stack([block.down.weight for block in blocks], width, width),
            stack([block.down.bias for block in blocks], width),
            *fold(network.encoder_norm, network.posterior_head),
        )  # fmt: skip
        return Weights(*(np.array(tensor.cpu().numpy(), dtype=np.float32, order="C") for tensor in tensors))


class FastEncoder:
    """A network's encoder on the CPU.

    Args:
        network: The trained network; its weights are copied.
    """

    def __init__(self, network: CountsVAE) -> None:
        self.weights = Weights.of(network)

    def posterior(self, batch: CompositionBatch) -> tuple[Array, Array]:
        """Mean and log-variance of q(z|x), each (B, n) float32, as `CountsVAE.posterior`."""
        rows = len(batch)
        out = np.empty((rows, len(self.weights.head_bias)), np.float32)
        elements, counts = np.ascontiguousarray(batch.elements), np.ascontiguousarray(batch.counts)
        size = np.ascontiguousarray(batch.size)

        def encode_rows(block: slice) -> None:
            _encode(elements[block], counts[block], size[block], self.weights, out[block])

        if rows < 2 * ROWS_PER_THREAD:
            _encode(elements, counts, size, self.weights, out)
        else:
            run_blocks(encode_rows, rows, ROWS_PER_THREAD)
        mean, log_variance = np.split(out, 2, axis=1)
        return mean, log_variance.clip(*LOG_VARIANCE_RANGE)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _multiply(x: Array, weight: Array, out: Array) -> None:
    """``x @ weight.T`` for rows that come in fours, written to `out`: the weights are read once."""
    inputs, last = x.shape[1], weight.shape[0] - 1
    for j in range(0, last + 1, 4):
        # Where fewer than four outputs are left, the last is computed more than once.
        j1, j2, j3 = min(j + 1, last), min(j + 2, last), min(j + 3, last)
        for i in range(0, x.shape[0], 4):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.float32(0.0)
            c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = np.float32(0.0)
            for k in range(inputs):
                a, b, c, d = x[i, k], x[i + 1, k], x[i + 2, k], x[i + 3, k]
                w0, w1, w2, w3 = weight[j, k], weight[j1, k], weight[j2, k], weight[j3, k]
                a0, a1, a2, a3 = a0 + a * w0, a1 + a * w1, a2 + a * w2, a3 + a * w3
                b0, b1, b2, b3 = b0 + b * w0, b1 + b * w1, b2 + b * w2, b3 + b * w3
                c0, c1, c2, c3 = c0 + c * w0, c1 + c * w1, c2 + c * w2, c3 + c * w3
                d0, d1, d2, d3 = d0 + d * w0, d1 + d * w1, d2 + d * w2, d3 + d * w3
            out[i, j], out[i, j1], out[i, j2], out[i, j3] = a0, a1, a2, a3
            out[i + 1, j], out[i + 1, j1], out[i + 1, j2], out[i + 1, j3] = b0, b1, b2, b3
            out[i + 2, j], out[i + 2, j1], out[i + 2, j2], out[i + 2, j3] = c0, c1, c2, c3
            out[i + 3, j], out[i + 3, j1], out[i + 3, j2], out[i + 3, j3] = d0, d1, d2, d3


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _encode(
    elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16], w: Weights, out: Array
) -> None:
    """Encode block by block, and write mean and log-variance side by side (B, 2 n)."""
    blocks, width, inner = w.down.shape[0], w.down_bias.shape[1], w.up_bias.shape[1]
    room = min(BLOCK, (len(size) + 3) // 4 * 4)
    pooled, entered = np.empty((room, w.enter.shape[1]), np.float32), np.empty((room, w.enter.shape[0]), np.float32)
    state, standard = np.empty((room, width), np.float32), np.empty((room, width), np.float32)
    hidden, update = np.empty((room, inner), np.float32), np.empty((room, width), np.float32)
    result = np.empty((room, len(w.head_bias)), np.float32)
    for start in range(0, len(size), BLOCK):
        rows = min(start + BLOCK, len(size)) - start
        used = (rows + 3) // 4 * 4
        _pool(
            elements[start : start + rows], counts[start : start + rows], size[start : start + rows], w, pooled[:used]
        )
        _multiply(pooled[:used], w.enter, entered[:used])
        for i in range(used):
            line, values = entered[i], state[i]
            for k in range(width):
                values[k] = line[k] + w.enter_bias[k]
            scale = standardise(values, standard[i])
            if blocks:
                values, bias = hidden[i], w.up_bias[0]
                for k in range(inner):
                    values[k] = silu((line[width + k] + w.enter_bias[width + k]) * scale + bias[k])
        for block in range(blocks):
            if block:
                _multiply(standard[:used], w.up[block - 1], hidden[:used])
                for i in range(used):
                    values, bias = hidden[i], w.up_bias[block]
                    for k in range(inner):
                        values[k] = silu(values[k] + bias[k])
            _multiply(hidden[:used], w.down[block], update[:used])
            for i in range(used):
                values, line, bias = state[i], update[i], w.down_bias[block]
                for k in range(width):
                    values[k] += line[k] + bias[k]
                standardise(values, standard[i])
        _multiply(standard[:used], w.head, result[:used])
        for i in range(rows):
            line, values = out[start + i], result[i]
            for k in range(len(w.head_bias)):
                line[k] = values[k] + w.head_bias[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _pool(
    elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16], w: Weights, pooled: Array
) -> None:
    """Sum of each row's tokens; zeros in the rows that fill up a four."""
    token = np.empty(pooled.shape[1], np.float32)
    gain, offset = w.normal[0], w.normal[1]
    for i in range(pooled.shape[0]):
        total = pooled[i]
        for k in range(len(token)):
            total[k] = np.float32(0.0)
        for entry in range(size[i] if i < len(size) else 0):
            element, count = elements[i, entry], min(counts[i, entry], MAX_COUNT)
            shift, scale = w.elements[0, element], w.elements[1, element]
            count_shift, count_scale = w.counts[0, count], w.counts[1, count]
            for k in range(len(token)):
                token[k] = shift[k] + count_shift[k] + scale[k] * count_scale[k]
            standardise(token, token)
            for k in range(len(token)):
                total[k] += silu(token[k] * gain[k] + offset[k])
