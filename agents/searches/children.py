"""Children of formulas: elements exchanged, added or removed, counts changed, formulas crossed; a batch at once."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.elements import values
from matenv.tasks import Task

KINDS = {"exchange": 0.35, "count": 0.35, "add": 0.10, "remove": 0.08, "cross": 0.12}
"""Kinds of changes and how often each is made."""

MOST_CHANGES = 3

PETTIFOR = np.argsort(np.argsort(values("mendeleev")))
"""Place of each element on Pettifor's scale (89,): elements in the order of their Mendeleev numbers."""

NEAR = 4
"""Places on that scale between an element and one that may replace it."""

_MOST_ELEMENTS = 10


def children(
    parents: CompositionBatch, mates: CompositionBatch, task: Task, rng: Generator, most: int = MOST_CHANGES
) -> CompositionBatch:
    """One child of each parent, after one to `most` changes.

    Args:
        parents: Formulas (B).
        mates: Formulas that they may be crossed with, at least one.
        task: Says which elements may enter; that a child obeys its other rules is for the caller to check.
        rng: Source of chance.
        most: Most changes.

    Returns:
        The children, at most B.
    """
    counts, pool = parents.dense_counts().astype(np.int64), mates.dense_counts()
    allowed = task.allowed.astype(np.float64)
    near = (np.abs(PETTIFOR[:, None] - PETTIFOR) <= NEAR) * allowed
    number = rng.integers(1, most + 1, len(counts))
    for change in range(most):
        kind = rng.choice(len(KINDS), len(counts), p=list(KINDS.values()))
        kind[number <= change] = -1
        chosen = _pick(counts > 0, rng)
        for step, rows in ((k, np.flatnonzero(kind == k)) for k in range(len(KINDS))):
            if len(rows):
                _CHANGES[step](counts, rows, chosen[rows], near, allowed, pool, rng)
    present = (counts > 0).sum(axis=1)
    return CompositionBatch.from_counts(counts[(present >= 1) & (present <= _MOST_ELEMENTS)])


def _pick(weight: NDArray, rng: Generator) -> NDArray[np.int64]:
    """A column (B,) of each row by chance, -1 where all weights (B, 89) are 0."""
    draw = rng.random(weight.shape) * weight
    return np.where(draw.max(axis=1) > 0, draw.argmax(axis=1), -1)


def _exchange(counts, rows, chosen, near, allowed, pool, rng) -> None:  # type: ignore[no-untyped-def]
    weight = np.where((rng.random(len(rows)) < 0.7)[:, None], near[chosen], allowed) * (counts[rows] == 0)
    other = _pick(weight, rng)
    rows, chosen, other = (column[other >= 0] for column in (rows, chosen, other))
    counts[rows, other] = counts[rows, chosen]
    counts[rows, chosen] = 0


def _count(counts, rows, chosen, near, allowed, pool, rng) -> None:  # type: ignore[no-untyped-def]
    counts[rows, chosen] = np.maximum(counts[rows, chosen] + rng.choice((-2, -1, 1, 2), len(rows)), 1)


def _add(counts, rows, chosen, near, allowed, pool, rng) -> None:  # type: ignore[no-untyped-def]
    other = _pick(allowed * (counts[rows] == 0), rng)
    rows, other = rows[other >= 0], other[other >= 0]
    counts[rows, other] = rng.integers(1, 5, len(rows))


def _remove(counts, rows, chosen, near, allowed, pool, rng) -> None:  # type: ignore[no-untyped-def]
    enough = (counts[rows] > 0).sum(axis=1) > 2
    counts[rows[enough], chosen[enough]] = 0


def _cross(counts, rows, chosen, near, allowed, pool, rng) -> None:  # type: ignore[no-untyped-def]
    """As many elements as before, drawn from both; the child's own counts stand where both have an element."""
    own, mate = counts[rows], pool[rng.integers(len(pool), size=len(rows))]
    both = np.where(own > 0, own, mate)
    rank = (-rng.random(both.shape) * (both > 0)).argsort(axis=1).argsort(axis=1)
    counts[rows] = np.where(rank < (own > 0).sum(axis=1)[:, None], both, 0)


_CHANGES = (_exchange, _count, _add, _remove, _cross)
