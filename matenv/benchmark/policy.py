"""`PolicyMethod`: the door for policies. One that was trained anywhere searches by acting in an environment."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, MultiDiscrete
from numpy.typing import NDArray

from matenv.benchmark.fresh import copied
from matenv.benchmark.moves import Moves
from matenv.benchmark.policy_envs import Limited, OutOfMoves, make_envs
from matenv.benchmark.problem import STEPS_PER_CALL, Problem
from matenv.benchmark.training import Training
from matenv.checks import check_flag, check_made, check_seed, check_text, check_unmasked, check_whole

CALLS_PER_ROW = 100
"""Calls of the budget for each episode that runs at once, up to `MOST_ROWS`: every one spends a call on its start."""

MOST_ROWS = 64

LARGEST_SEED = 2**32 - 1

WITHOUT_HINDSIGHT: dict[str, Any] = {"replay_buffer_class": None, "replay_buffer_kwargs": {}}
"""In place of a zip's replay buffer: one for hindsight, which acting has no use for, wants an environment first."""

Act = Callable[..., Any]


class PolicyMethod:
    """A policy in an environment of this package, as a method.

    The environment is made with the problem's task and its oracle, so that every distinct formula met that passes the
    task's free checks, those of the starts included, is a call; what fails them is not (see `screened`). In the
    amortised track an environment that reads wishes, a goal environment or one made with ``wish="draw"``, wishes for
    what the problem does in every episode. In the systems track the environment is `MaterialSystem-v0` in the problem's
    system, and every proposal is a call.

    Whatever the policy has a parameter for is passed by name: ``action_masks`` (N, A) bool, ``state`` (returned with
    the actions, None at first; it is the policy's own), ``episode_start`` (N,) bool, ``reward`` (N,) of the last step,
    ``info`` of it (arrays by name), ``deterministic``.

    Args:
        env_id: Registered environment id.
        policy: One of: a callable, observations (N, width) to actions (N, ...); a ``torch.nn.Module``, whose output is
            the actions, or for discrete actions logits (N, A), drawn from (those of several choices side by side); an
            object with ``predict`` as in Stable-Baselines3; the path of a Stable-Baselines3 zip. None, if `learn` does
            it all.
        learn: Called first, with the vector environment and the problem, to train the policy within the budget; it
            should end when ``problem.remaining`` is 0, and is ended after `Problem.patience` moves. Every run learns on
            a copy of its own, in tracks with several problems every problem does; the global generators of torch, numpy
            and `random` are seeded before.
        train: Called before the test in the amortised track, with the `Training`.
        algorithm: Class in ``stable_baselines3`` or ``sb3_contrib`` that saved the zip.
        trust: Load a zip of pickled objects, which runs code that its author chose. The ``model.zip`` in a folder of
            `matenv train` needs no trust: the agent is made again from ``config.json``, with the zip's weights.
        deterministic: Passed to a policy that asks; a module's most probable action instead of a draw.
        rows: Episodes at once; None for one per `CALLS_PER_ROW` calls of the budget.
        screened: Refuse what the task's free checks refuse: it costs no call, and nothing is predicted of it. If False,
            it is predicted, and a call. None for True, but False in goal environments, which observe predictions.
        wrap: Puts a wrapper around the vector environment; one with ``moves()`` is asked for them at the end.
        **env_kwargs: Arguments of the environment.

    Raises:
        ValueError: Something that is no policy.

    Examples:
        >>> import numpy as np
        >>> from matenv import Oracle, load_task
        >>> from matenv.benchmark import PolicyMethod, Problem, play
        >>> outwards = PolicyMethod("MaterialLatent-v0", lambda observations: np.ones((len(observations), 32)))
        >>> len(play(outwards, Problem(load_task("stiff-stable"), Oracle(budget=50))).formulas)
        50
    """

    def __init__(
        self,
        env_id: str,
        policy: Any = None,
        *,
        learn: Callable[[gym.vector.VectorEnv, Problem], object] | None = None,
        train: Callable[[Training], object] | None = None,
        algorithm: str = "PPO",
        trust: bool = False,
        deterministic: bool = False,
        rows: int | None = None,
        screened: bool | None = None,
        wrap: Callable[[gym.vector.VectorEnv], gym.vector.VectorEnv] | None = None,
        **env_kwargs: Any,
    ) -> None:
        check_text("env_id", env_id, "a registered environment, such as 'MaterialLatent-v0'")
        check_text("algorithm", algorithm, "a class of Stable-Baselines3, such as 'PPO'")
        check_flag("trust", trust)
        check_flag("deterministic", deterministic)
        if screened is not None:
            check_flag("screened", screened)
        if rows is not None:
            check_whole("rows", rows, "episodes at once, or None")
        for name, given in (("learn", learn), ("train", train), ("wrap", wrap)):
            if given is not None and not callable(given):
                raise ValueError(f"{name}={given!r} must be a function, or None")
        if policy is None and learn is None:
            raise ValueError("policy=None and learn=None: give one of them")
        self.env_id, self.env_kwargs = env_id.removeprefix("matenv:"), env_kwargs
        self.policy = load_zip(policy, algorithm, trust) if isinstance(policy, str | Path) else policy
        self.learn, self.deterministic, self.rows, self.wrap = learn, deterministic, rows, wrap
        self.screened = screened
        self.train = train or _nothing
        if self.policy is not None:
            _act_of(self.policy)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """One that learns for itself, the variables that its functions name included (`matenv.benchmark.fresh`)."""
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        buffer = getattr(self.policy, "replay_buffer", None)
        if buffer is not None and self.learn is None and self.train is _nothing:
            memo[id(buffer)] = buffer  # gigabytes, perhaps, which nothing will be entered in
        vars(twin).update({name: copied(value, memo) for name, value in vars(self).items()})
        return twin

    def play(self, problem: Problem, seed: int) -> Moves | None:
        """Act until the budget is spent, from starts that the seed determines."""
        check_made("problem", problem, Problem, "matenv.benchmark.Problem")
        if (number := check_seed("seed", seed)) is None or number > LARGEST_SEED:
            raise ValueError(f"seed={seed!r} must be a whole number from 0 to {LARGEST_SEED:,}")
        rows = self.rows or max(1, min(MOST_ROWS, problem.budget // CALLS_PER_ROW))
        made = make_envs(self.env_id, problem, rows, self.env_kwargs, self.screened)
        envs: gym.vector.VectorEnv = Limited(made, problem.patience)
        envs = self.wrap(envs) if self.wrap else envs
        try:
            with suppress(OutOfMoves):
                if self.learn is not None:
                    _seed_global_generators(number)
                    self.learn(envs, problem)
                if self.policy is not None and problem.remaining > 0:
                    self._act(envs, problem, MOST_ROWS * number)
            return envs.moves() if hasattr(envs, "moves") else None
        finally:
            envs.close()

    def _act(self, envs: gym.vector.VectorEnv, problem: Problem, seed: int) -> None:
        if (torch := sys.modules.get("torch")) is not None:  # agents draw from its global generator
            torch.manual_seed(seed)
        actor = Actor(self.policy, envs, self.deterministic, seed)
        observation, info = envs.reset(seed=seed)
        reward, done = np.zeros(envs.num_envs), np.ones(envs.num_envs, np.bool_)
        for _ in range(STEPS_PER_CALL * problem.budget // envs.num_envs + 1):
            if problem.remaining <= 0:
                return
            actions = actor.act(observation, reward, info, done)
            observation, reward, terminated, truncated, info = envs.step(actions)
            done = terminated | truncated


class Actor:
    """A policy of any of the four kinds, acting in a vector environment; it keeps the policy's state.

    Args:
        policy: As `PolicyMethod`, loaded.
        envs: The environment.
        deterministic: As `PolicyMethod`.
        seed: Of draws from a module's logits.
    """

    def __init__(self, policy: Any, envs: gym.vector.VectorEnv, deterministic: bool = False, seed: int = 0) -> None:
        self._function, self._takes = _act_of(policy)
        self._envs, self._deterministic = envs, deterministic
        self._masks = getattr(envs.unwrapped, "action_masks", None)
        self._module = _is_module(policy)
        self._random = np.random.default_rng(seed)
        self._state: Any = None

    def act(self, observation: Any, reward: NDArray, info: Mapping[str, Any], start: NDArray[np.bool_]) -> NDArray:
        """Actions (N, ...) after what the last step brought.

        Args:
            observation: Observations (N, width), or a dictionary of them.
            reward: Of the last step (N,).
            info: Of the last step.
            start: Rows in which an episode begins (N,) bool.

        Returns:
            Actions that the environment takes.
        """
        offered = {
            "state": self._state, "episode_start": start, "reward": reward, "info": info,
            "deterministic": self._deterministic,
        }  # fmt: skip
        masks = self._masks() if self._masks is not None else None
        if masks is not None:
            offered["action_masks"] = masks
        given = {name: value for name, value in offered.items() if name in self._takes}
        result = _through(self._function, observation, given) if self._module else self._function(observation, **given)
        if isinstance(result, tuple):
            result, self._state = result
        space = self._envs.single_action_space
        check_unmasked("the policy's actions", result)
        actions = np.asarray(result.detach().cpu() if hasattr(result, "detach") else result)
        if self._module and isinstance(space, MultiDiscrete):
            if actions.shape[1:] == (space.nvec.sum(),):
                parts = np.split(actions, np.cumsum(space.nvec)[:-1], axis=1)
                actions = np.stack([self._draw(part, None) for part in parts], axis=1)
        elif self._module and not isinstance(space, Box) and actions.ndim == 2:
            actions = self._draw(actions, masks)
        if actions.shape != self._envs.action_space.shape:
            raise ValueError(f"the policy returned actions {actions.shape}; expected {self._envs.action_space.shape}")
        return np.clip(actions, space.low, space.high).astype(space.dtype) if isinstance(space, Box) else actions

    def _draw(self, logits: NDArray, masks: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Actions (N,) from logits (N, A); Gumbel noise makes the largest a draw."""
        noise = 0.0 if self._deterministic else self._random.gumbel(size=logits.shape)
        return np.where(True if masks is None else masks, logits + noise, -np.inf).argmax(axis=1)


def load_zip(path: str | Path, algorithm: str, trust: bool = False) -> Any:
    """A Stable-Baselines3 agent from its zip.

    Args:
        path: The zip.
        algorithm: Class that saved it.
        trust: As `PolicyMethod`.

    Returns:
        The agent.

    Raises:
        ValueError: No class of that name, no such file, or one that asks for trust.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"policy={str(path)!r}: there is no such file; give the path of a Stable-Baselines3 zip")
    if not trust and path.name == "model.zip" and (path.parent / "config.json").is_file():
        return importlib.import_module("matenv.agents.train").load(path.parent)
    if not trust:
        raise ValueError(
            f"policy={str(path)!r} holds pickled objects, which run code when they are loaded; if you trust whoever "
            "made the file, give trust=True; the model.zip in a folder of matenv train needs none"
        )
    for package in ("stable_baselines3", "sb3_contrib"):
        if (kind := getattr(importlib.import_module(package), algorithm, None)) is not None:
            return kind.load(path, device="cpu", custom_objects=WITHOUT_HINDSIGHT)
    raise ValueError(f"algorithm={algorithm!r} is no class of stable_baselines3 or sb3_contrib, such as 'PPO'")


def _act_of(policy: Any) -> tuple[Act, frozenset[str]]:
    """What is called for actions, and the names of the parameters it has."""
    function = policy.predict if hasattr(policy, "predict") else policy
    if not callable(function):
        raise ValueError(
            f"policy={policy!r} is none: give a callable, a torch.nn.Module, an object with predict(), or the path of "
            "a Stable-Baselines3 zip"
        )
    told = policy.forward if function is policy and _is_module(policy) else function
    return function, frozenset(inspect.signature(told).parameters)


def _is_module(policy: Any) -> bool:
    return hasattr(policy, "parameters") and hasattr(policy, "forward") and not hasattr(policy, "predict")


def _through(module: Act, observation: Any, given: Mapping[str, Any]) -> Any:
    """A module's output for observations as arrays."""
    import torch

    tensors = (
        {name: torch.as_tensor(block) for name, block in observation.items()}
        if isinstance(observation, dict)
        else torch.as_tensor(observation)
    )
    with torch.no_grad():
        return module(tensors, **given)


def _seed_global_generators(seed: int) -> None:
    """What a learner draws from them depends on the seed, not on the run before."""
    random.seed(seed)
    np.random.seed(seed)
    if importlib.util.find_spec("torch") is not None:
        importlib.import_module("torch").manual_seed(seed)


def _nothing(*_: object) -> None:
    """In place of a training that there is none of."""
