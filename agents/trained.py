"""Agents that `matenv train` left in folders, as a method of the benchmark: each seed acts with an agent of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import torch
from matenv.agents.checkpoint import ASKED, CHECKPOINT, MODEL
from matenv.agents.policies import RandomPolicy
from matenv.agents.train import CONFIG, read_config
from safetensors import safe_open

from matenv.benchmark import PolicyMethod
from matenv.benchmark.tracks import FIRST_SEED


@dataclass(frozen=True)
class Trained:
    """Makes a method from a seed: seed 1000 acts with the agent that was trained with seed 0, and so on.

    Attributes:
        stem: What the folders of the training runs are called before the seed, such as ``runs/compare/ppo-``.
    """

    stem: str

    def __call__(self, seed: int) -> PolicyMethod:
        """The agent of a seed, in the environment that it was trained in; the problem brings the task."""
        torch.set_num_threads(1)  # more gain nothing for networks this small
        folder = self.folder(seed)
        config = read_config(folder)
        arguments = {name: value for name, value in config["env_kwargs"].items() if name != "task"}
        return PolicyMethod(config["env_id"], folder / MODEL, **arguments)

    def folder(self, seed: int) -> Path:
        """Folder of the agent that acts for a seed."""
        return Path(f"{self.stem}{seed - FIRST_SEED}")

    def digest(self, seed: int) -> str:
        """Digest of the agent that acts for a seed: what was trained, and the weights."""
        files = (self.folder(seed) / CONFIG, self.folder(seed) / MODEL)
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]

    def calls(self, seed: int) -> int:
        """Distinct formulas that were assessed while the agent of a seed was trained; 0 where the table was asked."""
        with safe_open(self.folder(seed) / CHECKPOINT, "numpy") as file:
            return file.get_slice(ASKED[-1]).get_shape()[0] if ASKED[-1] in file.keys() else 0  # noqa: SIM118


@dataclass(frozen=True)
class Untrained:
    """Makes a method from a seed: uniformly random moves in an environment.

    Attributes:
        env_id: Registered environment id.
    """

    env_id: str

    def __call__(self, seed: int) -> PolicyMethod:
        """The policy of a seed."""
        return PolicyMethod(self.env_id, RandomPolicy(gym.make(self.env_id).action_space, seed))
