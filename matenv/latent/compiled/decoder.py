"""Fast decoding by a trained `CountsVAE` on a CPU, without gradients.

The same arithmetic as `CountsVAE.decode` (a test holds the two together), as one compiled function for one row or many.
Rows pass through in blocks, so that intermediate values stay in the inner caches. Every element of a product is summed
in one order, so a row's formula does not depend on the batch it is decoded in, bit for bit.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from matenv.compiled.folding import beside, fold, numbers
from matenv.compiled.jit import njit
from matenv.compiled.panels import PANEL, Array, padded
from matenv.compiled.products import FASTMATH, add_product, silu, standardise
from matenv.compiled.threads import run_blocks
from matenv.composition import CompositionBatch
from matenv.composition.integers import MAX_ELEMENTS
from matenv.latent.compiled.trunk import Trunk, final_state
from matenv.latent.networks.counts_vae import CountsVAE, Residual
from matenv.latent.networks.pairs import choose_counts, choose_elements

BLOCK = 48
"""Rows decoded at a time."""

ROWS_PER_THREAD = 128
"""Fewest rows whose decoding is worth a thread of its own."""

Decoded = tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int16], Array, Array]
"""Elements (B, 10), counts (B, 10), sizes (B,), presence log-odds (B, 89), logits of the listed counts (P, 64)."""


class Weights(NamedTuple):
    """A decoder's weights, float32, cut and padded as `matenv.compiled.folding` says.

    Attributes:
        trunk: Latent vector to the last state.
        elements: Number of presence log-odds.
        heads: State to presence log-odds and to what the count head knows of the row (width, 89 + head).
        heads_bias: Its bias (1, 89 + head).
        head: Width of the count head.
        tables: For each element, what it tells the counts of its row, its shift and its scale (3, 89, head).
        normal: Gain and offset of the count head's normalisation (2, head).
        hidden: Hidden layer of the count head, if it has one (head, head), else empty.
        hidden_bias: Its bias (1, head), or (0, head).
        out: Count head to logits of counts 1..64 (head, 64).
        out_bias: Its bias (1, 64).
    """

    trunk: Trunk
    elements: int
    heads: Array
    heads_bias: Array
    head: int
    tables: Array
    normal: Array
    hidden: Array
    hidden_bias: Array
    out: Array
    out_bias: Array

    @staticmethod
    @torch.no_grad()
    def of(network: CountsVAE) -> Weights:
        """Copy a network's weights."""
        trunk = Trunk.of(network.decoder_in, [cast(Residual, block) for block in network.decoder_blocks])
        odds, odds_bias = fold(network.decoder_norm, network.presence_head)
        known = fold(network.decoder_norm, network.count_in)
        head = network.config["head"]
        wide, layer = padded(head), network.head_hidden
        tables = torch.stack([network.head_set, network.head_shift, 1.0 + network.head_scale])
        normal = torch.stack([network.head_norm.weight, network.head_norm.bias])
        nothing = np.zeros((0, PANEL), np.float32), np.zeros((0, wide), np.float32)
        return Weights(
            trunk,
            len(odds),
            *beside([(odds, odds_bias + network.absent), known], padded(trunk.width)),
            head,
            np.pad(numbers(tables), ((0, 0), (0, 0), (0, wide - head))),
            np.pad(numbers(normal), ((0, 0), (0, wide - head))),
            *(nothing if layer is None else beside([(layer.weight, layer.bias)], wide)),
            *beside([(network.head_out.weight, network.head_out.bias)], wide),
        )


class FastDecoder:
    """A network's decoder on the CPU.

    Args:
        network: The trained network; its weights are copied.
    """

    def __init__(self, network: CountsVAE) -> None:
        self.weights = Weights.of(network)

    def decode(self, z: Array) -> CompositionBatch:
        """Formula of each latent vector: the likeliest elements, and the likeliest count of each.

        Args:
            z: Vectors (B, n) float32 in the network's own coordinates, C order.

        Returns:
            The formulas, as `CountsVAE.decode`.
        """
        rows = len(z)
        elements = np.empty((rows, MAX_ELEMENTS), np.int16)
        counts = np.empty((rows, MAX_ELEMENTS), np.int32)
        size = np.empty(rows, np.int16)

        def decode_rows(block: slice) -> None:
            _decode(z[block], self.weights, elements[block], counts[block], size[block])

        if rows < 2 * ROWS_PER_THREAD:
            _decode(z, self.weights, elements, counts, size)
        else:
            run_blocks(decode_rows, rows, ROWS_PER_THREAD)
        return CompositionBatch(elements, counts, size)

    def logits(self, z: Array) -> tuple[Array, Array]:
        """What `decode` decides by: presence log-odds (B, 89), and logits (P, 64) of the counts of those chosen."""
        blocks = [_decode_block(z[start : start + BLOCK], self.weights) for start in range(0, len(z), BLOCK)]
        presence, logits = [np.zeros((0, 89), np.float32)], [np.zeros((0, 64), np.float32)]
        return np.concatenate(presence + [b[3] for b in blocks]), np.concatenate(logits + [b[4] for b in blocks])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _decode(
    z: Array, w: Weights, elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16]
) -> None:
    """Decode block by block, and write the formulas."""
    for start in range(0, z.shape[0], BLOCK):
        stop = min(start + BLOCK, z.shape[0])
        found, amounts, number, _, _ = _decode_block(z[start:stop], w)
        for i in range(stop - start):
            size[start + i] = number[i]
            for k in range(MAX_ELEMENTS):
                elements[start + i, k] = found[i, k]
                counts[start + i, k] = amounts[i, k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _decode_block(z: Array, w: Weights) -> Decoded:
    """All of the decoder for a block of rows."""
    rows, beyond = z.shape[0], w.heads_bias.shape[1] - w.normal.shape[1]
    heads = np.empty((rows, w.heads_bias.shape[1]), np.float32)
    add_product(w.heads_bias, final_state(z, w.trunk), w.heads, heads)
    presence = np.empty((rows, w.elements), np.float32)
    about = np.empty((rows, w.normal.shape[1]), np.float32)
    for i in range(rows):
        for k in range(presence.shape[1]):
            presence[i, k] = heads[i, k]
        for k in range(about.shape[1]):
            about[i, k] = heads[i, beyond + k]
    elements, size, _, element = choose_elements(presence)
    entries = _entries(about, size, element, w)
    logits = np.empty((len(entries), w.out_bias.shape[1]), np.float32)
    add_product(w.out_bias, entries, w.out, logits)
    return elements, choose_counts(size, logits), size, presence, logits


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _entries(about: Array, size: NDArray[np.int16], element: NDArray[np.int64], w: Weights) -> Array:
    """What the count head makes of each element present, before its last product.

    Args:
        about: What the head knows of each row (B, head); what its elements tell one another is added in place.
        size: Number of entries of each row (B,).
        element: Alphabet position of each entry (P,), row by row.
        w: The weights.

    Returns:
        Array (P, head).
    """
    head = about.shape[1]
    entries = np.empty((len(element), head), np.float32)
    gain, offset = w.normal[0], w.normal[1]
    p = 0
    for i in range(about.shape[0]):
        line = about[i]
        for q in range(p, p + size[i]):
            told = w.tables[0, element[q]]
            for k in range(head):
                line[k] += told[k]
        for q in range(p, p + size[i]):
            entry, shift, scale = entries[q], w.tables[1, element[q]], w.tables[2, element[q]]
            for k in range(head):
                entry[k] = shift[k] + line[k] * scale[k]
            standardise(entry[: w.head], entry[: w.head])
            for k in range(head):
                entry[k] = silu(entry[k] * gain[k] + offset[k])
        p += size[i]
    if len(w.hidden_bias):
        hidden = np.empty((len(element), head), np.float32)
        add_product(w.hidden_bias, entries, w.hidden, hidden)
        for q in range(len(element)):
            entry, added = entries[q], hidden[q]
            for k in range(head):
                entry[k] += silu(added[k])
    return entries
