"""The training loop of the latent spaces: deterministic, checkpointed every epoch, resumable to the same bits.

All randomness of epoch k comes from generators seeded with (seed, k), so a run that is stopped and resumed repeats
exactly what an uninterrupted one would have done (same machine, same number of threads).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.latent.evaluation.collapse import unit_statistics, warn_of_dying
from matenv.latent.evaluation.evaluate import agreement
from matenv.latent.networks import dvae
from matenv.latent.networks.conditional import CONDITIONS, conditional_elbo, small_conditional
from matenv.latent.networks.counts_vae import MAX_COUNT, CountsVAE
from matenv.latent.networks.elawady_vae import ElAwadyVAE
from matenv.latent.networks.generators import small_fractions_gan, small_gan
from matenv.latent.networks.pairs import Pairs
from matenv.latent.training.adversarial import adam_by_part, adversarial_epoch, inversion, without_critic
from matenv.latent.training.augment import Augmenter
from matenv.latent.training.joint import DeepKernelVAE, elbo_with_label, label_only
from matenv.latent.training.recipe import Recipe, Shown, one_epoch
from matenv.training.checkpoint import epochs_left, resume, save


class Network(Protocol):
    """What a trainable network provides, next to being a `torch.nn.Module`."""

    config: dict[str, Any]

    def posterior(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, n)."""
        ...

    def log_likelihood(self, z: Tensor, pairs: Pairs) -> Tensor:
        """Log p(x|z) (B,) in nats."""
        ...

    def decode(self, z: Tensor) -> CompositionBatch:
        """Most probable formula of each latent vector (B, n)."""
        ...


RECIPES: dict[str, Recipe] = {
    "vae": Recipe(
        CountsVAE, epochs=220, batch=1024, learning_rate=2e-3, weight_decay=0.02, beta=0.1, beta_warmup=0.25,
        augment=True, oversample=1, bfloat16=True,
    ),
    # The paper trains 2,000 epochs, optimiser unnamed; on this schedule the second half of 600 raises the ELBO by 1 %.
    "vae-elawady": Recipe(
        ElAwadyVAE, epochs=600, batch=1024, learning_rate=2e-3, weight_decay=0.0, beta=1.0, beta_warmup=0.1,
        augment=False, oversample=10, bfloat16=False,
    ),
    "dvae": Recipe(
        dvae.DisentangledVAE, epochs=300, batch=64, learning_rate=3e-3, weight_decay=1e-3, beta=0.1, beta_warmup=0.5,
        augment=True, oversample=1, bfloat16=False, labels=("single_phase",), objective=dvae.objective,
        table=dvae.TABLE,
    ),
    "cvae": Recipe(
        small_conditional, epochs=36, batch=512, learning_rate=2e-3, weight_decay=0.02, beta=0.3, beta_warmup=0.25,
        augment=True, oversample=1, bfloat16=True, labels=tuple(CONDITIONS), objective=conditional_elbo,
    ),
    "wgan-gp": Recipe(
        small_gan, epochs=50, batch=128, learning_rate=4e-4, weight_decay=0.02, beta=1.0, beta_warmup=0.1,
        augment=False, oversample=1, bfloat16=True, objective=inversion, run_epoch=adversarial_epoch,
        optimizer=adam_by_part, finish=without_critic,
    ),
    "dkl-vae": Recipe(
        DeepKernelVAE, epochs=40, batch=1024, learning_rate=1e-3, weight_decay=0.02, beta=0.1, beta_warmup=0.01,
        augment=True, oversample=1, bfloat16=True, labels=("formation_energy",), objective=elbo_with_label,
        prepare=DeepKernelVAE.prepare, optimizer=DeepKernelVAE.optimizer,
    ),
    # What joint training is measured against: the same process on the latent space that it starts from.
    "vae-gp": Recipe(
        partial(DeepKernelVAE, frozen=True), epochs=20, batch=1024, learning_rate=1e-3, weight_decay=0.0, beta=0.1,
        beta_warmup=0.01, augment=False, oversample=1, bfloat16=False, labels=("formation_energy",),
        objective=label_only, prepare=DeepKernelVAE.prepare, optimizer=DeepKernelVAE.optimizer,
    ),
    # Not shipped: the same over real-valued vectors, for comparison (docs/generative.md).
    "wgan-gp-fractions": Recipe(
        small_fractions_gan, epochs=50, batch=128, learning_rate=4e-4, weight_decay=0.02, beta=1.0, beta_warmup=0.1,
        augment=False, oversample=1, bfloat16=False, objective=inversion, run_epoch=adversarial_epoch,
        optimizer=adam_by_part, finish=without_critic,
    ),
}  # fmt: skip
RECIPES["dkl-vae-gap"] = replace(RECIPES["dkl-vae"], labels=("band_gap_pbe",))
RECIPES["vae-gp-gap"] = replace(RECIPES["vae-gp"], labels=("band_gap_pbe",))
"""The latent spaces that can be trained, by name."""


def training_rows(data: Dataset) -> NDArray[np.int64]:
    """Rows the networks learn from: the training part without validation, counts of at most 64."""
    rows = data.part("train")
    return rows[data.compositions.counts[rows].max(axis=1) <= MAX_COUNT]


def fit(
    name: str,
    data: Dataset,
    out: Path,
    *,
    epochs: int,
    seed: int,
    recipe: Recipe | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
    stop_after: int | None = None,
    progress: bool = True,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train a network, resuming from the checkpoint in `out` if there is one.

    Args:
        name: A key of `RECIPES`.
        data: Table to learn from.
        out: Folder of the run; ``checkpoint.pt`` and ``history.json`` are rewritten after every epoch.
        epochs: Length of the run; part of the schedule, so a resumed run must state the same.
        seed: Seed of initial weights, order, noise and augmentation.
        report: Called with each epoch's record.
        stop_after: Leave after this many epochs in total, as an interruption would.
        progress: Whether to show a progress bar (needs tqdm).
        recipe: How to train, if not as the recipe of that name; `name` then only tells runs apart.

    Returns:
        The network in evaluation mode and one record per epoch.

    Raises:
        ValueError: If the checkpoint belongs to another run (name, epochs, seed, recipe, network or table differ), or
            the table has no training rows.
    """
    recipe = recipe or RECIPES[name]
    identity = {"name": name, "epochs": epochs, "seed": seed, "table": data.name, "rows": len(data)}
    identity |= recipe.settings()
    torch.manual_seed(seed)
    network: Any = recipe.build()
    identity |= {"network": network.config}
    rows = training_rows(data)
    if not len(rows):
        raise ValueError(f"{data.name} has no training rows: its systems all fall into the held-out parts")
    rows = repeat_complex(rows, data.compositions.size[rows], recipe.oversample)
    formulas, labels = data.compositions[rows], label_columns(data, recipe.labels)[rows]
    if recipe.prepare:
        recipe.prepare(network, Shown(formulas, labels))
    augmenter = Augmenter(formulas) if recipe.augment else None

    def show(random: np.random.Generator) -> Shown:
        return variants(augmenter, Shown(formulas, labels), random) if augmenter else Shown(formulas, labels)

    history = run_epochs(
        network, recipe, show, data.compositions[data.part("validation")], out, identity, epochs=epochs, seed=seed,
        report=report, stop_after=stop_after, progress=progress,
    )  # fmt: skip
    return recipe.finish(network) if recipe.finish else network, history


def run_epochs(
    network: Any,
    recipe: Recipe,
    show: Callable[[np.random.Generator], Shown],
    validation: CompositionBatch,
    out: Path,
    identity: dict[str, Any],
    *,
    epochs: int,
    seed: int,
    report: Callable[[dict[str, Any]], None] | None = None,
    stop_after: int | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train a network epoch by epoch, resuming from the checkpoint in `out` if there is one.

    Args:
        network: The network; in evaluation mode afterwards.
        recipe: How it is trained.
        show: Gives what an epoch shows, by the epoch's source of randomness.
        validation: Compositions whose recovery each record has; may be empty.
        out: As `fit`.
        identity: What must be the same for a checkpoint to be taken up.
        epochs: As `fit`.
        seed: As `fit`.
        report: As `fit`.
        stop_after: As `fit`.
        progress: As `fit`.

    Returns:
        One record per epoch.

    Raises:
        ValueError: If the checkpoint belongs to another run.
    """
    optimizer = recipe.optimizer(network, recipe)
    history = resume(out, identity, network, optimizer)
    last = min(epochs, stop_after if stop_after is not None else epochs)
    run_epoch = recipe.run_epoch or one_epoch
    for epoch in epochs_left(len(history), last, progress):
        random = np.random.default_rng([seed, epoch])
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))  # what dropout draws from
        shown = show(random)
        record = {"epoch": epoch + 1, **run_epoch(network, optimizer, shown, recipe, epoch, epochs, random)}
        network.eval()
        if len(validation):
            with torch.inference_mode():
                mean, log_variance = network.posterior(Pairs.of(validation))
                decoded = network.decode(mean)
            record |= agreement(decoded, validation) | unit_statistics(mean, log_variance)
        history.append(record)
        warn_of_dying(history)
        save(out, identity, network, optimizer, history)
        if report:
            report(record)
    network.eval()  # even if no epoch was left
    return history


def label_columns(data: Dataset, names: Sequence[str]) -> NDArray[np.float32]:
    """Labels of every row of a table (N, L) float32, NaN where absent.

    Args:
        data: The table.
        names: ``"formation_energy"``, or keys of `Dataset.labels`.

    Raises:
        ValueError: The table has no such column, or a column without a single value.
    """
    columns = {"formation_energy": data.formation_energy, **data.labels}
    for name in names:
        if name not in columns or not np.isfinite(columns[name]).any():
            having = [key for key, values in columns.items() if np.isfinite(values).any()]
            raise ValueError(
                f"{data.name} has no label {name!r}, which this latent space is trained on; it has "
                f"{', '.join(having) or 'none'}: add a column {name!r}"
            )
    empty = np.zeros((len(data), 0))
    return np.column_stack([empty, *(columns[name] for name in names)]).astype(np.float32)


def variants(augmenter: Augmenter, shown: Shown, random: np.random.Generator) -> Shown:
    """Variants of the formulas; those that differ from the original have no label."""
    varied = augmenter.vary(shown.formulas, random)
    same = varied.same_as(shown.formulas)
    return Shown(varied, np.where(same[:, None], shown.labels, np.float32(np.nan)))


def repeat_complex(rows: NDArray[np.int64], size: NDArray, times: int) -> NDArray[np.int64]:
    """Oversampling of El-Awady (arXiv:2401.06779): rows of 8 or more elements appear `times` times."""
    return np.repeat(rows, np.where(size >= 8, times, 1))
