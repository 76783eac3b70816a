"""Candidates to judge: what a predictor likes best among formulas from a search, from prior samples, or from the table."""

from __future__ import annotations

import numpy as np

from matenv.benchmark.record import Search
from matenv.composition import CompositionBatch
from matenv.latent import load_latent
from matenv.oracle import Oracle
from matenv.oracle.stability import StabilityModel
from matenv.properties import Predictor, load_predictor
from matenv.properties.distribution import UNCALIBRATED
from matenv.tasks import Task

_BATCH = 512

_AT_ITS_WORD = StabilityModel(intercept=np.zeros(4), slope=np.ones(4), ceiling=np.ones(4))


def prior_samples(task: Task, oracle: Oracle, seed: int = 0, latent: str = "vae") -> Search:
    """Formulas decoded from the latent space's prior until the oracle's budget is spent: no search at all.

    Args:
        task: What the score is.
        oracle: What pays the score; fresh, with a budget.
        seed: Of the samples.
        latent: Name of the latent space.

    Returns:
        All formulas assessed, with their scores.

    Raises:
        ValueError: An oracle without a budget.
    """
    if oracle.budget is None:
        raise ValueError("oracle has no budget, which is how many samples to take; use Oracle(budget=10_000)")
    space, random = load_latent(latent), np.random.default_rng(seed)
    batches, scores = [], []
    while not oracle.exhausted:
        batch = space.decode_batch(space.sample(_BATCH, int(random.integers(2**31))))
        batch = batch[np.flatnonzero(batch.size > 0)]
        assessment = oracle.assess(batch)
        batches.append(batch[np.flatnonzero(assessment.evaluated)])
        scores.append(task.score(assessment).score[assessment.evaluated])
    compositions = CompositionBatch.concatenate(batches)
    rows = compositions.distinct()
    return Search(compositions[rows], np.concatenate(scores)[rows])


def bare_oracle(predictor: str, reference: str = "train", budget: int | None = None, judge: bool = False) -> Oracle:
    """An oracle without any guard: it takes the networks at their word.

    Their distributions are as trained, not calibrated on rows they have not seen, and P(stable) is what such a
    distribution has below the hull, as if no competing phase could be missing.

    Args:
        predictor: Name of the predictor.
        reference: Phases of the hull.
        budget: Most distinct formulas it evaluates.
        judge: As `Oracle`.

    Returns:
        The oracle.
    """
    model = load_predictor(predictor)
    bare = Predictor(model.source, UNCALIBRATED, model.energy_scheme, model.role)
    oracle = Oracle(reference, budget, predictor=bare, judge=judge)
    oracle.stability = _AT_ITS_WORD
    return oracle
