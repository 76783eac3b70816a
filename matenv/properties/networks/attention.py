"""Attention over the elements present: the family of the gold predictor, unlike that of the reward.

A transformer encoder (Vaswani et al., arXiv:1706.03762) whose tokens are elements. The logarithm of an element's
fraction is added to the attention it gets, which is attention over atoms: what each of two equal halves would get adds
up to what the whole gets.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.properties.networks.features import FRACTION_FEATURES, Tokens, element_features, fraction_features

HEAD_WIDTH = 32
"""Width of one attention head."""


class AttentionLayer(nn.Module):
    """Attention, then a two-layer network for each token; both are added to what enters, which is normalised first."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, 2 * width)
        self.out = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, state: Tensor, tokens: Tokens) -> Tensor:
        """Updated token states (T, width)."""
        projected = self.query_key_value(self.norm(state))
        attended, first = [], 0
        for rows, size in tokens.groups:
            part = slice(first, first + rows * size)
            query, key, value = projected[part].view(rows, size, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            amount = tokens.amounts[part].log().view(rows, 1, 1, size)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=amount)
            attended.append(mixed.transpose(1, 2).reshape(rows * size, -1))
            first = part.stop
        state = state + self.dropout(self.mix(torch.cat(attended)))
        return state + self.dropout(self.out(F.silu(self.inner(self.inner_norm(state)))))


class AttentionNetwork(nn.Module):
    """Composition -> `outputs` numbers per row, independent of the order of the elements and of the other rows.

    Args:
        outputs: Numbers per row.
        width: Width of an element's state, a multiple of `HEAD_WIDTH`.
        layers: Layers of attention.
        dropout: Dropout of what a layer adds, while training.

    Raises:
        ValueError: `width` is no multiple of `HEAD_WIDTH`.
    """

    def __init__(self, outputs: int, width: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % HEAD_WIDTH:
            raise ValueError(f"width={width} must be a multiple of {HEAD_WIDTH}, the width of an attention head")
        self.register_buffer("reference", element_features(), persistent=False)
        self.reference: Tensor
        self.embedding = nn.Embedding(alphabet.NUM_ELEMENTS, width)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.from_reference = nn.Linear(self.reference.shape[1], width)
        self.from_fraction = nn.Sequential(
            nn.Linear(FRACTION_FEATURES, width), nn.SiLU(), nn.Linear(width, width, bias=False)
        )
        self.layers = nn.ModuleList(AttentionLayer(width, dropout) for _ in range(layers))
        self.pool_norm = nn.LayerNorm(width)
        self.trunk = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, outputs)

    def forward(self, tokens: Tokens) -> Tensor:
        """Outputs (B, outputs), rows in the sorted order of `tokens`."""
        table = self.embedding.weight + self.from_reference(self.reference)
        state = F.embedding(tokens.elements, table) + self.from_fraction(fraction_features(tokens.amounts))
        for layer in self.layers:
            state = layer(state, tokens)
        row = self.pool_norm(tokens.pool(tokens.amounts * state))
        return self.head(self.dropout(F.silu(self.trunk(row))))
