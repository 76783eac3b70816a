"""Give a latent space a leaner decoder: ``matenv latent distil runs/vae/vae.safetensors --out runs/lean``.

An environment decodes at every step and encodes only when an episode starts, so it is the decoder that must be small.
The encoder stays as it is, to the bit, and with it every encoding, the whitening and the radius: it is the same space.
A new decoder learns from points drawn from the posteriors of training formulas and their variants, by the
likelihood of the formula and by what the former decoder says there; and, at points that an agent visits away from the
data, by what the former decoder says (distillation: Hinton et al., arXiv:1503.02531).

Stop it with Ctrl-C and give the same command again to go on from the last finished epoch. The end result is a weights
file and its card, named as the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.data.embedded import load_dataset_as
from matenv.latent import cloud
from matenv.latent.evaluation.evaluate import agreement
from matenv.latent.networks.counts_vae import DECODER, MAX_COUNT, CountsVAE
from matenv.latent.networks.pairs import Pairs, choose_elements
from matenv.latent.space import VAESpace
from matenv.latent.store import open_space, read, write
from matenv.latent.training.anchors import choose_anchors
from matenv.latent.training.augment import Augmenter
from matenv.latent.training.cloud import fit_cloud
from matenv.latent.training.model_card import write_card
from matenv.latent.training.recipe import mean_record, training_rows
from matenv.training.checkpoint import Part, fingerprint
from matenv.training.optimizers import descend, fused_adamw
from matenv.training.precision import quick_products
from matenv.training.run import full_batches, run_epochs
from matenv.training.schedule import Moment, set_rate, warm_cosine
from matenv.training.settings import at_least_one, plain

LONGEST_WALK = 16
"""Most steps of a random walk away from an encoding: the horizon of an episode."""

POINTS = 10_000
"""Points at which the two decoders are compared, of each kind."""


@dataclass(frozen=True)
class LeanRecipe:
    """How a lean decoder is made.

    Attributes:
        decoder: Width of its trunk.
        decoder_inner: Inner width of its residual blocks.
        decoder_blocks: Number of residual blocks.
        head: Width of the count head, which has no hidden layer.
        epochs: Default number of passes over the training rows.
        batch: Compositions per step.
        visited: Points off the data per step.
        learning_rate: Peak of the cosine schedule (linear warm-up over the first 200 steps).
        weight_decay: AdamW's weight decay.
        imitation: Weight of the former decoder's word beside the formula's likelihood, on the data.
        visited_weight: Weight of its word off the data.
    """

    decoder: int = 160
    decoder_inner: int = 192
    decoder_blocks: int = 3
    head: int = 192
    epochs: int = 180
    batch: int = 512
    visited: int = 256
    learning_rate: float = 6e-3
    weight_decay: float = 0.02
    imitation: float = 1.0
    visited_weight: float = 0.3


RECIPE = LeanRecipe()
"""The shipped decoder's."""


def fit_decoder(
    teacher: VAESpace,
    data: Dataset,
    out: Path,
    *,
    epochs: int,
    seed: int,
    progress: bool = True,
) -> tuple[CountsVAE, list[dict[str, float]]]:
    """Train a lean decoder for a space, resuming from the checkpoint in `out` if there is one.

    Args:
        teacher: The space, with its former decoder.
        data: Table it was trained on.
        out: Folder of the run; ``checkpoint.pt`` and ``history.json`` are rewritten after every epoch.
        epochs: Length of the run; part of the schedule, so a resumed run must state the same.
        seed: Seed of initial weights, order, noise and augmentation.
        progress: Whether to show a progress bar (needs tqdm).

    Returns:
        The former encoder and the new decoder as one network in evaluation mode, and one record per epoch.

    Raises:
        ValueError: If the checkpoint belongs to another run, or the table has no training rows.
    """
    formulas = data.compositions[training_rows(data)]
    torch.manual_seed(seed)
    network = lean_network(teacher.network)
    decoder = [parameter for name, parameter in network.named_parameters() if name.startswith(DECODER)]
    optimizer = fused_adamw(decoder, RECIPE.learning_rate, RECIPE.weight_decay)
    validation = data.compositions[data.part("validation")]
    augmenter = Augmenter(formulas)

    def next_epoch(history: list[dict[str, float]]) -> dict[str, float]:
        epoch = len(history)
        random = np.random.default_rng([seed, epoch])
        shown = augmenter.vary(formulas, random)
        record = {"epoch": epoch + 1, **_epoch(network, teacher, optimizer, shown, epoch, epochs, random)}
        if len(validation):
            with torch.inference_mode():
                decoded = network.decode(network.posterior(Pairs.of(validation))[0])
            record |= agreement(decoded, validation)
        return record

    identity = {"source": fingerprint(teacher.network), "epochs": epochs, "seed": seed}
    identity |= {"table": data.name, "rows": len(data)} | plain(RECIPE, "epochs")
    parts: dict[str, Part] = {"network": network, "optimizer": optimizer}
    history = run_epochs(out, identity, parts, next_epoch, epochs=epochs, progress=progress)
    return network.eval(), history


def lean_network(former: Any) -> CountsVAE:
    """A network with the encoder of `former`, frozen, and an untrained lean decoder."""
    lean = {key: getattr(RECIPE, key) for key in ("decoder", "decoder_inner", "decoder_blocks", "head")}
    network = CountsVAE(**former.config | lean | {"head_hidden": False})
    encoder = {key: value for key, value in former.state_dict().items() if not key.startswith(DECODER)}
    network.load_state_dict(network.state_dict() | encoder)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith(DECODER))
    return network


def visited_points(codes: Tensor, radius: float, random: torch.Generator) -> Tensor:
    """Points an agent visits away from the data: a third each between encodings, on random walks, and anywhere.

    Args:
        codes: Points near the data (B, n), whitened.
        radius: Radius of the ball that environments stay in.
        random: Source of randomness.

    Returns:
        Points (B, n), whitened: on lines between pairs of `codes`; at the end of up to 16 steps of an environment's
        largest random moves from one; uniform in the ball.
    """
    third, dim = len(codes) // 3, codes.shape[1]
    share = torch.rand(third, 1, generator=random)
    between = torch.lerp(codes[:third], codes[torch.randperm(len(codes), generator=random)[:third]], share)
    walk = codes[third : 2 * third].clone()
    length = torch.randint(1, LONGEST_WALK + 1, (third, 1), generator=random)
    for step in range(LONGEST_WALK):
        moved = walk + 2.0 * torch.rand(third, dim, generator=random) - 1.0
        moved *= (radius / moved.norm(dim=1, keepdim=True)).clamp(max=1.0)
        walk = torch.where(step < length, moved, walk)
    anywhere = torch.randn(len(codes) - 2 * third, dim, generator=random)
    anywhere *= (
        radius * torch.rand(len(anywhere), 1, generator=random) ** (1 / dim) / anywhere.norm(dim=1, keepdim=True)
    )
    return torch.cat([between, walk, anywhere])


def _epoch(
    network: CountsVAE,
    teacher: VAESpace,
    optimizer: torch.optim.Optimizer,
    formulas: CompositionBatch,
    epoch: int,
    epochs: int,
    random: np.random.Generator,
) -> dict[str, float]:
    """One pass over the formulas; mean losses in nats a point."""
    network.train()
    noise = torch.Generator().manual_seed(int(random.integers(2**62)))
    batches = full_batches(random.permutation(len(formulas)), RECIPE.batch)
    records = []
    for step, rows in enumerate(batches):
        set_rate(warm_cosine, RECIPE.learning_rate, Moment(epoch, epochs, step, len(batches)), optimizer)
        losses = _losses(network, teacher, Pairs.of(formulas[rows]), noise)
        loss = losses[0] + RECIPE.imitation * losses[1] + RECIPE.visited_weight * losses[2]
        descend(loss, network, optimizer)
        fit, imitation, visited = (loss.item() for loss in losses)
        records.append({"log_likelihood": -fit, "cross_entropy": imitation, "visited_cross_entropy": visited})
    network.eval()
    return mean_record(records)


def _losses(
    network: CountsVAE, teacher: VAESpace, pairs: Pairs, noise: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Negative log-likelihood of formulas, and cross-entropies with the former decoder on and off the data."""
    former: Any = teacher.network
    mean_w, std_w = (torch.from_numpy(a).float() for a in (teacher.whitening.mean, teacher.whitening.std))
    with torch.no_grad(), quick_products():
        mean, log_variance = former.posterior(pairs)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=noise)
        codes = (z[: max(len(z) * RECIPE.visited // RECIPE.batch, 1)] - mean_w) / std_w
        z = torch.cat([z, visited_points(codes, teacher.radius, noise) * std_w + mean_w])
        h = former.trunk(z)
        presence = former.presence_logits(h).float()
        # On the data the formula's own elements have counts; off the data those that the former decoder names.
        _, size, row, element = choose_elements(presence[pairs.rows :].numpy())
        named = Pairs.listed(row, element, size)
        entries = (
            torch.cat([pairs.row, named.row + pairs.rows]), torch.cat([pairs.element, named.element]),
            torch.cat([pairs.offset, named.offset + len(pairs.row)]),
        )  # fmt: skip
        presence, counts = torch.sigmoid(presence), former.count_logits(h, *entries).float().softmax(1)
    with quick_products():
        h = network.trunk(z)
        odds, logits = network.presence_logits(h).float(), network.count_logits(h, *entries).float()
    target = torch.zeros(pairs.rows, odds.shape[1])
    target[pairs.row, pairs.element] = 1.0
    on, off, listed = pairs.rows, len(z) - pairs.rows, len(pairs.row)
    log_counts = F.log_softmax(logits, 1)
    agree = (counts * log_counts).sum(1)
    right = log_counts[:listed].gather(1, pairs.count.clamp(max=MAX_COUNT)[:, None] - 1).sum()
    fit = F.binary_cross_entropy_with_logits(odds[:on], target, reduction="sum") - right
    imitation = F.binary_cross_entropy_with_logits(odds[:on], presence[:on], reduction="sum") - agree[:listed].sum()
    visited = F.binary_cross_entropy_with_logits(odds[on:], presence[on:], reduction="sum") - agree[listed:].sum()
    return fit / on, imitation / on, visited / off


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
    at_least_one(epochs=epochs, threads=threads)
    teacher, folder = open_space("source", source), Path(out)
    if not isinstance(teacher.network, CountsVAE):
        raise ValueError(f"source={str(source)!r} is a {type(teacher.network).__name__}; only a CountsVAE is distilled")
    path = folder / f"{teacher.name}.safetensors"
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise ValueError(f"out={str(out)!r} is the source's own folder, whose weights would be overwritten")
    torch.set_num_threads(threads)
    table = load_dataset_as("data", data)
    network, history = fit_decoder(teacher, table, folder, epochs=epochs, seed=seed, progress=progress)
    anchors = None if teacher.anchors is None else choose_anchors(table.compositions[training_rows(table)], seed)
    write(VAESpace(teacher.name, network, teacher.whitening, anchors), path)
    cloud.write(fit_cloud(teacher.encode(table.compositions[table.split("system").train]), seed), path)
    space = read(path, teacher.name)
    run = {
        "recipe": plain(RECIPE, "epochs"),
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
