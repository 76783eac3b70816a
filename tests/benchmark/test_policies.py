"""The door for policies: a callable, a module, an object with predict, a Stable-Baselines3 zip."""

import base64
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from matenv.agents.train import train
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO

from matenv import Oracle, load_task
from matenv.benchmark import PolicyMethod, Problem, plans, play, run
from matenv.wrappers import SB3VecEnv

LATENT, ELEMENTS = "MaterialLatent-v0", "MaterialElements-v0"
TASK = load_task("stiff-stable")
paying = PolicyMethod(LATENT, lambda observation: np.ones((len(observation), 32)), screened=False)
outwards = PolicyMethod(LATENT, lambda observation: np.ones((len(observation), 32)))


def play_policy(env_id, policy, budget=60, **arguments):
    found = play(PolicyMethod(env_id, policy, **arguments), Problem(TASK, Oracle(budget=budget)))
    assert len(found.formulas) == len(set(found.formulas)) == budget
    return found


class Linear(torch.nn.Module):
    def __init__(self, env_id):
        super().__init__()
        env: Any = gym.make(env_id)
        actions = env.action_space.shape[0] if env_id == LATENT else env.action_space.n
        self.out = torch.nn.Linear(env.observation_space.shape[0], actions)

    def forward(self, observation):
        return self.out(observation)


def test_a_callable_is_told_what_it_asks_for():
    seen = []

    def act(observation, state, reward, info, action_masks, episode_start):
        state = 0 if state is None else state + 1
        seen.append((state, reward.shape, set(info) >= {"score", "terms"}, episode_start.all()))
        return np.random.default_rng(state).random(action_masks.shape).argsort(axis=1)[:, -1] * 0 + action_masks.argmax(
            axis=1
        ), state

    problem = Problem(TASK, Oracle(budget=40))
    play(PolicyMethod(ELEMENTS, act, rows=4, horizon=3), problem)
    assert [entry[0] for entry in seen[:3]] == [0, 1, 2] and seen[0][1:] == ((4,), True, True)
    assert not seen[1][3] and seen[3][3]  # episodes of three steps


@pytest.mark.parametrize("env_id", [LATENT, ELEMENTS])
def test_a_module_acts_or_is_drawn_from(env_id):
    torch.manual_seed(0)
    module = Linear(env_id)
    one, two = (play_policy(env_id, module) for _ in range(2))
    assert one.formulas == two.formulas and (one.scores == two.scores).all()


def test_agents_of_stable_baselines3_from_memory_and_from_a_zip(tmp_path):
    envs = SB3VecEnv(gym.make_vec(LATENT, num_envs=2))
    agent = PPO("MlpPolicy", envs, n_steps=8, batch_size=8, seed=0)
    agent.save(tmp_path / "model.zip")
    remembered = play_policy(LATENT, agent)
    path = str(tmp_path / "model.zip")
    assert play_policy(f"matenv:{LATENT}", path, trust=True).formulas == remembered.formulas
    with pytest.raises(ValueError, match="there is no such file"):
        PolicyMethod(LATENT, "nowhere.zip")
    with pytest.raises(ValueError, match="algorithm='GPT'"):
        PolicyMethod(LATENT, path, algorithm="GPT", trust=True)
    with pytest.raises(ValueError, match="trust=1 must be True or False"):
        PolicyMethod(LATENT, path, trust=1)  # type: ignore[arg-type]


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_zip_is_not_unpickled_without_trust(tmp_path):
    own = tmp_path / "own.yml"
    own.write_text(f"{LATENT}: {{n_envs: 2, n_timesteps: 16, policy: MlpPolicy, n_steps: 8, batch_size: 8}}\n")
    agent = train("ppo", tmp_path / "run", hyperparameters=own, progress=False)
    path = tmp_path / "run" / "model.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    objects = {":type:": "x", ":serialized:": base64.b64encode(pickle.dumps(Payload(tmp_path / "ran"))).decode()}
    members["data"] = json.dumps({**json.loads(members["data"]), "lr_schedule": objects}).encode()
    for each in (path, tmp_path / "model.zip"):
        with zipfile.ZipFile(each, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    assert play_policy(LATENT, path).formulas == play_policy(LATENT, agent).formulas
    with pytest.raises(ValueError, match="policy=.* holds pickled objects.*trust=True"):
        PolicyMethod(LATENT, tmp_path / "model.zip")
    assert not (tmp_path / "ran").exists()


def test_recurrent_state_is_kept_and_reset_where_episodes_begin():
    envs = SB3VecEnv(gym.make_vec(LATENT, num_envs=2))
    agent = RecurrentPPO("MlpLstmPolicy", envs, n_steps=8, batch_size=8, seed=0)
    states, starts = [], []

    class Spy:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            starts.append(episode_start.copy())
            actions, state = agent.predict(observation, state, episode_start, deterministic)
            states.append(state)
            return actions, state

    play_policy(LATENT, Spy(), horizon=4, rows=3)
    assert starts[0].all() and not starts[1].any() and starts[4].all()
    assert states[0][0].shape[1] == 3 and not np.allclose(states[0][0], states[1][0])


@pytest.mark.parametrize("env_id", [LATENT, ELEMENTS])
def test_a_policy_pays_for_what_passes_the_free_checks_or_for_all(env_id):
    def wanders(observation, action_masks=None):
        drawn = np.random.default_rng(int(1e6 * abs(observation).sum()))
        if action_masks is None:
            return drawn.uniform(-1, 1, (len(observation), 32))
        return (drawn.random(action_masks.shape) * action_masks).argmax(axis=1)

    task = load_task("wide-gap-ionic-novel")
    found = {
        screened: play(PolicyMethod(env_id, wanders, screened=screened), Problem(task, Oracle(budget=60)))
        for screened in (None, True, False)
    }
    assert (
        len(found[True].formulas) == len(found[False].formulas) == 60 and found[None].formulas == found[True].formulas
    )
    assert task.screen(found[True].compositions).all() and 0 < task.screen(found[False].compositions).mean() < 0.9
    with pytest.raises(ValueError, match="screened=1"):
        PolicyMethod(env_id, wanders, screened=1)  # type: ignore[arg-type]


def test_a_policy_may_learn_within_the_budget():
    def learn(envs, problem):
        envs.reset(seed=0)
        envs.action_space.seed(0)
        while problem.oracle.calls < 30:
            envs.step(envs.action_space.sample())

    assert len(play_policy(LATENT, None, budget=30, learn=learn).formulas) == 30
    play_policy(LATENT, outwards.policy, budget=60, learn=learn)
    with pytest.raises(ValueError, match="policy=None and learn=None"):
        PolicyMethod(LATENT)
    with pytest.raises(ValueError, match="policy=3 is none"):
        PolicyMethod(LATENT, 3)
    with pytest.raises(ValueError, match=r"returned actions \(4,\)"):
        play_policy(LATENT, lambda observation: np.zeros(4))


def test_a_policy_answers_wishes():
    (plan,) = plans(["tests.benchmark.test_policies:paying"], "amortised", seeds=1, budget=10, training=1)
    result = run(plan)
    assert len(result.answers) == 20 and all(len(answer.formulas) == 10 for answer in result.answers)


def test_learning_that_goes_nowhere_is_ended():
    """What is refused costs no call: a hook that waits for its calls to be spent would wait for ever."""
    known = ["NaCl", "MgO"]

    def learn(envs, problem):
        envs.reset(options={"formula": known})
        masks = envs.action_masks()
        while problem.remaining > 0:
            assert masks.shape == (2, envs.single_action_space.n)
            envs.step(np.full(2, envs.single_action_space.n - 1))  # stay

    problem = Problem(load_task("superhard"), Oracle(budget=10))
    found = play(PolicyMethod("MaterialElements-v0", learn=learn, rows=2, horizon=5_000), problem)
    assert problem.remaining == 10 - len(found.formulas) > 0
