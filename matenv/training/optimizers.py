"""Optimizers of a training run, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from matenv.training.muon import Muon

# What enters a network and what leaves it are no maps between hidden states, which is what Muon is meant for.
_ENDS = ("embedding", "from_", "head")


def _adamw(network: nn.Module, learning_rate: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    return [torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=weight_decay)]


def _muon(network: nn.Module, learning_rate: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for the rest."""
    hidden: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        inside = parameter.ndim == 2 and not name.startswith(_ENDS)
        (hidden if inside else others).append(parameter)
    return [
        Muon(hidden, learning_rate, weight_decay),
        torch.optim.AdamW(others, learning_rate, weight_decay=weight_decay),
    ]


OPTIMIZERS: dict[str, Callable[[nn.Module, float, float], list[torch.optim.Optimizer]]] = {
    "adamw": _adamw,
    "muon": _muon,
}
"""Makes the optimizers of a network, given the learning rate and the weight decay."""
