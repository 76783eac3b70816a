"""Repeat decay: a formula that the episode has been at before is worth less than at first.

Without it an agent may earn the same score again and again by going to and fro between two good formulas. Off by
default, because the reward then depends on the episode's history; where it is on, the observation shows the count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.envs.observations import Block
from matenv.envs.state import State, Visits

BLOCK = "visits"
"""Name of the observation block: how often the episode has been at the current formula before."""


def first_visits(compositions: CompositionBatch, horizon: int) -> Visits:
    """At the start of episodes.

    Args:
        compositions: Where they start (N).
        horizon: Steps per episode.

    Returns:
        No earlier visits, and logs that hold the start.
    """
    log = np.zeros((len(compositions), horizon + 1), np.uint64)
    log[:, 0] = _keys(compositions)
    return Visits(np.zeros(len(compositions), np.int64), log)


def next_visits(old: Visits, step: NDArray[np.int64], compositions: CompositionBatch) -> Visits:
    """One step later.

    Args:
        old: Where the episodes had been.
        step: Steps taken before (N,).
        compositions: Where they stand now (N).

    Returns:
        The same, in new arrays. Formulas are told apart by 64-bit keys of their counts.
    """
    log = old.log.copy()
    keys = _keys(compositions)
    count = (log == keys[:, None]).sum(axis=1)
    # A single environment may be stepped on past its horizon: the last place is then written again.
    log[np.arange(len(log)), np.minimum(step + 1, log.shape[1] - 1)] = keys
    return Visits(count, log)


def visits_block(horizon: int) -> Block:
    """Earlier visits over the horizon, in [0, 1]."""

    def write(state: State, view: NDArray[np.float32]) -> None:
        assert state.visits is not None  # counted wherever this block is observed
        view[:, 0] = np.minimum(state.visits.count / horizon, 1.0)

    return Block(1, 0.0, 1.0, write)


def _keys(compositions: CompositionBatch) -> NDArray[np.uint64]:
    """Keys (N,), never 0, which stands for an empty place of the log."""
    return np.maximum(compositions.keys(), np.uint64(1))
