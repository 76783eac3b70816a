"""`ElAwadyVAE`: the network of El-Awady (arXiv:2401.06779): 89 -> 100 -> 100 -> 2 x 10 with ELU, and its mirror.

The paper does not state its likelihood. It speaks of independent Bernoulli presences, but its data are weights that sum
to one, and binary cross-entropy on such weights with the KL term at weight 1 collapses: no formula is recovered.
Read here: the decoder's output is a distribution over the elements (softmax), "the contribution of that element to the
overall atomic count", and a composition is 1/T = 25 atoms drawn from it (multinomial, its constant left out), 25 being
the number of atoms to which the paper's own decoding rule scales. The KL term then keeps weight 1: it is an ELBO.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.composition import PAPER_THRESHOLD, CompositionBatch, threshold_counts
from matenv.composition.integers import MAX_ELEMENTS
from matenv.latent.networks.pairs import Pairs
from matenv.latent.networks.protocol import Network

SMALLEST_TOLERANCE = 0.01
"""Largest change of an atom fraction that the "smallest" rule accepts: of the order of the decoder's own error."""


class ElAwadyVAE(Network):
    """Variational autoencoder of sum-to-one composition vectors.

    Args:
        latent: Dimension n of the latent space.
        width: Nodes per hidden layer.
        rule: How fractions become integers: ``"threshold"`` is the paper's rule (T = 0.04, times 1/T, reduce),
            ``"smallest"`` takes the smallest formula within 0.01 of the fractions that pass the threshold.

    Raises:
        ValueError: An unknown rule.
    """

    rules = ("threshold", "smallest")
    recipe: ClassVar[str | None] = "vae-elawady"

    def __init__(self, latent: int = 10, width: int = 100, rule: str = "threshold") -> None:
        super().__init__()
        self.check_rule(rule)
        self.config: dict[str, Any] = {"latent": latent, "width": width, "rule": rule}
        size = alphabet.NUM_ELEMENTS
        self.encoder = nn.Sequential(
            nn.Linear(size, width), nn.ELU(), nn.Linear(width, width), nn.ELU(), nn.Linear(width, 2 * latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, width), nn.ELU(), nn.Linear(width, width), nn.ELU(), nn.Linear(width, size)
        )

    def posterior(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, n)."""
        mean, log_variance = self.encoder(fractions_of(pairs)).chunk(2, dim=1)
        return mean, log_variance.clamp(-14.0, 6.0)

    def log_likelihood(self, z: Tensor, pairs: Pairs) -> Tensor:
        """Log p(x|z) (B,) in nats, of 25 atoms drawn from the decoder's distribution."""
        return (fractions_of(pairs) * F.log_softmax(self.decoder(z), dim=1)).sum(1) / PAPER_THRESHOLD

    def decode(self, z: Tensor) -> CompositionBatch:
        """Formula of each latent vector (B, n): threshold, scale, round, reduce; at most the 10 largest entries."""
        x = largest(F.softmax(self.decoder(z), dim=1).cpu().numpy().astype(np.float64))
        if self.config["rule"] == "threshold":
            return CompositionBatch.from_counts(threshold_counts(x), allow_empty=True)
        x = np.where(x >= PAPER_THRESHOLD, x, 0.0)
        empty = ~x.any(axis=1)
        x[empty, 0] = 1.0  # stands in for a row without an element, which is emptied again below
        batch = CompositionBatch.from_fractions(x, tolerance=SMALLEST_TOLERANCE)
        batch.elements[empty], batch.counts[empty], batch.size[empty] = -1, 0, 0
        return batch


def largest(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amounts (B, 89) with all but the 10 largest of each row, the most elements a formula may have, set to 0.

    Of equal amounts the first in the alphabet stay.
    """
    smallest_kept = np.partition(x, -MAX_ELEMENTS, axis=1)[:, -MAX_ELEMENTS, None]
    kept = np.where(x >= smallest_kept, x, 0.0)
    for row in np.flatnonzero(np.count_nonzero(kept, axis=1) > MAX_ELEMENTS):
        kept[row, np.argsort(-kept[row], kind="stable")[MAX_ELEMENTS:]] = 0.0
    return kept


def fractions_of(pairs: Pairs) -> Tensor:
    """Atom fractions (B, 89) of listed compositions."""
    counts = torch.zeros(pairs.rows, alphabet.NUM_ELEMENTS, device=pairs.count.device)
    counts[pairs.row, pairs.element] = pairs.count.float()
    return counts / counts.sum(1, keepdim=True)
