"""Families of networks: different ideas of how a composition becomes properties, trained, stored and loaded alike.

A family is one file with its network, and one registration::

    register(Family("mine", "networks of mine", MyNetwork))

From then on ``TrainConfig(family="mine")`` trains it, `training.export` calibrates it and writes its card, and
`load_predictor` and ``Oracle(predictor=path)`` load its files: those need the registration too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from matenv.properties.compiled.set_network import FastEnsemble
from matenv.properties.compiled.statistics import FastStatistics
from matenv.properties.networks.attention import AttentionNetwork
from matenv.properties.networks.element_statistics import StatisticsNetwork
from matenv.properties.networks.informed import InformedNetwork
from matenv.properties.networks.set_network import CompositionNetwork

Outputs = Callable[[NDArray[np.int16], NDArray[np.float64], NDArray[np.int16]], NDArray[np.float32]]
"""Elements (B, 10), amounts (B, 10), sizes (B,) -> what each network says of each composition (members, B, outputs)."""


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        name: What settings, commands and files call it.
        title: Its networks in the words of a card, in the plural.
        network: Makes an untrained network from outputs, width, layers and dropout. It maps `features.Tokens` to
            (B, outputs), rows in the order of the tokens, each for itself; its last layer is called ``head``.
        compiled: Arranges trained networks of one shape for a CPU, so that a row has the same bits in any batch; None
            leaves them to torch.
        needs_references: Whether the tokens must carry what `references.References` says.
    """

    name: str
    title: str
    network: Callable[[int, int, int, float], nn.Module]
    compiled: Callable[[Sequence[Any]], Outputs] | None = None
    needs_references: bool = False


FAMILIES: dict[str, Family] = {}
"""The registered families, by name."""


def register(family: Family) -> None:
    """Make a family known.

    Args:
        family: The family.

    Raises:
        ValueError: Its name is taken.
    """
    if family.name in FAMILIES:
        raise ValueError(f"a family called {family.name!r} is registered already; choose another name")
    FAMILIES[family.name] = family


def find(name: str) -> Family:
    """A registered family.

    Raises:
        ValueError: There is none of this name.
    """
    if name not in FAMILIES:
        raise ValueError(
            f"family={name!r} is unknown; choose one of {', '.join(FAMILIES)}, or register it first "
            "(matenv.properties.families.register)"
        )
    return FAMILIES[name]


def build(family: str, outputs: int, width: int, layers: int, dropout: float = 0.0) -> nn.Module:
    """An untrained network.

    Args:
        family: Name of a registered family.
        outputs: Numbers per row.
        width: Width of its states.
        layers: Layers.
        dropout: Dropout while training.

    Returns:
        The network.

    Raises:
        ValueError: Unknown family, or a width that the family refuses.
    """
    return find(family).network(outputs, width, layers, dropout)


register(Family("set", "set networks", CompositionNetwork, FastEnsemble))
register(Family("statistics", "networks on element statistics", StatisticsNetwork, FastStatistics))
register(Family("attention", "attention networks", AttentionNetwork))
register(
    Family(
        "informed",
        "set networks told of competing phases and of compounds of like elements",
        InformedNetwork,
        needs_references=True,
    )
)
