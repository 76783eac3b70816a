"""Fast evaluation of trained `StatisticsNetwork`s on a CPU: the counterpart of `inference` for that family.

The same arithmetic as `element_statistics` (a test holds the two together). A row's result does not depend on the other
rows, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matenv.compiled.folding import cut, fold, padded_bias
from matenv.compiled.jit import njit
from matenv.compiled.panels import PANEL, Array, padded
from matenv.compiled.products import FASTMATH
from matenv.properties.compiled.set_network import activate, multiply, standardise_rows, zeros
from matenv.properties.networks.element_statistics import FEATURES, StatisticsNetwork
from matenv.properties.networks.features import REFERENCE_VALUES

_BLOCK = 32  # rows evaluated at a time, so that the intermediate arrays stay in the inner caches
_VALUES = len(REFERENCE_VALUES)


class FastStatistics:
    """The members' weights, arranged for inference.

    Args:
        networks: The trained networks, all of one shape; their weights are copied.
    """

    def __init__(self, networks: Sequence[StatisticsNetwork]) -> None:
        self._width, self._layers = networks[0].enter.out_features, len(networks[0].norms)
        self._outputs = networks[0].head.out_features
        self._reference = networks[0].reference.numpy()
        with torch.no_grad():
            members = [_arranged(network) for network in networks]
        self._panels, self._biases = (np.stack(parts) for parts in zip(*members, strict=True))

    def __call__(self, elements: NDArray[np.int16], amounts: NDArray[np.float64], size: NDArray[np.int16]) -> Array:
        """Outputs of all networks, (members, B, outputs) float32; arguments as `inference.FastEnsemble`."""
        features = _statistics(elements, amounts, size, self._reference)
        return _evaluate(features, self._width, self._layers, self._outputs, self._panels, self._biases)


def _arranged(network: StatisticsNetwork) -> tuple[Array, Array]:
    """Panels of the matrices and biases of one network in the order `_evaluate` takes them."""
    width = network.enter.out_features
    state, hidden = padded(width), padded(2 * width)
    matrices, biases = [cut(network.enter.weight, FEATURES)], [padded_bias(network.enter.bias)]
    for norm, inner, outer in zip(network.norms, network.inner, network.outer, strict=True):
        weight, bias = fold(cast(nn.LayerNorm, norm), cast(nn.Linear, inner), torch.float32)
        out = cast(nn.Linear, outer)
        matrices += [cut(weight, state), cut(out.weight, hidden)]
        biases += [padded_bias(bias), padded_bias(out.bias)]
    weight, bias = fold(network.head_norm, network.head, torch.float32)
    return np.concatenate([*matrices, cut(weight, state)]), np.concatenate([*biases, padded_bias(bias)])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FASTMATH)
def _statistics(
    elements: NDArray[np.int16], amounts: NDArray[np.float64], size: NDArray[np.int16], reference: Array
) -> Array:
    """`element_statistics.statistics` of each row (B, 240)."""
    rows, known = len(size), reference.shape[1]
    shares = 5 * _VALUES
    dense = shares + known - _VALUES
    roots = dense + reference.shape[0]
    result = np.zeros((rows, FEATURES), np.float32)
    for row in range(rows):
        line, total, squares = result[row], 0.0, 0.0
        for k in range(size[row]):
            total += amounts[row, k]
        for v in range(_VALUES):
            line[2 * _VALUES + v], line[3 * _VALUES + v] = np.inf, -np.inf
        for k in range(size[row]):
            x, values = np.float32(amounts[row, k] / total), reference[elements[row, k]]
            for v in range(_VALUES):
                line[v] += x * values[v]
                line[2 * _VALUES + v] = min(line[2 * _VALUES + v], values[v])
                line[3 * _VALUES + v] = max(line[3 * _VALUES + v], values[v])
            for v in range(_VALUES, known):
                line[shares + v - _VALUES] += x * values[v]
            line[dense + elements[row, k]], line[roots + elements[row, k]] = x, math.sqrt(x)
            squares += np.float64(x) * np.float64(x)
        for k in range(size[row]):
            x, values = np.float32(amounts[row, k] / total), reference[elements[row, k]]
            for v in range(_VALUES):
                line[_VALUES + v] += x * abs(values[v] - line[v])
        for v in range(_VALUES):
            line[4 * _VALUES + v] = line[3 * _VALUES + v] - line[2 * _VALUES + v]
        line[FEATURES - 2], line[FEATURES - 1] = size[row] / 5.0, math.sqrt(squares)
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(features: Array, width: int, layers: int, outputs: int, matrices: Array, biases: Array) -> Array:
    """Outputs (members, B, outputs); weights have the members as their first axis."""
    members, rows = len(matrices), len(features)
    wide, inner, last = -(-width // PANEL) * PANEL, -(-2 * width // PANEL) * PANEL, -(-outputs // PANEL) * PANEL
    few = min(rows, _BLOCK)
    state_room, normal_room = zeros(few, wide), zeros(few, wide)
    hidden_room, out_room = zeros(few, inner), zeros(few, last)
    result = np.empty((members, rows, outputs), np.float32)
    for member in range(members):
        panel, bias = matrices[member], biases[member : member + 1]
        for start in range(0, rows, _BLOCK):
            stop = min(start + _BLOCK, rows)
            state, normal = state_room[: stop - start], normal_room[: stop - start]
            hidden, out = hidden_room[: stop - start], out_room[: stop - start]
            used, b = multiply(bias[:, :wide], features[start:stop], panel, 0, state), wide
            for _ in range(layers):
                standardise_rows(state, width, normal)
                used = multiply(bias[:, b : b + inner], normal, panel, used, hidden)
                activate(hidden)
                b += inner
                for r in range(stop - start):
                    for k in range(wide):
                        state[r, k] += bias[0, b + k]
                used, b = multiply(state, hidden, panel, used, state), b + wide
            standardise_rows(state, width, normal)
            multiply(bias[:, b:], normal, panel, used, out)
            for row in range(start, stop):
                for k in range(outputs):
                    result[member, row, k] = out[row - start, k]
    return result
