"""Observations: a flat float32 vector made of named blocks with fixed, finite bounds.

Normalisation constants are fixed here, so a saved policy needs no statistics file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.compiled.jit import njit
from matenv.envs.scales import SCALES
from matenv.envs.state import State
from matenv.oracle import Oracle

DEFAULT_BLOCKS = ("latent", "composition")

PROPERTY_BOUND = 5.0
"""Scaled predictions are clipped to +- this."""

ENERGY_BOUND = 1.0
"""Decomposition energies are clipped to +- this [eV/atom]."""


class Block(NamedTuple):
    """One named part of an observation.

    Attributes:
        width: Number of values.
        low: Lower bound of each.
        high: Upper bound of each.
        write: Writes the block (N, width) of a record of states into an array of zeros.
    """

    width: int
    low: float
    high: float
    write: Callable[[Any, NDArray[np.float32]], None]


class Observer:
    """Writes observations from states.

    Args:
        blocks: Names of the blocks, in order.
        offered: The blocks there are, by name.

    Attributes:
        slices: Where each block lies.
        space: The observation space of one row.

    Raises:
        ValueError: Unknown or repeated block, or none.
    """

    def __init__(self, blocks: Sequence[str], offered: Mapping[str, Block]) -> None:
        if isinstance(blocks, str) or not blocks or len(set(blocks)) != len(blocks) or set(blocks) - set(offered):
            raise ValueError(f"observation={blocks!r} must be a list of distinct blocks out of {', '.join(offered)}")
        low, high, start = [], [], 0
        self.slices: dict[str, slice] = {}
        self._writers: list[tuple[slice, Callable[[Any, NDArray[np.float32]], None]]] = []
        for name in blocks:
            block = offered[name]
            self.slices[name] = slice(start, start + block.width)
            self._writers.append((self.slices[name], block.write))
            low += [block.low] * block.width
            high += [block.high] * block.width
            start += block.width
        self.space = Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)

    def __call__(self, state: Any) -> NDArray[np.float32]:
        """Observations (N, width) float32 of a batch of states, freshly allocated."""
        observation = np.zeros((len(state.step), self.space.shape[0]), np.float32)
        for where, write in self._writers:
            write(state, observation[:, where])
        return observation


def observed_scales(oracle: Oracle) -> dict[str, tuple[float, float]]:
    """Centre and scale of each property that an oracle predicts, in its order."""
    built_in = {name: SCALES[name] for name in oracle.predictor.units}
    return built_in | {own.name: (own.centre, own.scale) for own in oracle.properties}


def shared_blocks(scales: Mapping[str, tuple[float, float]], horizon: int) -> dict[str, Block]:
    """The blocks that every environment offers.

    Args:
        scales: Centre and scale of each predicted property, in its unit.
        horizon: Steps per episode.

    Returns:
        ``"composition"`` (89 atom fractions), ``"properties"`` (scaled predicted means), ``"decomposition_energy"``
        (E_d in eV/atom, and whether it is defined), ``"steps_left"`` (share of the horizon).
    """

    def composition(state: State, view: NDArray[np.float32]) -> None:
        _write_amounts(state.compositions.elements, state.compositions.amounts, view)

    def predictions(state: State, view: NDArray[np.float32]) -> None:
        for column, (name, (centre, scale)) in enumerate(scales.items()):
            view[:, column] = np.nan_to_num((state.facts.mean[name] - centre) / scale)
        np.clip(view, -PROPERTY_BOUND, PROPERTY_BOUND, out=view)

    def decomposition_energy(state: State, view: NDArray[np.float32]) -> None:
        energy = state.facts.decomposition_energy
        view[:, 0] = np.clip(np.nan_to_num(energy), -ENERGY_BOUND, ENERGY_BOUND)
        view[:, 1] = np.isfinite(energy)

    def steps_left(state: State, view: NDArray[np.float32]) -> None:
        view[:, 0] = np.maximum(1.0 - state.step / horizon, 0.0)  # stepping on past the end stays in bounds

    return {
        "composition": Block(alphabet.NUM_ELEMENTS, 0.0, 1.0, composition),
        "properties": Block(len(scales), -PROPERTY_BOUND, PROPERTY_BOUND, predictions),
        "decomposition_energy": Block(2, -ENERGY_BOUND, ENERGY_BOUND, decomposition_energy),
        "steps_left": Block(1, 0.0, 1.0, steps_left),
    }


@njit(cache=True, nogil=True)
def _write_amounts(elements: NDArray, amounts: NDArray, dense: NDArray) -> None:
    """Write packed atom fractions (N, 10) into dense columns (N, 89)."""
    for row in range(elements.shape[0]):
        for k in range(elements.shape[1]):
            if elements[row, k] < 0:
                break
            dense[row, elements[row, k]] = amounts[row, k]
