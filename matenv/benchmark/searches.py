"""Searches that know nothing but a score: random formulas, samples of a latent space's prior, and evolution.

`evolve` is the adversary that a reward must withstand: it drives a score as high as it can. Its population holds the
best formula of each chemical system, so that it ends with many different exploits and not with one in many dilutions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.benchmark.method import register
from matenv.benchmark.record import Search, best_by_system
from matenv.composition import CompositionBatch
from matenv.latent import load_latent
from matenv.oracle import Oracle
from matenv.tasks import Task
from matenv.tasks.sampling import random_formulas

BATCH = 256
"""Formulas drawn at once by a search that never learns."""

POPULATION = 250
"""Chemical systems kept."""

CHILDREN = 500
"""Formulas tried per generation."""

_NEAR = 4  # places on Pettifor's scale between an element and one that may replace it
_LARGEST_START = 6  # atoms of one element in a random formula

Formula = dict[int, int]
"""Atoms per formula unit by alphabet position."""


def uniform_search(task: Task, oracle: Oracle, seed: int = 0) -> Search:
    """Random formulas within the task's rules: the search without any model, which every other must beat.

    Args:
        task: What the score is; also says which formulas are allowed.
        oracle: What pays the score; fresh, with a budget.
        seed: Of the formulas.

    Returns:
        All formulas assessed, with their scores.

    Raises:
        ValueError: An oracle without a budget, or one already used.
    """
    return _draw(task, oracle, lambda number: random_formulas(task, BATCH, seed=(seed << 20) + number))


def prior_search(task: Task, oracle: Oracle, seed: int = 0, latent: str = "vae") -> Search:
    """Samples of a latent space's prior, decoded: the search that knows what formulas look like, and nothing else.

    Args:
        task: As `uniform_search`.
        oracle: As `uniform_search`.
        seed: Of the samples.
        latent: Name of the latent space.

    Returns:
        As `uniform_search`.

    Raises:
        ValueError: As `uniform_search`.
    """
    space = load_latent(latent)
    return _draw(task, oracle, lambda number: space.decode_batch(space.sample(BATCH, seed=(seed << 20) + number)))


def prior_samples(task: Task, oracle: Oracle, seed: int = 0, latent: str = "vae") -> Search:
    """The same in larger batches and from other draws, those that the tables of `matenv.benchmark.gap` are made of.

    Args:
        task: As `uniform_search`.
        oracle: As `uniform_search`.
        seed: Of the samples.
        latent: Name of the latent space.

    Returns:
        As `uniform_search`.

    Raises:
        ValueError: As `uniform_search`.
    """
    space, random = load_latent(latent), np.random.default_rng(seed)
    return _draw(task, oracle, lambda _: space.decode_batch(space.sample(2 * BATCH, int(random.integers(2**31)))))


def _draw(task: Task, oracle: Oracle, draw: Callable[[int], CompositionBatch]) -> Search:
    """Assess batch after batch, by number, until the budget is spent."""
    _fresh_budget(oracle)
    number = 0
    while not oracle.exhausted:
        oracle.assess(draw(number))
        number += 1
    return Search.of(oracle, task)


def evolve(task: Task, oracle: Oracle, seed: int = 0) -> Search:
    """Mutations and crossings of the best formulas, one per chemical system.

    Args:
        task: As `uniform_search`.
        oracle: As `uniform_search`.
        seed: Of everything random.

    Returns:
        As `uniform_search`.

    Raises:
        ValueError: As `uniform_search`.
    """
    budget = _fresh_budget(oracle)
    random, allowed = np.random.default_rng(seed), np.flatnonzero(task.allowed)
    best, fitness = CompositionBatch.from_counts(np.zeros((0, alphabet.NUM_ELEMENTS), int)), np.zeros(0)
    while not oracle.exhausted:
        room = min(CHILDREN, budget - oracle.calls)
        # A fifth is drawn afresh, so that a population that has converged does not end the search.
        children = [_random_formula(allowed, task, random) for _ in range(room if not len(best) else room // 5)]
        parents = [_formula(best, row) for row in range(len(best))]
        children += [_child(parents, allowed, random) for _ in range(room - len(children))]
        batch = _pack(children)
        batch = batch[np.flatnonzero(task.allows(batch))]
        batch = batch[batch.distinct()]
        assessment = oracle.assess(batch)
        score = np.where(assessment.evaluated, task.score(assessment).score, 0.0)
        pool, fitness = CompositionBatch.concatenate([best, batch]), np.concatenate([fitness, score])
        kept = best_by_system(pool, fitness, POPULATION)
        best, fitness = pool[kept], fitness[kept]
    return Search.of(oracle, task)


def _fresh_budget(oracle: Oracle) -> int:
    if oracle.budget is None or oracle.calls:
        raise ValueError(
            "oracle must be fresh and have a budget, which is the length of the search; Oracle(budget=10_000)"
        )
    return oracle.budget


def _pack(formulas: list[Formula]) -> CompositionBatch:
    counts = np.zeros((len(formulas), alphabet.NUM_ELEMENTS), np.int64)
    for row, formula in enumerate(formulas):
        counts[row, list(formula)] = list(formula.values())
    return CompositionBatch.from_counts(counts)


def _formula(batch: CompositionBatch, row: int) -> Formula:
    size = batch.size[row]
    return dict(zip(batch.elements[row, :size].tolist(), batch.counts[row, :size].tolist(), strict=True))


def _random_formula(allowed: NDArray[np.int64], task: Task, random: Generator) -> Formula:
    number = int(random.integers(task.min_elements, min(task.max_elements, 4, len(allowed)) + 1))
    chosen = random.choice(allowed, number, replace=False).tolist()
    if len(task.required):
        held = [int(random.choice(np.flatnonzero(group & task.allowed))) for group in task.required]
        chosen = list(dict.fromkeys((*held, *chosen)))[: max(number, len(set(held)))]
    return {element: int(random.integers(1, _LARGEST_START + 1)) for element in chosen}


_PETTIFOR = np.argsort(np.argsort(alphabet.values("mendeleev"))).astype(np.int64)


def _child(parents: list[Formula], allowed: NDArray[np.int64], random: Generator) -> Formula:
    """A parent after one to three changes: an element exchanged, added or removed, a count changed, or a crossing."""
    child = dict(parents[int(random.integers(len(parents)))])
    for _ in range(int(random.integers(1, 4))):
        change, present = random.random(), list(child)
        element = present[int(random.integers(len(present)))]
        if change < 0.35:
            pool = allowed
            if random.random() < 0.7:
                pool = allowed[np.abs(_PETTIFOR[allowed] - _PETTIFOR[element]) <= _NEAR]
            other = int(random.choice(pool)) if len(pool) else element
            if other not in child:
                child[other] = child.pop(element)
        elif change < 0.7:
            child[element] = max(child[element] + int(random.choice((-2, -1, 1, 2))), 1)
        elif change < 0.8:
            child[int(random.choice(allowed))] = int(random.integers(1, 5))
        elif change < 0.88 and len(child) > 2:
            del child[element]
        else:
            mate = parents[int(random.integers(len(parents)))]
            both = {**mate, **child}
            size = min(len(child), len(both))
            child = {k: both[k] for k in random.permutation(list(both))[:size].tolist()}
    return child


register("uniform random formulas", uniform_search)
register("prior sampling", prior_search)
register("evolutionary search", evolve)
