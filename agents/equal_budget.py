"""Searches and learning agents at an equal budget: the best of the first so many distinct formulas assessed.

An agent trains from nothing and stops when its oracle's budget is spent; every formula it met counts, those of the
starts included. Each run is written as it ends; the same command resumes.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from matenv.agents.edit_policy import RandomKinds
from matenv.agents.policies import Policy, RandomPolicy, takes_masks
from matenv.agents.prior_search import prior_search
from matenv.agents.train import create
from matenv.agents.uniform_search import uniform_search
from stable_baselines3.common.callbacks import BaseCallback

from matenv import Oracle, Task, load_task
from matenv.benchmark.curve import best_so_far
from matenv.benchmark.measures import measures, windows
from matenv.benchmark.record import Search
from matenv.benchmark.searches import evolve
from matenv.benchmark.summary import Runs, as_json, markdown
from matenv.report.curves import draw_curves, draw_moves
from matenv.wrappers import RecordMoves

LATENT, ELEMENTS = "MaterialLatent-v0", "MaterialElements-v0"
ROWS = 64
"""Episodes at once of a policy that does not learn. Row seeds of two runs lie so far apart that none is shared."""

STEPS_PER_CALL = 20
"""Steps after which an agent that keeps coming back to known formulas is stopped, per call of the budget."""

FIRST_SEED = 1_000
"""Seeds begin here; whatever was chosen for these agents was chosen on lower ones."""

FEW = 1_000
"""Calls at which every longer run is read off too."""

REFERENCES = ("uniform random formulas", "prior sampling", "PPO, latent")
"""Methods that the others are compared with."""


def policy_search(
    make: Callable[[gym.Space, int], Policy],
    env_id: str,
    task: str | Task,
    budget: int,
    seed: int,
    masks: bool = True,
    **env_kwargs: Any,
) -> Search:
    """Run a policy that does not learn until the budget is spent.

    Args:
        make: Makes the policy from the action space and a seed.
        env_id: Registered environment id.
        task: Task name or `Task`.
        budget: Distinct formulas to assess.
        seed: Seed of policy and starts.
        masks: Tell a policy that asks for them which edits are allowed.
        **env_kwargs: Arguments of the environment.

    Returns:
        The formulas met, their scores and the moves.
    """
    oracle = Oracle("train", budget, properties=load_task(task).properties)
    envs = RecordMoves(gym.make_vec(env_id, num_envs=ROWS, task=task, oracle=oracle, **env_kwargs))
    policy = make(envs.single_action_space, seed)
    masked = masks and takes_masks(policy) and env_id == ELEMENTS
    observation, _ = envs.reset(seed=ROWS * seed)
    while not oracle.exhausted:
        known = {"action_masks": envs.unwrapped.action_masks()} if masked else {}  # type: ignore[attr-defined]
        actions, _ = policy.predict(observation, **known)
        observation, *_ = envs.step(actions)
    return Search.of(oracle, task, envs.moves())


def agent_search(
    algorithm: str,
    env_id: str,
    task: str | Task,
    budget: int,
    seed: int,
    overrides: dict[str, Any] | None = None,
    **env_kwargs: Any,
) -> Search:
    """Train an agent with its hyperparameters for few calls until the budget is spent.

    Args:
        algorithm: A name in `matenv.agents.train.ALGORITHMS`.
        env_id: Registered environment id.
        task: Task name or `Task`.
        budget: Distinct formulas to assess.
        seed: Seed of agent and starts.
        overrides: Hyperparameters that differ from the file's.
        **env_kwargs: Arguments of the environment.

    Returns:
        The formulas met, their scores and the moves.
    """
    torch.set_num_threads(1)  # more gain nothing for networks this small
    oracle, recorders = Oracle("train", budget, properties=load_task(task).properties), []

    def record(envs: gym.vector.VectorEnv) -> RecordMoves:
        recorders.append(RecordMoves(envs))
        return recorders[-1]

    env_kwargs = {"task": task, "oracle": oracle, **env_kwargs}
    agent, envs = create(algorithm, env_id, ROWS * seed, env_kwargs, f"{algorithm}-few-calls", overrides, record)
    try:
        agent.learn(STEPS_PER_CALL * budget, _UntilSpent(oracle))
    finally:
        envs.close()
    return Search.of(oracle, task, recorders[0].moves())


class _UntilSpent(BaseCallback):
    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self.oracle = oracle

    def _on_step(self) -> bool:
        return not self.oracle.exhausted


def evolutionary_search(task: str | Task, budget: int, seed: int) -> Search:
    """`matenv.benchmark.searches.evolve`: mutations and crossings of the best formulas, one per chemical system."""
    task = load_task(task)
    return evolve(task, Oracle("train", budget, properties=task.properties), seed)


METHODS: dict[str, Callable[..., Search]] = {
    "uniform random formulas": uniform_search,
    "prior sampling": lambda task, budget, seed: prior_search(task, budget=budget, seed=seed),
    "evolutionary search": evolutionary_search,
    "random, latent": partial(policy_search, RandomPolicy, LATENT),
    "random, latent small steps": partial(policy_search, RandomPolicy, LATENT, step_size=0.3),
    "random, edits unmasked": partial(policy_search, RandomPolicy, ELEMENTS, masks=False),
    "random, edits": partial(policy_search, RandomPolicy, ELEMENTS),
    "random, edits by kind": partial(policy_search, RandomKinds, ELEMENTS),
    "random, edits reachable": partial(policy_search, RandomKinds, ELEMENTS, reachability=True),
    "PPO, latent": partial(agent_search, "ppo", LATENT),
    "SAC, latent": partial(agent_search, "sac", LATENT),
    "PPO, edits unmasked": partial(agent_search, "ppo", ELEMENTS),
    "MaskablePPO, edits": partial(agent_search, "maskable_ppo", ELEMENTS),
    "MaskablePPO, edits reachable": partial(agent_search, "maskable_ppo", ELEMENTS, reachability=True),
    "DQN, edits": partial(agent_search, "dqn", ELEMENTS),
}
"""Methods by name: each takes task, budget and seed."""


def equal_budget(
    out: str | Path = "runs/equal-budget",
    budget: int = 10_000,
    seeds: int = 10,
    tasks: Sequence[str] = ("stiff-stable",),
    methods: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Run each method over several tasks and seeds; print and write what `matenv.benchmark.summary` makes of it.

    Args:
        out: Folder of the results: a file per run, ``summary.json``, ``summary.md`` and pictures.
        budget: Distinct formulas each run may assess; if it is more than `FEW`, runs are read off there too.
        seeds: Number of seeds S.
        tasks: Task names.
        methods: Names in `METHODS`; None for all.

    Returns:
        What `matenv.benchmark.summary.as_json` says.

    Raises:
        ValueError: An unknown method or task, or fewer than one seed or call.
    """
    methods = list(METHODS) if methods is None else list(methods)
    if unknown := [method for method in methods if method not in METHODS]:
        raise ValueError(f"methods holds {unknown}; choose from {', '.join(METHODS)}")
    if seeds < 1 or budget < 1:
        raise ValueError(f"seeds={seeds} and budget={budget} must be at least 1")
    for task in tasks:
        load_task(task)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(FIRST_SEED, FIRST_SEED + seeds)
    runs: Runs = {
        (method, task): [_run(folder, method, task, budget, seed) for seed in numbers]
        for method in methods
        for task in tasks
    }
    return report(runs, folder)


def report(runs: Runs, folder: Path) -> dict[str, Any]:
    """Write ``summary.json``, ``summary.md`` and the pictures ``best.png`` and ``moves.png``; print the tables.

    Args:
        runs: The runs.
        folder: Where to.

    Returns:
        What `matenv.benchmark.summary.as_json` says, as the file holds it.
    """
    summary = json.loads(json.dumps(as_json(runs, REFERENCES)))
    (folder / "summary.json").write_text(json.dumps(summary) + "\n")
    (folder / "summary.md").write_text(markdown(summary) + "\n")
    draw_curves(summary, folder / "best.png")
    draw_moves(summary, folder / "moves.png")
    print(markdown(summary))
    return summary


def _run(folder: Path, method: str, task: str, budget: int, seed: int) -> dict[str, Any]:
    """One run's measures, or those stored."""
    stored = folder / f"{re.sub('[^a-z]+', '-', method.lower())}-{task}-{budget}-{seed}.json"
    if not stored.is_file():
        began = time.process_time()
        search = METHODS[method](task=task, budget=budget, seed=seed)
        seconds = time.process_time() - began
        calls, means = best_so_far(search.compositions, search.scores)
        content = {
            "method": method, "task": task, "seed": seed, "seconds": round(seconds, 2),
            "measures": {n: measures(search, load_task(task), n) for n in sorted({min(FEW, budget), budget})},
            "windows": windows(search, budget),
            "curve": {"calls": calls.tolist(), "top10": means.tolist()},
        }  # fmt: skip
        partial_file = stored.with_suffix(".partial")
        partial_file.write_text(json.dumps(content) + "\n")
        partial_file.replace(stored)
        print(f"{method}, {task}, seed {seed}: top-10 {means[-1]:.3f}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return json.loads(stored.read_text())
