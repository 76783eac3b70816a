"""A genetic algorithm over formulas: the adversary that a reward must withstand, it drives a score as high as it can.

The population holds the best formula of each chemical system, so that it ends with many different exploits and not
with one in many dilutions.
"""

from __future__ import annotations

import numpy as np
from matenv.agents.searches.children import NEAR, PETTIFOR
from numpy.random import Generator
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.benchmark import AskTell, Problem, best_by_system, register
from matenv.composition import CompositionBatch
from matenv.tasks import Task

POPULATION = 250
"""Chemical systems kept."""

CHILDREN = 500
"""Formulas tried per generation."""

FRESH = 5
"""One child in so many is drawn afresh, so that a population that has converged does not end the search."""

TRIES = 1_000
"""Generations without anything new after which the search gives up."""

_LARGEST_START = 6  # atoms of one element in a random formula

Formula = dict[int, int]
"""Atoms per formula unit by alphabet position."""


class GeneticSearch(AskTell):
    """Mutations and crossings of the best formulas, one per chemical system, that pass the free checks."""

    def begin(self, problem: Problem) -> None:
        """An empty population."""
        super().begin(problem)
        self.allowed = np.flatnonzero(problem.task.allowed)
        self.best, self.fitness = pack([]), np.zeros(0)

    def ask(self, n: int) -> CompositionBatch:
        """A generation, or as much of it as n lets in."""
        room = min(CHILDREN, n)
        for _ in range(TRIES):
            fresh = room if not len(self.best) else max(room // FRESH, 1)
            children = [random_formula(self.allowed, self.problem.task, self.rng) for _ in range(fresh)]
            parents = [as_formula(self.best, row) for row in range(len(self.best))]
            children += [child_of(parents, self.allowed, self.rng) for _ in range(room - len(children))]
            batch = pack(children)
            batch = batch[self.problem.fresh(batch)]
            if len(batch):
                break
        return batch

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Keep the best of each chemical system."""
        pool, fitness = CompositionBatch.concatenate([self.best, compositions]), np.append(self.fitness, scores)
        kept = best_by_system(pool, fitness, POPULATION)
        self.best, self.fitness = pool[kept], fitness[kept]


def pack(formulas: list[Formula]) -> CompositionBatch:
    """Formulas as a batch."""
    counts = np.zeros((len(formulas), alphabet.NUM_ELEMENTS), np.int64)
    for row, formula in enumerate(formulas):
        counts[row, list(formula)] = list(formula.values())
    return CompositionBatch.from_counts(counts)


def as_formula(batch: CompositionBatch, row: int) -> Formula:
    """One row of a batch."""
    size = batch.size[row]
    return dict(zip(batch.elements[row, :size].tolist(), batch.counts[row, :size].tolist(), strict=True))


def random_formula(allowed: NDArray[np.int64], task: Task, random: Generator) -> Formula:
    """Random elements, required ones first, in random small counts."""
    number = int(random.integers(task.min_elements, min(task.max_elements, 4, len(allowed)) + 1))
    chosen = random.choice(allowed, number, replace=False).tolist()
    if len(task.required):
        held = [int(random.choice(np.flatnonzero(group & task.allowed))) for group in task.required]
        chosen = list(dict.fromkeys((*held, *chosen)))[: max(number, len(set(held)))]
    return {element: int(random.integers(1, _LARGEST_START + 1)) for element in chosen}


def child_of(parents: list[Formula], allowed: NDArray[np.int64], random: Generator) -> Formula:
    """A parent after one to three changes: an element exchanged, added or removed, a count changed, or a crossing."""
    child = dict(parents[int(random.integers(len(parents)))])
    for _ in range(int(random.integers(1, 4))):
        change, present = random.random(), list(child)
        element = present[int(random.integers(len(present)))]
        if change < 0.35:
            pool = allowed
            if random.random() < 0.7:
                pool = allowed[np.abs(PETTIFOR[allowed] - PETTIFOR[element]) <= NEAR]
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


register("genetic", GeneticSearch, ("single", "amortised"))
