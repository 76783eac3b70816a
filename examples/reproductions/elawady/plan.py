"""Which networks the report needs, in the order in which they are trained.

May import: `examples.reproductions.elawady.training`.
"""

from __future__ import annotations

from examples.reproductions.elawady.readings import READINGS
from examples.reproductions.elawady.training import Setting

WIDTHS = (50, 100, 200, 300, 400, 500)
"""Nodes per hidden layer; the paper says from 50 to 500."""

CHOSEN = 100
"""The paper's choice of width."""

SEEDS = (0, 1)
"""Seeds of every network in the scan."""

EPOCHS = 60
"""Passes over the training rows instead of the paper's 2,000, at a high learning rate."""


def scan(epochs: int = EPOCHS, widths: tuple[int, ...] = WIDTHS, seeds: tuple[int, ...] = SEEDS) -> list[Setting]:
    """The scan of widths, by seed and then by width."""
    return [Setting(width=width, epochs=epochs, seed=seed) for seed in seeds for width in widths]


def readings(epochs: int = EPOCHS) -> list[Setting]:
    """The chosen width under every reading of the likelihood."""
    return [Setting(reading=reading, width=CHOSEN, epochs=epochs) for reading in READINGS]


def random_split(epochs: int = EPOCHS) -> Setting:
    """The chosen width with formulas held out at random."""
    return Setting(width=CHOSEN, epochs=epochs, split="random")
