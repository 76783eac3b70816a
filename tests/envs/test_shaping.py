"""Potential-based shaping leaves optimal policies as they are: value iteration over a small real set of formulas."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from matenv.envs.state import State, facts_of
from matenv.tasks import Ramp, Task

DISCOUNT = 0.9
CLOSE = 1e-9
"""Actions whose values differ by less are equally good."""


class Moves:
    """Every formula that edits lead to from MgO within a small task, and what every edit of each earns.

    All of it is what the environment itself answers when its rows are put on the formulas.
    """

    def __init__(self, reward: Any, terminate_on_success: bool) -> None:
        task = Task(
            "hard", "", (Ramp("log10_bulk_modulus", 1.2, 2.6),), elements=("Mg", "O", "Ti"), max_elements=3,
            max_atoms=5, max_count=3, success_utility=0.4,
        )  # fmt: skip
        arguments = {"task": task, "reward": reward, "discount": DISCOUNT, "terminate_on_success": terminate_on_success}
        core: Any = gym.make("MaterialElements-v0", **arguments).unwrapped
        core = core.core
        core.reset(options={"formula": "MgO"})
        found = {core.state.place[0].tobytes(): core.state.place[0]}
        queue, edges = list(found), {}
        while queue:
            key = queue.pop()
            core.state = self.standing_at(core, found[key])
            for action in np.flatnonzero(core.masks()[0]).tolist():
                core.state = self.standing_at(core, found[key])
                earned, terminated, _ = core.step(np.array([action]))
                place = core.state.place[0]
                place[-1] = 0  # the count of refused edits is no part of where one stands
                if place.tobytes() not in found:
                    found[place.tobytes()] = place
                    queue.append(place.tobytes())
                edges[key, action] = place.tobytes(), earned[0], terminated[0]
        number = {key: i for i, key in enumerate(found)}
        self.states = len(found)
        self.start = np.array([number[key] for key, _ in edges])
        self.end = np.array([number[key] for key, _, _ in edges.values()])
        self.earned = np.array([earned for _, earned, _ in edges.values()])
        self.goes_on = ~np.array([terminated for _, _, terminated in edges.values()])
        core.state = self.standing_at(core, np.array(list(found.values())))
        self.score = core.state.facts["score"]

    @staticmethod
    def standing_at(core: Any, places: Any) -> State:
        places = np.atleast_2d(places).copy()
        compositions, n = core.read(places), len(places)
        facts = facts_of(core.oracle, core.task, compositions)
        return State(places, np.zeros(n, int), compositions, facts, compositions, np.ones(n, bool))

    def values(self, after: Any) -> Any:
        """Value of each action, given the values of states."""
        return self.earned + DISCOUNT * self.goes_on * after[self.end]

    def best(self, actions: Any) -> Any:
        best = np.full(self.states, -np.inf)
        np.maximum.at(best, self.start, actions)
        return best

    def optimal(self, steps: int | None = None) -> tuple[Any, Any]:
        """Which actions are optimal, and the values of states: for ever, or with so many steps left, then nothing."""
        value = np.zeros(self.states)
        for _ in range(400 if steps is None else steps - 1):  # 0.9^400 is below 1e-18
            value = self.best(self.values(value))
        actions = self.values(value)
        value = self.best(actions)
        return actions > value[self.start] - CLOSE, value


@pytest.mark.parametrize("terminate_on_success", [False, True])
def test_the_optimal_policy_is_unchanged(terminate_on_success):
    plain = Moves({"score": 1.0}, terminate_on_success)
    shaped = Moves({"score": 1.0, "shaping": 3.0}, terminate_on_success)
    only = Moves({"shaping": 1.0}, terminate_on_success)
    assert 20 < plain.states < 500 and (~plain.goes_on).any() == terminate_on_success
    assert np.array_equal(plain.end, shaped.end) and plain.score.max() > 0.3
    which, value = plain.optimal()
    shaped_which, shaped_value = shaped.optimal()
    assert np.array_equal(which, shaped_which)
    assert which.sum() < 0.3 * len(which)  # there is something to choose
    # Values differ by the potential, so shaping alone makes every policy equally good.
    np.testing.assert_allclose(shaped_value, value - 3.0 * plain.score, atol=1e-9)
    assert only.optimal()[0].all()
    # What the agent sees at once does change: that is what shaping is for.
    assert not np.array_equal(plain.earned, shaped.earned)


def test_a_horizon_without_bootstrapping_is_another_problem():
    """Truncation is not the end of the process: who counts rewards up to it is paid the last state's potential."""
    plain, shaped = Moves({"score": 1.0}, False), Moves({"score": 1.0, "shaping": -3.0}, False)
    steps = 3
    which, value = plain.optimal(steps)
    cut_which, _ = shaped.optimal(steps)
    assert not np.array_equal(which, cut_which)
    # Bootstrapping from the value that a learner of the shaped reward gives to the last state restores the policy.
    shaped_value = 3.0 * plain.score
    for _ in range(steps - 1):
        shaped_value = shaped.best(shaped.values(shaped_value))
    actions = shaped.values(shaped_value)
    assert np.array_equal(which, actions > shaped.best(actions)[shaped.start] - CLOSE)
    np.testing.assert_allclose(shaped.best(actions), value + 3.0 * plain.score, atol=1e-9)
