"""Reward terms about what a formula decomposes into: its energy, the number of its products, their latent vectors.

None of them is worked out unless the reward names it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matenv.envs.rewards import TermFunction, Transition
from matenv.latent import LatentSpace
from matenv.latent.evaluation.similarity import blend, compare
from matenv.thermo import ConvexHull

ENERGY_LIMIT = 1.0
"""eV/atom: the decomposition energy earns and costs no more than this."""


def decomposition_energy(transition: Transition) -> NDArray[np.float64]:
    """Minus the predicted decomposition energy E_d of the new formula, clipped to +- `ENERGY_LIMIT` (N,) [eV/atom].

    Positive for a formula predicted stable, by its distance below the hull of the others; 0 where E_d is undefined.
    The bare prediction, with no regard for its error: agents find the formulas it is wrong about. P(stable), which the
    score holds, is the guarded form.
    """
    energy = transition.after.facts.decomposition_energy
    return np.clip(-np.nan_to_num(energy), -ENERGY_LIMIT, ENERGY_LIMIT)


def components(transition: Transition) -> NDArray[np.float64]:
    """Number of phases that the new formula decomposes into (N,): El-Awady's class (arXiv:2401.06779, section 3).

    0 for a formula predicted stable (E_d <= 0), which does not decompose, and where nothing was predicted; else the
    number of products with a positive amount. Weigh it negatively to ask for few.
    """
    facts = transition.after.facts
    return np.where(facts.decomposition_energy > 0.0, (facts.weights > 0.0).sum(axis=1), 0).astype(np.float64)


def latent_similarity(space: Callable[[], LatentSpace], hull: ConvexHull) -> TermFunction:
    """Decomposition similarity of the new formula x in a latent space: cosine of mu(x) with sum_k a_k mu(x_k).

    After El-Awady (arXiv:2401.06779), section 4.2: x_k are the competing phases that x decomposes into, itself left
    out, and a_k their atom fractions. Both vectors are measured from the centre of the training data. In a network's
    own coordinates, as the paper has it, the measure is saturated: an affine encoder scores exactly 1 whatever it has
    learned. Centred it tells encoders apart. It sees no energy and says nothing about stability. The first step that
    needs it takes seconds longer: every reference phase is encoded once.

    Args:
        space: Gives the latent space, once it is needed.
        hull: Hull of the reference phases.

    Returns:
        The term (N,) in [-1, 1]; 0 where there is no decomposition.
    """

    def term(transition: Transition) -> NDArray[np.float64]:
        after, model = transition.after, space()
        similarity = np.zeros(len(transition.moved))
        rows = np.flatnonzero((after.facts.weights > 0.0).any(axis=1))
        if len(rows):
            mixed = blend(
                _codes(model, hull),  # type: ignore[arg-type]
                after.facts.members[rows],
                after.facts.weights[rows],
            )
            similarity[rows] = np.nan_to_num(compare(model.encode(after.compositions[rows]), mixed).cosine)
        return similarity

    return term


@lru_cache(maxsize=2)
def _codes(space: LatentSpace, hull: ConvexHull) -> NDArray[np.float64]:
    """Latent vectors of all references of a hull (R, n). A latent space, like a hull, hashes by identity."""
    return space.encode(hull.references)
