"""Train a latent space: ``matenv latent train vae --out runs/vae``.

Stop it with Ctrl-C and give the same command again to go on from the last finished epoch. The end result is a weights
file and its card, ``<name>.safetensors``, ``.json`` and ``.md``, in the run's folder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from matenv.data import Dataset
from matenv.data.embedded import load_dataset_as
from matenv.latent import cloud
from matenv.latent.evaluation.collapse import warn_of_inactive
from matenv.latent.evaluation.property_quality import widened
from matenv.latent.property_space import PropertySpace
from matenv.latent.space import VAESpace, Whitening
from matenv.latent.store import read, write
from matenv.latent.training.anchors import choose_anchors
from matenv.latent.training.cloud import fit_cloud
from matenv.latent.training.fit import fit
from matenv.latent.training.model_card import write_card
from matenv.latent.training.recipe import Recipe, training_rows
from matenv.latent.training.recipes import RECIPES
from matenv.training.settings import at_least_one


def train(
    name: str,
    out: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    threads: int = 1,
    data: str | Path | None = None,
    beta_cycles: int | None = None,
    recipe: Recipe | None = None,
    progress: bool = True,
) -> Path:
    """Train a latent space, or go on with an interrupted run; then measure and export it.

    Args:
        name: A key of `RECIPES`; or, with a recipe of one's own, any name.
        out: Folder of the run.
        epochs: Passes over the training rows; by default the recipe's.
        seed: Seed of everything random.
        threads: PyTorch threads; results are the same to the last bit only for the same number.
        data: Table to learn from, as `matenv.load_dataset` takes it; by default the recipe's.
        beta_cycles: Number of times that the weight of the KL term starts again from 0; by default the recipe's.
        recipe: How to train, if not as the recipe of that name.
        progress: Whether to show a progress bar (needs tqdm).

    Returns:
        Path of the weights file.

    Warns:
        PosteriorCollapseWarning: The trained network leaves latent dimensions unused.

    Raises:
        ValueError: Unknown name, `epochs`, `threads` or `beta_cycles` below 1, or `out` holds a checkpoint of another
            run.
    """
    if recipe is None and name not in RECIPES:
        raise ValueError(f"name={name!r} is not a latent space that can be trained; choose one of {', '.join(RECIPES)}")
    recipe = recipe or RECIPES[name]
    epochs = recipe.epochs if epochs is None else epochs
    recipe = recipe if beta_cycles is None else replace(recipe, beta_cycles=beta_cycles)
    at_least_one(epochs=epochs, threads=threads, beta_cycles=beta_cycles)
    torch.set_num_threads(threads)
    table, folder = load_dataset_as("data", recipe.table if data is None else data), Path(out)
    network, history = fit(name, table, folder, epochs=epochs, seed=seed, recipe=recipe, progress=progress)
    if "kl_per_unit" in history[-1]:
        warn_of_inactive(history[-1])
    run = {"epochs": epochs, "seed": seed, "last_epoch": history[-1]}
    return export(name, network, table, folder, run, recipe)


def export(
    name: str, network: Any, data: Dataset, out: Path, run: dict[str, Any], recipe: Recipe | None = None
) -> Path:
    """Write the weights file of a trained network and, measured on that very file, its card.

    Args:
        name: A key of `RECIPES`; or, with a recipe of one's own, any name.
        network: The trained network.
        data: The table it was trained on.
        out: Folder to write to.
        run: What the card says about the run: ``epochs``, ``seed``, ``last_epoch``.
        recipe: How it was trained; by default the recipe of that name.

    Returns:
        Path of the weights file.
    """
    recipe = recipe or RECIPES[name]
    train_rows = data.compositions[data.split("system").train]
    seen = data.compositions[training_rows(data)]
    anchors = choose_anchors(seen, run["seed"]) if recipe.augment else None
    settings, about = recipe.settings() | network.settings(), network.about()
    network, process = network.exported(recipe.labels)
    # Float16 first, so that the whitening and every number on the card belong to the weights that are shipped.
    network.load_state_dict({key: value.half().float() for key, value in network.state_dict().items()})
    unit = Whitening(np.zeros(network.latent), np.ones(network.latent), 1.0)
    whitening = Whitening.of(VAESpace(name, network, unit).encode(train_rows))
    path = out / f"{name}.safetensors"
    space = VAESpace(name, network, whitening, anchors)
    if process is not None:
        space = widened(PropertySpace(name, network, whitening, anchors, process=process), data)
    write(space, path)
    cloud.write(fit_cloud(space.encode(train_rows), run["seed"]), path)
    how = {"recipe": settings, **run, "command": _command(name, run, recipe, out)}
    write_card(path, read(path, name), data, how, about=about)
    return path


def _command(name: str, run: dict[str, Any], recipe: Recipe, out: Path) -> str:
    """What makes the same space again."""
    if name not in RECIPES:
        return f"train({name!r}, ..., epochs={run['epochs']}, seed={run['seed']}, recipe=...)"
    cycles = f" --beta-cycles {recipe.beta_cycles}" if recipe.beta_cycles != RECIPES[name].beta_cycles else ""
    return f"matenv latent train {name} --out {out.name} --epochs {run['epochs']} --seed {run['seed']}{cycles}"
