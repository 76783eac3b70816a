"""Adversarial training of `matenv.latent.networks.generators`: critic and generator first, then the encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from matenv.latent.networks.generators import MOST, SLOTS
from matenv.latent.networks.objectives import elbo
from matenv.latent.networks.pairs import Pairs
from matenv.latent.training.recipe import Recipe, Shown, mean_record, one_epoch
from matenv.training.precision import quick_products
from matenv.training.run import full_batches
from matenv.training.schedule import Moment, set_rate, warm_cosine

CRITIC_STEPS = 3
"""Steps of the critic for each of the generator (Gulrajani et al. take 5)."""

PENALTY = 10.0
"""Weight of the gradient penalty (Gulrajani et al.)."""

INVERTIBILITY = 0.03
"""What a nat of log q(z|x) of generated formulas is worth to the generator. At 0.15 it gave up looking real for it."""

GENERATOR_RATE, ENCODER_RATE = 0.5, 2.5
"""Learning rates of generator and encoder over the critic's."""

ADVERSARIAL_SHARE = 0.85
"""Share of a run in which critic and generator learn; in the rest the encoder does alone."""


def adam_by_part(network: Any, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam with the betas of Gulrajani et al. for critic and generator, and the usual ones for the encoder."""
    settings = {
        "critic.": {"betas": (0.0, 0.9), "weight_decay": 0.0},
        network.GENERATOR: {"betas": (0.0, 0.9), "weight_decay": 0.0, "factor": GENERATOR_RATE},
        network.ENCODER: {"betas": (0.9, 0.99), "weight_decay": recipe.weight_decay, "factor": ENCODER_RATE},
    }
    groups = [{"params": _part(network, name)} | values for name, values in settings.items()]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)


def adversarial_epoch(
    network: Any, optimizer: torch.optim.Optimizer, shown: Shown, recipe: Recipe, epoch: int, epochs: int,
    random: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """One pass over the training rows: of critic and generator, or in the last part of the run, of the encoder.

    Args:
        network: A `SlotsGAN` or `FractionsGAN` with a critic.
        optimizer: Of `adam_by_part`.
        shown: What to learn from.
        recipe: How.
        epoch: Epochs finished.
        epochs: Length of the run.
        random: Source of all randomness.

    Returns:
        ``distance`` (the critic's estimate, the Wasserstein distance up to a factor), ``penalty`` and ``miss`` (nats by
        which the encoder misses z); or what `one_epoch` records.
    """
    last = max(int(ADVERSARIAL_SHARE * epochs), 1)
    generator, encoder = _part(network, network.GENERATOR), _part(network, network.ENCODER)
    if epoch >= last:
        for parameter in [*generator, *network.critic.parameters()]:
            parameter.requires_grad_(False)
        return one_epoch(network, optimizer, shown, recipe, epoch - last, epochs - last, random)
    noise = torch.Generator().manual_seed(int(random.integers(2**62)))
    writable = (shown.formulas.counts.max(axis=1) <= MOST) & (shown.formulas.size <= SLOTS)
    batches = full_batches(random.permutation(np.flatnonzero(writable)), recipe.batch)
    records, miss = [], torch.zeros(())
    for step, rows in enumerate(batches):
        set_rate(warm_cosine, recipe.learning_rate, Moment(epoch, last, step, len(batches)), optimizer)
        real = network.write(Pairs.of(shown.formulas[rows]))
        record = _critic_step(network, optimizer, real, noise, recipe.bfloat16)
        if (epoch * len(batches) + step) % CRITIC_STEPS == CRITIC_STEPS - 1:
            z = torch.randn(len(rows), network.latent, generator=noise)
            with quick_products(recipe.bfloat16):
                fake = network.generate(z)
                score = network.critic(fake).float().mean()
                miss = missed(z, *network.read(network.sharpened(fake))).mean()
            optimizer.zero_grad(set_to_none=True)
            # The critic's own gradients are not wanted here, so they are never computed.
            learning = [*generator, *encoder]
            for parameter, slope in zip(
                learning, torch.autograd.grad(INVERTIBILITY * miss - score, learning), strict=True
            ):
                parameter.grad = slope
            optimizer.step()
        records.append(record | {"miss": miss.item()})
    return mean_record(records)


def _critic_step(
    network: Any, optimizer: torch.optim.Optimizer, real: Tensor, noise: torch.Generator, bfloat16: bool
) -> dict[str, float]:
    with quick_products(bfloat16):
        with torch.no_grad():
            fake = network.generate(torch.randn(len(real), network.latent, generator=noise))
        between = torch.lerp(fake, real, torch.rand(len(real), 1, generator=noise)).requires_grad_(True)
        true, generated, score = network.critic(torch.cat([real, fake, between])).float().chunk(3)
        (slope,) = torch.autograd.grad(score.sum(), between, create_graph=True)
    penalty = (slope.square().sum(1).clamp(min=1e-12).sqrt() - 1).square().mean()
    distance = true.mean() - generated.mean()
    optimizer.zero_grad(set_to_none=True)
    (PENALTY * penalty - distance).backward()
    optimizer.step()
    return {"distance": distance.item(), "penalty": penalty.item()}


def inversion(
    network: Any, pairs: Pairs, labels: Tensor, noise: torch.Generator, beta: float
) -> tuple[Tensor, dict[str, float]]:
    """The ELBO of real rows under the frozen generator, and the likelihood of z given what it generates."""
    loss, record = elbo(network, pairs, labels, noise, beta)
    z = torch.randn(pairs.rows, network.latent, generator=noise)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        generated = network.decode(z)
    named = np.flatnonzero(generated.size)  # fractions may all stay below the threshold
    miss = missed(z[named], *network.posterior(Pairs.of(generated[named]))).sum() / pairs.rows
    return loss + miss, record | {"miss": miss.item()}


def missed(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """-log q(z|x) of each row (B,) in nats, its constant left out."""
    return 0.5 * ((z - mean).square() / log_variance.exp() + log_variance).sum(1)


def without_critic(network: Any) -> nn.Module:
    """The same network, its critic left behind."""
    lean = type(network)(**network.config | {"critic": 0})
    lean.load_state_dict({key: value for key, value in network.state_dict().items() if not key.startswith("critic.")})
    return lean.eval()


def _part(network: nn.Module, name: str) -> list[nn.Parameter]:
    return [parameter for key, parameter in network.named_parameters() if key.startswith(name)]
