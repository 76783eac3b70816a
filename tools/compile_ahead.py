"""Compiles what every environment uses, so that processes that start together need not each do so (``make test``).

Command: python -m tools.compile_ahead
"""

from __future__ import annotations

import gymnasium as gym

from matenv.envs.registration import IDS
from tools.command import run


def main() -> None:
    """Take a step in each environment, single and batched; numba keeps what that compiles."""
    for env_id in IDS:
        env, envs = gym.make(env_id), gym.make_vec(env_id, num_envs=2)
        for walk in (env, envs):
            walk.reset(seed=0)
            walk.step(walk.action_space.sample())


if __name__ == "__main__":
    run(main)
