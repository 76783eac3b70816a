"""Give a latent space a leaner decoder: ``matenv latent distil runs/vae/vae.safetensors --out runs/lean``.

The space itself stays the same; `matenv.latent.training.lean` says how. Stop it with Ctrl-C and give the same command
again to go on from the last finished epoch. The end result is a weights file and its card, named as the source.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from matenv.data import Dataset, load_dataset
from matenv.latent.evaluation.evaluate import agreement
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.space import VAESpace
from matenv.latent.store import load_latent, read, write
from matenv.latent.training.anchors import choose_anchors
from matenv.latent.training.fit import training_rows
from matenv.latent.training.lean import RECIPE, fit_decoder, visited_points
from matenv.latent.training.model_card import write_card

POINTS = 10_000
"""Points at which the two decoders are compared, of each kind."""


def distil(
    source: str | Path,
    out: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    threads: int = 1,
    data: str | Path = "mp-ground-states",
    progress: bool = True,
) -> Path:
    """Give a latent space a leaner decoder, or go on with an interrupted run; then measure and export it.

    Args:
        source: Weights file of the space, as `matenv.latent.training.train` writes it.
        out: Folder of the run.
        epochs: Passes over the training rows; by default the recipe's.
        seed: Seed of everything random.
        threads: PyTorch threads; results are the same to the last bit only for the same number.
        data: The table the space was trained on, as `matenv.load_dataset` takes it.
        progress: Whether to show a progress bar (needs tqdm).

    Returns:
        Path of the weights file; it is named as the source.

    Raises:
        ValueError: `epochs` or `threads` below 1, a space that is not a `CountsVAE`, or `out` holds a checkpoint of
            another run, or the source itself.
        FileNotFoundError: The source does not exist.
    """
    epochs = RECIPE.epochs if epochs is None else epochs
    for parameter, value in (("epochs", epochs), ("threads", threads)):
        if value < 1:
            raise ValueError(f"{parameter}={value} must be at least 1")
    teacher, folder = load_latent(source), Path(out)
    if not isinstance(teacher.network, CountsVAE):
        raise ValueError(f"source={str(source)!r} is a {type(teacher.network).__name__}; only a CountsVAE is distilled")
    path = folder / f"{teacher.name}.safetensors"
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise ValueError(f"out={str(out)!r} is the source's own folder, whose weights would be overwritten")
    torch.set_num_threads(threads)
    table = load_dataset(data)
    network, history = fit_decoder(teacher, table, folder, epochs=epochs, seed=seed, progress=progress)
    anchors = None if teacher.anchors is None else choose_anchors(table.compositions[training_rows(table)], seed)
    write(VAESpace(teacher.name, network, teacher.whitening, anchors), path)
    space = read(path, teacher.name)
    run = {
        "recipe": {key: value for key, value in asdict(RECIPE).items() if key != "epochs"},
        "epochs": epochs,
        "seed": seed,
        "last_epoch": history[-1],
        "command": f"matenv latent distil {source} --out {folder.name} --epochs {epochs} --seed {seed}",
        "agreement_with_former": agreement_with(teacher, space, table, seed),
    }
    write_card(path, space, table, run, teacher)
    return path


def agreement_with(former: VAESpace, space: VAESpace, data: Dataset, seed: int) -> dict[str, float]:
    """How often two decoders of one space name the same elements, and the same formula.

    Args:
        former: The space with one decoder.
        space: The space with the other.
        data: Table the space was trained on.
        seed: Seed of the points.

    Returns:
        Shares in [0, 1]: at samples, and at points visited (`visited_points`) away from encodings of training rows.
    """
    samples = space.sample(POINTS, seed)
    rows = np.random.default_rng(seed).choice(data.split("system").train, POINTS)
    codes = torch.from_numpy(space.encode(data.compositions[rows])).float()
    visited = visited_points(codes, space.radius, torch.Generator().manual_seed(seed)).numpy()
    return {
        f"{where}_{key}": round(value, 5)
        for where, points in (("sample", samples), ("visited", visited))
        for key, value in agreement(space.decode_batch(points), former.decode_batch(points)).items()
    }
