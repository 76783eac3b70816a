"""PPO with the shipped hyperparameters: wall time, and the share spent in the environment.

``python -m benchmarks.training``; a million steps on `MaterialLatent-v0` by default. Nothing is saved.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import torch
import typer
from matenv.agents.hyperparameters import load_hyperparameters
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn, VecEnvWrapper

from benchmarks.measure import Report
from matenv.wrappers import SB3VecEnv
from tools.command import run

GROUP = "training"
ENV_ID = "MaterialLatent-v0"
STEPS = 1_000_000


class TimedVecEnv(VecEnvWrapper):
    """Adds up the wall-clock time of the steps of the environments beneath it, adapter included.

    Attributes:
        seconds: Time spent in steps so far.
        returns: Sum of rewards of each finished episode, in order.
    """

    def __init__(self, venv: Any) -> None:
        super().__init__(venv)
        self.seconds = 0.0
        self.returns: list[float] = []

    def reset(self) -> Any:
        """Reset all rows."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Step all rows, watched."""
        start = time.perf_counter()
        observations, rewards, dones, infos = self.venv.step_wait()
        self.seconds += time.perf_counter() - start
        self.returns += [infos[row]["episode"]["r"] for row in np.flatnonzero(dones)]
        return observations, rewards, dones, infos


def measure(
    report: Report, quick: bool = False, steps: int | None = None, rows: int | None = None, seed: int = 0
) -> None:
    """Train once and record times into `report`.

    Args:
        report: Where to.
        quick: A short training, unless `steps` says otherwise.
        steps: Environment steps over all rows; None for a million, or 20,000 if quick.
        rows: Number of environments; None for the shipped hyperparameters' number.
        seed: Seed of environment and agent.
    """
    settings = load_hyperparameters("ppo", ENV_ID)
    shipped_rows, _ = settings.pop("n_envs"), settings.pop("n_timesteps")
    env_kwargs = settings.pop("env_kwargs", {})
    rows = rows or shipped_rows
    steps = steps or (20_000 if quick else STEPS)
    envs = TimedVecEnv(VecMonitor(SB3VecEnv(gym.make_vec(ENV_ID, num_envs=rows, **env_kwargs))))
    torch.set_num_threads(1)  # as `matenv.agents.train.train` does
    agent = PPO(env=envs, seed=seed, device="cpu", **settings)
    start = time.perf_counter()
    agent.learn(steps)
    wall = time.perf_counter() - start
    report.add(GROUP, "PPO: environments", "rows", rows)
    report.add(GROUP, "PPO: steps", "steps", agent.num_timesteps)
    report.add(GROUP, "PPO: wall time", "s", wall)
    report.add(GROUP, "PPO: rate", "steps/s", agent.num_timesteps / wall)
    report.add(GROUP, "PPO: share of time in the environment", "%", 100 * envs.seconds / wall)
    asked = agent.num_timesteps + len(envs.returns) + rows  # every step and every start
    repeats = 100 * (1 - envs.get_attr("core", 0)[0].oracle.calls / asked)
    report.add(GROUP, "PPO: share of formulas assessed before", "%", repeats)
    tenth = max(len(envs.returns) // 10, 1)
    report.add(GROUP, "PPO: mean return, first tenth of episodes", "score", float(np.mean(envs.returns[:tenth])))
    report.add(GROUP, "PPO: mean return, last tenth of episodes", "score", float(np.mean(envs.returns[-tenth:])))
    envs.close()


def main(
    quick: Annotated[bool, typer.Option("--quick", help="20,000 steps.")] = False,
    steps: Annotated[int | None, typer.Option(help="Environment steps over all rows.")] = None,
    rows: Annotated[int | None, typer.Option(help="Number of environments.")] = None,
) -> None:
    """Train, measure and print."""
    report = Report(quick)
    measure(report, quick, steps, rows)
    print(report.markdown())


if __name__ == "__main__":
    run(main)
