"""Anchors: the compositions around which `VAESpace.sample` draws.

They are variants of training formulas with elements exchanged for similar ones (`matenv.latent.training.augment`), so
that most samples are not training formulas. Exchanges shift how often each element occurs and how many formulas are
charge neutral; candidates are therefore reweighted until the share of every element, the number of elements and the
validity at each number follow the training rows again (generalised iterative scaling: Darroch and Ratcliff, Ann. Math.
Stat. 43, 1470, 1972), and anchors drawn by those weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.chemistry import is_charge_neutral, is_electronegativity_balanced
from matenv.composition import CompositionBatch
from matenv.composition.integers import MAX_ELEMENTS
from matenv.latent.training.augment import Augmenter

ANCHORS = 16_384
"""Number of anchors of a shipped space."""

SUBSTITUTED = 0.9
"""Share of candidates in which an element is exchanged."""

CANDIDATES = 8
"""Candidates per anchor."""

ROUNDS = 50
"""Rounds of reweighting."""

KINDS = 3 * (MAX_ELEMENTS + 1)
"""Number of classes that `kinds` tells apart."""


def choose_anchors(formulas: CompositionBatch, seed: int, number: int = ANCHORS) -> CompositionBatch:
    """Anchors for a space trained on `formulas`.

    Held-out chemical systems are not refused: a sampler that avoided them could never rediscover one.

    Args:
        formulas: Training compositions.
        seed: Seed of the choice.
        number: How many anchors.

    Returns:
        The anchors (number,), sorted by number of elements.
    """
    random = np.random.default_rng(seed)
    chosen = formulas[random.integers(len(formulas), size=CANDIDATES * number)]
    candidates = Augmenter(formulas).vary(chosen, random, substituted=SUBSTITUTED, recounted=0.0, refuse_held_out=False)
    candidates = candidates[np.argsort(candidates.size, kind="stable")]
    weight = matching_weights(candidates, formulas)
    # Systematic resampling: a candidate of weight w is drawn w x number times, up to rounding. As candidates are sorted
    # by number of elements, so are the anchors, and evenly spaced draws from them keep that distribution.
    ticks = (random.random() + np.arange(number)) / number
    return candidates[np.searchsorted(np.cumsum(weight), ticks).clip(max=len(weight) - 1)]


def matching_weights(candidates: CompositionBatch, target: CompositionBatch) -> NDArray[np.float64]:
    """Weights under which candidates have the target's share of each element, and of each size and validity.

    Args:
        candidates: Compositions (B,).
        target: Compositions whose statistics are to be met.

    Returns:
        Weights (B,), non-negative, sum 1.
    """
    wanted = _element_shares(target, np.ones(len(target)))
    kind, wanted_kind = kinds(candidates), np.bincount(kinds(target), minlength=KINDS) / len(target)
    weight = np.ones(len(candidates))
    for _ in range(ROUNDS):
        share = _element_shares(candidates, weight)
        step = np.log(np.where(share > 0, np.maximum(wanted, 1e-12) / np.where(share > 0, share, 1.0), 1.0))
        weight *= np.exp((candidates.amounts * np.append(step, 0.0)[candidates.elements]).sum(axis=1))
        found = np.bincount(kind, weights=weight, minlength=KINDS) / weight.sum()
        weight *= np.where(found > 0, wanted_kind / np.where(found > 0, found, 1.0), 0.0)[kind]
    return weight / weight.sum()


def _element_shares(batch: CompositionBatch, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    listed = batch.elements >= 0
    values = (batch.amounts * weight[:, None])[listed]
    return np.bincount(batch.elements[listed], weights=values, minlength=alphabet.NUM_ELEMENTS) / weight.sum()


def kinds(batch: CompositionBatch) -> NDArray[np.int64]:
    """Number of elements and validity of each row (B,) as one number below `KINDS`.

    Validity is 0 for neither, 1 for charge neutral, 2 for neutral with electronegativities in order; no exemption for
    alloys (`matenv.chemistry`).
    """
    validity = is_charge_neutral(batch).astype(np.int64) + is_electronegativity_balanced(batch)
    return 3 * batch.size.astype(np.int64) + validity
