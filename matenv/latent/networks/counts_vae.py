"""`CountsVAE`: the default network. Presence of each element, then the integer count of each element present.

A composition is read as tokens (element, count), summed, and passed through residual layers to a Gaussian posterior.
The decoder first says which elements are present (independent Bernoulli variables, as El-Awady, arXiv:2401.06779,
postulates), then, knowing that set, how many atoms of each the reduced formula holds (one categorical per element
present). Predicting integers and not fractions is what makes decoded formulas exact. Width and depth sit in the
encoder: the decoder is what an environment pays for at every step.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.latent.networks.pairs import Pairs, choose_counts, choose_elements
from matenv.latent.networks.protocol import Network

MAX_COUNT = 64
"""Largest count per reduced formula unit the decoder can say; 99.8 % of the embedded table stays within it."""

ABSENT_SHIFT = -100.0
"""Added to the presence log-odds of elements without a single training row (noble gases)."""


LOG_VARIANCE_RANGE = (-14.0, 6.0)
"""The posterior's log-variance is kept within these."""

DECODER = ("decoder_", "presence_head.", "count_in.", "head_")
"""How the names of the decoder's tensors begin."""


class Residual(nn.Module):
    """Pre-normalised two-layer residual block."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        nn.init.zeros_(self.down.weight)  # starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to (B, width)."""
        return x + self.down(F.silu(self.up(self.norm(x))))


class CountsVAE(Network):
    """Presence-and-counts variational autoencoder of reduced formulas.

    Args:
        latent: Dimension n of the latent space.
        token: Width of an (element, count) token.
        encoder: Width of the encoder's residual layers.
        encoder_blocks: Number of residual blocks of the encoder.
        decoder: Width of the decoder's trunk.
        decoder_inner: Inner width of the decoder's residual blocks.
        decoder_blocks: Number of residual blocks of the decoder.
        head: Width of the count head, evaluated once per element present.
        head_hidden: Whether the count head has a hidden layer.
    """

    recipe = "vae"

    def __init__(
        self,
        latent: int = 32,
        token: int = 256,
        encoder: int = 512,
        encoder_blocks: int = 2,
        decoder: int = 384,
        decoder_inner: int = 256,
        decoder_blocks: int = 2,
        head: int = 128,
        head_hidden: bool = True,
    ) -> None:
        super().__init__()
        self.config = {
            "latent": latent, "token": token, "encoder": encoder, "encoder_blocks": encoder_blocks,
            "decoder": decoder, "decoder_inner": decoder_inner, "decoder_blocks": decoder_blocks, "head": head,
            "head_hidden": head_hidden,
        }  # fmt: skip
        width = alphabet.NUM_ELEMENTS
        self.element_shift = _table(width, token, 0.5)
        self.element_scale = _table(width, token, 0.5)
        self.count_shift = _table(MAX_COUNT + 1, token, 0.5)
        self.count_scale = _table(MAX_COUNT + 1, token, 0.5)
        self.token_norm = nn.LayerNorm(token)
        self.encoder_in = nn.Linear(token, encoder)
        self.encoder_blocks = nn.Sequential(*(Residual(encoder, encoder) for _ in range(encoder_blocks)))
        self.encoder_norm = nn.LayerNorm(encoder)
        self.posterior_head = nn.Linear(encoder, 2 * latent)

        self.decoder_in = nn.Linear(latent, decoder)
        self.decoder_blocks = nn.Sequential(*(Residual(decoder, decoder_inner) for _ in range(decoder_blocks)))
        self.decoder_norm = nn.LayerNorm(decoder)
        self.presence_head = nn.Linear(decoder, width)
        self.count_in = nn.Linear(decoder, head)
        self.head_shift = _table(width, head, 0.5)
        self.head_scale = _table(width, head, 0.5)
        self.head_set = _table(width, head, 0.3)  # what the rest of the formula says to each of its counts
        self.head_norm = nn.LayerNorm(head)
        self.head_hidden = nn.Linear(head, head) if head_hidden else None
        self.head_out = nn.Linear(head, MAX_COUNT)
        shift = torch.zeros(width)
        shift[[alphabet.INDEX[symbol] for symbol in alphabet.ABSENT]] = ABSENT_SHIFT
        self.absent: Tensor
        self.register_buffer("absent", shift, persistent=False)

    def posterior(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, n)."""
        count = pairs.count.clamp(max=MAX_COUNT)
        token = (
            F.embedding(pairs.element, self.element_shift)
            + F.embedding(count, self.count_shift)
            + F.embedding(pairs.element, self.element_scale) * F.embedding(count, self.count_scale)
        )
        token = F.silu(self.token_norm(token))
        pooled = token.new_zeros(pairs.rows, token.shape[1]).index_add(0, pairs.row, token)
        h = self.encoder_norm(self.encoder_blocks(self.encoder_in(pooled)))
        mean, log_variance = self.posterior_head(h).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def trunk(self, z: Tensor) -> Tensor:
        """Shared features (B, decoder) of latent vectors (B, n)."""
        return self.decoder_norm(self.decoder_blocks(self.decoder_in(z)))

    def presence_logits(self, h: Tensor) -> Tensor:
        """Log-odds (B, 89) that each element is present."""
        return F.linear(h, self.presence_head.weight, self.presence_head.bias + self.absent)

    def count_logits(self, h: Tensor, row: Tensor, element: Tensor, offset: Tensor) -> Tensor:
        """Logits (P, 64) of counts 1..64 for P listed (row, element) pairs; `offset` (B,) is where each row starts."""
        rest = F.embedding_bag(element, self.head_set, offset, mode="sum")
        about = (self.count_in(h) + rest).index_select(0, row)
        x = torch.addcmul(F.embedding(element, self.head_shift) + about, about, F.embedding(element, self.head_scale))
        x = F.silu(self.head_norm(x))
        if self.head_hidden is not None:
            x = x + F.silu(self.head_hidden(x))
        return self.head_out(x)

    def log_likelihood(self, z: Tensor, pairs: Pairs) -> Tensor:
        """Log p(x|z) (B,) in nats: presence of all 89 elements plus counts of those present.

        A count above 64 has probability 0 under the model; it is scored as 64, an upper bound on the truth.
        """
        h = self.trunk(z)
        logits = self.presence_logits(h).float()
        target = torch.zeros_like(logits)
        target[pairs.row, pairs.element] = 1.0
        presence = -F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1)
        count_logits = self.count_logits(h, pairs.row, pairs.element, pairs.offset).float()
        count = -F.cross_entropy(count_logits, pairs.count.clamp(max=MAX_COUNT) - 1, reduction="none")
        return presence.index_add(0, pairs.row, count)

    def decode(self, z: Tensor) -> CompositionBatch:
        """Formula of each latent vector (B, n): the likeliest elements, and the likeliest count of each."""
        h = self.trunk(z)
        elements, size, row, element = choose_elements(self.presence_logits(h).cpu().numpy())
        pairs = Pairs.listed(row, element, size, z.device)
        logits = self.count_logits(h, pairs.row, pairs.element, pairs.offset)
        return CompositionBatch(elements, choose_counts(size, logits.cpu().numpy()), size)


def _table(rows: int, width: int, scale: float) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, width) * scale)
