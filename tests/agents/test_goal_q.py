"""The Q network that treats all elements alike: what it says of edits is about the formula that the environment has."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from matenv.agents.goal_q import ElementwiseQ, N

from matenv.elements import INDEX, SYMBOLS

FORMULA = "LiFePO4"


@pytest.fixture(scope="module")
def env():
    env = gym.make("MaterialElementsGoal-v0")
    yield env
    env.close()


def flat(observation):
    return torch.from_numpy(np.concatenate([observation[key] for key in sorted(observation)]))[None]


def test_what_can_be_done_is_valued_and_what_cannot_is_worth_nothing(env):
    observation, _ = env.reset(seed=0, options={"formula": FORMULA})
    network = ElementwiseQ(int(env.action_space.n))
    with torch.no_grad():
        values = network(flat(observation)).numpy()[0]
    allowed = env.unwrapped.action_masks()
    present = np.isin(SYMBOLS, ["Li", "Fe", "P", "O"])
    assert values.shape == allowed.shape and (values[allowed] != 0).all()
    add, remove, up, down = values[: 4 * N].reshape(4, N)
    assert (add[present] == 0).all() and (add[~present] != 0).all()
    for counted in (remove, up, down):
        assert (counted[present] != 0).all() and (counted[~present] == 0).all()


def test_a_swap_takes_away_the_element_that_the_environment_takes_away(env):
    observation, _ = env.reset(seed=0, options={"formula": FORMULA})
    network = ElementwiseQ(int(env.action_space.n))
    slot, there = network._slots((flat(observation)[:, -125:-36] > 0).float())
    assert [SYMBOLS[k] for k in slot[0, :4]] == ["Li", "Fe", "P", "O"] and there[0].tolist() == [1, 1, 1, 1, 0, 0]
    for k, gone in enumerate(["Li", "Fe", "P", "O"]):
        env.reset(seed=0, options={"formula": FORMULA})
        info = env.step((4 + k) * N + INDEX["Zn"])[-1]
        assert "Zn" in info["formula"] and gone not in info["formula"].replace("Zn", "")


def test_an_element_is_known_by_its_properties_not_by_its_name(env):
    observation, _ = env.reset(seed=0, options={"formula": FORMULA})
    network = ElementwiseQ(int(env.action_space.n))
    order = np.arange(N)
    order[[INDEX["Sc"], INDEX["Y"]]] = order[[INDEX["Y"], INDEX["Sc"]]]  # absent, and as little asked for
    with torch.no_grad():
        before = network(flat(observation))[0, :N]
        network.table.copy_(network.table[order])
        after = network(flat(observation))[0, :N]
    assert torch.allclose(after, before[order], atol=1e-6)
