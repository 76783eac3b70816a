"""The set network that is also told what the training table says near a composition.

Its formation energy is a difference from the phases a composition competes with, which are exact; what is left to learn
is small.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matenv.properties import heads
from matenv.properties.networks import references
from matenv.properties.networks.features import Tokens
from matenv.properties.networks.set_network import CompositionNetwork

_MIXTURE_ENERGY = 1  # its place in what `References.describe` says of an element; the same for all of a row


class InformedNetwork(CompositionNetwork):
    """A `CompositionNetwork` whose tokens carry `references`; arguments and outputs are the same."""

    def __init__(self, outputs: int, width: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__(outputs, width, layers, dropout)
        self.from_references = nn.Linear(references.WIDTH, 2 * width, bias=False)

    def enter_tokens(self, tokens: Tokens) -> Tensor:
        """What enters the first layer's nonlinearity (T, 2 width)."""
        if tokens.references is None:
            raise ValueError("tokens.references is missing; pack the batch with References.describe(batch)")
        return super().enter_tokens(tokens) + self.from_references(tokens.references)

    def forward(self, tokens: Tokens) -> Tensor:
        """Outputs (B, outputs), rows in the sorted order of `tokens`."""
        outputs = super().forward(tokens)
        assert tokens.references is not None
        energy = tokens.pool(tokens.amounts * tokens.references[:, _MIXTURE_ENERGY, None])
        shift = (energy - float(heads.CENTRES[0])) / float(heads.WIDTHS[0])
        return torch.cat([outputs[:, :1] + shift, outputs[:, 1:]], dim=1)
