"""The training of latent spaces: what each epoch shows and records; `matenv.training.run` makes it resumable.

All randomness of epoch k comes from generators seeded with (seed, k).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.data.dataset import label_columns
from matenv.latent.evaluation.collapse import unit_statistics, warn_of_dying
from matenv.latent.evaluation.evaluate import agreement
from matenv.latent.networks.pairs import Pairs
from matenv.latent.training.augment import Augmenter
from matenv.latent.training.recipe import Recipe, Shown, one_epoch, training_rows
from matenv.latent.training.recipes import RECIPES
from matenv.training.run import run_epochs, seed_torch


def fit(
    name: str,
    data: Dataset,
    out: Path,
    *,
    epochs: int,
    seed: int,
    recipe: Recipe | None = None,
    progress: bool = True,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train a network, resuming from the checkpoint in `out` if there is one.

    Args:
        name: A key of `RECIPES`.
        data: Table to learn from.
        out: Folder of the run; ``checkpoint.pt`` and ``history.json`` are rewritten after every epoch.
        epochs: Length of the run; part of the schedule, so a resumed run must state the same.
        seed: Seed of initial weights, order, noise and augmentation.
        recipe: How to train, if not as the recipe of that name; `name` then only tells runs apart.
        progress: Whether to show a progress bar (needs tqdm).

    Returns:
        The network in evaluation mode and one record per epoch.

    Raises:
        ValueError: If the checkpoint belongs to another run (name, epochs, seed, recipe, network or table differ), or
            the table has no training rows.
    """
    recipe = recipe or RECIPES[name]
    torch.manual_seed(seed)
    network: Any = recipe.build()
    rows = training_rows(data)
    rows = repeat_complex(rows, data.compositions.size[rows], recipe.oversample)
    formulas, labels = data.compositions[rows], label_columns(data, recipe.labels)[rows]
    if recipe.prepare:
        recipe.prepare(network, Shown(formulas, labels))
    augmenter = Augmenter(formulas) if recipe.augment else None

    def show(random: np.random.Generator) -> Shown:
        return variants(augmenter, Shown(formulas, labels), random) if augmenter else Shown(formulas, labels)

    identity = {"name": name, "epochs": epochs, "seed": seed, "table": data.name, "rows": len(data)}
    identity |= recipe.settings() | {"network": network.config}
    validation = data.compositions[data.part("validation")]
    history = learn(network, recipe, show, validation, out, identity, epochs=epochs, seed=seed, progress=progress)
    return recipe.finish(network) if recipe.finish else network, history


def learn(
    network: Any,
    recipe: Recipe,
    show: Callable[[np.random.Generator], Shown],
    validation: CompositionBatch,
    out: Path,
    identity: dict[str, Any],
    *,
    epochs: int,
    seed: int,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train a network by a recipe, resuming from the checkpoint in `out` if there is one.

    Args:
        network: The network; in evaluation mode afterwards.
        recipe: How it is trained.
        show: Gives what an epoch shows, by the epoch's source of randomness.
        validation: Compositions whose recovery each record has; may be empty.
        out: As `fit`.
        identity: What must be the same for a checkpoint to be taken up.
        epochs: As `fit`.
        seed: As `fit`.
        progress: As `fit`.

    Returns:
        One record per epoch.

    Raises:
        ValueError: If the checkpoint belongs to another run.
    """
    optimizer = recipe.optimizer(network, recipe)
    pass_over = recipe.run_epoch or one_epoch

    def next_epoch(history: list[dict[str, Any]]) -> dict[str, Any]:
        epoch = len(history)
        random = np.random.default_rng(seed_torch(seed, epoch))
        shown = show(random)
        record = {"epoch": epoch + 1, **pass_over(network, optimizer, shown, recipe, epoch, epochs, random)}
        network.eval()
        if len(validation):
            with torch.inference_mode():
                mean, log_variance = network.posterior(Pairs.of(validation))
                decoded = network.decode(mean)
            record |= agreement(decoded, validation) | unit_statistics(mean, log_variance)
        warn_of_dying([*history, record])
        return record

    parts = {"network": network, "optimizer": optimizer}
    history = run_epochs(out, identity, parts, next_epoch, epochs=epochs, progress=progress)
    network.eval()  # even if no epoch was left
    return history


def variants(augmenter: Augmenter, shown: Shown, random: np.random.Generator) -> Shown:
    """Variants of the formulas; those that differ from the original have no label."""
    varied = augmenter.vary(shown.formulas, random)
    same = varied.same_as(shown.formulas)
    return Shown(varied, np.where(same[:, None], shown.labels, np.float32(np.nan)))


def repeat_complex(rows: NDArray[np.int64], size: NDArray, times: int) -> NDArray[np.int64]:
    """Oversampling of El-Awady (arXiv:2401.06779): rows of 8 or more elements appear `times` times."""
    return np.repeat(rows, np.where(size >= 8, times, 1))
