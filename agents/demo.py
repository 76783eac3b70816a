"""The demonstration: train PPO on the embedded data, and show the materials it proposes, with pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from matenv.agents.candidate_files import check_format, write_candidates
from matenv.agents.candidates import Candidate, rank_candidates, show_table
from matenv.agents.evaluation import Evaluation, evaluate_policy
from matenv.agents.policies import Policy, RandomPolicy
from matenv.agents.seeds import EVALUATION_SEEDS
from matenv.agents.train import ENV_ID, check_seed, train

from matenv import CompositionBatch, Oracle, Task, load_dataset, load_task
from matenv.benchmark import search
from matenv.composition import integer_counts
from matenv.envs.state import Trail
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
    require: Sequence[str] = (),
    kind: str = "csv",
) -> list[Candidate]:
    """Train, evaluate beside a random policy, rank what was found, draw.

    Args:
        out: Output folder; an interrupted training in it is resumed.
        task: Task name, or path of a task's file.
        timesteps: Training steps.
        seed: Seed of training.
        top: Candidates to list.
        progress: Show progress bars.
        require: Elements that every formula must hold, as `matenv.load_task` takes them.
        kind: Format of the candidates' file: csv, json or optimade.

    Returns:
        The candidates, best first.
    """
    check_seed(seed)
    check_format(kind)
    folder, started = Path(out), time.perf_counter()
    env_kwargs: dict[str, Any] = {"task": task} | ({"require": list(require)} if require else {})
    wanted = load_task(task, require=require)
    print(f"Task {task}: {wanted.description}{' Must hold ' + ', '.join(require) + '.' if require else ''}")
    print(f"Training PPO for {timesteps:,} steps on {ENV_ID} (an interrupted run resumes) ...")
    agent = train("ppo", folder / "ppo", timesteps, seed, env_kwargs=env_kwargs, progress=progress)

    print(f"Evaluating it and a random policy over {EPISODES} episodes each ...")
    space = gym.make(ENV_ID, **env_kwargs).action_space
    learned = evaluate_policy(agent, ENV_ID, EPISODES, EVALUATION_SEED, **env_kwargs)
    random = evaluate_policy(RandomPolicy(space, seed), ENV_ID, EPISODES, EVALUATION_SEED, **env_kwargs)
    _compare(learned, random, wanted)
    _rediscoveries(learned, random, wanted, seed)

    oracle = Oracle("train", properties=wanted.properties)
    candidates = rank_candidates(list(learned.visited), wanted, oracle, top)
    show_table(candidates, f"Candidates for {task!r}, at most one per chemical system")
    listed = write_candidates(candidates, folder, kind)
    draw_learning_curve(
        folder / "ppo" / "episodes.csv", random.returns, random.final_scores, folder / "learning_curve.png",
        f"PPO on {ENV_ID}, task {task}",
    )  # fmt: skip
    steady = evaluate_policy(agent, ENV_ID, EPISODES, EVALUATION_SEED, deterministic=True, **env_kwargs)
    best = int(np.argmax(steady.returns))
    seed_of_best = EVALUATION_SEEDS + EVALUATION_SEED + best
    trail, env = record_episode(agent, seed=seed_of_best, part="test", **env_kwargs)
    draw_trajectory(
        trail, env.core, folder / "trajectory.png",
        f"Best of {EPISODES} episodes without exploration: {trail.infos[0]['formula']} to {trail.infos[-1]['formula']}",
    )  # fmt: skip
    print(f"Wrote {listed.name}, learning_curve.png and trajectory.png to {folder.resolve()}")
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


def _compare(learned: Evaluation, random: Evaluation, task: Task) -> None:
    print(f"{'':8s}{'return':>16s}{'best score met':>18s}{'final score':>18s}{'target met at the end':>24s}")
    for name, e in (("PPO", learned), ("random", random)):
        cells = "".join(f"{v.mean():11.3f} +-{_half(v):5.3f}" for v in (e.best_scores, e.final_scores))
        print(f"{name:8s}{e.returns.mean():9.3f} +-{_half(e.returns):5.3f}{cells}{e.success.mean():23.1%}")
    print(
        f"(mean +- 95 % interval over episodes; target met: utility >= {task.success_utility:.2f}, P(stable) >= 0.5, "
        "p_found >= 0.1\n by the predictor that pays the reward; training seeds differ, see docs/agents.md)"
    )


def _rediscoveries(learned: Evaluation, random: Evaluation, task: Task, seed: int) -> None:
    """Which stable compounds of held-out systems were met, that nothing here has seen; beside what needs no policy."""
    prior = search("prior", task, Oracle(budget=max(len(learned.visited), 2)), seed).formulas
    # Episodes start in held-out systems: what is met in these is no merit of the policy's.
    started = set(_system_of([*learned.start_formulas, *random.start_formulas]))
    met = {name: _outside(list(e.visited), started) for name, e in (("PPO", learned), ("random", random))}
    met["prior samples"] = prior
    ends = {"PPO": learned.final_formulas, "random": random.final_formulas}
    print(f"{'':14s}{'formulas met':>14s}{'held out and stable':>21s}{'of 1,000':>10s}{'systems at the end':>20s}")
    for name, formulas in met.items():
        found = _held_out_and_stable(formulas)
        systems = f"{_systems(ends[name]):,} of {len(ends[name])}" if name in ends else ""
        share = 1000 * found / max(len(formulas), 1)
        print(f"{name:14s}{len(formulas):14,}{found:21,}{share:10.1f}{systems:>20s}")
    print(
        "(stable compounds, by DFT, of chemical systems that predictor, latent space, hull and policy have never seen; "
        "prior samples: decoded at random from the latent space, no policy)"
    )


def _system_of(formulas: Sequence[str]) -> list[str]:
    """Chemical system of each formula, as the formula of its elements in equal parts."""
    return CompositionBatch.from_counts(integer_counts(formulas)).systems().formulas()


def _outside(formulas: Sequence[str], systems: set[str]) -> list[str]:
    """Formulas of other chemical systems."""
    return [f for f, system in zip(formulas, _system_of(formulas), strict=True) if system not in systems]


def _held_out_and_stable(formulas: Sequence[str]) -> int:
    table = load_dataset("mp-ground-states")
    wanted = np.zeros(len(table), np.bool_)
    wanted[table.split("system").test] = True
    wanted &= table.labels["decomposition_energy"] <= 0
    rows = table.find(CompositionBatch.from_counts(integer_counts(list(formulas))))
    return int(wanted[rows[rows >= 0]].sum())


def _systems(formulas: Sequence[str]) -> int:
    named = [formula for formula in formulas if formula]
    return len(CompositionBatch.from_counts(integer_counts(named)).systems().distinct())


def _half(values: np.ndarray) -> float:
    """Half width of the 95 % interval of a mean over episodes."""
    return float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))
