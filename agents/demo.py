"""The demonstration: train PPO on the embedded data, and show the materials it proposes, with pictures.

May import: matenv's public names, `matenv.report`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from matenv.agents.candidates import Candidate, rank_candidates, show_table, write_csv
from matenv.agents.evaluation import Evaluation, evaluate_policy
from matenv.agents.policies import Policy, RandomPolicy
from matenv.agents.training import ENV_ID, train

from matenv import Oracle, load_task
from matenv.envs.rendering import Trail
from matenv.report.pictures import draw_learning_curve, draw_trajectory

EPISODES = 512
"""Evaluation episodes of each policy."""

EVALUATION_SEED = 10_000


def demo(
    out: str | Path = "demo-output",
    task: str = "stiff-stable",
    timesteps: int = 200_000,
    seed: int = 0,
    top: int = 12,
    progress: bool = True,
) -> list[Candidate]:
    """Train, evaluate beside a random policy, rank what was found, draw.

    Args:
        out: Output folder; an interrupted training in it is resumed.
        task: Task name.
        timesteps: Training steps.
        seed: Seed of training.
        top: Candidates to list.
        progress: Show progress bars.

    Returns:
        The candidates, best first.
    """
    folder, started = Path(out), time.perf_counter()
    env_kwargs: dict[str, Any] = {"task": task}
    print(f"Task {task}: {load_task(task).description}")
    print(f"Training PPO for {timesteps:,} steps on {ENV_ID} (an interrupted run resumes) ...")
    agent = train("ppo", folder / "ppo", timesteps, seed, env_kwargs=env_kwargs, progress=progress)

    print(f"Evaluating it and a random policy over {EPISODES} episodes each ...")
    space = gym.make(ENV_ID, **env_kwargs).action_space
    learned = evaluate_policy(agent, ENV_ID, EPISODES, EVALUATION_SEED, **env_kwargs)
    random = evaluate_policy(RandomPolicy(space, seed), ENV_ID, EPISODES, EVALUATION_SEED, **env_kwargs)
    _compare(learned, random)

    candidates = rank_candidates(list(learned.visited), load_task(task), Oracle("train"), top)
    show_table(candidates, f"Candidates for {task!r}, at most one per chemical system")
    write_csv(candidates, folder / "candidates.csv")
    draw_learning_curve(
        folder / "ppo" / "episodes.csv", random.returns, random.final_scores, folder / "learning_curve.png",
        f"PPO on {ENV_ID}, task {task}",
    )  # fmt: skip
    best = int(np.argmax(learned.returns))
    trail, env = record_episode(agent, seed=EVALUATION_SEED + best, **env_kwargs)
    draw_trajectory(
        trail, env.core, folder / "trajectory.png",
        f"Best of {EPISODES} episodes: {trail.infos[0]['formula']} to {trail.infos[-1]['formula']}",
    )  # fmt: skip
    print(f"Wrote candidates.csv, learning_curve.png and trajectory.png to {folder.resolve()}")
    print(f"Done in {time.perf_counter() - started:.0f} s.")
    return candidates


def record_episode(policy: Policy, seed: int, deterministic: bool = True, **env_kwargs: Any) -> tuple[Trail, Any]:
    """One episode of a policy in a single environment, step by step.

    Args:
        policy: What chooses the moves.
        seed: Seed of the start.
        deterministic: Passed to the policy.
        **env_kwargs: Arguments of the environment.

    Returns:
        The trail and the (unwrapped) environment.
    """
    env: Any = gym.make(ENV_ID, **env_kwargs).unwrapped
    observation, info = env.reset(seed=seed)
    trail = Trail()
    trail.add(env.core.state, info)
    done = False
    while not done:
        action, _ = policy.predict(observation[None], deterministic=deterministic)
        observation, _, terminated, truncated, info = env.step(action[0])
        trail.add(env.core.state, info)
        done = terminated or truncated
    return trail, env


def _compare(learned: Evaluation, random: Evaluation) -> None:
    print(f"{'':14s}{'return':>16s}{'final score':>18s}{'target met':>12s}")
    for name, e in (("PPO", learned), ("random", random)):
        print(
            f"{name:14s}{e.returns.mean():9.3f} +-{_half(e.returns):5.3f}"
            f"{e.final_scores.mean():11.3f} +-{_half(e.final_scores):5.3f}{e.success.mean():11.1%}"
        )


def _half(values: np.ndarray) -> float:
    """Half width of the 95 % interval of a mean over episodes."""
    return float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))
