"""REINFORCE in one file (Williams, Mach. Learn. 8, 229, 1992), for `MaterialElements-v0` with its masks.

To read and to change: network, returns, loss and loop are all here. Episodes of a batch of environments are played to
their end; log-probabilities of the edits made are raised in proportion to the discounted rewards that followed, less
what other episodes of the batch had at that step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from matenv.agents.edit_policy import EditHead
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Categorical

from matenv.benchmark import PolicyMethod, Problem, register
from matenv.benchmark.problem import STEPS_PER_CALL

ENV_ID = "MaterialElements-v0"


@dataclass(frozen=True)
class Settings:
    """What can be set.

    Attributes:
        gamma: Discount of later rewards.
        learning_rate: Of Adam.
        entropy: Weight of the policy's entropy in the loss.
        width: Units of both hidden layers.
        max_grad_norm: Largest norm of a gradient.
    """

    gamma: float = 0.95
    learning_rate: float = 1e-3
    entropy: float = 0.003
    width: int = 128
    max_grad_norm: float = 0.5


class EditNetwork(nn.Module):
    """Logits (N, A) of edits for observations (N, width); `matenv.benchmark.PolicyMethod` takes it as a policy.

    Args:
        width: Of the observations.
        actions: Number of edits A.
        hidden: Units of both hidden layers.
    """

    def __init__(self, width: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.head = EditHead(hidden, actions, prior=True)

    def forward(self, observation: Tensor) -> Tensor:
        """The logits."""
        return self.head(self.body(observation))

    def predict(
        self, observation: NDArray, *, deterministic: bool = False, action_masks: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], None]:
        """Edits (N,), the most probable ones or drawn, and no state, as Stable-Baselines3 returns them."""
        with torch.no_grad():
            chances = masked(self(torch.as_tensor(observation)), action_masks)
        return (chances.logits.argmax(dim=1) if deterministic else chances.sample()).numpy(), None


def masked(logits: Tensor, masks: NDArray[np.bool_] | None) -> Categorical:
    """Chances of edits (N, A), those that masks forbid left out."""
    if masks is None:
        return Categorical(logits=logits)
    return Categorical(logits=torch.where(torch.from_numpy(masks), logits, torch.tensor(-1e9)))


def reinforce(
    envs: gym.vector.VectorEnv, timesteps: int, seed: int = 0, settings: Settings = Settings(), network: Any = None
) -> EditNetwork:
    """Train a policy.

    Args:
        envs: `MaterialElements-v0`, batched; all rows' episodes end at the same step.
        timesteps: Steps over all rows; training ends sooner where the oracle's budget is spent.
        seed: Of environments, weights and edits.
        settings: What can be set.
        network: A network to go on with; None for a new one.

    Returns:
        The network.
    """
    torch.manual_seed(seed)
    space: Any = envs.single_action_space
    width = int(np.prod(envs.single_observation_space.shape or ()))
    network = network or EditNetwork(width, int(space.n), settings.width)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    core: Any = envs.unwrapped.core  # type: ignore[attr-defined]
    observation, _ = envs.reset(seed=seed)
    steps = 0
    while steps < timesteps and not core.oracle.exhausted:
        # Play one episode in every row.
        logs, entropies, rewards, ended = [], [], [], np.zeros(envs.num_envs, np.bool_)
        while not ended.any():
            chances = masked(network(torch.as_tensor(observation)), envs.unwrapped.action_masks())  # type: ignore[attr-defined]
            edits = chances.sample()
            observation, reward, terminated, truncated, _ = envs.step(edits.numpy())
            logs.append(chances.log_prob(edits))
            entropies.append(chances.entropy())
            rewards.append(reward.astype(np.float32))
            ended = terminated | truncated
            steps += envs.num_envs
        # What followed each edit, beside what followed in the other rows.
        returns = np.stack(rewards)
        for step in range(len(returns) - 2, -1, -1):
            returns[step] += settings.gamma * returns[step + 1]
        advantage = returns - returns.mean(axis=1, keepdims=True)
        advantage = torch.from_numpy(advantage / (advantage.std() + 1e-8))
        loss = -(torch.stack(logs) * advantage).mean() - settings.entropy * torch.stack(entropies).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.max_grad_norm)
        optimizer.step()
    return network


def _learn(envs: gym.vector.VectorEnv, problem: Problem, seed: int) -> None:
    torch.set_num_threads(1)
    reinforce(envs, STEPS_PER_CALL * problem.budget, seed)


def method(seed: int) -> PolicyMethod:
    """REINFORCE as a method of the benchmark, which learns within the budget."""
    return PolicyMethod(ENV_ID, learn=partial(_learn, seed=seed), rows=16)


register("REINFORCE, edits", method, about=f"REINFORCE, which learns in {ENV_ID} until the budget is spent.")
