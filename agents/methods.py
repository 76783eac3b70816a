"""Methods that move in an environment: policies that do not learn, and agents that learn within the budget.

An agent trains from nothing and stops when its oracle's budget is spent; every formula it met that passes the task's
free checks counts, those of the starts included.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import torch
from matenv.agents import reinforce, searches
from matenv.agents.edit_policy import RandomKinds
from matenv.agents.policies import Policy, RandomPolicy
from matenv.agents.train import create
from stable_baselines3.common.callbacks import BaseCallback

from matenv import Oracle
from matenv.benchmark import PolicyMethod, Problem, register
from matenv.benchmark.moves import Moves
from matenv.benchmark.problem import STEPS_PER_CALL
from matenv.wrappers import RecordMoves

LATENT, ELEMENTS = "MaterialLatent-v0", "MaterialElements-v0"
ROWS = 64
"""Seeds of two runs lie so far apart that no row's start is shared."""


class Walk(PolicyMethod):
    """A policy of this package that does not learn, its moves recorded.

    Args:
        make: Makes the policy from the action space and a seed.
        env_id: Registered environment id.
        seed: Of the policy.
        masks: Tell a policy that asks for them which edits are allowed.
        **env_kwargs: Arguments of the environment.
    """

    def __init__(
        self,
        make: Callable[[gym.Space, int], Policy],
        env_id: str,
        seed: int,
        masks: bool = True,
        **env_kwargs: Any,
    ) -> None:
        space = gym.make(env_id, **env_kwargs).action_space
        policy = make(space, seed)
        act = policy if masks else (lambda observation: policy.predict(observation)[0])
        super().__init__(env_id, act, rows=ROWS, wrap=RecordMoves, **env_kwargs)


class Learner:
    """An agent of `matenv.agents.train`, trained with its hyperparameters for few calls until the budget is spent.

    Args:
        algorithm: A name in `matenv.agents.train.ALGORITHMS`.
        env_id: Registered environment id.
        overrides: Hyperparameters that differ from the file's.
        **env_kwargs: Arguments of the environment.
    """

    def __init__(
        self, algorithm: str, env_id: str, overrides: dict[str, Any] | None = None, **env_kwargs: Any
    ) -> None:  # fmt: skip
        self.algorithm, self.env_id, self.overrides, self.env_kwargs = algorithm, env_id, overrides, env_kwargs

    def play(self, problem: Problem, seed: int) -> Moves | None:
        """Train until the budget is spent; the moves."""
        torch.set_num_threads(1)  # more gain nothing for networks this small
        recorders: list[RecordMoves] = []

        def record(envs: gym.vector.VectorEnv) -> RecordMoves:
            recorders.append(RecordMoves(envs))
            return recorders[-1]

        arguments = {"task": problem.task, "oracle": problem.oracle, **self.env_kwargs}
        settings = f"{self.algorithm}-few-calls"
        agent, envs = create(self.algorithm, self.env_id, ROWS * seed, arguments, settings, self.overrides, record)
        try:
            agent.learn(STEPS_PER_CALL * problem.budget, _UntilSpent(problem.oracle))
        finally:
            envs.close()
        return recorders[0].moves()


class _UntilSpent(BaseCallback):
    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self.oracle = oracle

    def _on_step(self) -> bool:
        return not self.oracle.exhausted


def _walk(make: Callable[[gym.Space, int], Policy], env_id: str, seed: int, **kwargs: Any) -> Walk:
    return Walk(make, env_id, seed, **kwargs)


def _learner(algorithm: str, env_id: str, seed: int, **kwargs: Any) -> Learner:
    return Learner(algorithm, env_id, **kwargs)


_HOW = {
    Walk: "Moves in {env_id}{where} that nothing is learned from, those of {what}.",
    Learner: "{what} in {env_id}{where}, from nothing until the budget is spent, with agents/hyperparams/"
    "{what}-few-calls.yml.",
}


def _register(name: str, kind: type, what: Any, env_id: str, **kwargs: Any) -> None:
    where = f" ({', '.join(f'{key}={value}' for key, value in kwargs.items())})" if kwargs else ""
    about = _HOW[kind].format(what=getattr(what, "__name__", what), env_id=env_id, where=where)
    register(name, partial(_learner if kind is Learner else _walk, what, env_id, **kwargs), about=about)


_register("random, latent", Walk, RandomPolicy, LATENT)
_register("random, latent small steps", Walk, RandomPolicy, LATENT, step_size=0.3)
_register("random, edits unmasked", Walk, RandomPolicy, ELEMENTS, masks=False)
_register("random, edits", Walk, RandomPolicy, ELEMENTS)
_register("random, edits by kind", Walk, RandomKinds, ELEMENTS)
_register("random, edits reachable", Walk, RandomKinds, ELEMENTS, reachability=True)
_register("PPO, latent", Learner, "ppo", LATENT)
_register("SAC, latent", Learner, "sac", LATENT)
_register("TD3, latent", Learner, "td3", LATENT)
_register("TQC, latent", Learner, "tqc", LATENT)
_register("RecurrentPPO, latent", Learner, "recurrent_ppo", LATENT)
_register("PPO, edits unmasked", Learner, "ppo", ELEMENTS)
_register("MaskablePPO, edits", Learner, "maskable_ppo", ELEMENTS)
_register("MaskablePPO, edits reachable", Learner, "maskable_ppo", ELEMENTS, reachability=True)
_register("DQN, edits", Learner, "dqn", ELEMENTS)


__all__ = ["ELEMENTS", "LATENT", "Learner", "Walk", "reinforce", "searches"]
