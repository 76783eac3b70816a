"""What a model of a user's property sees of a composition: statistics of element values, or the shipped networks' view.

Rows are computed each for itself, so that none depends on its batch.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition.integers import MAX_ELEMENTS
from matenv.properties import families, store
from matenv.properties.compiled.set_network import FastEnsemble
from matenv.properties.networks.features import REFERENCE_VALUES

TRUNK = "ensemble"
"""The shipped predictor whose networks are used: three of them."""

Array = NDArray[np.float64]


def statistics(fractions: Array) -> Array:
    """Statistics of element values.

    Args:
        fractions: Atom fractions (B, 89).

    Returns:
        (B, 63) float64: mean, standard deviation, smallest, largest and range of the seven element values, shares of
        the groups and periods, number of elements, sum of squares of the fractions, and the largest fraction.
    """
    return _statistics(np.ascontiguousarray(fractions, np.float64), *_tables())


@lru_cache(maxsize=1)
def _tables() -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Element values (89, 7), undefined ones at the mean; group and period from 0."""
    columns = [alphabet.values(name) for name in REFERENCE_VALUES]
    table = np.column_stack([np.where(np.isnan(column), np.nanmean(column), column) for column in columns])
    group, period = (alphabet.values(name).astype(np.int64) - 1 for name in ("group", "period"))
    return np.ascontiguousarray(table), group, period


@njit(cache=True, nogil=True)
def _statistics(x: Array, table: Array, group: NDArray[np.int64], period: NDArray[np.int64]) -> Array:
    rows, values = x.shape[0], table.shape[1]
    out = np.zeros((rows, 5 * values + 28))
    for row in range(rows):
        for k in range(values):
            mean, square, low, high = 0.0, 0.0, np.inf, -np.inf
            for element in range(x.shape[1]):
                if x[row, element] > 0.0:
                    value = table[element, k]
                    mean += x[row, element] * value
                    square += x[row, element] * value * value
                    low, high = min(low, value), max(high, value)
            out[row, k], out[row, values + k] = mean, np.sqrt(max(square - mean * mean, 0.0))
            out[row, 2 * values + k], out[row, 3 * values + k] = low, high
            out[row, 4 * values + k] = high - low
        for element in range(x.shape[1]):
            share = x[row, element]
            if share > 0.0:
                out[row, 5 * values + group[element]] += share
                out[row, 5 * values + 18 + period[element]] += share
                out[row, 5 * values + 25] += 1.0
                out[row, 5 * values + 26] += share * share
                out[row, 5 * values + 27] = max(out[row, 5 * values + 27], share)
    return out


def trunk(fractions: Array) -> Array:
    """What the shipped networks of `TRUNK` make of a composition before their last layer.

    Args:
        fractions: Atom fractions (B, 89).

    Returns:
        (B, 192) float64, the states of three networks side by side, each of order one.
    """
    x = np.asarray(fractions, np.float64)
    elements = np.argsort(x == 0.0, axis=1, kind="stable")[:, :MAX_ELEMENTS]
    amounts = np.take_along_axis(x, elements, axis=1)
    size = np.count_nonzero(amounts, axis=1)
    elements = np.where(amounts > 0.0, elements, -1)
    states = _networks()(
        np.ascontiguousarray(elements, np.int16), np.ascontiguousarray(amounts), np.ascontiguousarray(size, np.int16)
    )
    return np.ascontiguousarray(np.concatenate(list(states), axis=1), np.float64)


@lru_cache(maxsize=1)
def _networks() -> FastEnsemble:
    """The trunk's networks, with the unit matrix as last layer."""
    (contents,) = store.read(TRUNK).parts
    networks = []
    for parameters in contents.members:
        state = {key: value for key, value in parameters.items() if not key.startswith("head.")}
        network = families.build(contents.family, contents.width, contents.width, contents.layers)
        state |= {"head.weight": torch.eye(contents.width), "head.bias": torch.zeros(contents.width)}
        network.load_state_dict(state)
        networks.append(network.eval().requires_grad_(False))
    return FastEnsemble(networks)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def trunk_checksum() -> str:
    """SHA-256 of the trunk's file: a model that stands on it works with no other."""
    return store.file_checksum(store.locate(TRUNK))
