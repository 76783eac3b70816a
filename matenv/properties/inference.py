"""Fast evaluation of a trained `CompositionNetwork` on a CPU, without gradients.

The same arithmetic as `model.CompositionNetwork.forward` (a test holds the two together). The matrix products are
torch's; all that lies between two products is one compiled pass over the data, because at this width the many small
tensor operations would cost as much as the products.

May import: `matenv.properties.features`, `matenv.properties.model`, `matenv.layers`.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from matenv.layers import FASTMATH, Array, silu, standardise
from matenv.properties.features import Tokens
from matenv.properties.model import CompositionNetwork, SetLayer


class FastNetwork:
    """A network's weights, arranged for inference: the affine part of each normalisation is folded into what follows.

    Args:
        network: The trained network; its weights are copied.
    """

    def __init__(self, network: CompositionNetwork) -> None:
        with torch.no_grad():
            table = network.embedding.weight + network.from_reference(network.reference)
            self._table = table.numpy().copy()
            self._from_fraction = _transposed(network.from_fraction.weight)
            self._enter = _transposed(network.enter.weight)
            self._enter_bias = network.enter.bias.numpy().copy()
            self._layers = [_FastLayer(cast(SetLayer, layer)) for layer in network.layers]
            self._trunk_in, self._trunk_in_bias = _fold(network.pool_norm, network.trunk_in)
            self._trunk_out = _transposed(network.trunk_out.weight)
            self._trunk_out_bias = network.trunk_out.bias.detach().clone()
            self._head, head_bias = _fold(network.head_norm, network.head)
            self._head_bias = torch.from_numpy(head_bias)

    def __call__(self, tokens: Tokens, features: Tensor) -> Tensor:
        """Outputs of the network.

        Args:
            tokens: Packed compositions.
            features: Their `fraction_features` (T, 19), which all members of an ensemble share.

        Returns:
            (B, outputs) float32, rows in the sorted order of `tokens`.
        """
        offsets, amounts = tokens.offsets, tokens.amounts.numpy()[:, 0]
        hidden = features @ self._from_fraction
        _add_and_activate(hidden.numpy(), self._table, tokens.elements.numpy())
        state = hidden @ self._enter
        own = torch.empty_like(state)
        row = torch.empty(len(offsets) - 1, state.shape[1])
        context = torch.empty_like(row)
        bias = self._enter_bias
        last = self._layers[-1]
        for layer in self._layers:
            _exchange(state.numpy(), bias, amounts, offsets, own.numpy(), row.numpy(), context.numpy())
            torch.mm(own, layer.own, out=hidden)
            _modulate(hidden.numpy(), layer.own_bias, (context @ layer.context).numpy(), layer.context_bias, offsets)
            if layer is not last:
                torch.addmm(state, hidden, layer.out, out=state)
                bias = np.zeros_like(bias)
        # The last states are needed only as sums over each row, so their product is taken after summing.
        pooled = torch.empty(len(row), hidden.shape[1])
        _pool(hidden.numpy(), amounts, offsets, pooled.numpy())
        torch.addmm(row, pooled, last.out, out=row)
        _standardise_rows(row.numpy(), context.numpy())
        hidden = context @ self._trunk_in
        _add_and_activate(hidden.numpy(), self._trunk_in_bias[None], np.zeros(len(hidden), np.int64))
        row += self._trunk_out_bias
        torch.addmm(row, hidden, self._trunk_out, out=row)
        _standardise_rows(row.numpy(), row.numpy())
        return torch.addmm(self._head_bias, row, self._head)


class _FastLayer:
    """Weights of one `SetLayer`."""

    def __init__(self, layer: SetLayer) -> None:
        self.own, self.own_bias = _fold(layer.norm, layer.own)
        self.context, self.context_bias = _fold(layer.context_norm, layer.gate_shift)
        self.out = _transposed(layer.out.weight)


def _transposed(weight: Tensor) -> Tensor:
    return weight.detach().T.contiguous()


def _fold(norm: torch.nn.LayerNorm, linear: torch.nn.Linear) -> tuple[Tensor, Array]:
    """Weight (in, out) and bias (out,) of ``linear(norm(x))`` in terms of x normalised without an affine part."""
    bias = linear.weight @ norm.bias
    if linear.bias is not None:
        bias = bias + linear.bias
    return _transposed(linear.weight * norm.weight), bias.numpy().copy()


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _add_and_activate(hidden: Array, table: Array, index: NDArray[np.int64]) -> None:
    """In place: silu(hidden[t] + table[index[t]])."""
    for t in range(hidden.shape[0]):
        line, added = hidden[t], table[index[t]]
        for k in range(hidden.shape[1]):
            line[k] = silu(line[k] + added[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _exchange(
    state: Array,
    bias: Array,
    amounts: Array,
    offsets: NDArray[np.int64],
    own: Array,
    pooled: Array,
    context: Array,
) -> None:
    """Add `bias` to the states in place; standardise them into `own`; sum them by row, as is and standardised."""
    width = state.shape[1]
    for row in range(len(offsets) - 1):
        total = pooled[row]
        for k in range(width):
            total[k] = np.float32(0.0)
        for t in range(offsets[row], offsets[row + 1]):
            line, x = state[t], amounts[t]
            for k in range(width):
                line[k] += bias[k]
                total[k] += x * line[k]
            standardise(line, own[t])
        standardise(total, context[row])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _modulate(hidden: Array, own_bias: Array, context: Array, context_bias: Array, offsets: NDArray[np.int64]) -> None:
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
def _pool(values: Array, amounts: Array, offsets: NDArray[np.int64], pooled: Array) -> None:
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
def _standardise_rows(rows: Array, out: Array) -> None:
    """Standardise each row; `out` may be `rows`."""
    for row in range(rows.shape[0]):
        standardise(rows[row], out[row])
