"""Shared material of the hull tests: the embedded hull, random compositions and an independent reference solver."""

from functools import lru_cache

import numpy as np
from scipy.optimize import linprog

import matenv
from matenv.elements import NUM_ELEMENTS

HIGHS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@lru_cache
def table():
    return matenv.load_dataset("mp-ground-states")


@lru_cache
def embedded_hull():
    return matenv.ConvexHull.from_dataset(table())


def compositions(count, seed, sizes=(2, 10), elements=None):
    """Random compositions over random element sets, absent noble gases included."""
    rng = np.random.default_rng(seed)
    alphabet = np.arange(NUM_ELEMENTS) if elements is None else np.asarray(elements)
    x = np.zeros((count, NUM_ELEMENTS))
    for row in x:
        d = rng.integers(sizes[0], sizes[1] + 1)
        row[rng.choice(alphabet, d, replace=False)] = rng.dirichlet(np.ones(d))
    return x


def perturbed(count, seed, largest=6):
    """Table formulas of at most `largest` elements with every amount changed by about 20 %."""
    rng = np.random.default_rng(seed)
    known = table().fractions[table().compositions.size <= largest]
    x = known[rng.integers(len(known), size=count)]
    x = x * np.exp(0.2 * rng.standard_normal(x.shape))
    return x / x.sum(axis=1, keepdims=True)


def highs_energy(x, fractions, energy):
    """Hull energy of one composition by HiGHS, over the phases (n, 89) inside its elements and the pure elements."""
    present = x > 0
    inside = fractions[:, present].sum(axis=1) > 1 - 1e-9
    columns = np.hstack([np.eye(present.sum()), fractions[inside][:, present].T])
    costs = np.concatenate([np.zeros(present.sum()), energy[inside]])
    result = linprog(costs, A_eq=columns, b_eq=x[present] / x.sum(), method="highs-ds", options=HIGHS)
    assert result.success
    return result.fun
