"""Wishes of a batch of episodes: each row asks for something else, and its observation says what.

A wish (`matenv.tasks.wishes.Wish`) joins the environment's task: score = the task's score x utility of the wish x
whether its elements fit. As a vector, what is asked for and what a formula is have the same form (`ACHIEVED`), so that
what was reached in hindsight can be taken for what was asked for.
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
from matenv.tasks.wishes import ASKED_FOR, MOST_ELEMENTS, MOST_EXCLUDED, PARTS, TOLERANCES, Wish, draw

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

VALUES, FLAGS = slice(0, _P), slice(_P, 2 * _P)
PRESENT, EXCLUDED = slice(2 * _P, 2 * _P + _E), slice(2 * _P + _E, 2 * _P + 2 * _E)
NUMBER, WORTH = 2 * _P + 2 * _E, 2 * _P + 2 * _E + 1
WIDTH = WORTH + 1
"""Values in a vector."""


@dataclass
class Wishes:
    """What N episodes ask for.

    Attributes:
        target: Value asked for of each of `PROPERTIES`, in its unit (N, P); 0 where none is.
        wanted: Whether one is (N, P) bool.
        required: Elements that must occur (N, 89) bool.
        excluded: Elements that must not (N, 89) bool.
        elements: Number of elements (N,) int64; 0 for two to `MOST_ELEMENTS`.
    """

    target: NDArray[np.float64]
    wanted: NDArray[np.bool_]
    required: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    elements: NDArray[np.int64]

    @classmethod
    def of(cls, wishes: Sequence[Wish]) -> Wishes:
        """Wishes as arrays.

        Args:
            wishes: N wishes.

        Raises:
            ValueError: One about another property, with another tolerance, or about unknown elements.
        """
        rows = len(wishes)
        packed = cls(
            np.zeros((rows, _P)), np.zeros((rows, _P), np.bool_), np.zeros((rows, _E), np.bool_),
            np.zeros((rows, _E), np.bool_), np.zeros(rows, np.int64),
        )  # fmt: skip
        for row, wish in enumerate(wishes):
            for name, (value, tolerance) in wish.targets.items():
                if name not in TOLERANCES or not np.isfinite(value):
                    raise ValueError(f"wish about {name!r}={value!r}: a finite value of {' or '.join(PROPERTIES)}")
                if tolerance != TOLERANCES[name]:
                    raise ValueError(
                        f"wish about {name!r} has the tolerance {tolerance}; environments know {TOLERANCES[name]} only"
                    )
                packed.target[row, PROPERTIES.index(name)] = value
                packed.wanted[row, PROPERTIES.index(name)] = True
            packed.required[row, alphabet.positions(wish.required, "required")] = True
            packed.excluded[row, alphabet.positions(wish.excluded, "excluded")] = True
            packed.elements[row] = wish.elements or 0
        return packed

    def wish(self, row: int) -> Wish:
        """One row's wish; whether only the unknown counts is a matter of the task."""
        targets = {
            name: (float(self.target[row, k]), TOLERANCES[name])
            for k, name in enumerate(PROPERTIES)
            if self.wanted[row, k]
        }
        required, excluded = (
            tuple(alphabet.SYMBOLS[k] for k in np.flatnonzero(mask[row])) for mask in (self.required, self.excluded)
        )
        return Wish(targets, required, excluded, int(self.elements[row]) or None, novel=False)

    def utility(self, mean: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Product over the targets of exp(-((predicted mean - target) / tolerance)^2 / 2) (N,); 0 without a prediction.

        Args:
            mean: Predicted means by property (N,).
        """
        utility = np.ones(len(self.elements))
        for k, name in enumerate(PROPERTIES):
            near = np.exp(-0.5 * ((mean[name] - self.target[:, k]) / _TOLERANCE[k]) ** 2)
            utility *= np.where(self.wanted[:, k], np.nan_to_num(near), 1.0)
        return utility

    def fits(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """Whether formulas have the elements that are asked for, and as many (N,) bool."""
        present = present_in(batch)
        least = np.where(self.elements > 0, self.elements, FEWEST_ELEMENTS)
        most = np.where(self.elements > 0, self.elements, MOST_ELEMENTS)
        fits = (batch.size >= least) & (batch.size <= most)
        return fits & ~(self.required & ~present).any(axis=1) & ~(self.excluded & present).any(axis=1)

    def success_utility(self) -> NDArray[np.float64]:
        """Utility of a formula one tolerance away in every property (N,)."""
        return np.exp(-0.5 * self.wanted.sum(axis=1))

    def vectors(self) -> NDArray[np.float32]:
        """The wishes as goals (N, WIDTH): what `achieved` says of a formula that meets them."""
        goal = np.zeros((len(self.elements), WIDTH), np.float32)
        goal[:, VALUES] = np.clip((self.target - _CENTRE) / _SCALE, -BOUND, BOUND) * self.wanted
        goal[:, FLAGS] = self.wanted
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
        (B, WIDTH): scaled predicted means and whether there are any, the elements present, nothing excluded, the number
        of elements over 10, and the task's score without the wish.
    """
    reached = np.zeros((len(batch), WIDTH), np.float32)
    mean = np.stack([means[name] for name in PROPERTIES], axis=1)
    reached[:, VALUES] = np.clip(np.nan_to_num((mean - _CENTRE) / _SCALE), -BOUND, BOUND)
    reached[:, FLAGS] = np.isfinite(mean)
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
    wanted, predicted = desired[..., FLAGS] > 0.5, reached[..., FLAGS] > 0.5
    away = (reached[..., VALUES] - desired[..., VALUES]) * (_SCALE / _TOLERANCE)
    utility = np.where(wanted, np.where(predicted, np.exp(-0.5 * away**2), 0.0), 1.0).prod(axis=-1)
    present, required, excluded = reached[..., PRESENT] > 0.5, desired[..., PRESENT] > 0.5, desired[..., EXCLUDED] > 0.5
    number, asked = (np.rint(v[..., NUMBER] * MAX_ELEMENTS) for v in (reached, desired))
    fits = ~(required & ~present).any(axis=-1) & ~(excluded & present).any(axis=-1)
    fits &= np.where(asked > 0, number == asked, (number >= FEWEST_ELEMENTS) & (number <= MOST_ELEMENTS))
    return utility * fits * reached[..., WORTH]


def as_wishes(reached: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Wishes that what was reached meets, of two to four elements, in the form in which wishes are drawn: hindsight.

    What was reached says everything about a formula, a wish little: a policy that is trained on the one has not learnt
    to read the other. So only the least and the most electronegative element stay required, one property or both, the
    number of elements in half of the wishes, and up to three absent elements are excluded (`matenv.tasks.wishes.draw`).

    Args:
        reached: What formulas are (B, WIDTH), as `achieved` says.
        rng: Source of chance.

    Returns:
        Goals (B, WIDTH), as `Wishes.vectors` says. A formula without a prediction gives a wish without a property.
    """
    rows = np.arange(len(reached))
    goal = np.zeros_like(reached)
    asked = _ASKED[rng.integers(len(_ASKED), size=len(rows))]
    goal[:, FLAGS] = asked & (reached[:, FLAGS] > 0.5)
    goal[:, VALUES] = reached[:, VALUES] * goal[:, FLAGS]
    present = reached[:, PRESENT] > 0.5
    least = np.where(present, _PULL, np.inf).argmin(axis=1)
    most = _E - 1 - np.where(present, _PULL, -np.inf)[:, ::-1].argmax(axis=1)  # of equals the last one: another element
    for extreme in (least, most):
        goal[rows, PRESENT.start + extreme] = present[rows, extreme]
    chance = np.where(present | ~_DRAWN, np.inf, rng.random(present.shape))
    rank = np.argpartition(chance, MOST_EXCLUDED, axis=1)[:, :MOST_EXCLUDED]
    left_out = np.arange(MOST_EXCLUDED) < rng.integers(MOST_EXCLUDED + 1, size=len(rows))[:, None]
    np.put_along_axis(goal[:, EXCLUDED], rank, left_out.astype(np.float32), axis=1)
    goal[:, NUMBER] = reached[:, NUMBER] * (rng.random(len(rows)) < 0.5)
    goal[:, WORTH] = 1.0
    return goal


def check_wish(name: str, wish: Any) -> Wish:
    """A wish, or its fields as a dictionary such as ``{"targets": {"band_gap_pbe": 2.0}, "required": ["Zn", "O"]}``.

    Args:
        name: Parameter name.
        wish: What was given.

    Returns:
        The wish.

    Raises:
        ValueError: Neither.
    """
    if isinstance(wish, Mapping):
        known = ("targets", "required", "excluded", "elements")
        if unknown := sorted(set(wish) - set(known)):
            raise ValueError(f"{name}={dict(wish)!r} holds unknown fields {unknown}; known: {', '.join(known)}")
        targets = {
            key: (value, TOLERANCES.get(key, np.nan)) if np.isscalar(value) else tuple(value)
            for key, value in dict(wish.get("targets", {})).items()
        }
        required, excluded = tuple(wish.get("required", ())), tuple(wish.get("excluded", ()))
        wish = Wish(targets, required, excluded, wish.get("elements"))
    if not isinstance(wish, Wish):
        raise ValueError(f"{name}={wish!r} must be a matenv.tasks.wishes.Wish or a dictionary of its fields")
    Wishes.of([wish])
    if wish.elements is not None and not 1 <= wish.elements <= MAX_ELEMENTS:
        raise ValueError(f"{name}: elements={wish.elements!r} must be a number up to {MAX_ELEMENTS}, or None")
    return wish


class WishTable:
    """The wishes of a part, numbered: number k is what `matenv.tasks.wishes.draw` draws from seed k.

    Each is drawn when it is first asked for, so that batches cost no Python a row later.

    Args:
        part: ``"train"`` or ``"test"``.
    """

    def __init__(self, part: str) -> None:
        assert part in PARTS
        self.part, self._drawn = part, np.zeros(NUMBER_OF_WISHES, np.bool_)
        self._wishes = Wishes(
            np.zeros((NUMBER_OF_WISHES, _P)), np.zeros((NUMBER_OF_WISHES, _P), np.bool_),
            np.zeros((NUMBER_OF_WISHES, _E), np.bool_), np.zeros((NUMBER_OF_WISHES, _E), np.bool_),
            np.zeros(NUMBER_OF_WISHES, np.int64),
        )  # fmt: skip

    def __getitem__(self, numbers: NDArray[np.int64]) -> Wishes:
        for number in np.unique(numbers[~self._drawn[numbers]]).tolist():
            one = Wishes.of([draw(np.random.default_rng(number), self.part)])
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
