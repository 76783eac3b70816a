import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from matenv.wrappers import SB3VecEnv


def make(num_envs=4, horizon=3, **kwargs):
    return SB3VecEnv(gym.make_vec("MaterialLatent-v0", num_envs=num_envs, horizon=horizon), **kwargs)


def test_ends_of_episodes_carry_what_sb3_needs():
    envs = make(info_keys=["score", "p_stable"])
    reference = gym.make_vec("MaterialLatent-v0", num_envs=4, horizon=3)
    assert envs.seed(9) == [9, 10, 11, 12]
    observations = envs.reset()
    assert np.array_equal(observations, reference.reset(seed=9)[0])
    random = np.random.default_rng(0)
    for step in range(1, 8):
        actions = random.uniform(-1, 1, (4, *envs.action_space.shape)).astype(np.float32)
        observations, rewards, dones, infos = envs.step(actions)
        expected, r, _, truncated, info = reference.step(actions)
        assert np.array_equal(observations, expected) and rewards.dtype == np.float32
        assert np.array_equal(dones, truncated) and dones.all() == (step % 3 == 0)
        for row, words in enumerate(infos):
            source = info["final_info"] if dones[row] else info
            assert words["p_stable"] == source["p_stable"][row]
            if dones[row]:
                assert words["TimeLimit.truncated"] is True
                assert np.array_equal(words["terminal_observation"], info["final_obs"][row])
                assert words["formula"] == info["final_info"]["formula"][row]
                assert isinstance(words["score"], float)
            else:
                assert set(words) == {"score", "p_stable"} and words["score"] == info["score"][row]


def test_reset_options_reach_the_environment():
    envs = make(2)
    envs.set_options({"formula": "SrTiO3"})
    envs.reset()
    assert [row["start_formula"] for row in envs.env_method("describe")] == ["SrTiO3"] * 2
    envs.seed(0)
    envs.reset()
    assert envs.env_method("describe", indices=1)[0]["start_formula"] != "SrTiO3"


def test_attributes_and_methods():
    envs = make(3)
    envs.reset()
    assert envs.get_attr("num_envs", indices=[0, 2]) == [3, 3]
    envs.seed(5)
    envs.reset()
    assert envs.get_attr("np_random_seed") == [5, 6, 7] and envs.get_attr("np_random_seed", [2, 0]) == [7, 5]
    assert [each is envs.envs.unwrapped.np_random[i] for i, each in enumerate(envs.get_attr("np_random"))] == [True] * 3  # type: ignore[index]
    assert envs.get_attr("action_space") == [envs.action_space] * 3
    assert envs.get_attr("observation_space", 1) == [envs.observation_space]
    assert len(envs.env_method("formulas")) == 3 and isinstance(envs.env_method("formulas")[0], str)
    assert envs.env_is_wrapped(VecMonitor) == [False] * 3
    with pytest.raises(ValueError, match="all 3 rows"):
        envs.set_attr("note", 1, indices=0)
    envs.set_attr("note", 1)
    assert envs.get_attr("note") == [1, 1, 1]
    assert len(envs.env_method("describe", indices=np.array([-1, 0]))) == 2 and envs.get_attr("note", np.int64(1)) == [
        1
    ]
    for wrong in (7, [0, 5], [-4], "0", [0.5], [None]):
        with pytest.raises(ValueError, match="indices=.* is not one of the 3 rows"):
            envs.get_attr("num_envs", wrong)
        with pytest.raises(ValueError, match="indices=.* is not one of the 3 rows"):
            envs.env_method("get_state", indices=wrong)
    with pytest.raises(ValueError, match="wrapper_class=5 must be a class"):
        envs.env_is_wrapped(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [5, [5, 5], [{"formula": "NaCl"}], "NaCl", [{"formula": "NaCl"}, {}], {1: 2}.items()])
def test_options_that_are_none_are_refused_where_they_are_set(wrong):
    envs = make(2)
    with pytest.raises(ValueError, match=r"options(=|\[1\] lacks)"):
        envs.set_options(wrong)
    envs.set_options(({"formula": "NaCl"}, {"formula": "LiF"}))  # type: ignore[arg-type]
    envs.reset()
    assert envs.env_method("formulas") == ["NaCl", "LiF"]


def test_other_autoreset_modes_and_unknown_info_are_refused():
    with pytest.raises(ValueError, match="autoreset_mode"):
        SB3VecEnv(gym.make_vec("MaterialLatent-v0", num_envs=2, autoreset_mode=AutoresetMode.NEXT_STEP))
    with pytest.raises(ValueError, match="info_keys"):
        make(info_keys=["colour"]).reset()


def test_ppo_bootstraps_the_value_at_time_limits(monkeypatch):
    envs = VecMonitor(make(2, horizon=2))
    agent = PPO("MlpPolicy", envs, n_steps=4, batch_size=8, n_epochs=1, gamma=0.5, seed=0, device="cpu")
    asked = []
    predict_values = agent.policy.predict_values

    def spy(observation):
        asked.append(observation.shape[0])
        return predict_values(observation) * 0 + 100.0

    monkeypatch.setattr(agent.policy, "predict_values", spy)
    agent.learn(8)
    rewards = agent.rollout_buffer.rewards
    assert (rewards[1::2] > 49).all() and (rewards[0::2] < 2).all()  # + gamma x value at every second step only


class Doors(VectorEnv):
    """A toy: every row has one open door out of four, which its observation and its mask name."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.single_action_space, self.single_observation_space = Discrete(4), Box(0, 1, (4,), np.float32)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.opened = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.open = self.np_random.integers(4, size=self.num_envs)
        return self.action_masks().astype(np.float32), {}

    def step(self, actions):
        self.opened.append(actions == self.open)
        done = np.ones(self.num_envs, np.bool_)
        final = self.action_masks().astype(np.float32)
        self.open = self.np_random.integers(4, size=self.num_envs)
        info = {"final_obs": final, "final_info": {}}
        return self.action_masks().astype(np.float32), self.opened[-1].astype(float), done, ~done, info

    def action_masks(self):
        return np.arange(4) == self.open[:, None]


def test_maskable_ppo_sees_every_rows_own_mask():
    toy = Doors(6)
    envs = VecMonitor(SB3VecEnv(toy))
    agent = MaskablePPO("MlpPolicy", envs, n_steps=16, batch_size=32, n_epochs=1, seed=0, device="cpu")
    agent.learn(96)
    assert len(toy.opened) == 16 and np.all(toy.opened)
    masks = envs.env_method("action_masks")
    assert [mask.tolist() for mask in masks] == toy.action_masks().tolist()
    assert [mask.tolist() for mask in envs.env_method("action_masks", indices=[4, 1])] == [
        toy.action_masks()[row].tolist() for row in (4, 1)
    ]


def test_the_same_seed_trains_the_same_weights():
    def weights():
        agent = PPO("MlpPolicy", make(8), n_steps=8, batch_size=32, n_epochs=2, seed=1, device="cpu")
        agent.learn(256)
        return agent.policy.state_dict()

    one, two = weights(), weights()
    assert all((one[key] == two[key]).all() for key in one)
