"""Do the learned agents beat chance? Agents beside a random policy and a search that never learns, over several seeds.

Learning curves with intervals over seeds are drawn beside the table. Every training run and evaluation is written as it
ends; the same command resumes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.policies import RandomPolicy
from matenv.agents.train import ALGORITHMS, ENV_ID, train

import matenv
from matenv import Oracle, load_task
from matenv.atomic import write_whole
from matenv.benchmark import search
from matenv.benchmark.policy_envs import defaults_of
from matenv.benchmark.results import stored_with
from matenv.benchmark.statistics import mean_interval
from matenv.benchmark.trivial import wheel_line
from matenv.envs.registration import plain_id
from matenv.report.pictures import draw_learning_curves
from matenv.tasks.registry import task_for_storage

MEASURES = ("return", "final_score", "best_score", "success")

RETURN = ("return",)
"""Measures where there is no task: the sum of an episode's rewards, hits of `MaterialSystem-v0`."""

AGENTS = {
    ENV_ID: ("random", "ppo", "sac"),
    "MaterialElements-v0": ("random", "maskable_ppo", "dqn"),
    "MaterialSystem-v0": ("random", "ppo"),
}
"""Agents compared on each environment."""

TaskData = str | dict[str, Any]
"""A registered task's name, or what a task's file said."""

CALLS = 1_000
"""Distinct formulas that the search which never learns may assess."""


def compare(
    out: str | Path = "runs/compare",
    agents: Sequence[str] | None = None,
    seeds: int = 5,
    timesteps: dict[str, int] | None = None,
    episodes: int = 256,
    task: str | Path = "stiff-stable",
    progress: bool = True,
    env_id: str = ENV_ID,
) -> dict[str, Any]:
    """Train and evaluate each agent over several seeds; print means with 95 % intervals over seeds.

    Args:
        out: Folder for runs and results.
        agents: ``"random"`` and names of algorithms; None for those of the environment in `AGENTS`.
        seeds: Number of seeds S; seed s trains with s and is evaluated on starts that no training used.
        timesteps: Training steps by algorithm; the hyperparameter file's own where absent.
        episodes: Evaluation episodes per seed.
        task: Task name, or path of a task's file; `MaterialSystem-v0` has none.
        progress: Show progress bars.
        env_id: Registered environment id.

    Returns:
        The table: mean and half width of the 95 % interval (Student's t over seeds) per agent and measure. Without a
        task there is no final score, and nothing that a search could find: `MaterialSystem-v0` is compared by return.
    """
    if seeds < 1:
        raise ValueError(f"seeds={seeds} must be at least 1")
    env_id = plain_id(env_id)
    wanted = task_for_storage(task) if "task" in defaults_of(env_id) else None
    measures = MEASURES if wanted is not None else RETURN
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    table: dict[str, Any] = {}
    if agents is None and env_id not in AGENTS:
        raise ValueError(f"env_id={env_id!r} has no agents of its own; name some in agents, or use {', '.join(AGENTS)}")
    for agent in AGENTS[env_id] if agents is None else agents:
        runs = [
            _run(folder, agent, seed, (timesteps or {}).get(agent), episodes, wanted, progress, env_id)
            for seed in range(seeds)
        ]
        table[agent] = {measure: mean_interval([run[measure] for run in runs]) for measure in measures}
        table[agent]["timesteps"] = runs[0]["timesteps"]
    if wanted is not None:
        name = "prior" if env_id == ENV_ID else "random"
        found = [_search(folder / f"{name}-search-{seed}.json", name, seed, wanted) for seed in range(seeds)]
        table[f"{name}, {CALLS:,} calls"] = {"top10": mean_interval(found)}
    write_whole(folder / "table.json", json.dumps(table, indent=1) + "\n")
    curves = {
        agent: [folder / f"{agent}-{seed}" / "episodes.csv" for seed in range(seeds)] for agent in table
        if agent in ALGORITHMS
    }  # fmt: skip
    if curves and "random" in table:
        out_file = folder / "learning_curves.png"
        draw_learning_curves(curves, table["random"], out_file, _heading(env_id, wanted))
    if wanted is not None and (line := wheel_line(load_task(wanted))) is not None:
        print(line)
    _show(table, seeds, episodes, measures, _heading(env_id, None) if wanted is None else f"Task {task}")
    return table


def _run(
    folder: Path,
    agent: str,
    seed: int,
    timesteps: int | None,
    episodes: int,
    task: TaskData | None,
    progress: bool,
    env_id: str,
) -> dict[str, float]:
    """One agent and seed, or its stored result."""
    arguments: dict[str, Any] = {} if task is None else {"task": task}

    def measure() -> dict[str, float]:
        if agent == "random":
            policy: Any = RandomPolicy(gym.make(env_id, **arguments).action_space, seed)
        elif agent in ALGORITHMS:
            run = folder / f"{agent}-{seed}"
            policy = train(agent, run, timesteps, seed, env_id, arguments, progress=progress)
        else:
            raise ValueError(f"agents holds {agent!r}; choose from random, {', '.join(ALGORITHMS)}")
        e = evaluate_policy(policy, env_id, episodes, seed=1_000_000 * (seed + 1), **arguments)
        return {
            "return": float(e.returns.mean()),
            "final_score": float(e.final_scores.mean()),
            "best_score": float(e.best_scores.mean()),
            "success": float(e.success.mean()),
            "timesteps": int(getattr(policy, "num_timesteps", 0)),
        }

    settings = {
        "agent": agent, "seed": seed, "timesteps": timesteps, "episodes": episodes, "task": task, "env_id": env_id,
        "matenv": matenv.__version__,
    }  # fmt: skip
    return stored_with(folder / f"{agent}-{seed}.json", settings, measure)


def _search(path: Path, name: str, seed: int, task: TaskData) -> float:
    """Mean of the ten best scores that a search finds with `CALLS` calls, or its stored result."""

    def measure() -> dict[str, float]:
        wanted = load_task(task)
        scores = np.sort(search(name, wanted, Oracle("train", CALLS, properties=wanted.properties), seed).scores)[::-1]
        return {"top10": float(scores[:10].mean())}

    settings = {"search": name, "seed": seed, "task": task, "calls": CALLS, "matenv": matenv.__version__}
    return stored_with(path, settings, measure)["top10"]


def _heading(env_id: str, task: TaskData | None) -> str:
    if task is None:
        return f"{env_id}, held-out chemical systems"
    return f"{env_id}, task {task if isinstance(task, str) else task['name']}"


def _show(table: dict[str, Any], seeds: int, episodes: int, measures: Sequence[str], heading: str) -> None:
    print(f"{heading}; {seeds} seeds x {episodes} episodes; mean +- half width of the 95 % interval over seeds")
    print(f"{'agent':10s}{'steps':>10s}" + "".join(f"{measure:>20s}" for measure in measures))
    for agent, row in table.items():
        if "timesteps" in row:
            cells = "".join(f"{row[m][0]:12.3f} +-{row[m][1]:6.3f}" for m in measures)
            print(f"{agent:10s}{row['timesteps']:10,d}{cells}")
        else:
            print(f"{agent}: top-10 score {row['top10'][0]:.3f} +- {row['top10'][1]:.3f}")
