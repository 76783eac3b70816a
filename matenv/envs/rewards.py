"""Reward terms: named, weighted, summed. Built-in ones are reported whatever their weight; others once asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_number, check_unmasked
from matenv.envs.state import State
from matenv.tasks import PARTS

PENALTIES: dict[str, str] = {
    "ood": "minus how far beyond the trained ball the move tried to go, in units of its radius",
    "illegal": "minus 1 for a move that the rules forbid, which leaves the formula as it is",
}
"""The one term that depends on how an environment moves: what a move that leaves its bounds is charged."""


def terms_with(penalty: str) -> dict[str, str]:
    """Every reward term that an environment always reports, and what it is.

    Args:
        penalty: The environment's own term, a key of `PENALTIES`.

    Returns:
        Meaning by name.
    """
    return {
        "score": "the task's score of the formula that the move ends on, changed or not; 0 for a forbidden edit",
        penalty: PENALTIES[penalty],
        "novelty": "1 for a valid formula that is no near-copy of a known formula",
        "step_cost": "minus 1 per step",
        "shaping": "discounted score of the new formula (0 if the episode terminated) minus score of the old one",
    }


TERMS = terms_with("ood")
"""Every reward term that the latent environment always reports and what it is."""

DEFAULT_WEIGHTS: dict[str, float] = {"score": 1.0}


class Transition(NamedTuple):
    """N moves at once, as a reward term sees them.

    Attributes:
        before: Where the rows stood: `State.compositions` (``.fractions()`` (N, 89), ``.formulas()``), `State.mean`
            and `State.std` by property, `State.facts` (``facts["score"]`` or ``facts.score``, and so ``p_stable``,
            ``decomposition_energy`` [eV/atom], ``valid``, ``known``, ...), `State.place` (latent positions or counts),
            `State.step`.
        after: Where they stand now, likewise. Facts of formulas without a prediction are NaN.
        moved: Whether the formula changed (N,) bool.
        outside: How far each move tried to leave its bounds (N,): radii of the trained ball, or 1 for a refused edit.
        last: Whether the episode ends with this move (N,) bool.
        terminated: Whether it ends because the target is met, not because time is up (N,) bool.
    """

    before: State
    after: State
    moved: NDArray[np.bool_]
    outside: NDArray[np.float64]
    last: NDArray[np.bool_]
    terminated: NDArray[np.bool_]


TermFunction = Callable[[Transition], ArrayLike]
"""A reward term: what each of N moves earns, (N,) finite numbers, before it is weighted."""

Reward = Mapping[str, float | tuple[float, TermFunction]]
"""Weight by name of a built-in term, or weight and function by a name of one's own."""


class Terms:
    """The reward terms of an environment and their weights.

    Args:
        reward: Weight by term name, or ``(weight, function)`` for a term of one's own; terms left out weigh 0. None for
            the default ``{"score": 1}``.
        penalty: The environment's own term, a key of `PENALTIES`.
        offered: Functions of further terms that are worked out only if `reward` names them.
        parts: Names of the task's objectives, which `info` reports beside the terms.
        repeat_decay: Factor of the score for each earlier visit to the formula in the episode; 1 for none.

    Attributes:
        weights: Weight of every term.

    Raises:
        ValueError: Unknown term, a weight that is not a finite number, a name of one's own that is taken.
    """

    def __init__(
        self,
        reward: Reward | None = None,
        penalty: str = "ood",
        offered: Mapping[str, TermFunction] | None = None,
        parts: Iterable[str] = (),
        repeat_decay: float = 1.0,
    ) -> None:
        if reward is not None and not isinstance(reward, Mapping):
            raise ValueError(f"reward={reward!r} must be a dictionary of weights by term, such as {{'score': 1.0}}")
        reward = dict(DEFAULT_WEIGHTS if reward is None else reward)
        offered = offered or {}
        always = terms_with(penalty)
        self.penalty, self.repeat_decay = penalty, repeat_decay
        self.weights = dict.fromkeys(always, 0.0)
        self._functions: dict[str, TermFunction] = {}
        for name, value in reward.items():
            if isinstance(value, tuple):
                weight, self._functions[name] = _own_term(name, value, {**always, **offered}, (*PARTS, *parts))
            elif name in offered:
                weight, self._functions[name] = value, offered[name]
            elif name in always:
                weight = value
            else:
                raise ValueError(
                    f"reward holds unknown terms [{name!r}]; choose from {', '.join((*always, *offered))}, or give "
                    f"your own: reward={{{name!r}: (weight, function)}}"
                )
            self.weights[name] = check_number(f"reward[{name!r}]", weight, -math.inf, math.inf, "a finite number")
        if twice := set(parts) & set(self.weights):
            raise ValueError(
                f"{', '.join(sorted(twice))} is both a reward term and an objective of the task; rename the property"
            )

    def __call__(self, transition: Transition, discount: float) -> dict[str, NDArray[np.float64]]:
        """Unweighted terms of one step.

        Args:
            transition: N moves.
            discount: Discount of the shaping term.

        Returns:
            One (N,) array per term. Shaping is potential-based (Ng, Harada & Russell, ICML 1999): with the learner's
            discount equal to `discount` it changes no optimal policy. A state after which nothing follows has
            potential 0 (Grzes, AAMAS 2017), so a terminated episode's last state has; a truncated one's has not, as
            the process would go on and learners bootstrap from there.

        Raises:
            ValueError: A term of one's own that is not one finite number per row; it is named, with the row.
        """
        before, after = transition.before.facts, transition.after.facts
        refused = (transition.outside > 0) & (self.penalty == "illegal")
        terms = {
            "score": np.where(refused, 0.0, after.score),
            self.penalty: -transition.outside,
            "novelty": (after.novel & after.valid).astype(np.float64),  # valid by the task's rules
            "step_cost": np.full(len(transition.moved), -1.0),
            "shaping": discount * np.where(transition.terminated, 0.0, after.score) - before.score,
        }
        if self.repeat_decay != 1.0:
            assert transition.after.visits is not None  # counted wherever they decay the score
            terms["score"] *= self.repeat_decay**transition.after.visits.count
        for name, function in self._functions.items():
            terms[name] = _checked(name, function(transition), transition)
        return terms

    def total(self, terms: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """The scalar reward (N,): sum of weight times term over the terms that weigh anything."""
        total = np.zeros(len(next(iter(terms.values()))))
        for name, weight in self.weights.items():
            if weight:
                total += weight * terms[name]
        return total


def _own_term(
    name: str, value: tuple[Any, ...], taken: Mapping[str, Any], parts: Iterable[str]
) -> tuple[Any, TermFunction]:
    """Weight and function of a term of one's own."""
    if len(value) != 2 or not callable(value[1]):
        raise ValueError(f"reward[{name!r}]={value!r} must be a weight, or (weight, function)")
    if name in taken:
        raise ValueError(f"reward[{name!r}]: {name!r} is a built-in term; give your own function another name")
    if not isinstance(name, str) or name in parts:
        raise ValueError(f"reward[{name!r}]: info['terms'] holds a part of the score of that name; choose another name")
    return value


def _checked(name: str, values: ArrayLike, transition: Transition) -> NDArray[np.float64]:
    """What a term of one's own returned (N,) float64."""
    says = f"reward term {name!r} returned"
    check_unmasked(says, values)
    column = np.asarray(values)
    if column.dtype.kind not in "fiub":
        raise ValueError(f"{says} values of type {column.dtype}; expected numbers")
    if column.shape != transition.moved.shape:
        raise ValueError(f"{says} shape {column.shape}; expected {transition.moved.shape}, one number per row")
    column = column.astype(np.float64)  # a fresh array: the function may keep its own
    if not (finite := np.isfinite(column)).all():
        row = int(finite.argmin())
        formula = transition.after.compositions[row : row + 1].formulas()[0]
        raise ValueError(
            f"{says} {column[row]} for row {row} (formula {formula!r}); facts of formulas without a prediction are "
            "NaN: give such rows a number, with np.nan_to_num or np.where(transition.after.facts['valid'], ...)"
        )
    return column
