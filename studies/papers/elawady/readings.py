"""What the paper leaves open about its likelihood, as four readings of it.

The paper speaks of "independent Bernoulli random variables indicating the presence of the atom" and of data that sum to
one, calls the decoder's output "the contribution of that element to the overall atomic count", and names neither the
output activation nor the reconstruction term.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from matenv.composition import PAPER_THRESHOLD


@dataclass(frozen=True)
class Reading:
    """One reading of the paper's likelihood.

    Attributes:
        says: What it takes the paper to mean.
        log_likelihood: (decoder output (B, 89), atom fractions (B, 89)) -> log p(x|z) in nats (B,), constants of x
            left out.
        amounts: Decoder output (B, 89) -> the vector that the threshold T is applied to.
    """

    says: str
    log_likelihood: Callable[[Tensor, Tensor], Tensor]
    amounts: Callable[[Tensor], Tensor]


def _multinomial(output: Tensor, x: Tensor) -> Tensor:
    return (x * F.log_softmax(output, dim=1)).sum(1) / PAPER_THRESHOLD


def _bernoulli(output: Tensor, x: Tensor) -> Tensor:
    return -F.binary_cross_entropy_with_logits(output, x, reduction="none").sum(1)


def _presence(output: Tensor, x: Tensor) -> Tensor:
    return _bernoulli(output, (x > 0).to(x.dtype))


def _gaussian(output: Tensor, x: Tensor) -> Tensor:
    return -0.5 * (x - output).square().sum(1)


def _shares(output: Tensor) -> Tensor:
    p = torch.sigmoid(output)
    return p / p.sum(dim=1, keepdim=True)


READINGS = {
    "multinomial": Reading(
        "1/T = 25 atoms drawn from a softmax over the elements", _multinomial, lambda o: o.softmax(1)
    ),
    "bernoulli-weights": Reading("binary cross-entropy on the weights that sum to one", _bernoulli, torch.sigmoid),
    "bernoulli-presence": Reading(
        "binary cross-entropy on presence; its probabilities divided by their sum", _presence, _shares
    ),
    "gaussian": Reading("squared error on the weights, unit variance", _gaussian, lambda o: o.clamp(min=0.0)),
}
"""Readings by name. The first is that of `vae-elawady`, and the report's unless it says otherwise."""


def most_to_gain(x: Tensor) -> float:
    """What a perfect decoder can gain over one that ignores z, under `bernoulli-weights`.

    Args:
        x: Atom fractions (B, 89).

    Returns:
        Nats per composition: entropy of Bernoulli variables at the mean weights, less their mean entropy at each row's
        weights. A KL term above this cannot pay, so this bounds what such a model says about a composition.
    """

    def entropy(p: Tensor) -> Tensor:
        return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum(-1)

    return float(entropy(x.mean(0)) - entropy(x).mean())
