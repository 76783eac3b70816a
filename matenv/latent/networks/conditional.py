"""`ConditionalVAE`: a `CountsVAE` that is told the properties of what it is to spell.

A conditional VAE (Sohn et al., NeurIPS 2015) whose condition need not be known for every row (semi-supervised as model
M2 of Kingma et al., NeurIPS 2014, with a continuous condition). The first latent coordinates are the conditions, here
formation energy and PBE gap in standard units; the rest, z, is what they leave open. The decoder reads both. In
training it is given a row's label where there is one, and the encoder's own estimate, q(c|x), where there is none: a
gap the table lacks, or a variant of a formula that nobody has computed. The labels that exist teach that estimate; the
others are masked out. A condition changes what is decoded only as far as z does not already say it, so z is kept
uncorrelated with bumps along each condition beside the usual KL term.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.networks.objectives import kl_to_prior
from matenv.latent.networks.pairs import Pairs

CONDITIONS = {
    "formation_energy": (-1.43, 1.09, -4.62, 1.0),
    "band_gap_pbe": (1.14, 1.58, 0.0, 8.32),
}
"""Mean, standard deviation, smallest and largest value of each label over the training rows [eV/atom, eV]."""

SUPERVISION = 2.0
"""Weight of the labels' likelihood under q(c|x)."""

INDEPENDENCE = 4.0
"""Weight of the squared correlations between z and bumps along the conditions."""

BUMPS = 8
"""Bumps along each condition: Gaussians one standard unit wide, from -2 to 3."""


class ConditionalVAE(CountsVAE):
    """A `CountsVAE` whose first latent coordinates are conditions.

    Args:
        conditions: Mean, standard deviation, smallest and largest training value by name, in the order of coordinates.
        sizes: As `CountsVAE`.
    """

    recipe = "cvae"

    def __init__(self, conditions: Mapping[str, tuple[float, float, float, float]] = CONDITIONS, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.conditions = {name: tuple(values) for name, values in conditions.items()}
        self.config: dict[str, Any] = {"conditions": self.conditions, **self.config}

    def standard(self, labels: Tensor) -> Tensor:
        """Labels (B, k) in standard units."""
        mean, std = (torch.tensor([values[i] for values in self.conditions.values()]) for i in (0, 1))
        return (labels - mean) / std

    @torch.no_grad()
    def holding(self, values: Mapping[int, float]) -> CountsVAE:
        """The network with some latent coordinates held: what they add becomes part of a bias.

        Args:
            values: Value of each coordinate held.

        Returns:
            A network of as many dimensions less.
        """
        fixed, kept = list(values), [i for i in range(self.latent) if i not in values]
        sizes = {key: value for key, value in self.config.items() if key != "conditions"}
        out = CountsVAE(**sizes | {"latent": len(kept)})
        state = dict(self.state_dict())
        both = [*kept, *(self.latent + i for i in kept)]
        state["posterior_head.weight"] = state["posterior_head.weight"][both]
        state["posterior_head.bias"] = state["posterior_head.bias"][both]
        enter = state["decoder_in.weight"]
        added = enter[:, fixed] @ torch.tensor(list(values.values()), dtype=enter.dtype, device=enter.device)
        state["decoder_in.weight"], state["decoder_in.bias"] = enter[:, kept], state["decoder_in.bias"] + added
        out.load_state_dict(state)
        return out


def small_conditional() -> ConditionalVAE:
    """The shipped architecture, untrained: a third of the default space's parameters."""
    return ConditionalVAE(token=128, encoder=256, decoder=160, decoder_inner=192, head=96, head_hidden=False)


def conditional_elbo(
    network: ConditionalVAE, pairs: Pairs, labels: Tensor, noise: torch.Generator, beta: float
) -> tuple[Tensor, dict[str, float]]:
    """Negative evidence lower bound with conditions, as this module's docstring says; an `Objective`."""
    k = len(network.conditions)
    mean, log_variance = network.posterior(pairs)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=noise)
    known = torch.isfinite(labels)
    target = torch.where(known, network.standard(labels), 0.0)
    condition = torch.where(known, target, z[:, :k])
    likelihood = network.log_likelihood(torch.cat([condition, z[:, k:]], 1), pairs).mean()
    kl = kl_to_prior(mean, log_variance).mean()
    variance = log_variance[:, :k].exp() + 1e-3
    miss = 0.5 * ((target - mean[:, :k]).square() / variance + variance.log())
    miss = (miss * known).sum() / len(labels)
    dependence = correlation(mean[:, k:], torch.where(known, target, mean[:, :k]).detach())
    loss = beta * kl - likelihood + SUPERVISION * miss + INDEPENDENCE * dependence
    return loss, {
        "log_likelihood": likelihood.item(), "kl": kl.item(), "label_miss": miss.item(),
        "dependence": dependence.item(),
    }  # fmt: skip


def correlation(z: Tensor, condition: Tensor) -> Tensor:
    """Mean over coordinates of z (B, n) of their summed squared correlations with bumps along each condition (B, k)."""
    centres = torch.linspace(-2.0, 3.0, BUMPS)
    bumps = torch.exp(-0.5 * (condition[:, :, None] - centres).square()).flatten(1)
    bumps = (bumps - bumps.mean(0)) / (bumps.std(0) + 1e-2)
    z = (z - z.mean(0)) / (z.std(0) + 1e-2)
    return (z.T @ bumps / len(z)).square().sum(1).mean()
