"""An adversary: an evolutionary search over formulas that knows nothing but a score, and drives it as high as it can.

It is what a reward must withstand. The population holds the best formula of each chemical system, so that what it ends
with are many different exploits and not one in many dilutions.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.benchmark.record import Search, best_by_system
from matenv.composition import CompositionBatch
from matenv.oracle import Oracle
from matenv.tasks import Task

POPULATION = 250
"""Chemical systems kept."""

CHILDREN = 500
"""Formulas tried per generation."""

_NEAR = 4  # places on Pettifor's scale between an element and one that may replace it
_LARGEST_START = 6  # atoms of one element in a random formula

Formula = dict[int, int]
"""Atoms per formula unit by alphabet position."""


def evolve(task: Task, oracle: Oracle, seed: int = 0) -> Search:
    """Search until the oracle's budget is spent.

    Args:
        task: What the score is; also says which elements and counts are allowed.
        oracle: What pays the score. Its budget is the length of the search.
        seed: Of everything random.

    Returns:
        All formulas assessed, with their scores; a function of the arguments alone.

    Raises:
        ValueError: An oracle without a budget, or one already used.
    """
    if oracle.budget is None or oracle.calls:
        raise ValueError(
            "oracle must be fresh and have a budget, which is the length of the search; Oracle(budget=10_000)"
        )
    random, allowed = np.random.default_rng(seed), np.flatnonzero(task.allowed)
    batches, scores, best = [], [], CompositionBatch.from_counts(np.zeros((0, alphabet.NUM_ELEMENTS), int))
    fitness = np.zeros(0)
    while not oracle.exhausted:
        room = min(CHILDREN, oracle.budget - oracle.calls)
        # A fifth is drawn afresh, so that a population that has converged does not end the search.
        children = [_random_formula(allowed, task, random) for _ in range(room if not len(best) else room // 5)]
        parents = [_formula(best, row) for row in range(len(best))]
        children += [_child(parents, allowed, random) for _ in range(room - len(children))]
        batch = _pack(children)
        batch = batch[np.flatnonzero(task.allows(batch))]
        batch = batch[batch.distinct()]
        assessment = oracle.assess(batch)
        score = np.where(assessment.evaluated, task.score(assessment).score, 0.0)
        batches.append(batch[np.flatnonzero(assessment.evaluated)])
        scores.append(score[assessment.evaluated])
        pool, fitness = CompositionBatch.concatenate([best, batch]), np.concatenate([fitness, score])
        kept = best_by_system(pool, fitness, POPULATION)
        best, fitness = pool[kept], fitness[kept]
    compositions, everything = CompositionBatch.concatenate(batches), np.concatenate(scores)
    distinct = compositions.distinct()
    return Search(compositions[distinct], everything[distinct])


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
