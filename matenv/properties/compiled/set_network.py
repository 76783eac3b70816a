"""Fast evaluation of trained `CompositionNetwork`s of one shape on a CPU, without gradients.

The same arithmetic as `model.CompositionNetwork.forward` (a test holds the two together), as one compiled function for
all members: an environment asks for one or a few compositions at a time, for which the overhead of many small tensor
operations would cost ten times the arithmetic. A row's result does not depend on the other rows, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from matenv.compiled.folding import cut, fold, numbers, padded_bias
from matenv.compiled.jit import njit
from matenv.compiled.panels import PANEL, Array, padded
from matenv.compiled.products import FASTMATH, add_product, silu, standardise
from matenv.properties.networks.features import FRACTION_FEATURES, list_tokens
from matenv.properties.networks.set_network import CompositionNetwork, SetLayer

Index = NDArray[np.int64]
_BLOCK = 32  # rows evaluated at a time, so that the intermediate arrays stay in the inner caches


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
        self._width, self._layers = networks[0].enter.out_features, len(networks[0].layers)
        self._outputs = networks[0].head.out_features
        with torch.no_grad():
            members = [_arranged(network) for network in networks]
        self._table, self._panels, self._biases = (np.stack(parts) for parts in zip(*members, strict=True))

    def __call__(self, elements: NDArray[np.int16], amounts: NDArray[np.float64], size: NDArray[np.int16]) -> Array:
        """Outputs of all networks.

        Args:
            elements: Alphabet positions (B, 10), those present first; contiguous.
            amounts: Positive amounts of the elements present (B, 10), on any scale; contiguous.
            size: Number of elements (B,), at least 1; contiguous.

        Returns:
            (members, B, outputs) float32, rows in the given order.
        """
        return _evaluate(
            elements, amounts, size, self._width, self._layers, self._outputs, self._table, self._panels, self._biases
        )


def _arranged(network: CompositionNetwork) -> tuple[Array, Array, Array]:
    """Weights of one network in the order `_outputs` takes them: element table, panels of the matrices, biases."""
    width = network.enter.out_features
    state, hidden, trunk = padded(width), padded(2 * width), padded(4 * width)
    known = numbers(network.embedding.weight + network.from_reference(network.reference))
    table = np.pad(known, ((0, 0), (0, hidden - 2 * width)))
    matrices = [
        cut(network.from_fraction.weight, FRACTION_FEATURES),
        cut(network.enter.weight, hidden),
    ]
    biases = [padded_bias(network.enter.bias)]
    for layer in network.layers:
        layer = cast(SetLayer, layer)
        own, own_bias = fold(layer.norm, layer.own, torch.float32)
        context, context_bias = fold(layer.context_norm, layer.gate_shift, torch.float32)
        matrices.append(cut(own, state))
        matrices += [cut(half, state) for half in context.chunk(2)]  # gate and shift, each padded by itself
        matrices.append(cut(layer.out.weight, hidden))
        biases += [padded_bias(bias) for bias in (own_bias, *context_bias.chunk(2))]
    trunk_in, trunk_in_bias = fold(network.pool_norm, network.trunk_in, torch.float32)
    head, head_bias = fold(network.head_norm, network.head, torch.float32)
    matrices += [cut(trunk_in, state), cut(network.trunk_out.weight, trunk), cut(head, state)]
    biases += [padded_bias(bias) for bias in (trunk_in_bias, network.trunk_out.bias, head_bias)]
    return table, np.concatenate(matrices), np.concatenate(biases)


@njit(cache=True, nogil=True, error_model="numpy")
def multiply(base: Array, left: Array, matrices: Array, used: int, result: Array) -> int:
    """Base + left @ the next matrix; returns how many lines of `matrices` are used up."""
    after = used + left.shape[1] * result.shape[1] // PANEL
    add_product(base, left, matrices[used:after], result)
    return after


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def activate(lines: Array) -> None:
    """In place: silu."""
    flat = lines.reshape(-1)
    for k in range(len(flat)):
        flat[k] = silu(flat[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _modulate(hidden: Array, context: Array, offsets: Index) -> None:
    """In place: silu of each token's values times its row's gate plus its row's shift; context (B, 2 hidden)."""
    width = hidden.shape[1]
    for row in range(len(offsets) - 1):
        gate, shift = context[row][:width], context[row][width:]
        for t in range(offsets[row], offsets[row + 1]):
            line = hidden[t]
            for k in range(width):
                line[k] = silu(line[k] * gate[k] + shift[k])


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


@njit(cache=True, nogil=True, error_model="numpy")
def standardise_rows(values: Array, width: int, out: Array) -> None:
    """Each line by itself, over its first `width` numbers."""
    for row in range(len(values)):
        standardise(values[row][:width], out[row][:width])


@njit(cache=True, nogil=True, error_model="numpy")
def _outputs(
    elements: Index,
    amounts: Array,
    features: Array,
    offsets: Index,
    width: int,
    layers: int,
    table: Array,
    matrices: Array,
    biases: Array,
    by_token: tuple[Array, Array, Array],
    by_row: tuple[Array, Array, Array, Array, Array],
    result: Array,
) -> None:
    """Write the outputs of one network for a block of rows to result (B, padded outputs).

    Tokens as `list_tokens`, weights as `_arranged`; `by_token` and `by_row` are room to work in. Whole-array
    assignments are spelled as loops: numba takes seconds to compile them.
    """
    tokens, rows = len(elements), len(offsets) - 1
    state, state_in, hidden = by_token[0][:tokens], by_token[1][:tokens], by_token[2][:tokens]
    row, row_in, pooled = by_row[0][:rows], by_row[1][:rows], by_row[2][:rows]
    context, trunk = by_row[3][:rows], by_row[4][:rows]
    for t in range(tokens):
        for k in range(hidden.shape[1]):
            hidden[t, k] = table[elements[t], k]
    m = multiply(hidden, features, matrices, 0, hidden)
    activate(hidden)
    b = state.shape[1]
    m = multiply(biases[:, :b], hidden, matrices, m, state)
    for layer in range(layers):
        _pool(state, amounts, offsets, row)
        standardise_rows(state, width, state_in)
        standardise_rows(row, width, row_in)
        middle = b + hidden.shape[1]
        m = multiply(biases[:, b:middle], state_in, matrices, m, hidden)
        b = middle + context.shape[1]
        m = multiply(biases[:, middle:b], row_in, matrices, m, context)
        _modulate(hidden, context, offsets)
        if layer + 1 < layers:
            m = multiply(state, hidden, matrices, m, state)
    # The last states are needed only as sums over each row, so their product is taken after summing.
    _pool(hidden, amounts, offsets, pooled)
    m = multiply(row, pooled, matrices, m, row)
    standardise_rows(row, width, row_in)
    middle = b + trunk.shape[1]
    m = multiply(biases[:, b:middle], row_in, matrices, m, trunk)
    activate(trunk)
    m = multiply(row, trunk, matrices, m, row)
    b = middle + row.shape[1]
    for r in range(rows):
        for k in range(width):
            row[r, k] += biases[0, middle + k]
    standardise_rows(row, width, row_in)
    multiply(biases[:, b:], row_in, matrices, m, result)


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(
    elements: NDArray[np.int16],
    amounts: NDArray[np.float64],
    size: NDArray[np.int16],
    width: int,
    layers: int,
    outputs: int,
    table: Array,
    matrices: Array,
    biases: Array,
) -> Array:
    """Outputs (members, B, outputs); every array of weights has the members as its first axis.

    One member after the other, so that a member's weights stay in a core's cache.
    """
    positions, fractions, features, offsets = list_tokens(elements, amounts, size)
    members, rows, hidden = len(table), len(size), table.shape[2]
    states, trunk = -(-width // PANEL) * PANEL, -(-4 * width // PANEL) * PANEL
    most = 0
    for start in range(0, rows, _BLOCK):
        most = max(most, offsets[min(start + _BLOCK, rows)] - offsets[start])
    few = min(rows, _BLOCK)
    by_token = (zeros(most, states), zeros(most, states), zeros(most, hidden))
    by_row = (
        zeros(few, states), zeros(few, states), zeros(few, hidden), zeros(few, 2 * hidden), zeros(few, trunk),
    )  # fmt: skip
    block = zeros(few, -(-outputs // PANEL) * PANEL)
    result = np.empty((members, rows, outputs), np.float32)
    for m in range(members):
        for start in range(0, rows, _BLOCK):
            stop = min(start + _BLOCK, rows)
            first, last = offsets[start], offsets[stop]
            _outputs(
                positions[first:last],
                fractions[first:last],
                features[first:last],
                offsets[start : stop + 1] - first,
                width,
                layers,
                table[m],
                matrices[m],
                biases[m : m + 1],
                by_token,
                by_row,
                block[: stop - start],
            )
            for row in range(start, stop):
                for k in range(outputs):
                    result[m, row, k] = block[row - start, k]
    return result


@njit(cache=True, nogil=True)
def zeros(rows: int, columns: int) -> Array:
    """Room to work in."""
    return np.zeros((rows, columns), np.float32)
