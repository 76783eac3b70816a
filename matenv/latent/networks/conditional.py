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

import numpy as np
import torch
from torch import Tensor

from matenv.composition import CompositionBatch
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.networks.objectives import kl_to_prior
from matenv.latent.networks.pairs import Pairs
from matenv.latent.space import VAESpace, Whitening

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

NEARNESS = 0.3
"""Standard units: anchors count by exp(-d^2 / 2), d^2 their expected squared distance from a condition over this."""


class ConditionalVAE(CountsVAE):
    """A `CountsVAE` whose first latent coordinates are conditions.

    Args:
        conditions: Mean, standard deviation, smallest and largest training value by name, in the order of coordinates.
        sizes: As `CountsVAE`.
    """

    def __init__(self, conditions: Mapping[str, tuple[float, float, float, float]] = CONDITIONS, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.conditions = {name: tuple(values) for name, values in conditions.items()}
        self.config: dict[str, Any] = {"conditions": self.conditions, **self.config}

    def standard(self, labels: Tensor) -> Tensor:
        """Labels (B, k) in standard units."""
        mean, std = (torch.tensor([values[i] for values in self.conditions.values()]) for i in (0, 1))
        return (labels - mean) / std


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


class ConditionalSpace(VAESpace):
    """The space of a `ConditionalVAE`: its first coordinates are the conditions, and `at` holds them fixed."""

    network: ConditionalVAE

    def at(self, **targets: float) -> VAESpace:
        """The space at given values of conditions: their coordinates are gone, and every point decodes under them.

        `encode` says what a composition is beside the conditions, so that ``decode(encode(x))`` is the like of x at the
        asked values, not x itself. `sample` draws around the anchors whose estimated properties are near;
        `sample_nominal` trusts the decoder alone and draws from N(0, I). `score` is conditional: log p(x | targets).

        Args:
            targets: Values by name: ``formation_energy`` [eV/atom], ``band_gap_pbe`` [eV]; those not named stay
                coordinates.

        Returns:
            A space of as many dimensions less, to sample from or to move in.

        Raises:
            ValueError: No target, an unknown name, or a value outside the training rows' range.
        """
        names = list(self.network.conditions)
        if not targets:
            raise ValueError(f"at() needs a target, such as at({names[0]}=-2.0); conditions are {', '.join(names)}")
        for name, value in targets.items():
            if name not in names:
                raise ValueError(f"{name!r} is not a condition of {self.name!r}; it has {', '.join(names)}")
            low, high = self.network.conditions[name][2:]
            if not low <= value <= high:
                raise ValueError(f"{name}={value} must lie within the training rows' range, {low} to {high}")
        fixed = [i for i, name in enumerate(names) if name in targets]
        values = np.array([(targets[names[i]] - self.network.conditions[names[i]][0]) for i in fixed])
        values /= [self.network.conditions[names[i]][1] for i in fixed]
        kept = [i for i in range(self.dim) if i not in fixed]
        whitening = Whitening(self.whitening.mean[kept], self.whitening.std[kept], self.radius)
        label = ", ".join(f"{name}={value:g}" for name, value in targets.items())
        network = _conditioned(self.network, fixed, kept, values)
        anchors = None if self.anchors is None else self._anchors_near(self.anchors, fixed, values)
        return VAESpace(f"{self.name} at {label}", network, whitening, anchors, self.device)

    def _anchors_near(self, anchors: CompositionBatch, fixed: list[int], values: np.ndarray) -> CompositionBatch:
        """As many anchors again, drawn by how near they are estimated to be; in the order of the anchors."""
        mean, log_variance = (moment[:, fixed] for moment in self._posterior(anchors))
        log_weight = -0.5 * ((values - mean) ** 2 + np.exp(log_variance)).sum(axis=1) / NEARNESS**2
        weight = np.exp(log_weight - log_weight.max())
        ticks = (0.5 + np.arange(len(anchors))) / len(anchors)
        cumulative = np.cumsum(weight) / weight.sum()
        return anchors[np.searchsorted(cumulative, ticks).clip(max=len(anchors) - 1)]


@torch.no_grad()
def _conditioned(network: ConditionalVAE, fixed: list[int], kept: list[int], values: np.ndarray) -> CountsVAE:
    """The network with some latent coordinates fixed: what they add becomes part of a bias."""
    sizes = {key: value for key, value in network.config.items() if key != "conditions"}
    out = CountsVAE(**sizes | {"latent": len(kept)})
    state = dict(network.state_dict())
    both = [*kept, *(network.latent + i for i in kept)]
    state["posterior_head.weight"] = state["posterior_head.weight"][both]
    state["posterior_head.bias"] = state["posterior_head.bias"][both]
    enter = state["decoder_in.weight"]
    added = enter[:, fixed] @ torch.tensor(values, dtype=enter.dtype, device=enter.device)
    state["decoder_in.weight"], state["decoder_in.bias"] = enter[:, kept], state["decoder_in.bias"] + added
    out.load_state_dict(state)
    return out
