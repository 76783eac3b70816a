"""Uniformly random formulas within a task's rules: a start for episodes, and the search every agent must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.tasks import Task


def random_formulas(task: Task, k: int, seed: int) -> CompositionBatch:
    """Random formulas that obey a task's rules on elements and counts.

    The number of elements is uniform over those the rules leave room for, the elements are uniform without repeats, and
    the counts are uniform over all that obey the limits on atoms and on one element's count. Required elements are in
    first, one of each group by chance; there are then no fewer elements than that takes.

    Args:
        task: The task.
        k: Number of formulas.
        seed: Seed of the draws.

    Returns:
        The compositions (k); a formula can occur twice.

    Raises:
        ValueError: `k` below 1, or rules that leave no formula.

    Examples:
        >>> from matenv import load_task
        >>> task = load_task("stiff-stable", elements=["Li", "Co", "O"])
        >>> bool(task.allows(random_formulas(task, 100, seed=0)).all())
        True
    """
    if k < 1:
        raise ValueError(f"k={k} must be at least 1")
    allowed = np.flatnonzero(task.allowed)
    most = min(task.max_elements, len(allowed), task.max_atoms)
    if most < task.min_elements:
        raise ValueError(f"task {task.name!r}: max_atoms={task.max_atoms} is too few for {task.min_elements} elements")
    rng = np.random.default_rng(seed)
    size = rng.integers(task.min_elements, most + 1, k)
    keys = rng.random((k, len(allowed)))
    for group in task.required[:, allowed]:
        lacking = ~(keys[:, group] < 0).any(axis=1)
        chosen = rng.choice(np.flatnonzero(group), k)
        keys[lacking, chosen[lacking]] -= 1.0
    size = np.maximum(size, (keys < 0).sum(axis=1))
    order = keys.argsort(axis=1)
    counts = _counts(rng, size, most, task)
    dense = np.zeros((k, alphabet.NUM_ELEMENTS), np.int64)
    np.put_along_axis(dense, allowed[order[:, :most]], counts, axis=1)
    return CompositionBatch.from_counts(dense)


def _counts(rng: np.random.Generator, size: NDArray[np.int64], most: int, task: Task) -> NDArray[np.int64]:
    """Counts (k, most), `size` of them above zero in each row.

    n of the numbers 1..max_atoms, in order, are the running totals of n counts with at most max_atoms atoms, and every
    such list of counts once: drawing the numbers without repeats makes the counts uniform.
    """
    counts = np.zeros((len(size), most), np.int64)
    todo = np.arange(len(size))
    while len(todo):
        marks = rng.random((len(todo), task.max_atoms)).argsort(axis=1)[:, :most] + 1
        marks[np.arange(most) >= size[todo, None]] = task.max_atoms + 1  # beyond the formula
        totals = np.sort(marks, axis=1)
        drawn = np.diff(totals, axis=1, prepend=0) * (np.arange(most) < size[todo, None])
        counts[todo] = drawn
        todo = todo[drawn.max(axis=1) > task.max_count]
    return counts
