"""A Q network for edits towards a wish that treats all elements alike: what it learns of one, it knows of the others.

A wish requires two elements out of 89, and an agent sees few pairs of them while it trains. A network with one weight
per element and edit has to learn each pair for itself. Here one small network looks at every element in turn: how many
atoms of it there are, whether the wish requires or excludes it, what element it is (its properties, not its name). So
"add what is required" is one thing to learn. What the formula and the wish are as a whole enters by sums over the
elements present, required and excluded, as in a deep set (Zaheer et al., NeurIPS 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Dict
from matenv.agents.edit_policy import BY_ELEMENT
from matenv.agents.surrogate import element_table
from stable_baselines3.common.torch_layers import CombinedExtractor
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import Tensor, nn

from matenv import elements as alphabet
from matenv.envs.wishes import EXCLUDED, PRESENT, WIDTH

N = alphabet.NUM_ELEMENTS
_ORDER = np.argsort(np.argsort(alphabet.values("electronegativity"), kind="stable"))  # slots to swap are in this order


class ElementwiseQ(nn.Module):
    """Values of all edits (B, A) from achieved goal, desired goal and counts, side by side (B, F).

    What cannot be done (adding an element that is there, counting one that is not) is worth 0, the least that anything
    is worth: a target of learning takes the best edit of the next formula, and must not take one that nobody can make.

    Args:
        actions: Number of actions A.
        width: Units of each hidden layer.
    """

    def __init__(self, actions: int, width: int = 64) -> None:
        super().__init__()
        self.slots = (actions - 1) // N - BY_ELEMENT
        self.table: Tensor
        self.order: Tensor
        self.register_buffer("table", torch.from_numpy(element_table().astype(np.float32)))
        self.register_buffer("order", torch.from_numpy(_ORDER.astype(np.float32)))
        seen = self.table.shape[1] + 4
        rest = 2 * (WIDTH - (PRESENT.stop - PRESENT.start) - (EXCLUDED.stop - EXCLUDED.start))
        self.parts = nn.Linear(seen, width)
        self.whole = nn.Sequential(nn.Linear(3 * width + rest, width), nn.ReLU(), nn.Linear(width, width))
        self.element = nn.Linear(seen, width)
        self.after = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.edits = nn.Linear(width, BY_ELEMENT + 2)  # by element: add, remove, count up, count down, come, go
        self.come, self.go = nn.Linear(width, 16), nn.Linear(width, 16)
        self.level = nn.Linear(width, 2)  # of everything, and of staying

    def forward(self, seen: Tensor) -> Tensor:
        """One value per action."""
        achieved, desired, counts = seen[:, :WIDTH], seen[:, WIDTH : 2 * WIDTH], seen[:, 2 * WIDTH : 2 * WIDTH + N]
        required, excluded = desired[:, PRESENT], desired[:, EXCLUDED]
        present = (counts > 0).to(counts.dtype)
        own = torch.stack([counts, present, required, excluded], dim=2)
        of_element = torch.cat([own, self.table.expand(len(seen), -1, -1)], dim=2)
        parts = self.parts(of_element).relu()
        pooled = [(flag[:, :, None] * parts).sum(dim=1) for flag in (present, required, excluded)]
        whole = self.whole(torch.cat([*pooled, _rest(achieved), _rest(desired)], dim=1))
        hidden = self.after(self.element(of_element) + whole[:, None])
        by_element = self.edits(hidden)
        level = self.level(whole.relu())

        slot, there = self._slots(present)
        leaving = torch.take_along_dim(self.go(hidden), slot[:, :, None], dim=1)
        gone = torch.take_along_dim(by_element[:, :, BY_ELEMENT + 1], slot, dim=1)
        swaps = leaving @ self.come(hidden).transpose(1, 2) / 4 + gone[:, :, None] + by_element[:, None, :, BY_ELEMENT]
        absent = 1.0 - present
        possible = torch.stack([absent, present, present, present], dim=1)
        possible = torch.cat([possible, there[:, :, None] * absent[:, None]], dim=1).flatten(1)
        values = torch.cat([by_element[:, :, :BY_ELEMENT].transpose(1, 2), swaps], dim=1).flatten(1)
        values = (values + level[:, :1]) * possible
        return torch.cat([values, level.sum(dim=1, keepdim=True)], dim=1)

    def _slots(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """Element that each swap takes away (B, S), and whether there is one (B, S)."""
        key = torch.where(present > 0, self.order, self.order + N)
        first = key.topk(self.slots, dim=1, largest=False)
        return first.indices, (first.values < N).to(present.dtype)


def _rest(goal: Tensor) -> Tensor:
    """What a goal says beside the elements."""
    return torch.cat([goal[:, : PRESENT.start], goal[:, EXCLUDED.stop :]], dim=1)


class ElementwiseGoalQPolicy(DQNPolicy):
    """Stable-Baselines3's DQN policy with an `ElementwiseQ`, for `MaterialElementsGoal-v0`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"features_extractor_class": CombinedExtractor, **kwargs})

    def make_q_net(self) -> QNetwork:
        """The Q network, all of it replaced but what flattens the observation."""
        assert isinstance(self.observation_space, Dict) and [*self.observation_space.spaces] == [
            "achieved_goal", "desired_goal", "observation",
        ]  # fmt: skip
        network = super().make_q_net()
        network.q_net = ElementwiseQ(int(self.action_space.n), *self.net_arch[:1])  # type: ignore[attr-defined, assignment]
        return network.to(self.device)
