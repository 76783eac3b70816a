"""`DisentangledVAE`: a semi-supervised space of alloys in which one dimension is the target, single phase or not.

After Zeng et al. (arXiv:2409.06740): labelled and unlabelled alloys train one probabilistic model of composition,
target and the rest; the prior of the target is what experts know; the head that infers the target can be interpreted.
As read here: the point (t, z) holds the log-odds t of a single phase and the rest z in 23 dimensions, and

    p(t | x) = N(e(x), 1)     e: textbook rules on size mismatch, mixing enthalpy and VEC (`matenv.chemistry.alloys`)
    p(z) = N(0, I),  p(label | t) = sigmoid(t),  p(x | t, z): which elements are present, then 50 atoms drawn of them
    q(t | x) = N(e(x) + head(x), s(x)^2),  q(z | x) Gaussian.

Where no label pulls, the Kullback-Leibler term pulls the head back to the rules. The rest is kept free of the target: a
penalty on how far z of single-phase and of other alloys are apart (maximum mean discrepancy, Gretton et al., JMLR 13,
723, 2012), so that moving along t alone changes the phase and moving along z alone should not.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.chemistry.alloys import DESCRIPTORS, alloy_descriptors, expert_log_odds
from matenv.composition import CompositionBatch
from matenv.latent.networks.elawady_vae import fractions_of
from matenv.latent.networks.pairs import Pairs, choose_elements
from matenv.latent.networks.protocol import Network

TABLE = "hea-phases"
"""The table it learns from."""

ATOMS = 50
"""Atoms that a composition is worth: its fractions count as known to about 2 at.%."""

MAX_FORMULA_ATOMS, TOLERANCE = 40, 0.015
"""Decoded fractions become the smallest formula of at most 40 atoms within 1.5 at.%: Al0.3CoCrFeNi is Al(CoCrFeNi)3."""

SCALES = torch.tensor([[8.0, 4.0], [6.0, 5.0], [-5.0, 15.0], [6.5, 2.0], [0.2, 0.15], [1700.0, 600.0], [0.5, 0.8]])
"""Centre and scale of each descriptor as the head sees it, in the units of `DESCRIPTORS`; fixed, not fitted."""

LABEL_WEIGHT = 20.0
"""Weight of a label's log-likelihood (at most 0.7 nats by chance) beside the composition's (tens of nats)."""

INDEPENDENCE_WEIGHT = 20.0
"""Weight of the discrepancy between z of alloys with one phase and with more."""

LOG_VARIANCE_RANGE = (-8.0, 3.0)


class DisentangledVAE(Network):
    """Semi-supervised variational autoencoder of alloys.

    Args:
        latent: Dimension n; the first is the target's.
        width: Nodes per hidden layer of encoder and decoder.
        head: Nodes per hidden layer of the head that infers the target.
        dropout: Share of the head's hidden nodes left out in training.
        expert: Whether the prior of the target is the textbook's; otherwise it is N(0, 1) for every alloy.
    """

    table = TABLE
    label_coordinate = 0
    recipe = "dvae"

    def __init__(
        self, latent: int = 24, width: int = 256, head: int = 64, dropout: float = 0.2, expert: bool = True
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "latent": latent, "width": width, "head": head, "dropout": dropout, "expert": expert,
        }  # fmt: skip
        size = alphabet.NUM_ELEMENTS
        self.head = PhaseHead(head, dropout)
        first, middle, last = nn.Linear(2 * size, width), nn.Linear(width, width), nn.Linear(width, 2 * (latent - 1))
        self.encoder = nn.Sequential(first, nn.SiLU(), middle, nn.SiLU(), last)
        with torch.no_grad():  # starts sure of itself: drowned in noise, the decoder would learn to do without z
            last.weight[: latent - 1] *= 8.0
            last.bias[latent - 1 :] = -4.0
        self.decoder = nn.Sequential(
            nn.Linear(latent, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2 * size)
        )

    def posterior(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(t, z | x), each (B, n)."""
        return self.infer(fractions_of(pairs))[:2]

    def infer(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log-variance of q(t, z | x), each (B, n), and the prior mean of t (B,), from fractions (B, 89)."""
        descriptors, expert = self.describe(x)
        t_mean, t_log_variance = self.head(x, descriptors)
        mean, log_variance = self.encoder(torch.cat([(x > 0).float(), x], dim=1)).chunk(2, dim=1)
        mean = torch.cat([(expert + t_mean)[:, None], mean], dim=1)
        return mean, torch.cat([t_log_variance[:, None], log_variance], dim=1).clamp(*LOG_VARIANCE_RANGE), expert

    def describe(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled descriptors (B, 7) of atom fractions (B, 89), and the prior mean of the target (B,)."""
        values = alloy_descriptors(x.cpu().numpy())
        descriptors = torch.from_numpy(values).float()
        expert = torch.from_numpy(expert_log_odds(values)).float()
        scaled = (descriptors - SCALES[:, 0]) / SCALES[:, 1]
        return scaled.to(x.device), (expert if self.config["expert"] else torch.zeros_like(expert)).to(x.device)

    def kl(self, mean: Tensor, log_variance: Tensor, pairs: Pairs) -> Tensor:
        """KL(q(t, z | x) || p(t | x) p(z)) (B,) in nats."""
        target, rest = kl_to_prior(mean, log_variance, self.describe(fractions_of(pairs))[1])
        return target + rest

    def log_likelihood(self, z: Tensor, pairs: Pairs) -> Tensor:
        """Log p(x|t,z) (B,) in nats: presence of all 89 elements, and shares of those present.

        The shares count as minus 50 times their KL divergence from the decoder's: a multinomial of 50 atoms, its
        coefficient by Stirling's formula, so that a perfect decoder scores 0 whatever the alloy.
        """
        return self.fit(z, fractions_of(pairs))

    def fit(self, z: Tensor, x: Tensor) -> Tensor:
        """The same of atom fractions (B, 89)."""
        presence, share = self.decoder(z).chunk(2, dim=1)
        present = x > 0
        named = -F.binary_cross_entropy_with_logits(presence, present.float(), reduction="none").sum(1)
        log_share = F.log_softmax(share.masked_fill(~present, -torch.inf), dim=1)
        return named + ATOMS * torch.where(present, x * (log_share - torch.log(x)), 0.0).sum(1)

    def decode(self, z: Tensor) -> CompositionBatch:
        """Formula of each latent vector (B, n): the likeliest elements, then the smallest formula within 1.5 at.%."""
        presence, share = self.decoder(z).detach().cpu().chunk(2, dim=1)
        elements, *_ = choose_elements(presence.numpy())
        chosen = torch.zeros(len(z), alphabet.NUM_ELEMENTS + 1, dtype=torch.bool)
        chosen.scatter_(1, torch.from_numpy(elements).long() % (alphabet.NUM_ELEMENTS + 1), True)  # -1 is the last
        x = F.softmax(share.double().masked_fill(~chosen[:, :-1], -torch.inf), dim=1)
        return CompositionBatch.from_fractions(x.numpy(), MAX_FORMULA_ATOMS, TOLERANCE)


class PhaseHead(nn.Module):
    """What labels teach beyond the textbook: shift and log-variance of the target's log-odds.

    Args:
        width: Nodes per hidden layer.
        dropout: Share of hidden nodes left out in training.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        first, middle = nn.Linear(alphabet.NUM_ELEMENTS + len(DESCRIPTORS), width), nn.Linear(width, width)
        last, drop = nn.Linear(width, 2), nn.Dropout(dropout)
        self.layers = nn.Sequential(first, nn.SiLU(), drop, middle, nn.SiLU(), drop, last)
        nn.init.zeros_(last.weight)  # starts as the textbook
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, descriptors: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and log-variance (B,) from fractions (B, 89) and scaled descriptors (B, 7)."""
        shift, log_variance = self.layers(torch.cat([x, descriptors], dim=1)).unbind(1)
        return shift, log_variance


def kl_to_prior(mean: Tensor, log_variance: Tensor, expert: Tensor) -> tuple[Tensor, Tensor]:
    """KL divergences (B,) in nats of q from the priors: of the target, N(expert, 1), and of the rest, N(0, I)."""
    shifted = torch.cat([mean[:, :1] - expert[:, None], mean[:, 1:]], dim=1)
    each = 0.5 * (shifted.square() + log_variance.exp() - 1 - log_variance)
    return each[:, 0], each[:, 1:].sum(1)


def probability(mean: Tensor, log_variance: Tensor) -> Tensor:
    """E[sigmoid(t)] for Gaussian t (B,), by MacKay's approximation (Neural Comput. 4, 720, 1992)."""
    return torch.sigmoid(mean / torch.sqrt(1 + torch.pi / 8 * log_variance.exp()))


def objective(
    network: DisentangledVAE,
    pairs: Pairs,
    labels: Tensor,
    noise: torch.Generator,
    beta: float,
    label_weight: float = LABEL_WEIGHT,
    independence_weight: float = INDEPENDENCE_WEIGHT,
) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch of alloys, some labelled: minus the evidence lower bound, plus the penalty that disentangles.

    Args:
        network: The network.
        pairs: Alloys (B).
        labels: 1 single phase, 0 not, NaN unknown (B, 1).
        noise: Source of the posterior draws.
        beta: Weight of the KL term of the rest; that of the target has weight 1.
        label_weight: Weight of the labels' log-likelihood.
        independence_weight: Weight of the discrepancy between the z of both kinds.

    Returns:
        The loss, and what to record of it.
    """
    x = fractions_of(pairs)
    mean, log_variance, expert = network.infer(x)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=noise)
    likelihood = network.fit(z, x).mean()
    kl_target, kl = (each.mean() for each in kl_to_prior(mean, log_variance, expert))
    known = torch.isfinite(labels[:, 0])
    y = labels[known, 0]
    fit = F.binary_cross_entropy_with_logits(z[known, 0], y, reduction="sum") / len(z)
    apart = discrepancy(z[known & (labels[:, 0] == 1), 1:], z[known & (labels[:, 0] == 0), 1:])
    loss = kl_target + beta * kl - likelihood + label_weight * fit + independence_weight * apart
    right = (((mean[known, 0] > 0) == (y > 0.5)).float().mean() if len(y) else fit * 0).item()
    return loss, {
        "log_likelihood": likelihood.item(),
        "kl": kl.item(),
        "kl_target": kl_target.item(),
        "label_right": right,
        "apart": apart.item(),
    }


def discrepancy(a: Tensor, b: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of samples (A, n) and (B, n), Gaussian kernels of three widths; 0 if tiny."""
    if min(len(a), len(b)) < 2:
        return a.sum() * 0.0
    kernel = partial(_kernel, unit=2.0 * a.shape[1])
    off = kernel(a, a).sum() - kernel(a, a).diagonal().sum()
    off_b = kernel(b, b).sum() - kernel(b, b).diagonal().sum()
    return off / (len(a) * (len(a) - 1)) + off_b / (len(b) * (len(b) - 1)) - 2 * kernel(a, b).mean()


def _kernel(a: Tensor, b: Tensor, unit: float) -> Tensor:
    square = torch.cdist(a, b).square() / unit  # `unit`: mean squared distance of two standard normal vectors
    return torch.stack([torch.exp(-square * width) for width in (0.5, 1.0, 2.0)]).mean(0)
