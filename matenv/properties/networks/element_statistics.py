"""Element statistics: composition -> fixed features -> a residual network. The reward's second family of models.

The features are those of Magpie (Ward et al., npj Comput. Mater. 2, 16028, 2016) as far as `matenv.elements` has the
values: mean, deviation, least, largest and range over the elements present, beside the fractions themselves. No element
is learned as such and none acts on another before the features, so its errors are not those of a set network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.properties.networks.features import REFERENCE_VALUES, Tokens, element_features

_VALUES = len(REFERENCE_VALUES)
_SHARES = element_features().shape[1] - _VALUES
FEATURES = 5 * _VALUES + _SHARES + 2 * alphabet.NUM_ELEMENTS + 2
"""Width of `statistics`."""


def statistics(tokens: Tokens, reference: Tensor) -> Tensor:
    """Features of each composition.

    Args:
        tokens: B compositions.
        reference: `features.element_features` (89, 32).

    Returns:
        (B, 240) float32, rows in the sorted order of `tokens`: of the seven reference values (standardised) the
        fraction-weighted mean and mean absolute deviation, the least, the largest and the range; shares of groups and
        periods; the fractions x of all elements and their roots; the number of elements / 5; the 2-norm of x.
    """
    blocks, first = [], 0
    for rows, size in tokens.groups:
        part = slice(first, first + rows * size)
        elements, x = tokens.elements[part].view(rows, size), tokens.amounts[part].view(rows, size, 1)
        known = reference[elements]
        values, shares = known[..., :_VALUES], (x * known[..., _VALUES:]).sum(1)
        mean = (x * values).sum(1)
        deviation = (x * (values - mean[:, None]).abs()).sum(1)
        low, high = values.amin(1), values.amax(1)
        dense = x.new_zeros(rows, alphabet.NUM_ELEMENTS).scatter_(1, elements, x[..., 0])
        number, norm = x.new_full((rows, 1), size / 5.0), (x * x).sum(1).sqrt()
        blocks.append(torch.cat([mean, deviation, low, high, high - low, shares, dense, dense.sqrt(), number, norm], 1))
        first = part.stop
    return torch.cat(blocks)


class StatisticsNetwork(nn.Module):
    """Composition -> `outputs` numbers per row, by residual blocks on the features.

    Args:
        outputs: Numbers per row.
        width: Width of a row's state.
        layers: Residual blocks.
        dropout: Dropout of hidden units while training.
    """

    def __init__(self, outputs: int, width: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("reference", element_features(), persistent=False)
        self.reference: Tensor
        self.enter = nn.Linear(FEATURES, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.inner = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(layers))
        self.outer = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.head_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens: Tokens) -> Tensor:
        """Outputs (B, outputs), rows in the sorted order of `tokens`."""
        state = self.enter(statistics(tokens, self.reference))
        for norm, inner, outer in zip(self.norms, self.inner, self.outer, strict=True):
            state = state + outer(self.dropout(F.silu(inner(norm(state)))))
        return self.head(self.head_norm(state))
