"""Substitution: a formula of the table with one or two elements exchanged for like ones, as chemists have long done.

What is alike stands close on Pettifor's scale (Pettifor, Solid State Commun. 51, 31, 1984).
"""

from __future__ import annotations

import numpy as np
from matenv.agents.searches.children import PETTIFOR
from numpy.random import Generator
from numpy.typing import NDArray

from matenv.benchmark import AskTell, Problem, register
from matenv.composition import CompositionBatch
from matenv.tasks import Task

NEAR = 4
"""Places on Pettifor's scale, among the elements allowed, between one and what may stand in for it."""

BATCH = 256
"""Formulas made at once."""

TRIES = 1_000
"""Batches in vain after which the search gives up."""


class SubstitutionSearch(AskTell):
    """Formulas of the table with one or two elements exchanged; nothing is learned from scores."""

    def begin(self, problem: Problem) -> None:
        """Find the formulas of the table that so few exchanges can bring under the task's rules."""
        super().begin(problem)
        self.parents = within_reach(problem.formulas, problem.task, 2)

    def ask(self, n: int) -> CompositionBatch:
        """New formulas, at most n."""
        for _ in range(TRIES):
            batch = exchanged(self.parents, self.problem.task, self.rng)
            batch = batch[self.problem.fresh(batch)]
            if len(batch):
                break
        return batch[:n]


def within_reach(formulas: CompositionBatch, task: Task, exchanges: int) -> CompositionBatch:
    """Formulas (B) that so many exchanges can bring under a task's rules on elements; all, if there are none."""
    present = formulas.dense_counts() > 0
    wrong = np.maximum((present & ~task.allowed).sum(axis=1), _lacking(present, task).sum(axis=1))
    fits = (formulas.size >= task.min_elements) & (formulas.size <= task.max_elements) & (wrong <= exchanges)
    return formulas[fits] if fits.any() else formulas


def exchanged(
    parents: CompositionBatch, task: Task, rng: Generator, k: int = BATCH, near: int = NEAR, most: int = 2
) -> CompositionBatch:
    """Formulas with elements exchanged for like ones, first what the task forbids and for what it requires.

    Args:
        parents: Formulas to draw from, at least one.
        task: Says which elements are allowed and required.
        rng: Source of chance.
        k: How many to make.
        near: Places between an element and what may stand in for it.
        most: Most exchanges; each number from 1 on is as likely.

    Returns:
        The formulas (k).
    """
    counts = parents[rng.integers(len(parents), size=k)].dense_counts().astype(np.int64)
    number = rng.integers(1, most + 1, k)
    for turn in range(most):
        rows = np.flatnonzero(number > turn)
        counts[rows] = _exchange(counts[rows], task, rng, near)
    return CompositionBatch.from_counts(counts)


def _exchange(counts: NDArray[np.int64], task: Task, rng: Generator, near: int) -> NDArray[np.int64]:
    """One element of each formula (B, 89) for another."""
    present = counts > 0
    lacking = _lacking(present, task)
    holds = present[:, None, :] & task.required  # (B, k, 89): elements that meet a requirement
    needed = np.any(holds & (holds.sum(axis=2) == 1)[:, :, None], axis=1)
    leaves = _pick(present * np.where(task.allowed, np.where(needed, 1e-6, 1.0), 1e6), rng)
    chance = _alike(task.allowed, near)[leaves]
    if np.any(lacking):
        group = task.required[lacking.argmax(axis=1)] & task.allowed
        chance = np.where(np.any(lacking, axis=1)[:, None], group, chance)
    enters = _pick(np.where(present, 0.0, chance), rng)
    rows = np.flatnonzero(np.take_along_axis(np.where(present, 0.0, chance), enters[:, None], axis=1)[:, 0] > 0)
    counts = counts.copy()
    counts[rows, enters[rows]] = counts[rows, leaves[rows]]
    counts[rows, leaves[rows]] = 0
    return counts


def _lacking(present: NDArray[np.bool_], task: Task) -> NDArray[np.bool_]:
    """Which of the task's requirements formulas (B, 89) do not meet (B, k)."""
    return ~np.any(present[:, None, :] & task.required, axis=2)


def _pick(weight: NDArray, rng: Generator) -> NDArray[np.int64]:
    """A column (B,) of each row, by chance in proportion to weights (B, 89)."""
    with np.errstate(divide="ignore"):
        return (np.log(weight) + rng.gumbel(size=weight.shape)).argmax(axis=1)


def _alike(allowed: NDArray[np.bool_], near: int) -> NDArray[np.float64]:
    """Which allowed elements may stand in for each (89, 89): `near` on either side of it among those allowed."""
    order = np.flatnonzero(allowed)[np.argsort(PETTIFOR[allowed])]
    alike = np.zeros((len(allowed), len(allowed)))
    for element in range(len(allowed)):
        below = order[PETTIFOR[order] < PETTIFOR[element]][-near:]
        above = order[PETTIFOR[order] > PETTIFOR[element]][:near]
        alike[element, np.concatenate([below, above])] = 1.0
    return alike


register("substitution", SubstitutionSearch, ("single", "amortised"))
