"""Models that tell single-phase alloys from others: the semi-supervised `dvae`, and what it is compared with.

Used by `studies.alloys.compare`. Each takes (rows whose label is shown, rows held out, seed) and gives P(single phase)
of all rows of the table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import matenv
from matenv.chemistry.alloys import alloy_descriptors, expert_log_odds
from matenv.latent.networks.dvae import LABEL_WEIGHT, SCALES, DisentangledVAE, PhaseHead, objective, probability
from matenv.latent.networks.pairs import Pairs
from matenv.latent.training.fit import fit
from matenv.latent.training.recipes import RECIPES

EPOCHS = 40
"""Of `dvae` here: its head is done by then, its decoder, which no figure here needs, is not."""

DATA = matenv.load_dataset("hea-phases")
TRUTH, BORG = DATA.labels["single_phase"], DATA.labels["single_phase_borg"]
DESCRIBED = alloy_descriptors(DATA.fractions)
SHAPE = np.stack([DATA.compositions.size, DATA.fractions.max(axis=1)], axis=1)
"""What a formula looks like, whatever its elements: how many there are, and the largest fraction."""
LABELLED = np.flatnonzero(np.isfinite(TRUTH))
OUTSIDE = np.flatnonzero(np.isfinite(BORG) & ~np.isfinite(TRUTH))

Probability = NDArray[np.float64]
Model = Callable[[NDArray[np.int64], NDArray[np.int64], int], Probability]
"""P(single phase) of all rows of the table, from (rows with a label, rows held out, seed)."""


def rules(shown: NDArray[np.int64], held_out: NDArray[np.int64], seed: int) -> Probability:
    """The textbook, which learns nothing."""
    return 1 / (1 + np.exp(-expert_log_odds(DESCRIBED)))


def classifier(make: Callable, features: NDArray, shown: NDArray, held_out: NDArray, seed: int) -> Probability:
    """A scikit-learn classifier."""
    return make(seed).fit(features[shown], TRUTH[shown]).predict_proba(features)[:, 1]


def logistic(seed: int) -> object:
    """Logistic regression on scaled features."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def forest(seed: int) -> object:
    """A random forest of 200 trees."""
    return RandomForestClassifier(200, random_state=seed, n_jobs=1)


def supervised(shown: NDArray[np.int64], held_out: NDArray[np.int64], seed: int) -> Probability:
    """The head of `dvae` alone, trained on labels alone, as many steps as `dvae` sees labels, at least 400."""
    torch.manual_seed(seed)
    x = torch.from_numpy(DATA.fractions).float()
    descriptors = (torch.from_numpy(DESCRIBED).float() - SCALES[:, 0]) / SCALES[:, 1]
    y = torch.tensor(TRUTH, dtype=torch.float32)
    head = PhaseHead(64, 0.2)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=1e-3)
    steps, rng = max(EPOCHS * len(shown) // 64, 400), np.random.default_rng(seed)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.from_numpy(rng.choice(shown, min(64, len(shown)), replace=False))
        loss = F.binary_cross_entropy_with_logits(head(x[rows], descriptors[rows])[0], y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.inference_mode():
        return torch.sigmoid(head.eval()(x, descriptors)[0]).double().numpy()


def dvae(
    expert: bool, unlabelled: bool, weighted: bool, shown: NDArray[np.int64], held_out: NDArray[np.int64], seed: int
) -> Probability:
    """The semi-supervised model.

    Args:
        expert: Whether the prior is the textbook's.
        unlabelled: Whether alloys without a label are learnt from.
        weighted: Whether few labels weigh as much in all as every label would.
        shown: Rows with a label.
        held_out: Rows held out.
        seed: Seed of the training.
    """
    column = np.full(len(DATA), np.nan)
    column[shown] = TRUTH[shown]
    part = np.zeros(len(DATA), np.uint8)
    part[held_out] = 2
    if not unlabelled:
        part[~np.isfinite(column)] = 2
    scarcity = (len(LABELLED) - len(held_out)) / len(shown) if unlabelled and weighted else 1.0
    loss = partial(objective, label_weight=LABEL_WEIGHT * scarcity)
    build = partial(DisentangledVAE, expert=expert)
    recipe = replace(RECIPES["dvae"], augment=False, build=build, objective=loss)
    data = replace(DATA, system_part=part, labels={"single_phase": column})
    with tempfile.TemporaryDirectory() as folder:
        epochs = EPOCHS if unlabelled else max(EPOCHS, 400 * 64 // len(shown))
        network, _ = fit("dvae", data, Path(folder), epochs=epochs, seed=seed, progress=False, recipe=recipe)
    with torch.inference_mode():
        mean, log_variance = network.posterior(Pairs.of(DATA.compositions))  # type: ignore[operator]
        return probability(mean[:, 0], log_variance[:, 0]).double().numpy()


BOTH = np.hstack([DESCRIBED, DATA.fractions])
MODELS: dict[str, Model] = {
    "textbook rules": rules,
    "shape only": partial(classifier, forest, SHAPE),
    "logistic, descriptors": partial(classifier, logistic, DESCRIBED),
    "random forest": partial(classifier, forest, BOTH),
    "supervised network": supervised,
    "dvae": partial(dvae, True, True, True),
    "dvae, flat prior": partial(dvae, False, True, True),
    "dvae, labelled only": partial(dvae, True, False, True),
    "dvae, labels weighed singly": partial(dvae, True, True, False),
}
ABLATIONS = ("dvae, flat prior", "dvae, labelled only", "dvae, labels weighed singly")
"""Run by system only, with all labels and with 100; the last with 100, as it makes no difference with all."""
