"""The network: a residual set network over the elements present, one shared trunk, a few numbers per property."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.properties.networks.features import FRACTION_FEATURES, Tokens, element_features, fraction_features


class SetLayer(nn.Module):
    """One round of exchange: the fraction-weighted sum over a composition gates and shifts each element's update.

    The product with the gate is what lets an element's contribution depend on its partners; it replaces attention,
    which costs more on a CPU for sets this small and was no more accurate.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.context_norm = nn.LayerNorm(width)
        self.own = nn.Linear(width, hidden, bias=False)
        self.gate_shift = nn.Linear(width, 2 * hidden)
        self.out = nn.Linear(hidden, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            self.gate_shift.bias[:hidden] += 1.0  # an untrained gate lets everything through

    def forward(self, state: Tensor, tokens: Tokens) -> Tensor:
        """Updated token states (T, width)."""
        context = self.gate_shift(self.context_norm(tokens.pool(tokens.amounts * state)))
        hidden = _modulate(self.own(self.norm(state)), context, tokens)
        return state + self.out(self.dropout(F.silu(hidden)))


def _modulate(hidden: Tensor, context: Tensor, tokens: Tokens) -> Tensor:
    """Tokens (T, h) times the gate plus the shift of their row, which are the halves of context (B, 2h)."""
    parts = []
    for value, row in tokens.by_row(hidden, context):
        gate, shift = row.chunk(2, dim=-1)
        parts.append((value * gate + shift).flatten(0, 1))
    return torch.cat(parts)


class CompositionNetwork(nn.Module):
    """Composition -> `outputs` numbers per row, independent of the order of the elements and of the other rows.

    Args:
        outputs: Numbers per row.
        width: Width of an element's state.
        layers: Rounds of exchange.
        dropout: Dropout of hidden units while training.
    """

    def __init__(self, outputs: int, width: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("reference", element_features(), persistent=False)
        self.reference: Tensor
        hidden = 2 * width
        self.embedding = nn.Embedding(alphabet.NUM_ELEMENTS, hidden)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.from_reference = nn.Linear(self.reference.shape[1], hidden)
        self.from_fraction = nn.Linear(FRACTION_FEATURES, hidden, bias=False)
        self.enter = nn.Linear(hidden, width)
        self.layers = nn.ModuleList(SetLayer(width, hidden, dropout) for _ in range(layers))
        self.pool_norm = nn.LayerNorm(width)
        self.trunk_in = nn.Linear(width, 2 * hidden)
        self.trunk_out = nn.Linear(2 * hidden, width)
        self.dropout = nn.Dropout(dropout)
        self.head_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def enter_tokens(self, tokens: Tokens) -> Tensor:
        """What enters the first layer's nonlinearity (T, 2 width)."""
        table = self.embedding.weight + self.from_reference(self.reference)
        return F.embedding(tokens.elements, table) + self.from_fraction(fraction_features(tokens.amounts))

    def forward(self, tokens: Tokens) -> Tensor:
        """Outputs (B, outputs), rows in the sorted order of `tokens`.

        The running state and the outputs keep single precision where matrix products are done in half.
        """
        state = self.enter(F.silu(self.enter_tokens(tokens))).float()
        for layer in self.layers:
            state = layer(state, tokens)
        row = tokens.pool(tokens.amounts * state)
        row = row + self.trunk_out(self.dropout(F.silu(self.trunk_in(self.pool_norm(row)))))
        with torch.autocast(row.device.type, enabled=False):
            return self.head(self.head_norm(row))
