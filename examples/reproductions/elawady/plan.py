"""Which networks the report needs, in the order in which they are trained.

May import: `examples.reproductions.elawady.training`.
"""

from __future__ import annotations

from dataclasses import dataclass

from examples.reproductions.elawady.readings import READINGS
from examples.reproductions.elawady.training import Setting


@dataclass(frozen=True)
class Plan:
    """The networks of a report.

    Attributes:
        widths: Nodes per hidden layer; the paper says from 50 to 500.
        chosen: The paper's choice.
        seeds: Seeds of every network in the scan.
        epochs: Passes over the training rows instead of the paper's 2,000, at a high learning rate.
    """

    widths: tuple[int, ...] = (50, 100, 200, 300, 500)
    chosen: int = 100
    seeds: tuple[int, ...] = (0,)
    epochs: int = 40

    def __post_init__(self) -> None:
        """The chosen width has to be in the scan."""
        if self.chosen not in self.widths:
            raise ValueError(f"chosen={self.chosen} is not among the widths {self.widths}")
        if not self.seeds or self.epochs < 1:
            raise ValueError(f"seeds={self.seeds}, epochs={self.epochs}: at least one seed and one epoch are needed")

    def scan(self) -> list[Setting]:
        """The scan of widths, by seed and then by width."""
        return [Setting(width=width, epochs=self.epochs, seed=seed) for seed in self.seeds for width in self.widths]

    def main(self) -> Setting:
        """The network that the paper would have chosen."""
        return Setting(width=self.chosen, epochs=self.epochs, seed=self.seeds[0])

    def readings(self) -> list[Setting]:
        """The chosen width under every reading of the likelihood."""
        return [
            Setting(reading=reading, width=self.chosen, epochs=self.epochs, seed=self.seeds[0]) for reading in READINGS
        ]

    def random_split(self) -> Setting:
        """The chosen width with formulas held out at random."""
        return Setting(width=self.chosen, epochs=self.epochs, split="random", seed=self.seeds[0])

    def networks(self) -> list[Setting]:
        """All networks, each once, the most needed first."""
        everything = [
            self.main(),
            *self.scan()[: len(self.widths)],
            *self.readings(),
            self.random_split(),
            *self.scan(),
        ]
        return list(dict.fromkeys(everything))
