"""Observations: a flat float32 vector made of named blocks with fixed, finite bounds.

Normalisation constants are fixed here, so a saved policy needs no statistics file.

May import: `matenv.envs.state`, `matenv.elements`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.spaces import Box
from numba import njit
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.envs.state import State

DEFAULT_BLOCKS = ("latent", "composition")

SCALES: dict[str, tuple[float, float]] = {
    "formation_energy": (-1.5, 1.5),  # eV/atom: table mean and about 1.5 standard deviations
    "band_gap_pbe": (1.5, 1.5),  # eV
    "band_gap_expt": (1.5, 1.5),  # eV
    "log10_bulk_modulus": (1.9, 0.4),  # log10 GPa
    "log10_shear_modulus": (1.5, 0.4),  # log10 GPa
}
"""Centre and scale that bring each predicted property to order one."""

PROPERTY_BOUND = 5.0
"""Scaled predictions are clipped to +- this."""

ENERGY_BOUND = 1.0
"""Decomposition energies are clipped to +- this [eV/atom]."""


class Observer:
    """Writes observations from states.

    Args:
        blocks: Names of the blocks, in order: ``"latent"`` (z / R), ``"composition"`` (89 atom fractions),
            ``"properties"`` (scaled predicted means), ``"decomposition_energy"`` (E_d in eV/atom, and whether it is
            defined), ``"steps_left"`` (share of the horizon), ``"ood"`` (norm of z over R).
        dim: Latent dimension.
        properties: Names of the predicted properties.

    Raises:
        ValueError: Unknown or repeated block, or none.
    """

    def __init__(self, blocks: Sequence[str], dim: int, properties: Sequence[str]) -> None:
        sizes = {
            "latent": (dim, -1.0, 1.0),
            "composition": (alphabet.NUM_ELEMENTS, 0.0, 1.0),
            "properties": (len(properties), -PROPERTY_BOUND, PROPERTY_BOUND),
            "decomposition_energy": (2, -ENERGY_BOUND, ENERGY_BOUND),
            "steps_left": (1, 0.0, 1.0),
            "ood": (1, 0.0, 1.0),
        }
        if isinstance(blocks, str) or not blocks or len(set(blocks)) != len(blocks) or set(blocks) - set(sizes):
            raise ValueError(f"observation={blocks!r} must be a list of distinct blocks out of {', '.join(sizes)}")
        self._properties = tuple(properties)
        low, high, start = [], [], 0
        self.slices: dict[str, slice] = {}
        for block in blocks:
            width, lowest, highest = sizes[block]
            self.slices[block] = slice(start, start + width)
            low += [lowest] * width
            high += [highest] * width
            start += width
        self.space = Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)

    def __call__(self, state: State, radius: float, horizon: int) -> NDArray[np.float32]:
        """Observations (N, width) float32 of a batch of states, freshly allocated."""
        observation = np.zeros((len(state.step), self.space.shape[0]), np.float32)
        for block, where in self.slices.items():
            view = observation[:, where]
            if block == "latent":
                np.clip(state.z / radius, -1.0, 1.0, out=view)
            elif block == "composition":
                _write_amounts(state.compositions.elements, state.compositions.amounts, view)
            elif block == "properties":
                for column, name in enumerate(self._properties):
                    centre, scale = SCALES[name]
                    view[:, column] = np.nan_to_num((state.facts[f"mean.{name}"] - centre) / scale)
                np.clip(view, -PROPERTY_BOUND, PROPERTY_BOUND, out=view)
            elif block == "decomposition_energy":
                energy = state.facts["decomposition_energy"]
                view[:, 0] = np.clip(np.nan_to_num(energy), -ENERGY_BOUND, ENERGY_BOUND)
                view[:, 1] = np.isfinite(energy)
            elif block == "steps_left":
                view[:, 0] = np.maximum(1.0 - state.step / horizon, 0.0)  # stepping on past the end stays in bounds
            else:
                view[:, 0] = np.minimum(np.linalg.norm(state.z, axis=1) / radius, 1.0)
        return observation


@njit(cache=True, nogil=True)
def _write_amounts(elements: NDArray, amounts: NDArray, dense: NDArray) -> None:
    """Write packed atom fractions (N, 10) into dense columns (N, 89)."""
    for row in range(elements.shape[0]):
        for k in range(elements.shape[1]):
            if elements[row, k] < 0:
                break
            dense[row, elements[row, k]] = amounts[row, k]
