"""Which networks the report needs, and whose schedules are chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from studies.papers.elawady.choices import Schedule
from studies.papers.elawady.readings import READINGS
from studies.papers.elawady.training import Setting

MULTINOMIAL = next(iter(READINGS))
"""The reading of the report."""


@dataclass(frozen=True)
class Plan:
    """The networks of a report.

    Attributes:
        widths: Nodes per hidden layer; the paper says from 50 to 500.
        tried: Widths whose schedule is chosen by trials; the others have that of the nearest.
        chosen: The paper's choice.
        seeds: Seeds of the chosen width in the scan, whose scatter is shown; the first is that of all other networks.
        epochs: Passes over the training rows in the scan.
        long: Passes over the training rows for the network the paper describes: the paper's own number.
        calm: Factor on the chosen learning rate in that long run: at 0.04, best for short ones, a run of 2,000 lost its
            way in epoch 216, and the negative ELBO of validation rows went from 47 to thousands for good.
        trial: Passes over the training rows when a schedule is tried, for the other readings and for the random split.
    """

    widths: tuple[int, ...] = (50, 100, 200, 300, 400, 500)
    tried: tuple[int, ...] = (50, 100, 200, 500)
    chosen: int = 100
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 150
    long: int = 2000
    calm: float = 0.25
    trial: int = 30

    def __post_init__(self) -> None:
        """The chosen width has to be in the scan."""
        for name, width in (("chosen", self.chosen), *(("tried", width) for width in self.tried)):
            if width not in self.widths:
                raise ValueError(f"{name}={width} is not among the widths {self.widths}")
        if self.chosen not in self.tried:
            raise ValueError(f"chosen={self.chosen} is not among those tried, {self.tried}")
        lengths = (self.epochs, self.long, self.trial)
        if not self.seeds or min(lengths) < 1:
            raise ValueError(f"seeds={self.seeds}, epochs={lengths}: at least one seed and one epoch are needed")

    def to_choose(self) -> list[tuple[str, int]]:
        """Reading and width of the networks whose schedule is chosen, the paper's first."""
        widths = sorted(self.tried, key=lambda width: width != self.chosen)
        others = [reading for reading in READINGS if reading != MULTINOMIAL]
        return [(MULTINOMIAL, width) for width in widths] + [(reading, self.chosen) for reading in others]


@dataclass(frozen=True)
class Networks:
    """The networks of a plan, once schedules are chosen.

    Attributes:
        plan: The plan.
        schedule: Reading, width -> schedule.
    """

    plan: Plan
    schedule: Callable[[str, int], Schedule]

    def main(self) -> Setting:
        """The network that the paper describes, at its own length."""
        setting = self._setting()
        rate = self.plan.calm * setting.learning_rate
        return replace(setting, epochs=self.plan.long, learning_rate=rate)

    def scan(self) -> list[Setting]:
        """The scan of widths, and the chosen one with the other seeds."""
        widths = [self._setting(width=width) for width in self.plan.widths]
        return widths + [replace(self._setting(), seed=seed) for seed in self.plan.seeds[1:]]

    def readings(self) -> list[Setting]:
        """The chosen width under every reading of the likelihood: the best trial of each."""
        return [replace(self._setting(reading=reading), epochs=self.plan.trial) for reading in READINGS]

    def random_split(self) -> Setting:
        """The chosen width with formulas held out at random, to compare with the first of `readings`."""
        return replace(self.readings()[0], split="random")

    def all(self) -> list[Setting]:
        """All networks, each once."""
        return list(dict.fromkeys([*self.scan(), *self.readings(), self.random_split(), self.main()]))

    def _setting(self, reading: str = MULTINOMIAL, width: int | None = None) -> Setting:
        width = width or self.plan.chosen
        nearest = min(self.plan.tried, key=lambda tried: abs(tried - width))
        schedule = asdict(self.schedule(reading, nearest))
        return Setting(reading, width, self.plan.epochs, seed=self.plan.seeds[0], **schedule)
