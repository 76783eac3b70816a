"""Fast decoding by a trained `CountsVAE` on a CPU, without gradients.

The same arithmetic as `CountsVAE.decode` (a test holds the two together). An environment of one row asks for one
formula at a time, and thirty small tensor operations cost several times what the arithmetic does: a few rows are
decoded by one compiled function, products included. Many rows leave the products to torch, and share the rest.

May import: `matenv.latent.counts_vae`, `matenv.latent.pairs`, `matenv.layers`.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from matenv.composition import CompositionBatch
from matenv.latent.counts_vae import CountsVAE, Residual
from matenv.latent.pairs import choose_counts, choose_elements
from matenv.layers import FASTMATH, Array, silu, standardise

FEW = 16
"""Up to this many rows the compiled products are faster than torch's."""

Decoded = tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int16], Array, Array]
"""Elements (B, 10), counts (B, 10), sizes (B,), presence log-odds (B, 89), logits of the listed counts (P, 64)."""


Values = TypeVar("Values", Array, Tensor)


class Weights(NamedTuple, Generic[Values]):
    """A decoder's weights, float32, as arrays or as tensors.

    The affine part of each normalisation is folded into the product that follows, where one follows directly.
    Products map inputs to ``inputs @ weight.T + bias``.

    Attributes:
        enter: Latent vector to state, weight (width, n).
        enter_bias: Its bias (width,).
        up: First products of the residual blocks (blocks, inner, width).
        up_bias: Their biases (blocks, inner).
        down: Second products of the residual blocks (blocks, width, inner).
        down_bias: Their biases (blocks, width).
        presence: State to presence log-odds, weight (89, width).
        presence_bias: Its bias (89,).
        about: State to what the count head knows of the row, weight (head, width).
        about_bias: Its bias (head,).
        shift: Added for each element (89, head).
        scale: Multiplies what is known of the row, for each element (89, head).
        others: What each element tells the counts of its row (89, head).
        gain: Affine part of the count head's normalisation (head,).
        offset: Likewise (head,).
        hidden: Count head, weight (head, head).
        hidden_bias: Its bias (head,).
        out: Count head to logits of counts 1..64, weight (64, head).
        out_bias: Its bias (64,).
    """

    enter: Values
    enter_bias: Values
    up: Values
    up_bias: Values
    down: Values
    down_bias: Values
    presence: Values
    presence_bias: Values
    about: Values
    about_bias: Values
    shift: Values
    scale: Values
    others: Values
    gain: Values
    offset: Values
    hidden: Values
    hidden_bias: Values
    out: Values
    out_bias: Values

    @staticmethod
    @torch.no_grad()
    def of(network: CountsVAE) -> Weights[Array]:
        """Copy a network's weights."""
        width, inner = network.config["decoder"], network.config["decoder_inner"]
        blocks = [cast(Residual, block) for block in network.decoder_blocks]
        ups = [_fold(block.norm, block.up.weight, block.up.bias) for block in blocks]
        tensors = (
            network.decoder_in.weight, network.decoder_in.bias,
            _stack([weight for weight, _ in ups], inner, width), _stack([bias for _, bias in ups], inner),
            _stack([block.down.weight for block in blocks], width, inner),
            _stack([block.down.bias for block in blocks], width),
            *_fold(network.decoder_norm, network.presence_head.weight, network.presence_head.bias + network.absent),
            *_fold(network.decoder_norm, network.count_in.weight, network.count_in.bias),
            network.head_shift, 1.0 + network.head_scale, network.head_set,
            network.head_norm.weight, network.head_norm.bias,
            network.head_hidden.weight, network.head_hidden.bias, network.head_out.weight, network.head_out.bias,
        )  # fmt: skip
        return Weights(*(np.array(tensor.cpu().numpy(), dtype=np.float32, order="C") for tensor in tensors))


class FastDecoder:
    """A network's decoder on the CPU.

    Args:
        network: The trained network; its weights are copied.
    """

    def __init__(self, network: CountsVAE) -> None:
        self.weights = Weights.of(network)
        self._tensors = Weights(*(torch.from_numpy(array) for array in self.weights))  # the same memory

    def decode(self, z: Array) -> CompositionBatch:
        """Formula of each latent vector: the likeliest elements, and the likeliest count of each.

        Args:
            z: Vectors (B, n) float32 in the network's own coordinates, C order.

        Returns:
            The formulas, as `CountsVAE.decode`.
        """
        elements, counts, size, _, _ = self._decode(z)
        return CompositionBatch(elements, counts, size)

    def logits(self, z: Array) -> tuple[Array, Array]:
        """What `decode` decides by: presence log-odds (B, 89), and logits (P, 64) of the counts of those chosen."""
        return self._decode(z)[3:]

    def _decode(self, z: Array) -> Decoded:
        return _decode_few(z, self.weights) if len(z) <= FEW else self._decode_many(z)

    def _decode_many(self, z: Array) -> Decoded:
        """The same steps, the products by torch."""
        w = self._tensors
        update = torch.addmm(w.enter_bias, torch.from_numpy(z), w.enter.T)
        state, standard = torch.zeros_like(update), torch.empty_like(update)
        _add_and_standardise(state.numpy(), update.numpy(), standard.numpy())
        for up, up_bias, down, down_bias in zip(w.up, w.up_bias, w.down, w.down_bias, strict=True):
            inner = torch.addmm(up_bias, standard, up.T)
            _activate(inner.numpy())
            torch.addmm(down_bias, inner, down.T, out=update)
            _add_and_standardise(state.numpy(), update.numpy(), standard.numpy())
        presence = torch.addmm(w.presence_bias, standard, w.presence.T).numpy()
        about = torch.addmm(w.about_bias, standard, w.about.T)
        elements, size, _, element = choose_elements(presence)
        entries = torch.empty(len(element), about.shape[1])
        own = self.weights
        tables = (own.others, own.shift, own.scale)
        _begin_entries(about.numpy(), size, element, tables, own.gain, own.offset, entries.numpy())
        hidden = torch.addmm(w.hidden_bias, entries, w.hidden.T)
        _add_activated(entries.numpy(), hidden.numpy())
        logits = torch.addmm(w.out_bias, entries, w.out.T).numpy()
        return elements, choose_counts(size, logits), size, presence, logits


def _fold(norm: nn.LayerNorm, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a product of normalised inputs, in terms of inputs normalised without an affine part."""
    return weight * norm.weight, weight @ norm.bias + bias


def _stack(tensors: list[Tensor], *shape: int) -> Tensor:
    return torch.stack(tensors) if tensors else torch.zeros(0, *shape)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _multiply(x: Array, weight: Array, bias: Array) -> Array:
    """``x @ weight.T + bias``, reading the weights once; two rows by four outputs share what they load."""
    # No views of single rows: counting their references would cost as much as a short product.
    rows, inputs, outputs = x.shape[0], x.shape[1], weight.shape[0]
    out = np.empty((rows, outputs), np.float32)
    for j in range(0, outputs, 4):
        # Where fewer than four outputs are left, the last is computed more than once.
        j1, j2, j3 = min(j + 1, outputs - 1), min(j + 2, outputs - 1), min(j + 3, outputs - 1)
        for i in range(0, rows - 1, 2):
            s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = np.float32(0.0)
            for k in range(inputs):
                s0 += x[i, k] * weight[j, k]
                s1 += x[i, k] * weight[j1, k]
                s2 += x[i, k] * weight[j2, k]
                s3 += x[i, k] * weight[j3, k]
                t0 += x[i + 1, k] * weight[j, k]
                t1 += x[i + 1, k] * weight[j1, k]
                t2 += x[i + 1, k] * weight[j2, k]
                t3 += x[i + 1, k] * weight[j3, k]
            out[i, j], out[i, j1], out[i, j2], out[i, j3] = s0, s1, s2, s3
            out[i + 1, j], out[i + 1, j1], out[i + 1, j2], out[i + 1, j3] = t0, t1, t2, t3
        if rows % 2:
            i = rows - 1
            s0 = s1 = s2 = s3 = np.float32(0.0)
            for k in range(inputs):
                s0 += x[i, k] * weight[j, k]
                s1 += x[i, k] * weight[j1, k]
                s2 += x[i, k] * weight[j2, k]
                s3 += x[i, k] * weight[j3, k]
            out[i, j], out[i, j1], out[i, j2], out[i, j3] = s0, s1, s2, s3
    for i in range(rows):
        for j in range(outputs):
            out[i, j] += bias[j]
    return out


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _add_and_standardise(state: Array, update: Array, out: Array) -> None:
    """Add `update` to `state` in place, and standardise each row of the sum into `out`."""
    for i in range(state.shape[0]):
        line, added = state[i], update[i]
        for k in range(line.shape[0]):
            line[k] += added[k]
        standardise(line, out[i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _activate(values: Array) -> None:
    """In place: silu."""
    for i in range(values.shape[0]):
        line = values[i]
        for k in range(line.shape[0]):
            line[k] = silu(line[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _add_activated(values: Array, hidden: Array) -> None:
    """Add silu(hidden) to `values` in place."""
    for i in range(values.shape[0]):
        line, added = values[i], hidden[i]
        for k in range(line.shape[0]):
            line[k] += silu(added[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _begin_entries(
    about: Array,
    size: NDArray[np.int16],
    element: NDArray[np.int64],
    tables: tuple[Array, Array, Array],
    gain: Array,
    offset: Array,
    entries: Array,
) -> None:
    """First layer of the count head.

    Args:
        about: What the head knows of each row (B, head); what its elements tell one another is added in place.
        size: Number of entries of each row (B,).
        element: Alphabet position of each entry (P,), row by row.
        tables: What elements tell the rest of their row, and their shifts and scales, each (89, head).
        gain: Affine part of the normalisation (head,).
        offset: Likewise (head,).
        entries: Written (P, head).
    """
    others, shifts, scales = tables
    p = 0
    for i in range(about.shape[0]):
        line = about[i]
        for q in range(p, p + size[i]):
            told = others[element[q]]
            for k in range(line.shape[0]):
                line[k] += told[k]
        for q in range(p, p + size[i]):
            entry, shift, scale = entries[q], shifts[element[q]], scales[element[q]]
            for k in range(line.shape[0]):
                entry[k] = shift[k] + line[k] * scale[k]
            standardise(entry, entry)
            for k in range(line.shape[0]):
                entry[k] = silu(entry[k] * gain[k] + offset[k])
        p += size[i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _decode_few(z: Array, w: Weights[Array]) -> Decoded:
    """All of the decoder in one compiled function."""
    state = np.zeros((z.shape[0], w.enter.shape[0]), np.float32)
    standard = np.empty_like(state)
    _add_and_standardise(state, _multiply(z, w.enter, w.enter_bias), standard)
    for block in range(w.up.shape[0]):
        inner = _multiply(standard, w.up[block], w.up_bias[block])
        _activate(inner)
        _add_and_standardise(state, _multiply(inner, w.down[block], w.down_bias[block]), standard)
    presence = _multiply(standard, w.presence, w.presence_bias)
    about = _multiply(standard, w.about, w.about_bias)
    elements, size, _, element = choose_elements(presence)
    entries = np.empty((len(element), about.shape[1]), np.float32)
    _begin_entries(about, size, element, (w.others, w.shift, w.scale), w.gain, w.offset, entries)
    _add_activated(entries, _multiply(entries, w.hidden, w.hidden_bias))
    logits = _multiply(entries, w.out, w.out_bias)
    return elements, choose_counts(size, logits), size, presence, logits
