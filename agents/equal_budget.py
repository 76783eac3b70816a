"""Searches and learning agents at an equal budget: the best of the first so many distinct formulas assessed.

An agent trains from nothing and stops when its oracle's budget is spent; every formula it met counts, those of the
starts included. Each run is written as it ends; the same command resumes. May import: matenv's public names,
`matenv.wrappers`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from matenv.agents.compare import interval
from matenv.agents.edit_policy import RandomKinds
from matenv.agents.policies import Policy, RandomPolicy, takes_masks
from matenv.agents.prior_search import SearchResult, prior_search
from matenv.agents.training import create
from matenv.agents.uniform_search import uniform_search
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from matenv import Oracle, Task, load_task

LATENT, ELEMENTS = "MaterialLatent-v0", "MaterialElements-v0"
ROWS = 64
"""Episodes at once of a policy that does not learn."""

STEPS_PER_CALL = 20
"""Steps after which an agent that keeps coming back to known formulas is stopped, per call of the budget."""

EVERY = 100
"""Calls between points of the curve behind the AUC."""


def policy_search(
    make: Callable[[gym.Space, int], Policy], env_id: str, task: str | Task, budget: int, seed: int, **env_kwargs: Any
) -> SearchResult:
    """Run a policy that does not learn until the budget is spent.

    Args:
        make: Makes the policy from the action space and a seed.
        env_id: Registered environment id.
        task: Task name or `Task`.
        budget: Distinct formulas to assess.
        seed: Seed of policy and starts.
        **env_kwargs: Arguments of the environment.

    Returns:
        The formulas met and their scores.
    """
    oracle = Oracle("train", budget, properties=load_task(task).properties)
    envs = gym.make_vec(env_id, num_envs=ROWS, task=task, oracle=oracle, **env_kwargs)
    policy = make(envs.single_action_space, seed)
    observation, _ = envs.reset(seed=ROWS * seed)
    while not oracle.exhausted:
        masks = {"action_masks": envs.unwrapped.action_masks()} if takes_masks(policy) and env_id == ELEMENTS else {}  # type: ignore[attr-defined]
        actions, _ = policy.predict(observation, **masks)
        observation, *_ = envs.step(actions)
    return _found(oracle, task)


def agent_search(
    algorithm: str, env_id: str, task: str | Task, budget: int, seed: int, policy: str | None = None
) -> SearchResult:
    """Train an agent with its hyperparameters for few calls until the budget is spent.

    Args:
        algorithm: A name in `matenv.agents.training.ALGORITHMS`.
        env_id: Registered environment id.
        task: Task name or `Task`.
        budget: Distinct formulas to assess.
        seed: Seed of agent and starts.
        policy: Another policy than the hyperparameter file's.

    Returns:
        The formulas met and their scores.
    """
    oracle = Oracle("train", budget, properties=load_task(task).properties)
    agent, envs = create(algorithm, env_id, seed, {"task": task, "oracle": oracle}, f"{algorithm}-few-calls", policy)
    try:
        agent.learn(STEPS_PER_CALL * budget, _UntilSpent(oracle))
    finally:
        envs.close()
    return _found(oracle, task)


class _UntilSpent(BaseCallback):
    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self.oracle = oracle

    def _on_step(self) -> bool:
        return not self.oracle.exhausted


def _found(oracle: Oracle, task: str | Task) -> SearchResult:
    met = oracle.history()
    fresh = Oracle(oracle.reference, properties=oracle.properties)
    return SearchResult(met.formulas(), load_task(task).score(fresh.assess(met)).score)


METHODS: dict[str, Callable[..., SearchResult]] = {
    "uniform random formulas": uniform_search,
    "random walk, edits": partial(policy_search, RandomPolicy, ELEMENTS),
    "random walk, by kind": partial(policy_search, RandomKinds, ELEMENTS),
    "MaskablePPO, edits": partial(agent_search, "maskable_ppo", ELEMENTS),
    "MaskablePPO, plain policy": partial(agent_search, "maskable_ppo", ELEMENTS, policy="MlpPolicy"),
    "DQN, edits": partial(agent_search, "dqn", ELEMENTS),
    "prior sampling": lambda task, budget, seed: prior_search(task, budget=budget, seed=seed),
    "random walk, latent": partial(policy_search, RandomPolicy, LATENT),
    "PPO, latent": partial(agent_search, "ppo", LATENT),
}
"""Methods by name: each takes task, budget and seed."""


def best_so_far(result: SearchResult, k: int = 10, every: int = EVERY) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Mean of the best k scores, at most one formula per chemical system, after 0, `every`, 2 `every` ... calls.

    Args:
        result: Formulas in the order they were assessed, and their scores.
        k: How many; missing ones count 0.
        every: Calls between points.

    Returns:
        The calls and the means; the last point is the last call.
    """
    best: dict[tuple[str, ...], float] = {}
    calls, means = [0], [0.0]
    for call, (formula, score) in enumerate(zip(result.formulas, result.scores, strict=True), 1):
        system = tuple(sorted(set(re.findall("[A-Z][a-z]?", formula))))
        best[system] = max(best.get(system, 0.0), float(score))
        if call % every == 0 or call == len(result.formulas):
            calls.append(call)
            means.append(sum(sorted(best.values(), reverse=True)[:k]) / k)
    return np.array(calls), np.array(means)


def area_under_curve(calls: NDArray[np.int64], means: NDArray[np.float64], budget: int) -> float:
    """Trapezoid over calls, the last mean carried forward to the budget, divided by the budget."""
    calls, means = np.append(calls, budget), np.append(means, means[-1])
    return float((np.diff(calls) * (means[1:] + means[:-1]) / 2).sum() / budget)


def equal_budget(
    out: str | Path = "runs/equal-budget",
    budget: int = 10_000,
    seeds: int = 5,
    task: str = "stiff-stable",
    methods: Sequence[str] | None = None,
) -> dict[str, dict[str, tuple[float, float]]]:
    """Run each method over several seeds; print mean top-10 scores with 95 % intervals over seeds.

    Args:
        out: Folder of the results.
        budget: Distinct formulas each run may assess.
        seeds: Number of seeds S.
        task: Task name.
        methods: Names in `METHODS`; None for all.

    Returns:
        By method: mean and half width (Student's t) of ``top10``, ``auc`` and ``systems`` (distinct chemical systems).

    Raises:
        ValueError: An unknown method, or fewer than one seed or call.
    """
    methods = list(METHODS) if methods is None else methods
    if unknown := [method for method in methods if method not in METHODS]:
        raise ValueError(f"methods holds {unknown}; choose from {', '.join(METHODS)}")
    if seeds < 1 or budget < 1:
        raise ValueError(f"seeds={seeds} and budget={budget} must be at least 1")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    table = {}
    print(f"Task {task}, {budget:,} calls, {seeds} seeds; mean +- half width of the 95 % interval over seeds")
    for method in methods:
        runs = [_run(folder, method, task, budget, seed) for seed in range(seeds)]
        table[method] = {name: interval([run[name] for run in runs]) for name in ("top10", "auc", "systems")}
        t, a, s = (table[method][name] for name in ("top10", "auc", "systems"))
        print(
            f"{method:26s} top-10 {t[0]:.3f} +-{t[1]:6.3f}   AUC {a[0]:.3f} +-{a[1]:6.3f}   systems {s[0]:8,.0f}",
            flush=True,
        )
    (folder / f"{task}-{budget}.json").write_text(json.dumps(table, indent=1) + "\n")
    return table


def _run(folder: Path, method: str, task: str, budget: int, seed: int) -> dict[str, float]:
    """One run's measures, or those stored."""
    stored = folder / f"{re.sub('[^a-z]+', '-', method.lower())}-{task}-{budget}-{seed}.json"
    if not stored.is_file():
        result = METHODS[method](task=task, budget=budget, seed=seed)
        calls, means = best_so_far(result)
        systems = {frozenset(re.findall("[A-Z][a-z]?", formula)) for formula in result.formulas}
        measured = {
            "top10": float(means[-1]), "auc": area_under_curve(calls, means, budget), "systems": len(systems),
            "calls": len(result.formulas),
        }  # fmt: skip
        stored.write_text(json.dumps(measured) + "\n")
    return json.loads(stored.read_text())
