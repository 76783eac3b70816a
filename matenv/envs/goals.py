"""Goal environments: observation, what is achieved and what is asked for, so that hindsight can relabel episodes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_real
from matenv.envs.arguments import Arguments
from matenv.envs.context import GOAL
from matenv.envs.episodes import Episodes
from matenv.envs.wishes import BOUND, WIDTH, achieved, goal_reward

DEFAULT_TASK = "stable-novel"
"""Joined with the wish: new and stable, whatever the property."""


class GoalEpisodes(Episodes):
    """Episodes whose observation tells achieved and desired goal apart; the reward is a function of both."""

    @property
    def observation_space(self) -> Dict:
        """``observation``, ``achieved_goal`` and ``desired_goal``."""
        goal = Box(-BOUND, BOUND, (WIDTH,), np.float32)
        return Dict({"observation": self.observer.space, "achieved_goal": goal, "desired_goal": goal})

    def needed_blocks(self) -> tuple[str, ...]:
        """The wish stands beside the observation, not in it."""
        return tuple(name for name in super().needed_blocks() if name != GOAL)

    def observe(self) -> dict[str, NDArray[np.float32]]:
        """The three parts, (N, ...) each, freshly allocated."""
        assert self.state is not None and self.state.wishes is not None
        facts = self.state.facts
        reached = achieved(self.state.compositions, facts.mean, facts.terms["without_wish"])
        return {
            "observation": super().observe(),
            "achieved_goal": reached,
            "desired_goal": self.state.wishes.vectors(),
        }

    def step(
        self, actions: ArrayLike, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """As `Episodes.step`; the reward is `goal_reward`, bit for bit."""
        _, terminated, truncated = super().step(actions, rows)
        seen = self.observe()
        reward = goal_reward(seen["achieved_goal"], seen["desired_goal"])
        if rows is not None:
            moved = np.zeros(self.rows, np.bool_)
            moved[rows] = True
            reward = np.where(moved, reward, 0.0)
        return reward, terminated, truncated


def check_goal_arguments(arguments: Arguments) -> None:
    """Refuse what a reward that is a function of two goals cannot hold.

    Raises:
        ValueError: No wish, other reward terms, decay of repeats, or a start to improve on or campaign besides.
    """
    if arguments.wish is None:
        raise ValueError("wish=None: a goal environment needs one; 'draw' draws one in every episode")
    given = {name: getattr(arguments, name) is not None for name in ("reward", "improve", "campaign")}
    given["repeat_decay"] = arguments.repeat_decay != 1.0
    for name, is_given in given.items():
        if is_given:
            raise ValueError(
                f"{name}={getattr(arguments, name)!r} has no place in a goal environment, whose reward is "
                "compute_reward(achieved, desired); use wish='draw' in MaterialLatent-v0 or MaterialElements-v0"
            )


class GoalReward:
    """`compute_reward`, as Gymnasium-Robotics and Stable-Baselines3 ask for it."""

    def compute_reward(
        self, achieved_goal: NDArray[np.float32], desired_goal: NDArray[np.float32], info: Any
    ) -> float | NDArray[np.float64]:
        """Reward of having achieved one thing where another was asked for.

        Args:
            achieved_goal: (D,) or (B, D).
            desired_goal: Likewise.
            info: Not used.

        Returns:
            A number, or (B,).

        Raises:
            ValueError: A goal that is no array of numbers of the goal space's width, or batches of unequal length.
        """
        goals = []
        for name, goal in (("achieved_goal", achieved_goal), ("desired_goal", desired_goal)):
            goals.append(check_real(name, goal, f"numbers (D,) or (B, D), D = {WIDTH}"))
            if goals[-1].shape[-1:] != (WIDTH,):
                raise ValueError(f"{name} has shape {goals[-1].shape}; expected ({WIDTH},) or (B, {WIDTH})")
        try:
            np.broadcast_shapes(*(goal.shape for goal in goals))
        except ValueError:
            raise ValueError(
                f"achieved_goal has shape {goals[0].shape} and desired_goal {goals[1].shape}: give equally many"
            ) from None
        reward = goal_reward(*goals)
        return float(reward) if reward.ndim == 0 else reward


def arguments_of(env: type[Any]) -> Callable[[type[Any]], type[Any]]:
    """Complete the page of a goal environment with the arguments of the environment whose moves it has.

    Args:
        env: That environment.

    Returns:
        A decorator.
    """

    def complete(goal_env: type[Any]) -> type[Any]:
        page = inspect.getdoc(env) or ""  # indented alike on every Python: 3.13 strips docstrings itself
        own = f"## Registered ids\n`{goal_env.__name__.removesuffix('Env')}-v0`\n"
        arguments = page[page.index("## Arguments") : page.index("## Registered ids")]
        goal_env.__doc__ = f"{inspect.getdoc(goal_env) or ''}\n\n{arguments}{own}"
        return goal_env

    return complete
