"""Optimizers of a training run, and their step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from matenv.training.muon import Muon

# What enters a network and what leaves it are no maps between hidden states, which is what Muon is meant for.
_ENDS = ("embedding", "from_", "head")


def fused_adamw(
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW with a shorter memory of squared gradients, as the latent spaces use it.

    Args:
        parameters: Parameters, or groups of them with settings of their own.
        learning_rate: Learning rate.
        weight_decay: Share of the learning rate that a parameter loses at each step.
    """
    return torch.optim.AdamW(parameters, learning_rate, (0.9, 0.99), weight_decay=weight_decay, fused=True)


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


def descend(loss: Tensor, network: nn.Module, *optimizers: torch.optim.Optimizer, clip: float = 1.0) -> None:
    """One step down the gradient of a loss.

    Args:
        loss: The loss, a scalar.
        network: The network, whose gradients are replaced.
        optimizers: Together they move its parameters.
        clip: Greatest norm of the gradient; a longer one is shortened.
    """
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), clip)
    for optimizer in optimizers:
        optimizer.step()
