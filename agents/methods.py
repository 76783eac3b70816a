"""Methods to compare at an equal budget that move in an environment: policies that do not learn, and learning agents.

An agent trains from nothing and stops when its oracle's budget is spent; every formula it met counts, those of the
starts included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from matenv.agents.edit_policy import RandomKinds
from matenv.agents.policies import Policy, RandomPolicy, takes
from matenv.agents.train import create
from stable_baselines3.common.callbacks import BaseCallback

from matenv import Oracle, Task
from matenv.benchmark import searches  # noqa: F401 - registers the methods that need no environment
from matenv.benchmark.method import METHODS, register
from matenv.benchmark.record import Search
from matenv.benchmark.run import run
from matenv.report.curves import write_report
from matenv.wrappers import RecordMoves

LATENT, ELEMENTS = "MaterialLatent-v0", "MaterialElements-v0"
ROWS = 64
"""Episodes at once of a policy that does not learn. Row seeds of two runs lie so far apart that none is shared."""

STEPS_PER_CALL = 20
"""Steps after which an agent that keeps coming back to known formulas is stopped, per call of the budget."""


def policy_search(
    make: Callable[[gym.Space, int], Policy],
    env_id: str,
    task: Task,
    oracle: Oracle,
    seed: int,
    masks: bool = True,
    **env_kwargs: Any,
) -> Search:
    """Run a policy that does not learn until the budget is spent.

    Args:
        make: Makes the policy from the action space and a seed.
        env_id: Registered environment id.
        task: What the score is.
        oracle: What pays the score; fresh, with a budget.
        seed: Seed of policy and starts.
        masks: Tell a policy that asks for them which edits are allowed.
        **env_kwargs: Arguments of the environment.

    Returns:
        The formulas met, their scores and the moves.
    """
    envs = RecordMoves(gym.make_vec(env_id, num_envs=ROWS, task=task, oracle=oracle, **env_kwargs))
    policy = make(envs.single_action_space, seed)
    masked = masks and takes(policy, "action_masks") and env_id == ELEMENTS
    observation, _ = envs.reset(seed=ROWS * seed)
    while not oracle.exhausted:
        known = {"action_masks": envs.unwrapped.action_masks()} if masked else {}  # type: ignore[attr-defined]
        actions, _ = policy.predict(observation, **known)
        observation, *_ = envs.step(actions)
    return Search.of(oracle, task, envs.moves())


def agent_search(
    algorithm: str,
    env_id: str,
    task: Task,
    oracle: Oracle,
    seed: int,
    overrides: dict[str, Any] | None = None,
    **env_kwargs: Any,
) -> Search:
    """Train an agent with its hyperparameters for few calls until the budget is spent.

    Args:
        algorithm: A name in `matenv.agents.train.ALGORITHMS`.
        env_id: Registered environment id.
        task: What the score is.
        oracle: What pays the score; fresh, with a budget.
        seed: Seed of agent and starts.
        overrides: Hyperparameters that differ from the file's.
        **env_kwargs: Arguments of the environment.

    Returns:
        The formulas met, their scores and the moves.
    """
    torch.set_num_threads(1)  # more gain nothing for networks this small
    if oracle.budget is None:
        raise ValueError("oracle has no budget, which is the length of the training; use Oracle(budget=10_000)")
    recorders: list[RecordMoves] = []

    def record(envs: gym.vector.VectorEnv) -> RecordMoves:
        recorders.append(RecordMoves(envs))
        return recorders[-1]

    env_kwargs = {"task": task, "oracle": oracle, **env_kwargs}
    agent, envs = create(algorithm, env_id, ROWS * seed, env_kwargs, f"{algorithm}-few-calls", overrides, record)
    try:
        agent.learn(STEPS_PER_CALL * oracle.budget, _UntilSpent(oracle))
    finally:
        envs.close()
    return Search.of(oracle, task, recorders[0].moves())


class _UntilSpent(BaseCallback):
    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self.oracle = oracle

    def _on_step(self) -> bool:
        return not self.oracle.exhausted


register("random, latent", partial(policy_search, RandomPolicy, LATENT))
register("random, latent small steps", partial(policy_search, RandomPolicy, LATENT, step_size=0.3))
register("random, edits unmasked", partial(policy_search, RandomPolicy, ELEMENTS, masks=False))
register("random, edits", partial(policy_search, RandomPolicy, ELEMENTS))
register("random, edits by kind", partial(policy_search, RandomKinds, ELEMENTS))
register("random, edits reachable", partial(policy_search, RandomKinds, ELEMENTS, reachability=True))
register("PPO, latent", partial(agent_search, "ppo", LATENT))
register("SAC, latent", partial(agent_search, "sac", LATENT))
register("PPO, edits unmasked", partial(agent_search, "ppo", ELEMENTS))
register("MaskablePPO, edits", partial(agent_search, "maskable_ppo", ELEMENTS))
register("MaskablePPO, edits reachable", partial(agent_search, "maskable_ppo", ELEMENTS, reachability=True))
register("DQN, edits", partial(agent_search, "dqn", ELEMENTS))


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
        budget: As `matenv.benchmark.run.run`.
        seeds: Number of seeds S.
        tasks: Task names.
        methods: As `matenv.benchmark.run.run`; None for all that are registered.

    Returns:
        What `matenv.benchmark.summary.as_json` says.

    Raises:
        ValueError: As `matenv.benchmark.run.run`.
    """
    folder = Path(out)
    return write_report(run(list(METHODS) if methods is None else methods, tasks, budget, seeds, folder), folder)
