"""Gymnasium's `TimeLimit` around an environment that went back to an earlier step."""

from __future__ import annotations

import inspect

import gymnasium as gym
from gymnasium.wrappers import TimeLimit


def set_time_limits(env: gym.Env, steps: int) -> None:
    """Let every `TimeLimit` around an environment count on from a number of steps. Called while the environment steps.

    `gymnasium.make` adds that wrapper for ``max_episode_steps`` and keeps the number from the environment; the wrapper
    counts its own calls, and would end an episode early that has gone back. Of what is around it an environment only
    ever sees its callers, among whom every wrapper is during a step.

    Args:
        env: The environment, without wrappers.
        steps: Steps that its episode has had before the present one.
    """
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, TimeLimit) and caller.unwrapped is env:
            caller._elapsed_steps = steps  # type: ignore[assignment]
        frame = frame.f_back
