"""Wishes: what somebody asks for in a few words, drawn by chance; the amortised track and goal environments use them.

A wish names one or two properties, two elements that must occur, elements that must not, perhaps a number of elements,
and novelty. Of a property it asks for a target, with a tolerance above the predictor's mean absolute error (and twice
it above the root mean square error), or for a window, no narrower than twice that tolerance, perhaps with one end
only. It is taken from a formula of the train part, so that something like it exists: two of its elements, and its
labels as targets, or inside the windows. The *pair* of required elements decides whether a wish is for training or for
the test, so the two never ask for the same pair.

Targets and windows are about the predicted mean: what a wish is worth follows from what a formula is predicted to be
and what is asked for, two vectors, so that hindsight can ask what it would have been worth for another wish. A target
is a window without width. `matenv.tasks.Window`, an objective of tasks, is the probability that the property lies in a
window, which needs the whole predicted distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.checks import check_listed, check_number, check_whole
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

WINDOWS = 0.5
"""Share of the properties for which environments' wishes ask by a window, the others by a target."""

NARROWEST = 2.0
"""Narrowest window in tolerances: as wide as a target's, within one tolerance of which counts as met."""

_DRAWN_WIDTH, _DRAWN_ROOM = (2.5, 5.0), 2.0  # tolerances: width of a drawn window; farthest that its only end lies off


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
class Inside:
    """Inside a window: utility is 1 for a predicted mean in it, and exp(-(distance / tolerance)^2 / 2) outside.

    Attributes:
        property_name: Name of the predicted property.
        low: Lower end in the property's unit, or None.
        high: Upper end, or None.
        tolerance: Distance from the window at which the utility is exp(-1/2) = 0.61.
    """

    property_name: str
    low: float | None
    high: float | None
    tolerance: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_window(f"Inside({self.property_name!r})", (self.low, self.high), 0.0)
        if not 0 < self.tolerance < np.inf:
            raise ValueError(f"Inside({self.property_name!r}): tolerance={self.tolerance} must be positive")

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.property_name

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,); 0 where nothing was predicted."""
        mean = assessment.mean[self.property_name]
        away = (mean - np.clip(mean, *ends(self))) / self.tolerance
        return np.nan_to_num(np.exp(-0.5 * away**2))


def ends(wanted: Near | Inside) -> tuple[float, float]:
    """Lowest and highest value asked for: of a target the same one, of an open end an infinite one."""
    if isinstance(wanted, Near):
        return wanted.target, wanted.target
    return -np.inf if wanted.low is None else wanted.low, np.inf if wanted.high is None else wanted.high


def check_window(where: str, window: Any, narrowest: float) -> tuple[float | None, float | None]:
    """Both ends of a window.

    Args:
        where: What the window is called, for messages.
        window: What was given.
        narrowest: Least width, in the property's unit.

    Returns:
        Lower and upper end, None for an open one.

    Raises:
        ValueError: Not two ends, an end that is no finite number, none at all, or a window narrower than that.
    """
    right = "(lowest, highest), None for an open end"
    if not isinstance(window, list | tuple) or len(window) != 2 or all(end is None for end in window):
        raise ValueError(f"{where}={window!r} must be {right}, at least one of them a number")
    low, high = (None if end is None else check_number(where, end, -np.inf, np.inf, "finite") for end in window)
    if low is None or high is None:
        return low, high
    if not low < high:
        raise ValueError(f"{where}={window!r} must be {right}, the lowest below the highest")
    if high - low < narrowest - 1e-9:
        raise ValueError(
            f"{where}={window!r} is narrower than the predictor's error; give ends at least {narrowest:g} apart, or a "
            "target"
        )
    return low, high


def _target(name: str, target: Any) -> tuple[float, float]:
    """A value and its tolerance."""
    if np.isscalar(target) and not isinstance(target, str) and name in TOLERANCES:
        target = (target, TOLERANCES[name])
    if not isinstance(target, list | tuple) or len(target) != 2:
        raise ValueError(
            f"targets[{name!r}]={target!r} must be a value and a tolerance, such as (2.0, 0.45); a value alone is "
            f"enough for {' and '.join(TOLERANCES)}"
        )
    value, tolerance = (check_number(f"targets[{name!r}]", each, -np.inf, np.inf, "finite") for each in target)
    if tolerance <= 0:
        raise ValueError(f"targets[{name!r}]={target!r} must have a tolerance above 0")
    return value, tolerance


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        targets: Value and tolerance by name of the property, in its unit; of `TOLERANCES` a value alone will do.
        required: Elements that must occur.
        excluded: Elements that must not.
        elements: Number of elements, or None for two to `MOST_ELEMENTS`.
        novel: Only what is unknown to the table counts.
        windows: Lowest and highest value by name of the property, None for an open end; of `TOLERANCES` only.

    Raises:
        ValueError: A target that is no value with a tolerance; a window about another property or one that has a
            target, without ends, or narrower than `NARROWEST` tolerances; elements that are unknown, both required and
            excluded, or more than their number.

    Examples:
        >>> wish = Wish({"band_gap_pbe": (2.0, 0.45)}, required=("Zn", "O"), excluded=("Pb",), elements=3)
        >>> wish.task().require, wish.task().max_elements
        ((('Zn',), ('O',)), 3)
        >>> str(wish)
        'band_gap_pbe 2 +- 0.45, with Zn O, without Pb, 3 elements, novel'
        >>> str(Wish(windows={"band_gap_pbe": (1.0, 2.5), "log10_bulk_modulus": (2.0, None)}, required=("O",)))
        'band_gap_pbe 1 to 2.5, log10_bulk_modulus at least 2, with O, novel'
    """

    targets: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    elements: int | None = None
    novel: bool = True
    windows: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what was given, and fill in tolerances."""
        if not isinstance(self.targets, Mapping):
            raise ValueError(f"targets={self.targets!r} must be a dictionary such as {{'band_gap_pbe': 2.0}}")
        targets = {name: _target(name, target) for name, target in self.targets.items()}
        object.__setattr__(self, "targets", targets)
        for name in ("required", "excluded"):
            check_listed(name, getattr(self, name), "symbols such as 'O'")
            given = getattr(self, name)
            object.__setattr__(self, name, tuple(given if isinstance(given, list | tuple) else sorted(given)))
            alphabet.positions(getattr(self, name), name)
        if both := sorted(set(self.required) & set(self.excluded)):
            raise ValueError(f"required and excluded both hold {', '.join(both)}: nothing can answer that")
        if self.elements is not None:
            number = check_whole("elements", self.elements, "elements of a formula, or None")
            if number < len(set(self.required)):
                raise ValueError(f"elements={number} is less than the {len(set(self.required))} elements in required")
            object.__setattr__(self, "elements", number)
        if not isinstance(self.windows, Mapping):
            raise ValueError(f"windows={self.windows!r} must be a dictionary such as {{'band_gap_pbe': (1.0, 2.5)}}")
        for name, window in self.windows.items():
            if name not in TOLERANCES:
                raise ValueError(f"windows[{name!r}]={window!r}: windows know {' and '.join(TOLERANCES)} only")
            if name in self.targets:
                raise ValueError(
                    f"windows[{name!r}]={window!r}: {name} has the target {self.targets[name]!r}; give one"
                )
            check_window(f"windows[{name!r}]", window, NARROWEST * TOLERANCES[name])

    def __hash__(self) -> int:
        """Equal wishes have equal ones."""
        asked = (frozenset(each.items()) for each in (self.targets, self.windows))
        return hash((*asked, self.required, self.excluded, self.elements, self.novel))

    def __str__(self) -> str:
        parts = [f"{name} {value:.3g} +- {tolerance:g}" for name, (value, tolerance) in self.targets.items()]
        parts += [f"{name} {_range_in_words(*window)}" for name, window in self.windows.items()]
        parts += [f"with {' '.join(self.required)}"] if self.required else []
        parts += [f"without {' '.join(self.excluded)}"] if self.excluded else []
        parts += [f"{self.elements} elements"] if self.elements else []
        return ", ".join([*parts, "novel"] if self.novel else parts)

    def task(self) -> Task:
        """The wish as a `Task`; met are viability and a utility as of one tolerance from targets, inside windows."""
        targets = (Near(name, *wanted) for name, wanted in self.targets.items())
        windows = (Inside(name, *window, TOLERANCES[name]) for name, window in self.windows.items())
        return Task(
            name="wish",
            description=f"A wish: {self}.",
            objectives=(*targets, *windows),
            novel=self.novel,
            min_elements=self.elements or 2,
            max_elements=self.elements or MOST_ELEMENTS,
            exclude=(*(e for e in alphabet.MASKED_BY_DEFAULT if e not in self.required), *self.excluded),
            require=self.required,
            success_utility=float(np.exp(-0.5 * len(self.targets))),
        )


MOST_ELEMENTS = 4
"""Most elements of a formula that answers a wish."""


def draw(rng: np.random.Generator, part: str = "train", windows: float = 0.0) -> Wish:
    """A wish by chance.

    Args:
        rng: Source of chance.
        part: ``"train"`` or ``"test"``: no pair of required elements occurs in both.
        windows: Share of the properties that are asked for by a window, as `windows_around` draws it, in place of a
            target. The amortised track asks for targets only, environments for both (`WINDOWS`).

    Returns:
        The wish: with equal chances about a gap, a bulk modulus, or both. Elements and labels do not depend on
        `windows`.

    Raises:
        ValueError: An unknown part, or a share outside [0, 1].
    """
    if part not in PARTS:
        raise ValueError(f"part={part!r} is unknown; choose one of {', '.join(PARTS)}")
    check_number("windows", windows, 0, 1, "a share in [0, 1]")
    names = ASKED_FOR[rng.integers(len(ASKED_FOR))]
    data, rows = load_dataset("mp-ground-states"), _rows(names, part)
    row = int(rows[rng.integers(len(rows))])
    pair = _pair(data.compositions.elements[row, : data.compositions.size[row]])
    others = [s for s in alphabet.SYMBOLS if s not in (*pair, *alphabet.MASKED_BY_DEFAULT, *alphabet.ABSENT)]
    excluded = rng.choice(others, int(rng.integers(MOST_EXCLUDED + 1)), replace=False)
    values = {name: round(float(data.labels[name][row]), 3) for name in names}
    number = int(data.compositions.size[row]) if rng.random() < 0.5 else None
    drawn: dict[str, tuple[float | None, float | None]] = {}
    if windows:
        known = np.array([[values.get(name, np.nan) for name in TOLERANCES]])
        low, high = (np.round(end[0], 3) for end in windows_around(known, windows, rng))
        for name, lowest, highest in zip(TOLERANCES, low.tolist(), high.tolist(), strict=True):
            if name in values and lowest < highest:
                drawn[name] = (lowest if lowest > -np.inf else None, highest if highest < np.inf else None)
    targets = {name: (value, TOLERANCES[name]) for name, value in values.items() if name not in drawn}
    return Wish(targets, pair, tuple(sorted(excluded.tolist())), number, windows=drawn)


def windows_around(
    values: NDArray[np.float64], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What wishes that some formulas meet ask of properties: targets, and windows by chance.

    A third of the windows has two ends, 2.5 to 5 tolerances apart; a third a lower end only, up to 2 tolerances below
    the value; a third an upper end only, likewise above. As a wish about a gap is about something that has one, its
    windows begin at `SMALLEST_GAP` or above, those with an upper end have a lower one, and a smaller gap stays a
    target.

    Args:
        values: Each property of `TOLERANCES`, in its unit (B, P); NaN where unknown.
        share: Chance of a window.
        rng: Source of chance.

    Returns:
        Lowest and highest value asked for (B, P), infinite at open ends: both the value itself for a target. The value
        lies within.
    """
    tolerance = np.array(list(TOLERANCES.values()))
    least = np.array([SMALLEST_GAP if name == "band_gap_pbe" else -np.inf for name in TOLERANCES])
    chance, place, size = rng.random((3, *values.shape))
    kind = rng.integers(3, size=values.shape)
    is_window = (chance < share) & (values >= least)
    two, only_low = (kind == 0) | ((kind == 2) & np.isfinite(least)), kind == 1
    width = (_DRAWN_WIDTH[0] + (_DRAWN_WIDTH[1] - _DRAWN_WIDTH[0]) * size) * tolerance
    room = _DRAWN_ROOM * size * tolerance
    low = np.where(two, values - place * width, np.where(only_low, values - room, -np.inf))
    low = np.where(two | only_low, np.maximum(low, least), low)
    high = np.where(two, np.maximum(low + width, values), np.where(only_low, np.inf, values + room))
    return np.where(is_window, low, values), np.where(is_window, high, values)


def _range_in_words(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:.3g}"
    return f"at least {low:.3g}" if high is None else f"{low:.3g} to {high:.3g}"


def part_of(required: tuple[str, ...]) -> str:
    """The part that wishes which require these elements belong to."""
    return PARTS[uniform(required, "wish") < TEST_SHARE]


@lru_cache
def held_out_pairs() -> NDArray[np.bool_]:
    """Pairs of elements that wishes of the test part require, (89, 89) by number in `matenv.elements`, symmetric."""
    held_out = np.zeros((alphabet.NUM_ELEMENTS,) * 2, np.bool_)
    for pair in combinations(range(alphabet.NUM_ELEMENTS), 2):
        held_out[pair] = part_of(_pair(np.array(pair))) == "test"
    return held_out | held_out.T


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
