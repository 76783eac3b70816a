"""Fast evaluation of a trained ensemble of `CompositionNetwork` on a CPU, without gradients.

The same arithmetic as `model.CompositionNetwork.forward` (a test holds the two together), as one compiled function for
all members: an environment asks for one or a few compositions at a time, for which the overhead of many small tensor
operations would cost ten times the arithmetic.

May import: `matenv.properties.features`, `matenv.properties.model`, `matenv.layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from matenv.layers import FASTMATH, Array, silu, standardise
from matenv.properties.features import list_tokens
from matenv.properties.model import CompositionNetwork, SetLayer

Index = NDArray[np.int64]
# Rows evaluated at a time. A block's intermediate arrays stay in the inner caches, and its matrix products (16 rows of
# up to 7 elements) below the million multiplications up to which OpenBLAS has kernels without packing or threads.
_BLOCK = 16


class FastEnsemble:
    """The members' weights, arranged for inference: affine parts of normalisations are folded into what follows.

    Args:
        networks: The trained networks, all of one shape; their weights are copied.

    Raises:
        ValueError: No network.
    """

    def __init__(self, networks: Sequence[CompositionNetwork]) -> None:
        if not networks:
            raise ValueError("networks is empty; an ensemble needs at least one")
        with torch.no_grad():
            members = [_arranged(network) for network in networks]
        self._weights = tuple(np.ascontiguousarray(np.stack(parts)) for parts in zip(*members, strict=True))

    def __call__(self, elements: NDArray[np.int16], amounts: NDArray[np.float64], size: NDArray[np.int16]) -> Array:
        """Outputs of all networks.

        Args:
            elements: Alphabet positions (B, 10), those present first; contiguous.
            amounts: Positive amounts of the elements present (B, 10), on any scale; contiguous.
            size: Number of elements (B,), at least 1; contiguous.

        Returns:
            (members, B, outputs) float32, rows in the given order.
        """
        return _evaluate(*list_tokens(elements, amounts, size), *self._weights)


def _arranged(network: CompositionNetwork) -> tuple[Array, ...]:
    """Weights of one network, in the order of the arguments of `_outputs`; matrices are (in, out)."""
    layers = [cast(SetLayer, layer) for layer in network.layers]
    own, own_bias = zip(*(_fold(layer.norm, layer.own) for layer in layers), strict=True)
    context, context_bias = zip(*(_fold(layer.context_norm, layer.gate_shift) for layer in layers), strict=True)
    return (
        (network.embedding.weight + network.from_reference(network.reference)).numpy(),
        network.from_fraction.weight.T.numpy(),
        network.enter.weight.T.numpy(),
        network.enter.bias.numpy(),
        np.stack(own),
        np.stack(own_bias),
        np.stack(context),
        np.stack(context_bias),
        np.stack([layer.out.weight.T.numpy() for layer in layers]),
        *_fold(network.pool_norm, network.trunk_in),
        network.trunk_out.weight.T.numpy(),
        network.trunk_out.bias.numpy(),
        *_fold(network.head_norm, network.head),
    )


def _fold(norm: torch.nn.LayerNorm, linear: torch.nn.Linear) -> tuple[Array, Array]:
    """Weight (in, out) and bias (out,) of ``linear(norm(x))`` in terms of x normalised without an affine part."""
    bias: Tensor = linear.weight @ norm.bias
    if linear.bias is not None:
        bias = bias + linear.bias
    return (linear.weight * norm.weight).T.numpy(), bias.numpy()


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _add_and_activate(line: Array, added: Array) -> None:
    """In place: silu(line + added)."""
    for k in range(line.shape[0]):
        line[k] = silu(line[k] + added[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _exchange(
    state: Array, update: Array, amounts: Array, offsets: Index, own: Array, pooled: Array, context: Array
) -> None:
    """Add `update` to the states in place; standardise them into `own`; sum them by row, as is and standardised."""
    width = state.shape[1]
    for row in range(len(offsets) - 1):
        total = pooled[row]
        for k in range(width):
            total[k] = np.float32(0.0)
        for t in range(offsets[row], offsets[row + 1]):
            line, added, x = state[t], update[t], amounts[t]
            for k in range(width):
                line[k] += added[k]
                total[k] += x * line[k]
            standardise(line, own[t])
        standardise(total, context[row])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _modulate(hidden: Array, own_bias: Array, context: Array, context_bias: Array, offsets: Index) -> None:
    """In place: silu of (hidden + own_bias) times the row's gate plus the row's shift; context (B, 2 hidden)."""
    width = hidden.shape[1]
    for row in range(len(offsets) - 1):
        line = context[row]
        for k in range(2 * width):
            line[k] += context_bias[k]
        gate, shift = line[:width], line[width:]
        for t in range(offsets[row], offsets[row + 1]):
            value = hidden[t]
            for k in range(width):
                value[k] = silu((value[k] + own_bias[k]) * gate[k] + shift[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _pool(values: Array, amounts: Array, offsets: Index, pooled: Array) -> None:
    """Sum of the values over each row, weighted by the amounts."""
    for row in range(len(offsets) - 1):
        total = pooled[row]
        for k in range(values.shape[1]):
            total[k] = np.float32(0.0)
        for t in range(offsets[row], offsets[row + 1]):
            line, x = values[t], amounts[t]
            for k in range(values.shape[1]):
                total[k] += x * line[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _outputs(
    elements: Index,
    amounts: Array,
    features: Array,
    offsets: Index,
    table: Array,
    from_fraction: Array,
    enter: Array,
    enter_bias: Array,
    own: Array,
    own_bias: Array,
    context: Array,
    context_bias: Array,
    out: Array,
    trunk_in: Array,
    trunk_in_bias: Array,
    trunk_out: Array,
    trunk_out_bias: Array,
    head: Array,
    head_bias: Array,
    result: Array,
) -> None:
    """Write the outputs of one network for a block of rows to result (B, outputs); see `list_tokens`, `_arranged`.

    Whole-array assignments are spelled as loops: numba takes seconds to compile them.
    """
    rows, layers, width = len(offsets) - 1, own.shape[0], own.shape[1]
    hidden = np.dot(features, from_fraction)
    for t in range(len(elements)):
        _add_and_activate(hidden[t], table[elements[t]])
    update = np.dot(hidden, enter)
    state, own_in = np.empty_like(update), np.empty_like(update)
    for t in range(len(elements)):
        for k in range(width):
            state[t, k] = enter_bias[k]
    row, row_in = np.empty((rows, width), np.float32), np.empty((rows, width), np.float32)
    gate_shift = np.empty((rows, context.shape[2]), np.float32)
    for layer in range(layers):
        _exchange(state, update, amounts, offsets, own_in, row, row_in)
        np.dot(own_in, own[layer], hidden)
        np.dot(row_in, context[layer], gate_shift)
        _modulate(hidden, own_bias[layer], gate_shift, context_bias[layer], offsets)
        if layer + 1 < layers:
            np.dot(hidden, out[layer], update)
    # The last states are needed only as sums over each row, so their product is taken after summing.
    pooled = np.empty((rows, hidden.shape[1]), np.float32)
    _pool(hidden, amounts, offsets, pooled)
    last = np.dot(pooled, out[layers - 1])
    for r in range(rows):
        for k in range(width):
            row[r, k] += last[r, k]
        standardise(row[r], row_in[r])
    trunk = np.dot(row_in, trunk_in)
    for r in range(rows):
        _add_and_activate(trunk[r], trunk_in_bias)
    np.dot(trunk, trunk_out, last)
    for r in range(rows):
        for k in range(width):
            row[r, k] += last[r, k] + trunk_out_bias[k]
        standardise(row[r], row[r])
    np.dot(row, head, result)
    for r in range(rows):
        for k in range(len(head_bias)):
            result[r, k] += head_bias[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _evaluate(
    elements: Index,
    amounts: Array,
    features: Array,
    offsets: Index,
    table: Array,
    from_fraction: Array,
    enter: Array,
    enter_bias: Array,
    own: Array,
    own_bias: Array,
    context: Array,
    context_bias: Array,
    out: Array,
    trunk_in: Array,
    trunk_in_bias: Array,
    trunk_out: Array,
    trunk_out_bias: Array,
    head: Array,
    head_bias: Array,
) -> Array:
    """Outputs (members, B, outputs); every weight has the members as its first axis.

    One member after the other, so that a member's weights stay in a core's cache.
    """
    members, rows = len(table), len(offsets) - 1
    outputs = np.empty((members, rows, head.shape[2]), np.float32)
    for m in range(members):
        for start in range(0, rows, _BLOCK):
            stop = min(start + _BLOCK, rows)
            first, last = offsets[start], offsets[stop]
            _outputs(
                elements[first:last],
                amounts[first:last],
                features[first:last],
                offsets[start : stop + 1] - first,
                table[m],
                from_fraction[m],
                enter[m],
                enter_bias[m],
                own[m],
                own_bias[m],
                context[m],
                context_bias[m],
                out[m],
                trunk_in[m],
                trunk_in_bias[m],
                trunk_out[m],
                trunk_out_bias[m],
                head[m],
                head_bias[m],
                outputs[m, start:stop],
            )
    return outputs
