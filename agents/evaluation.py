"""Evaluate a policy: episode returns, the final material's score, and every material seen on the way.

Starts, wishes and systems are drawn from the held-out part (``part="test"``) with seeds that no training uses
(`matenv.agents.seeds`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from matenv.agents.policies import Policy, takes
from matenv.agents.seeds import EVALUATION_SEEDS
from numpy.typing import NDArray

from matenv.checks import check_seed


@dataclass(frozen=True)
class Evaluation:
    """What a policy did in E episodes.

    Attributes:
        returns: Undiscounted sum of rewards (E,).
        final_scores: Task score of the last formula (E,).
        best_scores: Best task score met in each episode (E,).
        success: Whether the last formula met the target, by the predictor in use (E,).
        final_formulas: The last formulas (E,).
        start_formulas: The formulas that the episodes started at (E,).
        visited: Score of every formula met, start formulas included.
    """

    returns: NDArray[np.float64]
    final_scores: NDArray[np.float64]
    best_scores: NDArray[np.float64]
    success: NDArray[np.bool_]
    final_formulas: list[str]
    start_formulas: list[str]
    visited: dict[str, float]


def evaluate_policy(
    policy: Policy,
    env_id: str = "MaterialLatent-v0",
    episodes: int = 256,
    seed: int = 0,
    deterministic: bool = False,
    **env_kwargs: Any,
) -> Evaluation:
    """Run a policy for whole episodes, one per row of a batched environment.

    Args:
        policy: What chooses the moves.
        env_id: Registered environment id.
        episodes: Number of episodes E; episode i starts as a single environment seeded with `EVALUATION_SEEDS` + `seed`
            + i would.
        seed: Seed of the starts, counted from `matenv.agents.seeds.EVALUATION_SEEDS`.
        deterministic: Passed to the policy; `evaluate_both` does both, which often differ.
        **env_kwargs: Arguments of the environment; ``part`` is ``"test"`` unless given.

    Returns:
        The `Evaluation`.

    Raises:
        ValueError: `episodes` below 1, or a seed that is no whole number of at least 0.
    """
    if episodes < 1:
        raise ValueError(f"episodes={episodes} must be at least 1")
    if (first := check_seed("seed", seed)) is None:
        raise ValueError("seed=None must be a whole number of at least 0")
    envs = gym.make_vec(env_id, num_envs=episodes, **{"part": "test", **env_kwargs})
    try:
        observation, info = envs.reset(seed=EVALUATION_SEEDS + first)
        formulas: Callable[[], list[str]] = envs.unwrapped.formulas  # type: ignore[attr-defined]
        returns, final, best = np.zeros(episodes), np.zeros(episodes), info["score"].copy()
        success, running = np.zeros(episodes, np.bool_), np.ones(episodes, np.bool_)
        names = formulas()
        starts, last_names = list(names), list(names)
        visited = dict(zip(names, info["score"].tolist(), strict=True))
        masks = getattr(envs.unwrapped, "action_masks", None) if takes(policy, "action_masks") else None
        memory: dict[str, Any] = {"state": None, "episode_start": np.ones(episodes, np.bool_)}
        remembers = takes(policy, *memory)
        while running.any():
            options: dict[str, Any] = {} if masks is None else {"action_masks": masks()}
            options |= memory if remembers else {}
            actions, state = policy.predict(observation, deterministic=deterministic, **options)
            observation, reward, terminated, truncated, info = envs.step(actions)
            memory = {"state": state, "episode_start": terminated | truncated}
            returns[running] += reward[running]
            ended = running & (terminated | truncated)
            last = info["final_info"] if ended.any() else info
            going = running & ~ended
            # Where an episode ended, `info` already speaks of the next one's start.
            score = np.where(ended, last["score"], info["score"])
            best[running] = np.maximum(best, score)[running]
            final[ended], success[ended] = last["score"][ended], last["success"][ended]
            names = formulas()
            for row in np.flatnonzero(running).tolist():
                name = names[row] if going[row] else last["formula"][row]
                last_names[row] = name
                visited[name] = float(score[row])
            running = going
        visited.pop("", None)
        return Evaluation(returns, final, best, success, last_names, starts, visited)
    finally:
        envs.close()


def evaluate_both(policy: Policy, env_id: str = "MaterialLatent-v0", **arguments: Any) -> dict[str, Evaluation]:
    """A policy as it explores and as it acts without chance, from the same starts.

    Args:
        policy: What chooses the moves.
        env_id: Registered environment id.
        **arguments: Those of `evaluate_policy` but `deterministic`.

    Returns:
        The evaluations by ``"stochastic"`` and ``"deterministic"``.
    """
    kinds = {"stochastic": False, "deterministic": True}
    return {name: evaluate_policy(policy, env_id, deterministic=kind, **arguments) for name, kind in kinds.items()}
