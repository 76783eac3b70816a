"""Wishes: what somebody asks for in a few words, drawn by chance; the amortised track and goal environments use them.

A wish names one or two properties with a tolerance above the predictor's mean absolute error (and twice it above the
root mean square error), two elements that must occur, elements that must not, perhaps a number of elements, and
novelty. It is taken from a formula of the train part, so that something like it exists: two of its elements, and its
labels as targets. The *pair* of required elements decides whether a wish is for training or for the test, so the two
never ask for the same pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.data import load_dataset
from matenv.data.splits import uniform
from matenv.oracle import Assessment
from matenv.tasks.task import Task

TOLERANCES: dict[str, float] = {"log10_bulk_modulus": 0.1, "band_gap_pbe": 0.45}
"""Properties that wishes are about, and their tolerance [log10 GPa, eV]: `tests.benchmark.test_windows`."""

SMALLEST_GAP = 0.5
"""eV; a wish about a gap is about something that has one."""

TEST_SHARE = 0.2
"""Share of the pairs of required elements that training never sees."""

PARTS = ("train", "test")

ASKED_FOR = (("band_gap_pbe",), ("log10_bulk_modulus",), ("log10_bulk_modulus", "band_gap_pbe"))
"""Properties that a wish is about: these, with equal chances."""

MOST_EXCLUDED = 3
"""Most elements that a wish drawn by chance leaves out."""


@dataclass(frozen=True)
class Near:
    """Near a value: utility is exp(-((mean - target) / tolerance)^2 / 2) of the predicted mean.

    Attributes:
        property_name: Name of the predicted property.
        target: What is asked for, in the property's unit.
        tolerance: Distance at which the utility is exp(-1/2) = 0.61.
    """

    property_name: str
    target: float
    tolerance: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not np.isfinite(self.target) or not 0 < self.tolerance < np.inf:
            raise ValueError(
                f"Near({self.property_name!r}): target={self.target} must be finite and tolerance={self.tolerance} "
                "positive"
            )

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.property_name

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,); 0 where nothing was predicted."""
        away = (assessment.mean[self.property_name] - self.target) / self.tolerance
        return np.nan_to_num(np.exp(-0.5 * away**2))


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        targets: Value and tolerance by name of the property, in its unit.
        required: Elements that must occur.
        excluded: Elements that must not.
        elements: Number of elements, or None for two to `MOST_ELEMENTS`.
        novel: Only what is unknown to the table counts.

    Examples:
        >>> wish = Wish({"band_gap_pbe": (2.0, 0.45)}, required=("Zn", "O"), excluded=("Pb",), elements=3)
        >>> wish.task().require, wish.task().max_elements
        ((('Zn',), ('O',)), 3)
        >>> str(wish)
        'band_gap_pbe 2 +- 0.45, with Zn O, without Pb, 3 elements, novel'
    """

    targets: Mapping[str, tuple[float, float]]
    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    elements: int | None = None
    novel: bool = True

    def __str__(self) -> str:
        parts = [f"{name} {value:.3g} +- {tolerance:g}" for name, (value, tolerance) in self.targets.items()]
        parts += [f"with {' '.join(self.required)}"] if self.required else []
        parts += [f"without {' '.join(self.excluded)}"] if self.excluded else []
        parts += [f"{self.elements} elements"] if self.elements else []
        return ", ".join([*parts, "novel"] if self.novel else parts)

    def task(self) -> Task:
        """The wish as a `Task`: success is a utility as of one tolerance away in every property, and viability."""
        return Task(
            name="wish",
            description=f"A wish: {self}.",
            objectives=tuple(Near(name, *wanted) for name, wanted in self.targets.items()),
            novel=self.novel,
            min_elements=self.elements or 2,
            max_elements=self.elements or MOST_ELEMENTS,
            exclude=(*(e for e in alphabet.MASKED_BY_DEFAULT if e not in self.required), *self.excluded),
            require=self.required,
            success_utility=float(np.exp(-0.5 * len(self.targets))),
        )


MOST_ELEMENTS = 4
"""Most elements of a formula that answers a wish."""


def draw(rng: np.random.Generator, part: str = "train") -> Wish:
    """A wish by chance.

    Args:
        rng: Source of chance.
        part: ``"train"`` or ``"test"``: no pair of required elements occurs in both.

    Returns:
        The wish: with equal chances about a gap, a bulk modulus, or both.

    Raises:
        ValueError: An unknown part.
    """
    if part not in PARTS:
        raise ValueError(f"part={part!r} is unknown; choose one of {', '.join(PARTS)}")
    names = ASKED_FOR[rng.integers(len(ASKED_FOR))]
    data, rows = load_dataset("mp-ground-states"), _rows(names, part)
    row = int(rows[rng.integers(len(rows))])
    pair = _pair(data.compositions.elements[row, : data.compositions.size[row]])
    others = [s for s in alphabet.SYMBOLS if s not in (*pair, *alphabet.MASKED_BY_DEFAULT, *alphabet.ABSENT)]
    excluded = rng.choice(others, int(rng.integers(MOST_EXCLUDED + 1)), replace=False)
    return Wish(
        {name: (round(float(data.labels[name][row]), 3), TOLERANCES[name]) for name in names},
        pair,
        tuple(sorted(excluded.tolist())),
        int(data.compositions.size[row]) if rng.random() < 0.5 else None,
    )


def part_of(required: tuple[str, ...]) -> str:
    """The part that wishes which require these elements belong to."""
    return PARTS[uniform(required, "wish") < TEST_SHARE]


def _pair(positions: NDArray) -> tuple[str, str]:
    """The least and the most electronegative of some elements."""
    symbols = sorted((alphabet.SYMBOLS[k] for k in positions.tolist()), key=_ELECTRONEGATIVITY.__getitem__)
    return symbols[0], symbols[-1]


_ELECTRONEGATIVITY = dict(
    zip(alphabet.SYMBOLS, np.nan_to_num(alphabet.values("electronegativity")).tolist(), strict=True)
)


@lru_cache
def _rows(names: tuple[str, ...], part: str) -> NDArray[np.int64]:
    """Train rows that a wish of a part about these properties may be taken from."""
    data = load_dataset("mp-ground-states")
    usable = np.zeros(len(data), np.bool_)
    usable[data.part("train")] = True
    usable &= Task("any", "", (), max_elements=MOST_ELEMENTS).allows(data.compositions)
    for name in names:
        usable &= data.truth(name)
    if "band_gap_pbe" in names:
        usable &= data.labels["band_gap_pbe"] >= SMALLEST_GAP
    rows = np.flatnonzero(usable)
    elements, size = data.compositions.elements, data.compositions.size
    return rows[[part_of(_pair(elements[row, : size[row]])) == part for row in rows.tolist()]]
