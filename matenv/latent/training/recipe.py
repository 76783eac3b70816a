"""How a latent space is trained: its rows, its recipe, and one pass over the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.latent.networks.counts_vae import MAX_COUNT
from matenv.latent.networks.objectives import Objective, elbo
from matenv.latent.networks.pairs import Pairs
from matenv.training.optimizers import descend, fused_adamw
from matenv.training.precision import quick_products
from matenv.training.run import full_batches
from matenv.training.schedule import Moment, set_rate, warm_cosine
from matenv.training.settings import plain


def training_rows(data: Dataset) -> NDArray[np.int64]:
    """Rows the networks learn from: the training part without validation, counts of at most 64.

    Args:
        data: The table.

    Raises:
        ValueError: There are none.
    """
    rows = data.part("train")
    rows = rows[data.compositions.counts[rows].max(axis=1) <= MAX_COUNT]
    if not len(rows):
        raise ValueError(f"{data.name} has no training rows: its systems all fall into the held-out parts")
    return rows


@dataclass(frozen=True)
class Shown:
    """What an epoch shows to the network.

    Attributes:
        formulas: Compositions (N,).
        labels: Their labels (N, L) float32, NaN where unknown.
    """

    formulas: CompositionBatch
    labels: NDArray[np.float32]


def adamw(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW over all parameters of a network."""
    return fused_adamw(network.parameters(), recipe.learning_rate, recipe.weight_decay)


@dataclass(frozen=True)
class Recipe:
    """How a latent space is trained.

    Attributes:
        build: Makes the untrained network.
        epochs: Default number of passes over the training rows.
        batch: Compositions per step.
        learning_rate: Peak of the cosine schedule (linear warm-up over the first 200 steps).
        weight_decay: AdamW's weight decay.
        beta: Weight of the KL term once warmed up.
        beta_warmup: Share of the run, or of each cycle, over which beta rises linearly from 0.
        augment: Whether to train on variants of the formulas (`matenv.latent.training.augment`).
        oversample: How often rows of 8 or more elements are repeated.
        bfloat16: Whether matrix products run in bfloat16 where the processor has it.
        labels: Columns of the table that the objective is given.
        objective: Loss of a batch.
        run_epoch: One pass over what is shown; None for `one_epoch`.
        optimizer: Makes the optimiser; a group of parameters may have a ``factor`` on the learning rate.
        prepare: Readies the untrained network for what it will be shown; None if there is nothing to do.
        finish: Takes away what only training needs; None if there is nothing.
        beta_cycles: Number of times that beta starts again from 0 (cyclical annealing: Fu et al., NAACL 2019); None for
            a single rise.
        table: The table it learns from unless told otherwise.
    """

    build: Callable[[], nn.Module]
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    beta: float
    beta_warmup: float
    augment: bool
    oversample: int
    bfloat16: bool
    labels: tuple[str, ...] = ()
    objective: Objective = elbo
    run_epoch: Callable[..., dict[str, float]] | None = None
    optimizer: Callable[[Any, Recipe], torch.optim.Optimizer] = adamw
    prepare: Callable[[Any, Shown], None] | None = None
    finish: Callable[[Any], nn.Module] | None = None
    beta_cycles: int | None = None
    table: str = "mp-ground-states"

    def settings(self) -> dict[str, Any]:
        """What tells two runs apart, beside their length and table: every attribute that is a plain value."""
        return plain(self, "epochs", "table")


def kl_weight(recipe: Recipe, done: float) -> float:
    """Weight of the KL term when a share of the run is done.

    Args:
        recipe: The recipe.
        done: Share of the run, in [0, 1).

    Returns:
        Beta: in each cycle a linear rise from 0 over the share `beta_warmup` of the cycle, then the full weight.
    """
    within = done * (recipe.beta_cycles or 1) % 1.0
    return recipe.beta * min(within / recipe.beta_warmup, 1.0)


def one_epoch(
    network: Any,
    optimizer: torch.optim.Optimizer,
    shown: Shown,
    recipe: Recipe,
    epoch: int,
    epochs: int,
    random: np.random.Generator,
) -> dict[str, float]:
    """One step of the recipe's objective per batch, in random order.

    Args:
        network: The network; it is left in evaluation mode.
        optimizer: Its optimiser.
        shown: What to learn from.
        recipe: How.
        epoch: Epochs finished.
        epochs: Length of the run.
        random: Source of all randomness.

    Returns:
        Means over the steps of what the objective records, and the last ``beta``.
    """
    network.train()
    noise = torch.Generator().manual_seed(int(random.integers(2**62)))
    batches = full_batches(random.permutation(len(shown.formulas)), recipe.batch)
    records = []
    for step, rows in enumerate(batches):
        at = Moment(epoch, epochs, step, len(batches))
        set_rate(warm_cosine, recipe.learning_rate, at, optimizer)
        beta = kl_weight(recipe, at.done)
        pairs, labels = Pairs.of(shown.formulas[rows]), torch.from_numpy(shown.labels[rows])
        with quick_products(recipe.bfloat16):
            loss, record = recipe.objective(network, pairs, labels, noise, beta)
        descend(loss, network, optimizer)
        records.append(record)
    network.eval()
    return mean_record(records) | {"beta": beta}


def mean_record(records: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each entry over the steps of an epoch."""
    return {key: sum(record[key] for record in records) / len(records) for key in records[0]}
