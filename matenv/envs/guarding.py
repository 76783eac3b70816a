"""Out-of-distribution guards in an environment: observation blocks, reward terms and ends of episodes.

Only the guards that something names are worked out, so an environment that asks for none pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from matenv.checks import check_number
from matenv.envs.observations import Block
from matenv.envs.rewards import TermFunction, Transition
from matenv.envs.state import Facts, State
from matenv.guards import GUARDS, check_guard

OBSERVED_UP_TO = 4.0
"""Guards are clipped at this in observations."""

PENALISED_FROM = 1.0
"""A guard's reward term charges what exceeds this: its 99 % quantile over held-out data."""


def asked_for(*places: Iterable[str] | None) -> tuple[str, ...]:
    """The guards that some lists of names mention.

    Args:
        places: Names of observation blocks, of reward terms, of limits.

    Returns:
        Keys of `GUARDS`, in their order.
    """
    named = {name for place in places for name in place or () if isinstance(name, str)}
    return tuple(name for name in GUARDS if name in named)


def check_limits(limits: Mapping[str, float] | None) -> dict[str, float]:
    """Limits beyond which an episode ends.

    Args:
        limits: The value of ``end_beyond``: limit by guard.

    Returns:
        The limits.

    Raises:
        ValueError: An unknown guard, or a limit that is not a positive number.
    """
    if limits is not None and not isinstance(limits, Mapping):
        raise ValueError(f"end_beyond={limits!r} must be a dictionary of limits by guard, such as {{'uncertainty': 1}}")
    for name in limits or {}:
        check_guard(name, "end_beyond")
    what, given = "positive, in units of the guard's 99 % quantile over held-out data", limits or {}
    return {name: check_number(f"end_beyond[{name!r}]", limit, 0, np.inf, what) for name, limit in given.items()}


def guard_blocks() -> dict[str, Block]:
    """An observation block of one value for each guard; only written if somebody asked for it."""

    def block(name: str) -> Block:
        def write(state: State, view: NDArray[np.float32]) -> None:
            view[:, 0] = np.minimum(state.facts.guards[name], OBSERVED_UP_TO)

        return Block(1, 0.0, OBSERVED_UP_TO, write)

    return {name: block(name) for name in GUARDS}


def guard_terms() -> dict[str, TermFunction]:
    """A reward term for each guard: minus what exceeds `PENALISED_FROM`, in the guard's unit."""

    def term(name: str) -> TermFunction:
        def excess(transition: Transition) -> NDArray[np.float64]:
            return -np.maximum(transition.after.facts.guards[name] - PENALISED_FROM, 0.0)

        return excess

    return {name: term(name) for name in GUARDS}


def beyond(facts: Facts, limits: Mapping[str, float] | None) -> NDArray[np.bool_]:
    """Whether any guard exceeds its limit (N,) bool."""
    over = np.zeros(len(facts.score), np.bool_)
    for name, limit in (limits or {}).items():
        over |= facts.guards[name] > limit
    return over
