"""Training of a lean decoder for a latent space that has a larger one.

An environment decodes at every step and encodes only when an episode starts, so it is the decoder that must be small.
The encoder stays as it is, to the bit, and with it every encoding, the whitening and the radius: it is the same space.
A new decoder learns from points drawn from the posteriors of training formulas and their variants, by the
likelihood of the formula and by what the former decoder says there; and, at points that an agent visits away from the
data, by what the former decoder says (distillation: Hinton et al., arXiv:1503.02531).

All randomness of epoch k comes from generators seeded with (seed, k), as in `matenv.latent.training.fit`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.latent.evaluation.evaluate import agreement
from matenv.latent.networks.counts_vae import DECODER, MAX_COUNT, CountsVAE
from matenv.latent.networks.pairs import Pairs, choose_elements
from matenv.latent.space import VAESpace
from matenv.latent.training.augment import Augmenter
from matenv.latent.training.fit import training_rows
from matenv.latent.training.recipe import set_learning_rate
from matenv.training.checkpoint import epochs_left, resume, save
from matenv.training.precision import quick_products

LONGEST_WALK = 16
"""Most steps of a random walk away from an encoding: the horizon of an episode."""


@dataclass(frozen=True)
class Recipe:
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


RECIPE = Recipe()
"""The shipped decoder's."""


def fit_decoder(
    teacher: VAESpace,
    data: Dataset,
    out: Path,
    *,
    epochs: int,
    seed: int,
    report: Callable[[dict[str, float]], None] | None = None,
    stop_after: int | None = None,
    progress: bool = True,
) -> tuple[CountsVAE, list[dict[str, float]]]:
    """Train a lean decoder for a space, resuming from the checkpoint in `out` if there is one.

    Args:
        teacher: The space, with its former decoder.
        data: Table it was trained on.
        out: Folder of the run; ``checkpoint.pt`` and ``history.json`` are rewritten after every epoch.
        epochs: Length of the run; part of the schedule, so a resumed run must state the same.
        seed: Seed of initial weights, order, noise and augmentation.
        report: Called with each epoch's record.
        stop_after: Leave after this many epochs in total, as an interruption would.
        progress: Whether to show a progress bar (needs tqdm).

    Returns:
        The former encoder and the new decoder as one network in evaluation mode, and one record per epoch.

    Raises:
        ValueError: If the checkpoint belongs to another run, or the table has no training rows.
    """
    rows = training_rows(data)
    if not len(rows):
        raise ValueError(f"{data.name} has no training rows: its systems all fall into the held-out parts")
    torch.manual_seed(seed)
    network = lean_network(teacher.network)
    decoder = [parameter for name, parameter in network.named_parameters() if name.startswith(DECODER)]
    optimizer = torch.optim.AdamW(
        decoder, lr=RECIPE.learning_rate, weight_decay=RECIPE.weight_decay, betas=(0.9, 0.99), fused=True
    )
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in teacher.network.state_dict().values()))
    identity = {"source": digest.hexdigest(), "epochs": epochs, "seed": seed, "table": data.name, "rows": len(data)}
    identity |= {key: value for key, value in asdict(RECIPE).items() if key != "epochs"}
    history = resume(out, identity, network, optimizer)
    formulas = data.compositions[rows]
    validation = data.compositions[data.part("validation")]
    augmenter = Augmenter(formulas)
    last = min(epochs, stop_after if stop_after is not None else epochs)
    for epoch in epochs_left(len(history), last, progress):
        random = np.random.default_rng([seed, epoch])
        shown = augmenter.vary(formulas, random)
        record = {"epoch": epoch + 1, **_epoch(network, teacher, optimizer, shown, epoch, epochs, random)}
        if len(validation):
            with torch.inference_mode():
                decoded = network.decode(network.posterior(Pairs.of(validation))[0])
            record |= agreement(decoded, validation)
        history.append(record)
        save(out, identity, network, optimizer, history)
        if report:
            report(record)
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
    order = random.permutation(len(formulas))
    batch = min(RECIPE.batch, len(order))
    starts = range(0, len(order) - batch + 1, batch)  # the incomplete last batch is left out
    totals = np.zeros(3)
    for step, start in enumerate(starts):
        set_learning_rate(optimizer, RECIPE.learning_rate, epoch, epochs, step, len(starts))
        losses = _losses(network, teacher, Pairs.of(formulas[order[start : start + batch]]), noise)
        optimizer.zero_grad(set_to_none=True)
        (losses[0] + RECIPE.imitation * losses[1] + RECIPE.visited_weight * losses[2]).backward()
        nn.utils.clip_grad_norm_((p for p in network.parameters() if p.requires_grad), 1.0)
        optimizer.step()
        totals += [loss.item() for loss in losses]
    network.eval()
    fit, imitation, visited = (totals / len(starts)).tolist()
    return {"log_likelihood": -fit, "cross_entropy": imitation, "visited_cross_entropy": visited}


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
