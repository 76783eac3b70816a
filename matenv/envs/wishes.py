"""Wishes of a batch of episodes: each row asks for something else, and its observation says what.

A wish (`matenv.tasks.wishes.Wish`) joins the environment's task: score = the task's score x utility of the wish x
whether its elements fit. As a vector, what is asked for and what a formula is have the same form (`achieved`), so that
what was reached in hindsight can be taken for what was asked for: a window has two ends, one of which may be open, and
both a target and a predicted mean are windows without width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import MAX_ELEMENTS, CompositionBatch
from matenv.envs.scales import SCALES
from matenv.tasks.wishes import (
    ASKED_FOR,
    MOST_ELEMENTS,
    MOST_EXCLUDED,
    PARTS,
    TOLERANCES,
    WINDOWS,
    Wish,
    draw,
    held_out_pairs,
    windows_around,
)

if TYPE_CHECKING:
    from numpy.random import Generator

PROPERTIES = tuple(TOLERANCES)
"""Properties that wishes are about, in the order of the vectors."""

BOUND = 10.0
"""Scaled properties are clipped to +- this."""

NUMBER_OF_WISHES = 2**14
"""Wishes of a part that episodes draw from."""

FEWEST_ELEMENTS = 2
"""Fewest elements of a formula that answers a wish."""

_P, _E = len(PROPERTIES), alphabet.NUM_ELEMENTS
_PULL = np.nan_to_num(alphabet.values("electronegativity"))
_DRAWN = ~np.isin(alphabet.SYMBOLS, [*alphabet.MASKED_BY_DEFAULT, *alphabet.ABSENT])
_ASKED = np.array([[name in names for name in PROPERTIES] for names in ASKED_FOR])
_CENTRE, _SCALE = np.array([SCALES[name] for name in PROPERTIES]).T
_TOLERANCE = np.array(list(TOLERANCES.values()))

LOW, HIGH, HAS_LOW, HAS_HIGH = (slice(k * _P, (k + 1) * _P) for k in range(4))
PRESENT, EXCLUDED = slice(4 * _P, 4 * _P + _E), slice(4 * _P + _E, 4 * _P + 2 * _E)
NUMBER, WORTH = 4 * _P + 2 * _E, 4 * _P + 2 * _E + 1
WIDTH = WORTH + 1
"""Values in a vector."""


@dataclass
class Wishes:
    """What N episodes ask for.

    Attributes:
        low: Lowest value asked for of each of `PROPERTIES`, in its unit (N, P); -inf where none is.
        high: Highest, likewise; inf where none is. Of a target both are the same.
        required: Elements that must occur (N, 89) bool.
        excluded: Elements that must not (N, 89) bool.
        elements: Number of elements (N,) int64; 0 for two to `MOST_ELEMENTS`.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    required: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    elements: NDArray[np.int64]

    @classmethod
    def none(cls, rows: int) -> Wishes:
        """Wishes for nothing."""
        ends, elements = np.full((rows, _P), np.inf), np.zeros((rows, _E), np.bool_)
        return cls(-ends, ends, elements, elements.copy(), np.zeros(rows, np.int64))

    @classmethod
    def of(cls, wishes: Sequence[Wish]) -> Wishes:
        """Wishes as arrays.

        Args:
            wishes: N wishes.

        Raises:
            ValueError: One about another property, with another tolerance, or about unknown elements.
        """
        packed = cls.none(len(wishes))
        for row, wish in enumerate(wishes):
            for name, (value, tolerance) in wish.targets.items():
                if name not in TOLERANCES or not np.isfinite(value):
                    raise ValueError(f"wish about {name!r}={value!r}: a finite value of {' or '.join(PROPERTIES)}")
                if tolerance != TOLERANCES[name]:
                    raise ValueError(
                        f"wish about {name!r} has the tolerance {tolerance}; environments know {TOLERANCES[name]} only"
                    )
                packed.low[row, PROPERTIES.index(name)] = packed.high[row, PROPERTIES.index(name)] = value
            for name, (low, high) in wish.windows.items():
                packed.low[row, PROPERTIES.index(name)] = -np.inf if low is None else low
                packed.high[row, PROPERTIES.index(name)] = np.inf if high is None else high
            packed.required[row, alphabet.positions(wish.required, "required")] = True
            packed.excluded[row, alphabet.positions(wish.excluded, "excluded")] = True
            packed.elements[row] = wish.elements or 0
        return packed

    def wish(self, row: int) -> Wish:
        """One row's wish; whether only the unknown counts is a matter of the task."""
        targets, windows = {}, {}
        for name, low, high in zip(PROPERTIES, self.low[row].tolist(), self.high[row].tolist(), strict=True):
            if low == high:
                targets[name] = (low, TOLERANCES[name])
            elif np.isfinite([low, high]).any():
                windows[name] = (low if np.isfinite(low) else None, high if np.isfinite(high) else None)
        required, excluded = (
            tuple(alphabet.SYMBOLS[k] for k in np.flatnonzero(mask[row])) for mask in (self.required, self.excluded)
        )
        return Wish(targets, required, excluded, int(self.elements[row]) or None, novel=False, windows=windows)

    def utility(self, mean: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """What predicted means are worth (N,): 1 at a target or in a window, a Gaussian of the distance elsewhere.

        Args:
            mean: Predicted means by property (N,); one that is asked about and NaN is worth 0.
        """
        utility = np.ones(len(self.elements))
        for k, name in enumerate(PROPERTIES):
            low, high = self.low[:, k], self.high[:, k]
            near = np.exp(-0.5 * ((mean[name] - np.clip(mean[name], low, high)) / _TOLERANCE[k]) ** 2)
            utility *= np.where(np.isfinite(low) | np.isfinite(high), np.nan_to_num(near), 1.0)
        return utility

    def fits(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """Whether formulas have the elements that are asked for, and as many (N,) bool."""
        present = present_in(batch)
        least = np.where(self.elements > 0, self.elements, FEWEST_ELEMENTS)
        most = np.where(self.elements > 0, self.elements, MOST_ELEMENTS)
        fits = (batch.size >= least) & (batch.size <= most)
        return fits & ~(self.required & ~present).any(axis=1) & ~(self.excluded & present).any(axis=1)

    def success_utility(self) -> NDArray[np.float64]:
        """Utility of a formula one tolerance away from every target and inside every window (N,)."""
        return np.exp(-0.5 * (self.low == self.high).sum(axis=1))

    def vectors(self) -> NDArray[np.float32]:
        """The wishes as goals (N, WIDTH): what `achieved` says of a formula that meets them."""
        goal = np.zeros((len(self.elements), WIDTH), np.float32)
        for values, flags, end in ((LOW, HAS_LOW, self.low), (HIGH, HAS_HIGH, self.high)):
            goal[:, flags] = given = np.isfinite(end)
            goal[:, values] = np.clip((np.where(given, end, 0.0) - _CENTRE) / _SCALE, -BOUND, BOUND) * given
        goal[:, PRESENT], goal[:, EXCLUDED] = self.required, self.excluded
        goal[:, NUMBER], goal[:, WORTH] = self.elements / MAX_ELEMENTS, 1.0
        return goal


_ARRAYS = tuple(each.name for each in fields(Wishes))


def present_in(batch: CompositionBatch) -> NDArray[np.bool_]:
    """Which elements each formula holds (B, 89) bool."""
    return batch.scatter(batch.counts > 0).astype(np.bool_)


def achieved(
    batch: CompositionBatch, means: Mapping[str, NDArray[np.float64]], worth: NDArray[np.float64]
) -> NDArray[np.float32]:
    """What formulas are, in the form of a goal.

    Args:
        batch: Formulas (B).
        means: Predicted means by property (B,).
        worth: The task's score without a wish (B,).

    Returns:
        (B, WIDTH): scaled predicted means as both ends and whether there are any, the elements present, nothing
        excluded, the number of elements over 10, and the task's score without the wish.
    """
    reached = np.zeros((len(batch), WIDTH), np.float32)
    mean = np.stack([means[name] for name in PROPERTIES], axis=1)
    reached[:, LOW] = reached[:, HIGH] = np.clip(np.nan_to_num((mean - _CENTRE) / _SCALE), -BOUND, BOUND)
    reached[:, HAS_LOW] = reached[:, HAS_HIGH] = np.isfinite(mean)
    reached[:, PRESENT] = present_in(batch)
    reached[:, NUMBER] = batch.size / MAX_ELEMENTS
    reached[:, WORTH] = worth
    return reached


def goal_reward(reached: NDArray, desired: NDArray) -> NDArray[np.float64]:
    """The score of formulas for wishes, from vectors alone.

    Args:
        reached: What formulas are (..., WIDTH), as `achieved` says.
        desired: What is asked for (..., WIDTH), as `Wishes.vectors` says; or what was reached elsewhere.

    Returns:
        Scores (...,).
    """
    reached, desired = np.asarray(reached, np.float64), np.asarray(desired, np.float64)
    has_low, has_high, predicted = (
        desired[..., HAS_LOW] > 0.5,
        desired[..., HAS_HIGH] > 0.5,
        reached[..., HAS_LOW] > 0.5,
    )
    low, high = np.where(has_low, desired[..., LOW], -np.inf), np.where(has_high, desired[..., HIGH], np.inf)
    away = (reached[..., LOW] - np.clip(reached[..., LOW], low, high)) * (_SCALE / _TOLERANCE)
    utility = np.where(has_low | has_high, np.where(predicted, np.exp(-0.5 * away**2), 0.0), 1.0).prod(axis=-1)
    present, required, excluded = reached[..., PRESENT] > 0.5, desired[..., PRESENT] > 0.5, desired[..., EXCLUDED] > 0.5
    number, asked = (np.rint(v[..., NUMBER] * MAX_ELEMENTS) for v in (reached, desired))
    fits = ~(required & ~present).any(axis=-1) & ~(excluded & present).any(axis=-1)
    fits &= np.where(asked > 0, number == asked, (number >= FEWEST_ELEMENTS) & (number <= MOST_ELEMENTS))
    return utility * fits * reached[..., WORTH]


def as_wishes(reached: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Wishes that what was reached meets, of two to four elements, in the form in which wishes are drawn: hindsight.

    What was reached says everything about a formula, a wish little: a policy that is trained on the one has not learnt
    to read the other. So only the least and the most electronegative element stay required, one property or both, as
    targets or as windows around them (`matenv.tasks.wishes.windows_around`), the number of elements in half of the
    wishes, and up to three absent elements are excluded (`matenv.tasks.wishes.draw`). Of a pair that wishes of the test
    part require, one element stays, by chance: whoever learns in hindsight meets those pairs no more than in wishes.

    Args:
        reached: What formulas are (B, WIDTH), as `achieved` says.
        rng: Source of chance.

    Returns:
        Goals (B, WIDTH), as `Wishes.vectors` says. A formula without a prediction gives a wish without a property.
    """
    rows = np.arange(len(reached))
    goal = np.zeros_like(reached)
    asked = _ASKED[rng.integers(len(_ASKED), size=len(rows))]
    known = asked & (reached[:, HAS_LOW] > 0.5)
    means = reached[:, LOW] * _SCALE + _CENTRE
    for values, flags, end in zip((LOW, HIGH), (HAS_LOW, HAS_HIGH), windows_around(means, WINDOWS, rng), strict=True):
        goal[:, flags] = given = known & np.isfinite(end)
        scaled = np.clip((np.where(given, end, 0.0) - _CENTRE) / _SCALE, -BOUND, BOUND)
        goal[:, values] = np.where(end == means, reached[:, LOW], scaled) * given  # a target is not scaled to and fro
    present = reached[:, PRESENT] > 0.5
    least = np.where(present, _PULL, np.inf).argmin(axis=1)
    most = _E - 1 - np.where(present, _PULL, -np.inf)[:, ::-1].argmax(axis=1)  # of equals the last one: another element
    kept = np.where(held_out_pairs()[least, most], rng.integers(1, 3, size=len(rows)), 3)
    for bit, extreme in ((1, least), (2, most)):
        asked_for = present[rows, extreme] & (kept & bit > 0)
        goal[rows, PRESENT.start + extreme] = np.maximum(goal[rows, PRESENT.start + extreme], asked_for)
    chance = np.where(present | ~_DRAWN, np.inf, rng.random(present.shape))
    rank = np.argpartition(chance, MOST_EXCLUDED, axis=1)[:, :MOST_EXCLUDED]
    left_out = np.arange(MOST_EXCLUDED) < rng.integers(MOST_EXCLUDED + 1, size=len(rows))[:, None]
    np.put_along_axis(goal[:, EXCLUDED], rank, left_out.astype(np.float32), axis=1)
    goal[:, NUMBER] = reached[:, NUMBER] * (rng.random(len(rows)) < 0.5)
    goal[:, WORTH] = 1.0
    return goal


def check_wish(name: str, wish: Any) -> Wish:
    """A wish, or its fields as a dictionary such as ``{"targets": {"band_gap_pbe": 2.0}, "required": ["Zn", "O"]}``.

    Windows are such as ``{"windows": {"band_gap_pbe": [1.0, 2.5], "log10_bulk_modulus": [2.0, None]}}``.

    Args:
        name: Parameter name.
        wish: What was given.

    Returns:
        The wish.

    Raises:
        ValueError: Neither.
    """
    if isinstance(wish, Mapping):
        known = ("targets", "windows", "required", "excluded", "elements")
        if unknown := sorted(set(wish) - set(known)):
            raise ValueError(f"{name}={dict(wish)!r} holds unknown fields {unknown}; known: {', '.join(known)}")
        windows = wish.get("windows", {})
        if isinstance(windows, Mapping):
            windows = {key: tuple(each) if isinstance(each, list) else each for key, each in windows.items()}
        try:
            wish = Wish(**{**wish, "windows": windows})
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if not isinstance(wish, Wish):
        raise ValueError(f"{name}={wish!r} must be a matenv.tasks.wishes.Wish or a dictionary of its fields")
    Wishes.of([wish])
    for key, ends in {**{key: (value,) for key, (value, _) in wish.targets.items()}, **wish.windows}.items():
        middle, unit = SCALES[key]
        for end in ends:
            if end is not None and abs(end - middle) > BOUND * unit:
                low, high = middle - BOUND * unit, middle + BOUND * unit
                raise ValueError(f"{name}: {key}={end} must lie between {low:.3g} and {high:.3g}, as predictions do")
    if wish.elements is not None and not 1 <= wish.elements <= MAX_ELEMENTS:
        raise ValueError(f"{name}: elements={wish.elements!r} must be a number up to {MAX_ELEMENTS}, or None")
    return wish


class WishTable:
    """The wishes of a part, numbered: number k is what `matenv.tasks.wishes.draw` draws from seed k, half by windows.

    Each is drawn when it is first asked for, so that batches cost no Python a row later.

    Args:
        part: ``"train"`` or ``"test"``.
    """

    def __init__(self, part: str) -> None:
        assert part in PARTS
        self.part, self._drawn = part, np.zeros(NUMBER_OF_WISHES, np.bool_)
        self._wishes = Wishes.none(NUMBER_OF_WISHES)

    def __getitem__(self, numbers: NDArray[np.int64]) -> Wishes:
        for number in np.unique(numbers[~self._drawn[numbers]]).tolist():
            one = Wishes.of([draw(np.random.default_rng(number), self.part, WINDOWS)])
            for name in _ARRAYS:
                getattr(self._wishes, name)[number] = getattr(one, name)[0]
            self._drawn[number] = True
        return Wishes(*(getattr(self._wishes, name)[numbers] for name in _ARRAYS))


@lru_cache
def wish_table(part: str) -> WishTable:
    """The wishes of a part, one table for all environments."""
    return WishTable(part)


def draw_wishes(generators: Sequence[Generator], part: str) -> Wishes:
    """Wishes by chance, one draw from each generator.

    Args:
        generators: One per row.
        part: ``"train"`` or ``"test"``.

    Returns:
        As many wishes.
    """
    draws = np.array([generator.random() for generator in generators])
    return wish_table(part)[(draws * NUMBER_OF_WISHES).astype(np.int64)]
