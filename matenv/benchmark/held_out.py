"""Held-out truth: which formulas lie in chemical systems that the `system` split holds out, which are stable there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.data import load_dataset


def in_held_out_system(batch: CompositionBatch) -> NDArray[np.bool_]:
    """Whether each formula's chemical system is a held-out one of the embedded table (B,)."""
    data = load_dataset("mp-ground-states")
    held_out = data.compositions[data.split("system").test].systems().keys()
    return np.isin(batch.systems().keys(), held_out)


def held_out_and_stable(batch: CompositionBatch) -> NDArray[np.bool_]:
    """Whether each formula is a stable one, by DFT, of a held-out system of the table (B,)."""
    data = load_dataset("mp-ground-states")
    wanted = np.zeros(len(data) + 1, np.bool_)  # the last for what the table lacks
    held_out = data.split("system").test
    wanted[held_out] = data.labels["decomposition_energy"][held_out] <= 0.0
    return wanted[data.find(batch)]
