"""Policies for edits of a formula: what they begin with, and what edits that bring in the same element share.

Of the edits allowed, more than nine in ten add or swap an element, since each of the 70-odd absent elements makes one.
Chosen uniformly, edits carry every formula towards the most elements allowed, away from where stable formulas are
(docs/elements.md has the numbers). So the first logits here make the kinds of edits about as frequent as `KINDS` says.

And what a network learns about an element it learns for all edits that bring it in: the output of "add e" is
part("add") + part(e), that of "swap element k for e" is part("swap", k) + part(e).
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork

from matenv.elements import SYMBOLS

PRESENT = 3
"""Elements of the formula that the first logits are exact for."""

KINDS = (1.0, 2.0, 0.5, 0.5, 2.0, 0.1)
"""How often an untrained policy chooses each kind, in proportion: add, remove, increment, decrement, swap, stay."""

BY_ELEMENT = 4
"""Kinds of edits that come before swaps, with an action per element each: add, remove, increment, decrement."""


def kinds_of(actions: int) -> NDArray[np.int64]:
    """Kind of each action of `MaterialElements-v0` (A,): 0 add, 1 remove, 2 increment, 3 decrement, 4 swap, 5 stay.

    Args:
        actions: Number of actions A.

    Returns:
        Kinds by action number.
    """
    kinds = np.minimum(np.arange(actions) // len(SYMBOLS), BY_ELEMENT)
    kinds[-1] = BY_ELEMENT + 1
    return kinds


class EditHead(torch.nn.Module):
    """The last layer of a network that chooses edits: a few outputs, added up to one number per action.

    Outputs: one per block of 89 actions and one for "stay" (add, remove, increment, decrement, swap 0, 1, ...), 89 for
    the element that an edit brings in, 3 x 89 for the element that is removed or counted.

    Args:
        features: Width of the layer before.
        actions: Number of actions A.
        prior: Begin with logits that follow `KINDS`, rather than with zeros.
    """

    def __init__(self, features: int, actions: int, prior: bool) -> None:
        super().__init__()
        n = len(SYMBOLS)
        action = np.arange(actions - 1)
        block, element = action // n, action % n
        blocks = actions // n
        brought_in = (block == 0) | (block >= BY_ELEMENT)
        part = np.where(brought_in, 0, block)
        self.block: torch.Tensor
        self.element: torch.Tensor
        self.register_buffer("block", torch.from_numpy(np.append(block, blocks)))
        self.register_buffer("element", torch.from_numpy(np.append(blocks + 1 + part * n + element, 0)))
        self.outputs = torch.nn.Linear(features, blocks + 1 + BY_ELEMENT * n)
        torch.nn.init.orthogonal_(self.outputs.weight, gain=0.01)
        torch.nn.init.zeros_(self.outputs.bias)
        if not prior:
            return
        kinds = np.minimum(np.arange(blocks + 1), BY_ELEMENT)
        kinds[-1] = BY_ELEMENT + 1
        allowed = np.array([n, PRESENT, PRESENT, PRESENT, PRESENT * n, 1])
        with torch.no_grad():
            self.outputs.bias[: blocks + 1] = torch.from_numpy(np.log(np.array(KINDS) / allowed)[kinds]).float()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """One number per action (N, A) for features (N, F)."""
        outputs = self.outputs(features)
        values = outputs[:, self.block] + outputs[:, self.element]
        return torch.cat([values[:, :-1], outputs[:, self.block[-1:]]], dim=1)


class EditPolicy(MaskableActorCriticPolicy):
    """Stable-Baselines3's masked actor-critic policy with an `EditHead`, for `MaterialElements-v0`."""

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        self.action_net = EditHead(self.mlp_extractor.latent_dim_pi, int(self.action_space.n), True)  # type: ignore[attr-defined]
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]


class EditQPolicy(DQNPolicy):
    """Stable-Baselines3's DQN policy with an `EditHead`, for `MaterialElements-v0`."""

    def make_q_net(self) -> QNetwork:
        """The Q network, its last layer replaced."""
        network = super().make_q_net()
        network.q_net[-1] = EditHead(network.q_net[-1].in_features, int(self.action_space.n), False)  # type: ignore[attr-defined, arg-type]
        return network.to(self.device)


class RandomKinds:
    """Random edits: a kind drawn from those allowed in given proportions, then an edit of that kind.

    With the default proportions it does what an `EditPolicy` does before it learns.

    Args:
        action_space: The action space of `MaterialElements-v0`.
        seed: Seed of its own generator.
        kinds: How often each kind is chosen, in proportion, in the order of `KINDS`.
    """

    def __init__(self, action_space: gym.Space, seed: int | None = None, kinds: tuple[float, ...] = KINDS) -> None:
        assert isinstance(action_space, Discrete)
        self._of_kind = kinds_of(int(action_space.n)) == np.arange(BY_ELEMENT + 2)[:, None]
        self._kinds = np.array(kinds)
        self.random = np.random.default_rng(seed)

    def predict(
        self, observation: NDArray, *, deterministic: bool = False, action_masks: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray, Any]:
        """Random allowed actions (N,), whatever is observed."""
        if action_masks is None:
            action_masks = np.ones((len(observation), self._of_kind.shape[1]), np.bool_)
        offered = np.stack([(action_masks & kind).any(axis=1) for kind in self._of_kind], axis=1) * self._kinds
        share = offered.cumsum(axis=1) / offered.sum(axis=1, keepdims=True)
        kind = (self.random.random((len(share), 1)) > share).sum(axis=1)
        weight = self.random.random(action_masks.shape) * (action_masks & self._of_kind[kind])
        return weight.argmax(axis=1), None
