"""Every run begins from the method as it was given, every problem of a test from what training left."""

import copy
import threading
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from matenv import Oracle, load_task
from matenv.benchmark import AskTell, PolicyMethod, Problem, Result, find, plans, play, run, sweep, tracks
from matenv.benchmark.fresh import copied, fresh
from matenv.wrappers import SB3VecEnv

HERE = "tests.benchmark.test_fresh"
LATENT = "MaterialLatent-v0"
TASK = load_task("stiff-stable")
BEGAN: list[int] = []
"""Weights that runs began with; what is appended goes through `note`, which no copy holds."""


class Log:
    """Shared by all copies, as a file would be."""

    def __deepcopy__(self, memo):
        return self

    def note(self, weight):
        BEGAN.append(weight)


log = Log()


class Weights:
    """A policy whose weight counts how often it has learned."""

    def __init__(self):
        self.weight = 0

    def __call__(self, observation):
        return np.full((len(observation), 32), 0.1 * self.weight)

    def train(self, training):
        self.weight += 10

    def learn(self, envs, problem):
        log.note(self.weight)
        self.weight += 1
        envs.reset(seed=0)


weights = Weights()


def learn(envs, problem):
    weights.learn(envs, problem)


def learn_with(factor, envs, problem):
    learn(envs, problem)


def closed():
    own = Weights()

    def learn(envs, problem):
        own.learn(envs, problem)

    return PolicyMethod(LATENT, lambda observation: own(observation), learn=learn, rows=2)


by_method = PolicyMethod(LATENT, weights, learn=weights.learn, train=weights.train, rows=2)
by_name = PolicyMethod(LATENT, weights, learn=learn, train=lambda training: weights.train(training), rows=2)
by_partial = PolicyMethod(LATENT, learn=partial(learn_with, 2), rows=2)
by_closure = closed()
KINDS = ("by_method", "by_name", "by_partial", "by_closure")


class Learns(AskTell):
    """A search given as an object."""

    def ask(self, n):
        log.note(getattr(self, "weight", 0))
        self.weight = getattr(self, "weight", 0) + 1
        return []


searching = Learns()
locked = Learns()
vars(locked)["lock"] = threading.Lock()


def make_locked(seed):
    made = Learns(seed)
    vars(made)["lock"] = threading.Lock()
    return made


@pytest.fixture(autouse=True)
def began():
    BEGAN.clear()
    return BEGAN


@pytest.mark.parametrize("name", [*KINDS, "searching"])
def test_an_object_is_given_to_every_run_as_it_was(name, tmp_path, began):
    wanted = plans([f"{HERE}:{name}"], "single", ["superhard", "light-stiff"], seeds=2, budget=6)
    files = sweep(wanted, tmp_path / "one")
    assert began == [0, 0, 0, 0] and weights.weight == 0
    again = sweep(wanted[::-1], tmp_path / "other")[::-1]  # in another order
    found = [[Result.read(path).answers for path in paths] for paths in (files, again)]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["by_method", "by_name"])
def test_no_wish_of_a_test_learns_from_another(name, began):
    (plan,) = plans([f"{HERE}:{name}"], "amortised", seeds=1, budget=3, training=1)
    for _ in range(2):
        run(plan)
    assert began == [10] * 40 and weights.weight == 0  # what training left, each time


def test_a_player_that_a_factory_makes_keeps_wishes_apart(began):
    (plan,) = plans([f"{HERE}:make_closed"], "amortised", seeds=1, budget=3, training=1)
    run(plan)
    assert began == [0] * 20


def make_closed(seed):
    return closed()


def test_what_cannot_be_copied_says_what_to_give_instead():
    with pytest.raises(ValueError, match=r"method='.*:locked' cannot be copied \(TypeError: .*give a class, or a fact"):
        find(f"{HERE}:locked").factory(0)
    (plan,) = plans([f"{HERE}:make_locked"], "single", ["superhard"], seeds=1, budget=3)
    run(plan)
    (plan,) = plans([f"{HERE}:make_locked"], "amortised", seeds=1, budget=3, training=1)
    with pytest.raises(ValueError, match="make_locked' cannot be copied.* begins where training ended"):
        run(plan)


calls = 0


def count(again=True):
    global calls
    calls += 1
    return count(False) if again else calls


def test_functions_are_copied_with_the_variables_they_name():
    memo: dict = {}
    twin, same = copied(count, memo), copied(count, memo)
    assert twin is same is not count and (twin(), calls) == (2, 0)
    assert copied(np.linalg.norm, memo) is np.linalg.norm and copied(play, memo) is play
    two = copy.deepcopy(by_name)
    two.policy.weight = 5
    play(two, Problem(TASK, Oracle(budget=3)))
    assert BEGAN == [5]  # learn() names the module's variable, which is the copy's policy


def test_what_a_learner_draws_depends_on_the_seed_alone():
    drawn = []

    def learn(envs, problem):
        drawn.append((np.random.random(), __import__("random").random(), __import__("torch").rand(1).item()))
        envs.reset(seed=0)

    for seed in (1, 2, 1):
        play(PolicyMethod(LATENT, learn=learn, rows=2), Problem(TASK, Oracle(budget=3)), seed)
    assert drawn[0] == drawn[2] and not {*drawn[0]} & {*drawn[1]}


class Trains:
    """An agent of Stable-Baselines3 in an object of one's own."""

    def __init__(self, seed=0):
        self.agent = ppo()

    def train(self, training):
        self.agent.learn(8)

    def play(self, problem, seed):
        log.note(self.agent.num_timesteps)
        self.agent.learn(8)
        return PolicyMethod(LATENT, self.agent, rows=2).play(problem, seed)


def ppo():
    envs = VecMonitor(SB3VecEnv(gym.make_vec(LATENT, num_envs=2)))
    return PPO("MlpPolicy", envs, n_steps=4, batch_size=4, n_epochs=1, seed=0)


def test_an_agent_that_has_learned_is_copied_and_goes_on_by_itself(began, monkeypatch):
    agent = ppo()
    agent.learn(8)
    method = PolicyMethod(LATENT, lambda observation: agent.predict(observation)[0], learn=lambda *_: agent.learn(8))
    before = [weight.clone() for weight in agent.policy.parameters()]
    twin: Any = fresh(method, "method")
    play(twin, Problem(TASK, Oracle(budget=3)))
    learned = next(each.cell_contents for each in twin.learn.__closure__)
    assert learned is next(each.cell_contents for each in twin.policy.__closure__)
    assert all(torch.equal(a, b) for a, b in zip(before, agent.policy.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before, learned.policy.parameters(), strict=True))
    monkeypatch.setattr(tracks, "WISHES", 3)  # the others are like them
    (plan,) = plans([f"{HERE}:Trains"], "amortised", seeds=1, budget=3, training=1)
    run(plan)
    assert began == [8] * 3


def test_a_replay_buffer_that_nothing_enters_is_shared():
    class Agent(Weights):
        def __init__(self):
            super().__init__()
            self.replay_buffer = [0.0]

    agent = Agent()
    for learn, is_shared in ((None, True), (agent.learn, False)):
        twin = copy.deepcopy(PolicyMethod(LATENT, agent, learn=learn))
        assert twin.policy is not agent and (twin.policy.replay_buffer is agent.replay_buffer) == is_shared
