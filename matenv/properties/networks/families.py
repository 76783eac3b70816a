"""Families of networks: different ideas of how a composition becomes properties, trained and stored alike.

A family's network is made by ``network(outputs, width, layers, dropout)`` and maps `features.Tokens` to (B, outputs).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from matenv.properties.networks.attention import AttentionNetwork
from matenv.properties.networks.element_statistics import StatisticsNetwork
from matenv.properties.networks.informed import InformedNetwork
from matenv.properties.networks.set_network import CompositionNetwork

FAMILIES: dict[str, Callable[[int, int, int, float], nn.Module]] = {
    "set": CompositionNetwork,
    "statistics": StatisticsNetwork,
    "attention": AttentionNetwork,
    "informed": InformedNetwork,
}
"""The network of each family, by name."""

INFORMED = ("informed",)
"""Families whose tokens must carry what `references.References` says."""


def build(family: str, outputs: int, width: int, layers: int, dropout: float = 0.0) -> nn.Module:
    """An untrained network.

    Args:
        family: A key of `FAMILIES`.
        outputs: Numbers per row.
        width: Width of its states.
        layers: Layers.
        dropout: Dropout while training.

    Returns:
        The network.

    Raises:
        ValueError: Unknown family, or a width that the family refuses.
    """
    if family not in FAMILIES:
        raise ValueError(f"family={family!r} is unknown; choose one of {', '.join(FAMILIES)}")
    return FAMILIES[family](outputs, width, layers, dropout)
