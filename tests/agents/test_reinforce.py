import gymnasium as gym
import numpy as np
import torch
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.policies import RandomPolicy
from matenv.agents.reinforce import ENV_ID, EditNetwork, Settings, masked, reinforce

import matenv
from matenv.benchmark import Problem, find, play
from tests.agents.test_learning import toy


def test_reinforce_learns_a_toy_task_and_repeats_under_a_seed():
    arguments = toy(ENV_ID)
    settings = Settings(learning_rate=5e-3, gamma=0.8)
    envs = gym.make_vec(ENV_ID, num_envs=64, **arguments)
    chance = evaluate_policy(RandomPolicy(envs.single_action_space, 0), ENV_ID, 64, **arguments).final_scores.mean()
    network = reinforce(envs, 8_000, 0, settings)
    learnt = evaluate_policy(network, ENV_ID, 64, deterministic=True, **arguments).final_scores.mean()
    assert learnt > 0.6 and learnt > chance + 0.2, (learnt, chance)
    one, two = (reinforce(gym.make_vec(ENV_ID, num_envs=8, **arguments), 100, 3, settings) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_forbidden_edits_are_never_drawn():
    masks = np.zeros((4, 5), np.bool_)
    masks[:, 2] = True
    assert masked(torch.zeros(4, 5), masks).sample().tolist() == [2] * 4
    network = EditNetwork(6, 891, 8)
    assert network.predict(np.zeros((3, 6), np.float32), deterministic=True)[0].shape == (3,)


def test_reinforce_is_a_method_that_learns_within_the_budget():
    found = play(
        find("REINFORCE, edits").factory(0), Problem(matenv.load_task("stable-novel"), matenv.Oracle(budget=80))
    )
    assert len(found.formulas) == 80
