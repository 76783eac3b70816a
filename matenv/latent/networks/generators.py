"""`SlotsGAN`: a generator of formulas that was trained against a critic, with an encoder that inverts it.

A formula is written as six slots, the most electronegative element first, and each slot holds one element, with a count
up to 24, or nothing: a table of zeros and ones, as MATGAN's (Dan et al., npj Comput. Mater. 6, 84, 2020), but with the
number of elements bounded by how it is written. The generator turns a draw z from N(0, I) into a softmax over the
elements and one over the counts of every slot, and a Wasserstein critic with gradient penalty (Gulrajani et al.,
NeurIPS 2017) tells these from the zeros and ones of real formulas. Beside pleasing the critic, the generator is paid a
little for formulas from which the encoder can tell z (as in VEEGAN: Srivastava et al., NeurIPS 2017). In the last part
of a run it is frozen, and the encoder learns to give back the z of what it generates, and to raise the evidence lower
bound of real formulas under it. So the space encodes, decodes and scores like the variational ones, and its prior is
N(0, I); but nothing has taught the generator to reach every real formula.
`FractionsGAN` is the same over real-valued vectors: what is generated is a softmax over the elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.composition import PAPER_THRESHOLD, CompositionBatch
from matenv.latent.networks.counts_vae import ABSENT_SHIFT, LOG_VARIANCE_RANGE, Residual
from matenv.latent.networks.elawady_vae import ElAwadyVAE, fractions_of
from matenv.latent.networks.pairs import FEWEST, Pairs
from matenv.latent.networks.protocol import Network

SLOTS = 6
"""Most elements of a formula; 99.8 % of the embedded table stays within it."""

MOST = 24
"""Largest count; 95.6 % of the embedded table stays within it."""

EMPTY = alphabet.NUM_ELEMENTS
"""What stands for no element in a slot, after the 89; a count k has the k-th place after this."""

INSTEAD = "a generator has no likelihood to raise. Train one on your table (matenv latent train wgan-gp --data my.csv)"
"""Why a generator is not fine-tuned, and what to do."""


class SlotsGAN(Network):
    """Generator of formulas written as slots, and its encoder.

    Args:
        critic: Width of the critic; 0 for none, once training is over.
        latent: Dimension n of the latent space.
        width: Width of the generator.
        encoder: Width of the encoder.
    """

    GENERATOR = "generator."
    ENCODER = "encoder."
    instead = INSTEAD

    def __init__(self, critic: int = 0, latent: int = 16, width: int = 256, encoder: int = 256) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"critic": critic, "latent": latent, "width": width, "encoder": encoder}
        places = EMPTY + 1 + MOST
        self.generator = _residual(latent, width, SLOTS * places)
        self.encoder = _residual(SLOTS * places, encoder, 2 * latent)
        self.critic = critic_of(SLOTS * places, critic) if critic else None
        shift = torch.zeros(places)
        shift[[alphabet.INDEX[symbol] for symbol in alphabet.ABSENT]] = ABSENT_SHIFT
        order = np.argsort(np.nan_to_num(-alphabet.values("electronegativity"), nan=0.0), kind="stable")
        self.absent: Tensor
        self.turn: Tensor
        self.register_buffer("absent", shift, persistent=False)
        self.register_buffer("turn", torch.from_numpy(np.argsort(order)), persistent=False)

    def logits(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Of the element (B, 6, 90), none included, and of the count (B, 6, 24) in each slot."""
        out = self.generator(z).float().unflatten(1, (SLOTS, -1)) + self.absent
        return out[..., : EMPTY + 1], out[..., EMPTY + 1 :]

    def generate(self, z: Tensor) -> Tensor:
        """What the critic is shown (B, 6 x 114): the probabilities of each slot's element and count."""
        element, count = (logits.softmax(2) for logits in self.logits(z))
        return torch.cat([element, count * (1 - element[..., EMPTY:])], 2).flatten(1)

    def write(self, pairs: Pairs) -> Tensor:
        """Real formulas likewise, in zeros and ones; elements beyond the sixth are left out, counts end at 24."""
        order = torch.argsort(pairs.row * alphabet.NUM_ELEMENTS + self.turn[pairs.element])
        row, element, count = pairs.row[order], pairs.element[order], pairs.count[order].clamp(max=MOST)
        slot = torch.arange(len(row), device=row.device) - pairs.offset[row]
        row, element, count, slot = (each[slot < SLOTS] for each in (row, element, count, slot))
        x = torch.zeros(pairs.rows, SLOTS, EMPTY + 1 + MOST, device=row.device)
        x[:, :, EMPTY] = 1.0
        x[row, slot, EMPTY] = 0.0
        x[row, slot, element] = x[row, slot, EMPTY + count] = 1.0
        return x.flatten(1)

    def sharpened(self, generated: Tensor) -> Tensor:
        """The likeliest element and count of each slot, with the slope of the probabilities (straight-through)."""
        x = generated.float().unflatten(1, (SLOTS, -1))
        element = F.one_hot(x[..., : EMPTY + 1].argmax(2), EMPTY + 1).float()
        count = F.one_hot(x[..., EMPTY + 1 :].argmax(2), MOST) * (1 - element[..., EMPTY:])
        return (x + (torch.cat([element, count], 2) - x).detach()).flatten(1)

    def read(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, n), of formulas written as slots."""
        mean, log_variance = self.encoder(vectors).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def posterior(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, n)."""
        return self.read(self.write(pairs))

    def log_likelihood(self, z: Tensor, pairs: Pairs) -> Tensor:
        """Log p(x|z) (B,) in nats, slots independent; of what `write` leaves of a formula."""
        log_share = torch.cat([logits.log_softmax(2) for logits in self.logits(z)], 2)
        return (self.write(pairs) * log_share.flatten(1)).sum(1)

    def decode(self, z: Tensor) -> CompositionBatch:
        """Formula of each latent vector (B, n): slot by slot the likeliest element not yet named, two at least."""
        element, count = self.logits(z)
        element = element.clone()
        element[:, :FEWEST, EMPTY] = -torch.inf
        rows = torch.arange(len(z), device=z.device)
        most, dense = count.argmax(2) + 1, torch.zeros(len(z), EMPTY + 1, dtype=torch.int64, device=z.device)
        for slot in range(SLOTS):
            best = element[:, slot].argmax(1)
            dense[rows, best] = most[:, slot]
            named = best < EMPTY
            element[rows[named], :, best[named]] = -torch.inf
        return CompositionBatch.from_counts(dense[:, :EMPTY].cpu().numpy())


class FractionsGAN(ElAwadyVAE):
    """The same over atom fractions.

    Args:
        critic: As `SlotsGAN`.
        sizes: As `ElAwadyVAE`.
    """

    GENERATOR = "decoder."
    ENCODER = "encoder."
    recipe = None
    instead = INSTEAD

    def __init__(self, critic: int = 0, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.config: dict[str, Any] = {"critic": critic, **self.config}
        self.critic = critic_of(alphabet.NUM_ELEMENTS, critic) if critic else None

    def generate(self, z: Tensor) -> Tensor:
        """Atom fractions (B, 89)."""
        return F.softmax(self.decoder(z).float(), dim=1)

    def write(self, pairs: Pairs) -> Tensor:
        """Atom fractions (B, 89) of real formulas."""
        return fractions_of(pairs)

    def sharpened(self, generated: Tensor) -> Tensor:
        """Fractions without those that decoding drops, with the slope of them all."""
        kept = torch.where(generated >= PAPER_THRESHOLD, generated, 0.0)
        return generated + (kept / kept.sum(1, keepdim=True).clamp(min=PAPER_THRESHOLD) - generated).detach()

    def read(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, n), of atom fractions."""
        mean, log_variance = self.encoder(vectors).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)


def small_gan() -> SlotsGAN:
    """The shipped architecture, untrained."""
    return SlotsGAN(critic=256)


def small_fractions_gan() -> FractionsGAN:
    """Its counterpart over fractions."""
    return FractionsGAN(critic=256, latent=16, width=256, rule="smallest")


def critic_of(features: int, width: int) -> nn.Sequential:
    """Critic of vectors (B, features): three hidden layers."""
    hidden = [layer for _ in range(2) for layer in (nn.Linear(width, width), nn.LeakyReLU(0.2))]
    return nn.Sequential(nn.Linear(features, width), nn.LeakyReLU(0.2), *hidden, nn.Linear(width, 1))


def _residual(inner: int, width: int, outer: int) -> nn.Sequential:
    blocks = [Residual(width, width) for _ in range(2)]
    return nn.Sequential(nn.Linear(inner, width), *blocks, nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, outer))
