"""Do the learned agents beat chance, and what do they find? Agents beside a random policy, over several seeds.

Episodes from held-out starts come first, with learning curves. Then the agents, as they are once trained, are run in
the benchmark beside its trivial methods: a view of the protocol, whose results are files like any others. Every
training run, evaluation and result is written as it ends; the same command resumes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.policies import RandomPolicy
from matenv.agents.train import ALGORITHMS, ENV_ID, train
from matenv.agents.trained import Trained, Untrained

import matenv
from matenv.atomic import write_whole
from matenv.benchmark import Plan, Result, plans, read_results, sweep
from matenv.benchmark.board import REFERENCES
from matenv.benchmark.leaderboard import leaderboard
from matenv.benchmark.policy_envs import SYSTEMS_ENV, defaults_of
from matenv.benchmark.results import stored_with
from matenv.benchmark.statistics import mean_interval
from matenv.benchmark.sweep import in_processes
from matenv.checks import check_whole
from matenv.envs.registration import plain_id
from matenv.report.leaderboard import draw_leaderboard
from matenv.report.pictures import draw_learning_curves
from matenv.tasks import TRAINING_WHEELS
from matenv.tasks.registry import task_for_storage

MEASURES = ("return", "final_score", "best_score", "success")

RETURN = ("return",)
"""Measures where there is no task: the sum of an episode's rewards, hits of `MaterialSystem-v0`."""

AGENTS = {
    ENV_ID: ("random", "ppo", "sac"),
    "MaterialElements-v0": ("random", "maskable_ppo", "dqn"),
    SYSTEMS_ENV: ("random", "ppo"),
}
"""Agents compared on each environment."""

PLACES = {ENV_ID: "latent", "MaterialElements-v0": "edits", SYSTEMS_ENV: "systems"}
"""Where an agent moves, in the names of methods."""

TaskData = str | dict[str, Any]
"""A registered task's name, or what a task's file said."""


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        episodes: Mean and half width of the 95 % interval (Student's t over seeds) by agent and measure, and the
            agent's ``"timesteps"``. Without a task there is no final score.
        results: The benchmark's results; none where episodes have wishes, which belong to the track amortised.
    """

    episodes: dict[str, Any]
    results: list[Result]


def compare(
    out: str | Path = "runs/compare",
    agents: Sequence[str] | None = None,
    seeds: int = 5,
    timesteps: dict[str, int] | None = None,
    episodes: int = 256,
    task: str | Path = "superhard",
    progress: bool = True,
    env_id: str = ENV_ID,
    budget: int = 1_000,
    systems: int = 20,
    processes: int = 1,
) -> Comparison:
    """Train each agent over several seeds, evaluate it, and run it in the benchmark; print both tables.

    Args:
        out: Folder: a folder per training run, a file per evaluation, ``runs`` with the benchmark's results,
            ``table.json``, ``summary.md``, ``learning_curves.png``, ``leaderboard.png``.
        agents: ``"random"`` and names of algorithms; None for those of the environment in `AGENTS`.
        seeds: Number of seeds S; seed s trains with s, is evaluated on starts that no training used, and is the
            benchmark's seed 1000 + s.
        timesteps: Training steps by algorithm; the hyperparameter file's own where absent.
        episodes: Evaluation episodes per seed.
        task: Task name, or path of a task's file; `MaterialSystem-v0` has none.
        progress: Show progress bars, where one agent is trained at a time.
        env_id: Registered environment id.
        budget: Calls of a run in the single track.
        systems: Systems of each number of elements in the track systems, in which agents of `MaterialSystem-v0` run.
        processes: Trainings and runs at once.

    Returns:
        The episodes and the results.
    """
    for name, number in {"seeds": seeds, "episodes": episodes, "budget": budget, "systems": systems}.items():
        check_whole(name, number, "at least 1")
    check_whole("processes", processes, "processes")
    env_id = plain_id(env_id)
    if agents is None and env_id not in AGENTS:
        raise ValueError(f"env_id={env_id!r} has no agents of its own; name some in agents, or use {', '.join(AGENTS)}")
    agents = AGENTS[env_id] if agents is None else agents
    if unknown := [agent for agent in agents if agent not in ("random", *ALGORITHMS)]:
        raise ValueError(f"agents holds {unknown[0]!r}; choose from random, {', '.join(ALGORITHMS)}")
    wanted = task_for_storage(task) if "task" in defaults_of(env_id) else None
    templates = _templates(env_id, task, seeds, budget, systems)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    runs = {
        agent: [
            (folder, agent, seed, (timesteps or {}).get(agent), episodes, wanted, progress and processes == 1, env_id)
            for seed in range(seeds)
        ]
        for agent in agents
    }
    todo = [run for each in runs.values() for run in each if not _evaluation(folder, run[1], run[2]).is_file()]
    for _ in in_processes(_run, todo, processes):
        pass
    measures = MEASURES if wanted is not None else RETURN
    table: dict[str, Any] = {}
    for agent, each in runs.items():
        found = [_run(*run) for run in each]
        table[agent] = {measure: mean_interval([run[measure] for run in found]) for measure in measures}
        table[agent]["timesteps"] = found[0]["timesteps"]
    write_whole(folder / "table.json", json.dumps(table, indent=1) + "\n")
    heading = f"{env_id}, {'held-out chemical systems' if wanted is None else _words(wanted)}"
    curves = {
        agent: [folder / f"{agent}-{seed}" / "episodes.csv" for seed in range(seeds)] for agent in table
        if agent in ALGORITHMS
    }  # fmt: skip
    if curves and "random" in table:
        draw_learning_curves(curves, table["random"], folder / "learning_curves.png", heading)
    text = _shown(table, seeds, episodes, measures, heading)
    results: list[Result] = []
    if templates:
        results = _benchmark(folder, table, templates, env_id, processes)
        draw_leaderboard(results, folder / "leaderboard.png")
        text += f"\n\nThe same agents, once trained, in the benchmark (files: {folder / 'runs'}).\n"
        text += leaderboard(results)
    write_whole(folder / "summary.md", text + "\n")
    print(text)
    return Comparison(table, results)


def _evaluation(folder: Path, agent: str, seed: int) -> Path:
    return folder / f"{agent}-{seed}.json"


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
        else:
            policy = train(agent, folder / f"{agent}-{seed}", timesteps, seed, env_id, arguments, progress=progress)
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
    return stored_with(_evaluation(folder, agent, seed), settings, measure)


def _templates(env_id: str, task: str | Path, seeds: int, budget: int, systems: int) -> list[Plan]:
    """The benchmark's plans for the trivial methods, a seed each; none for an environment that it cannot be run in."""
    defaults = defaults_of(env_id)
    if env_id == SYSTEMS_ENV:
        return plans(REFERENCES["systems"], "systems", (), seeds, systems=systems)
    if not {"task", "oracle"} <= defaults.keys() or defaults.get("wish") is not None:
        return []
    return plans(REFERENCES["single"], "single", [str(task)], seeds, budget)


def _benchmark(
    folder: Path, table: dict[str, Any], trivial: list[Plan], env_id: str, processes: int
) -> list[Result]:  # fmt: skip
    """The benchmark's runs of the trivial methods, and of the agents as they are once trained."""
    place = PLACES.get(env_id, env_id)
    makers: dict[str, Any] = {}
    wanted = list(trivial)
    for agent, row in table.items():
        maker: Trained | Untrained
        if agent == "random":
            maker, name = Untrained(env_id), f"random policy, {place}"
        else:
            maker, name = Trained(f"{folder / agent}-"), f"{agent}, {place}, trained {row['timesteps']:,} steps"
        makers[name] = maker
        for plan in (each for each in trivial if each.method == trivial[0].method):
            plan = replace(plan, method=name)
            if isinstance(maker, Trained):
                plan = replace(plan, training=maker.calls(plan.seed), source=maker.digest(plan.seed))
            wanted.append(plan)
    return read_results(sorted(sweep(wanted, folder / "runs", processes, makers)))


def _words(task: TaskData) -> str:
    name = task if isinstance(task, str) else task["name"]
    return f"task {name}" + ", a training wheel" * (name in TRAINING_WHEELS)


def _shown(table: dict[str, Any], seeds: int, episodes: int, measures: Sequence[str], heading: str) -> str:
    lines = [
        f"{heading}; {seeds} seed{'s' * (seeds > 1)} x {episodes} episodes, agents exploring; mean"
        + " +- half width of the 95 % interval over seeds" * (seeds > 1),
        "",
    ]
    lines += ["| agent | steps of training | " + " | ".join(name.replace("_", " ") for name in measures) + " |"]
    lines += ["|---" * (len(measures) + 2) + "|"]
    for agent, row in table.items():
        cells = " | ".join("{:.3f} +- {:.3f}".format(*row[name]).removesuffix(" +- nan") for name in measures)
        lines.append(f"| {agent} | {row['timesteps']:,} | {cells} |")
    return "\n".join(lines)
