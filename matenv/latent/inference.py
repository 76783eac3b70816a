"""Fast decoding by a trained `CountsVAE` on a CPU, without gradients.

The same arithmetic as `CountsVAE.decode` (a test holds the two together), as one compiled function for one row or many.
Rows pass through in blocks, so that intermediate values stay in the inner caches. Every element of a product is summed
in one order, so a row's formula does not depend on the batch it is decoded in, bit for bit.

May import: `matenv.latent.counts_vae`, `matenv.latent.pairs`, `matenv.layers`, `matenv.parallel`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from matenv.composition import CompositionBatch
from matenv.latent.counts_vae import CountsVAE, Residual
from matenv.latent.pairs import choose_counts, choose_elements
from matenv.layers import FASTMATH, PANEL, Array, add_product, padded, padded_bias, panels, silu, standardise
from matenv.parallel import run_blocks
from matenv.rational import MAX_ELEMENTS

BLOCK = 48
"""Rows decoded at a time."""

ROWS_PER_THREAD = 128
"""Fewest rows whose decoding is worth a thread of its own."""

Decoded = tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int16], Array, Array]
"""Elements (B, 10), counts (B, 10), sizes (B,), presence log-odds (B, 89), logits of the listed counts (P, 64)."""


class Weights(NamedTuple):
    """A decoder's weights, float32. Products map inputs to ``inputs @ weight + bias``.

    The affine part of each normalisation is folded into the product that follows, where one follows directly. The first
    state is an affine map of z, and so, but for its division by one number, is its normalised form: the first block's
    first product is folded into the entrance and costs n rows of weights in place of `width`.

    Matrices are cut as `add_product` wants them. Widths are padded to whole panels with zeros, which stay zeros all the
    way through; what stands side by side is padded each by itself. Sizes below are those before padding.

    Attributes:
        width: Of the state.
        head: Of the count head.
        elements: Number of presence log-odds.
        enter: Latent vector to the first state and to the first block's inner values (n, width + inner).
        enter_bias: Its bias (1, width + inner).
        up: First products of the later blocks (blocks - 1, width, inner).
        up_bias: Biases of the first products of all blocks (blocks, inner).
        down: Second products of the blocks (blocks, inner, width).
        down_bias: Their biases (blocks, width).
        heads: State to presence log-odds and to what the count head knows of the row (width, 89 + head).
        heads_bias: Its bias (1, 89 + head).
        tables: For each element, what it tells the counts of its row, its shift and its scale (3, 89, head).
        normal: Gain and offset of the count head's normalisation (2, head).
        hidden: Hidden layers of the count head, none or one (0 or 1, head, head).
        hidden_bias: Their biases (0 or 1, head).
        out: Count head to logits of counts 1..64 (head, 64).
        out_bias: Its bias (1, 64).
    """

    width: int
    head: int
    elements: int
    enter: Array
    enter_bias: Array
    up: Array
    up_bias: Array
    down: Array
    down_bias: Array
    heads: Array
    heads_bias: Array
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
        width, inner, head = (network.config[key] for key in ("decoder", "decoder_inner", "head"))
        blocks = [cast(Residual, block) for block in network.decoder_blocks]
        ups = [fold(block.norm, block.up) for block in blocks]
        enter, enter_bias = network.decoder_in.weight.double(), network.decoder_in.bias.double()
        first = ups[0][0] if ups else torch.zeros(inner, width, dtype=torch.float64)
        centred = first - first.mean(1, keepdim=True)  # equals removing the mean of what it multiplies
        odds, odds_bias = fold(network.decoder_norm, network.presence_head)
        odds_bias = odds_bias + network.absent
        about, about_bias = fold(network.decoder_norm, network.count_in)
        layers = [] if network.head_hidden is None else [network.head_hidden]
        tables = torch.stack([network.head_set, network.head_shift, 1.0 + network.head_scale])
        normal = torch.stack([network.head_norm.weight, network.head_norm.bias])
        elements = len(odds)
        state, middle, last = padded(width), padded(inner), padded(head)
        return Weights(
            width, head, elements,
            _beside([(enter, state), (centred @ enter, middle)], network.latent),
            _bias_beside([(enter_bias, state), (centred @ enter_bias, middle)]),
            _each([_cut(weight, state, middle) for weight, _ in ups[1:]]),
            _lines([bias for _, bias in ups], middle),
            _each([_cut(block.down.weight, middle, state) for block in blocks]),
            _lines([block.down.bias for block in blocks], state),
            _beside([(odds, padded(elements)), (about, last)], state),
            _bias_beside([(odds_bias, padded(elements)), (about_bias, last)]),
            np.pad(_numbers(tables), ((0, 0), (0, 0), (0, last - head))),
            np.pad(_numbers(normal), ((0, 0), (0, last - head))),
            _each([_cut(layer.weight, last, last) for layer in layers]),
            _lines([layer.bias for layer in layers], last),
            _cut(network.head_out.weight, last, padded(len(network.head_out.weight))),
            _bias_beside([(network.head_out.bias, padded(len(network.head_out.weight)))]),
        )  # fmt: skip


def _numbers(tensor: Tensor) -> Array:
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float32, order="C")


def _cut(weight: Tensor, inputs: int, outputs: int) -> Array:
    """A weight (out, in) as panels of its transpose, padded."""
    return panels(_numbers(weight.T), inputs, outputs)


def _beside(weights: list[tuple[Tensor, int]], inputs: int) -> Array:
    """Panels of weights (out, in) whose outputs stand side by side, each padded to its number of columns."""
    return np.concatenate([_cut(weight, inputs, outputs) for weight, outputs in weights])


def _bias_beside(biases: list[tuple[Tensor, int]]) -> Array:
    """Biases side by side (1, columns), each padded to its number of columns."""
    return np.concatenate([padded_bias(_numbers(bias), outputs) for bias, outputs in biases])[None]


def _each(matrices: list[Array]) -> Array:
    """Matrices on a new first axis; there may be none."""
    return np.stack(matrices) if matrices else np.zeros((0, 0, PANEL), np.float32)


def _lines(biases: list[Tensor], columns: int) -> Array:
    """Padded biases (B, columns); there may be none."""
    lines = [padded_bias(_numbers(bias), columns) for bias in biases]
    return np.stack(lines) if lines else np.zeros((0, columns), np.float32)


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


def fold(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of ``linear(norm(x))`` in terms of x normalised without an affine part."""
    weight = linear.weight.double()
    return weight * norm.weight, weight @ norm.bias.double() + linear.bias


def stack(tensors: list[Tensor], *shape: int) -> Tensor:
    """Tensors of the given shape on a new first axis; there may be none."""
    return torch.stack(tensors) if tensors else torch.zeros(0, *shape)


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
    add_product(w.heads_bias, _trunk(z, w), w.heads, heads)
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
def _trunk(z: Array, w: Weights) -> Array:
    """Normalised final state (B, width)."""
    rows, blocks, inner, wide = z.shape[0], w.down.shape[0], w.up_bias.shape[1], w.down_bias.shape[1]
    entered = np.empty((rows, w.enter_bias.shape[1]), np.float32)
    add_product(w.enter_bias, z, w.enter, entered)
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
    for layer in range(w.hidden.shape[0]):
        hidden = np.empty((len(element), head), np.float32)
        add_product(w.hidden_bias[layer : layer + 1], entries, w.hidden[layer], hidden)
        for q in range(len(element)):
            entry, added = entries[q], hidden[q]
            for k in range(head):
                entry[k] += silu(added[k])
    return entries
