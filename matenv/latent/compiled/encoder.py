"""Fast encoding by a trained `CountsVAE` on a CPU, without gradients.

The same arithmetic as `CountsVAE.posterior` (a test holds the two together), as one compiled function. An encoder's
weights exceed the inner caches, so a product reads them once for a block of rows. Every element of a product is summed
in one order, so an encoding has the same bits whatever it is encoded with.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from matenv.compiled.folding import beside, fold, numbers
from matenv.compiled.jit import njit
from matenv.compiled.panels import Array, padded
from matenv.compiled.products import FASTMATH, add_product, silu, standardise
from matenv.compiled.threads import run_blocks
from matenv.composition import CompositionBatch
from matenv.latent.compiled.trunk import Trunk, final_state
from matenv.latent.networks.counts_vae import LOG_VARIANCE_RANGE, MAX_COUNT, CountsVAE, Residual

BLOCK = 48
"""Rows encoded at a time."""

ROWS_PER_THREAD = 64
"""Fewest rows whose encoding is worth a thread of its own."""


class Weights(NamedTuple):
    """An encoder's weights, float32, cut and padded as `matenv.compiled.folding` says.

    Attributes:
        elements: Shift and scale of each element's token (2, 89, token).
        counts: Shift and scale of each count's token (2, 65, token).
        normal: Gain and offset of the tokens' normalisation (2, token).
        trunk: Summed tokens to the last state.
        head: State to mean and log-variance (width, 2 n).
        head_bias: Its bias (1, 2 n).
    """

    elements: Array
    counts: Array
    normal: Array
    trunk: Trunk
    head: Array
    head_bias: Array

    @staticmethod
    @torch.no_grad()
    def of(network: CountsVAE) -> Weights:
        """Copy a network's weights."""
        trunk = Trunk.of(network.encoder_in, [cast(Residual, block) for block in network.encoder_blocks])
        return Weights(
            numbers(torch.stack([network.element_shift, network.element_scale])),
            numbers(torch.stack([network.count_shift, network.count_scale])),
            numbers(torch.stack([network.token_norm.weight, network.token_norm.bias])),
            trunk,
            *beside([fold(network.encoder_norm, network.posterior_head)], padded(trunk.width)),
        )


class FastEncoder:
    """A network's encoder on the CPU.

    Args:
        network: The trained network; its weights are copied.
    """

    def __init__(self, network: CountsVAE) -> None:
        self.weights, self.latent = Weights.of(network), network.latent

    def posterior(self, batch: CompositionBatch) -> tuple[Array, Array]:
        """Mean and log-variance of q(z|x), each (B, n) float32, as `CountsVAE.posterior`."""
        rows = len(batch)
        out = np.empty((rows, 2 * self.latent), np.float32)
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
def _encode(
    elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16], w: Weights, out: Array
) -> None:
    """Encode block by block, and write mean and log-variance side by side (B, 2 n)."""
    for start in range(0, len(size), BLOCK):
        stop = min(start + BLOCK, len(size))
        pooled = np.empty((stop - start, w.normal.shape[1]), np.float32)
        _pool(elements[start:stop], counts[start:stop], size[start:stop], w, pooled)
        result = np.empty((stop - start, w.head_bias.shape[1]), np.float32)
        add_product(w.head_bias, final_state(pooled, w.trunk), w.head, result)
        for i in range(stop - start):
            for k in range(out.shape[1]):
                out[start + i, k] = result[i, k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _pool(
    elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16], w: Weights, pooled: Array
) -> None:
    """Sum of each row's tokens."""
    token = np.empty(pooled.shape[1], np.float32)
    gain, offset = w.normal[0], w.normal[1]
    for i in range(pooled.shape[0]):
        total = pooled[i]
        for k in range(len(token)):
            total[k] = np.float32(0.0)
        for entry in range(size[i]):
            element, count = elements[i, entry], min(counts[i, entry], MAX_COUNT)
            shift, scale = w.elements[0, element], w.elements[1, element]
            count_shift, count_scale = w.counts[0, count], w.counts[1, count]
            for k in range(len(token)):
                token[k] = shift[k] + count_shift[k] + scale[k] * count_scale[k]
            standardise(token, token)
            for k in range(len(token)):
                total[k] += silu(token[k] * gain[k] + offset[k])
