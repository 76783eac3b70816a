"""Environments that policies search in: told the problem's task, wish or chemical system, counted by its budget."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from matenv.benchmark.problem import Problem
from matenv.tasks import load_task

SYSTEMS_ENV = "MaterialSystem-v0"
"""The environment of the track systems."""

GOAL_ENVS = ("MaterialLatentGoal-v0", "MaterialElementsGoal-v0")
"""Environments that observe what the formula at hand is predicted to be, whether or not it answers the wish."""

JOINED = "stable-novel"
"""Task that goal environments join with a wish if none is given."""


def make_envs(
    env_id: str, problem: Problem, rows: int, given: Mapping[str, Any], screened: bool | None = None
) -> gym.vector.VectorEnv:
    """The batched environment of a problem.

    Args:
        env_id: Registered environment id.
        problem: The problem: its oracle counts, or in the systems track the problem itself.
        rows: Episodes at once; one in the systems track, where proposals are told one by one.
        given: Arguments of the environment. Where ``wish`` is among them, or is one by default, every episode has the
            problem's wish, and ``task`` is what is joined with it, by default new and stable.
        screened: As `PolicyMethod`.

    Returns:
        The environment.

    Raises:
        ValueError: An environment that does not fit the problem, or arguments that the problem brings.
    """
    in_systems = env_id.rpartition(":")[2] == SYSTEMS_ENV
    if in_systems != (problem.system is not None):
        raise ValueError(
            f"env_id={env_id!r} does not fit the problem: {SYSTEMS_ENV} is for the track 'systems', and nothing else is"
        )
    if in_systems:
        return OneSystem(gym.make_vec(env_id, num_envs=1, **{**given, "autoreset_mode": "DISABLED"}), problem)
    reads_wish = {**defaults_of(env_id), **given}.get("wish") is not None
    arguments = _of_wish(env_id, problem, given) if reads_wish else {**given, "task": problem.task}
    for name in ("oracle", "task"):
        if name in given and not (reads_wish and name == "task"):
            raise ValueError(f"{name}={given[name]!r}: the problem brings its own; leave it out")
    if screened is None:
        screened = env_id.rpartition(":")[2] not in GOAL_ENVS
    oracle = problem.oracle if screened else problem.oracle.screened(None)
    return gym.make_vec(env_id, num_envs=rows, oracle=oracle, **arguments)


def _of_wish(env_id: str, problem: Problem, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an environment whose episodes wish for something: all for what the problem does."""
    asked = given.get("wish", "draw")
    if problem.wish is None:
        if isinstance(asked, str):
            raise ValueError(
                f"env_id={env_id!r} with wish={asked!r} reads a wish, and this problem is task={problem.task.name!r}, "
                "without one; such a policy is for the track 'amortised'"
            )
        return dict(given)
    if not isinstance(asked, str):
        raise ValueError(f"wish={asked!r}: the problem brings its own; give wish='draw', as in training")
    joined = given.get("task", replace(load_task(JOINED), novel=problem.wish.novel))
    return {**given, "task": joined, "wish": problem.wish}


def defaults_of(env_id: str) -> dict[str, Any]:
    """Arguments of a registered environment, by name, with their defaults; those without one have None.

    Args:
        env_id: Registered id, or ``"module:Id"``.

    Raises:
        ValueError: No such id.

    Examples:
        >>> "task" in defaults_of("MaterialLatent-v0"), "task" in defaults_of("MaterialSystem-v0")
        (True, False)
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        spec = gym.spec(name)
    except (ImportError, gym.error.Error) as error:
        raise ValueError(f"env_id={env_id!r} is no registered environment: {' '.join(str(error).split())}") from None
    made: Any = spec.vector_entry_point or spec.entry_point
    parameters = inspect.signature(load_env_creator(made) if isinstance(made, str) else made).parameters
    empty = inspect.Parameter.empty
    return {key: None if each.default is empty else each.default for key, each in parameters.items()} | spec.kwargs


class OutOfMoves(Exception):
    """A run has made all moves that it may make, whatever calls are left; `PolicyMethod` ends it there."""


class Limited(gym.vector.VectorWrapper):
    """An environment that can be stepped so often and no more: what is refused costs no call, and would never end.

    Args:
        env: The environment.
        moves: Moves of all rows together.
    """

    def __init__(self, env: gym.vector.VectorEnv, moves: int) -> None:
        super().__init__(env)
        self._left = moves

    def __getattr__(self, name: str) -> Any:
        """What the environment has beside Gymnasium's interface, such as ``action_masks``."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.env, name)

    def step(self, actions: Any) -> tuple[Any, NDArray, NDArray, NDArray, dict[str, Any]]:
        """Step.

        Raises:
            OutOfMoves: All moves are made.
        """
        if self._left <= 0:
            raise OutOfMoves("all moves of this run are made; end when problem.remaining is 0, or before")
        self._left -= self.num_envs
        return self.env.step(actions)


class OneSystem(gym.vector.VectorWrapper):
    """`MaterialSystem-v0` in one chemical system, that of a problem, which scores and counts every proposal.

    Args:
        env: The environment, of one row, in autoreset mode DISABLED; it acts as in SAME_STEP here.
        problem: The problem.
    """

    def __init__(self, env: gym.vector.VectorEnv, problem: Problem) -> None:
        super().__init__(env)
        self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self._problem, self._core = problem, env.unwrapped.core  # type: ignore[attr-defined]
        self._system = {"system": list(problem.system or ())}

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a campaign in the problem's system.

        Raises:
            ValueError: Options that name another system: what is stable there is for another problem to find.
        """
        asked = (options or {}).get("system")
        if asked is not None and set(asked) != set(self._system["system"]):
            raise ValueError(f"options['system']={asked!r} must be the problem's, {self._system['system']}")
        return self.env.reset(seed=seed, options={**(options or {}), **self._system})

    def step(self, actions: Any) -> tuple[Any, NDArray, NDArray, NDArray, dict[str, Any]]:
        """Make a proposal, which is a call.

        Raises:
            RuntimeError: The budget is spent; what is stable in the system would be told for nothing.
        """
        if self._problem.remaining <= 0:
            raise RuntimeError(f"all {self._problem.budget} proposals are made; end when problem.remaining is 0")
        observation, reward, terminated, truncated, info = self.env.step(actions)
        self._problem.assess(self._core.state.compositions)
        if (done := terminated | truncated).any():
            ended = {"final_obs": observation, "final_info": self._core.final_info(np.flatnonzero(done))}
            observation, info = self.reset()
            info |= ended | {f"_{name}": done.copy() for name in ended}
        return observation, reward, terminated, truncated, info
