"""What a latent space is trained to do: the loss of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from matenv.latent.networks.pairs import Pairs

Objective = Callable[[Any, Pairs, Tensor, torch.Generator, float], tuple[Tensor, dict[str, float]]]
"""Loss of a batch, and what to record of it: of (network, pairs, labels (B, L), noise, beta).

Labels are NaN where the table has none, and where augmentation changed the formula.
"""


def elbo(
    network: Any, pairs: Pairs, labels: Tensor, noise: torch.Generator, beta: float
) -> tuple[Tensor, dict[str, float]]:
    """Negative evidence lower bound per composition, KL term at weight beta; an `Objective`."""
    mean, log_variance = network.posterior(pairs)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=noise)
    likelihood = network.log_likelihood(z, pairs).mean()
    kl = kl_to_prior(mean, log_variance).mean()
    return beta * kl - likelihood, {"log_likelihood": likelihood.item(), "kl": kl.item()}


def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, I)) (B,) in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
