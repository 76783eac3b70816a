"""Agents and searches on `MaterialElements-v0`."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from matenv.agents.edit_policy import BY_ELEMENT, KINDS, EditHead, EditPolicy, RandomKinds, kinds_of
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.methods import Walk
from matenv.agents.policies import RandomPolicy
from matenv.agents.train import create, load, train

import matenv
from matenv.benchmark import Problem, play

ENV_ID = "MaterialElements-v0"
ACTIONS = 891


@pytest.fixture(scope="module")
def masks():
    """Masks of 64 episodes a few edits in."""
    envs = gym.make_vec(ENV_ID, num_envs=64)
    envs.reset(seed=0)
    policy = RandomPolicy(envs.single_action_space, 0)
    for _ in range(3):
        envs.step(policy.predict(np.zeros((64, 1)), action_masks=envs.unwrapped.action_masks())[0])  # type: ignore[attr-defined]
    return envs.unwrapped.action_masks()  # type: ignore[attr-defined]


def test_kinds_are_those_of_the_environment():
    env = gym.make(ENV_ID).unwrapped
    words = ("add", "remove", "increment", "decrement", "swap", "stay")
    assert [words[kind] for kind in kinds_of(ACTIONS)] == [env.edit(action).kind for action in range(ACTIONS)]  # type: ignore[attr-defined]


def test_random_policies_choose_allowed_edits_and_kinds_in_proportion(masks):
    space, rows = gym.make(ENV_ID).action_space, np.arange(64)
    for policy in (RandomPolicy(space, 1), RandomKinds(space, 1)):
        assert masks[rows, policy.predict(np.zeros((64, 1)), action_masks=masks)[0]].all()
    same = np.repeat(masks[:1], 20_000, axis=0)
    kinds = kinds_of(ACTIONS)[RandomKinds(space, 2).predict(same[:, :1], action_masks=same)[0]]
    offered = np.array([same[0, kinds_of(ACTIONS) == kind].any() for kind in range(6)]) * np.array(KINDS)
    assert np.bincount(kinds, minlength=6) / 20_000 == pytest.approx(offered / offered.sum(), abs=0.02)
    unmasked = RandomPolicy(space, 3).predict(np.zeros((5000, 1)))[0]
    assert unmasked.min() < 20 and unmasked.max() > 870


def test_what_is_learned_of_an_element_holds_for_every_edit_that_brings_it_in():
    head = EditHead(4, ACTIONS, prior=False)
    features = torch.randn(5, 4)
    number = gym.make(ENV_ID).unwrapped.number  # type: ignore[attr-defined]
    before = head(features).detach().clone()
    assert before.shape == (5, ACTIONS)
    with torch.no_grad():
        head.outputs.bias[head.element[number("add", "Ir")]] += 1.0
    raised = {int(action) for action in np.flatnonzero((head(features) - before).detach().numpy()[0] > 0.5)}
    assert raised == {number("add", "Ir"), *(number("swap", "Ir", slot) for slot in range(6))}
    with torch.no_grad():
        head.outputs.bias[head.block[-1]] += 1.0
    assert float((head(features) - before)[0, -1].detach()) == pytest.approx(1.0)


def test_an_untrained_edit_policy_chooses_kinds_about_as_stated(masks):
    agent, envs = create("maskable_ppo", ENV_ID, settings="maskable_ppo-few-calls")
    observation = envs.reset()
    allowed = np.stack(envs.env_method("action_masks"))
    assert isinstance(agent.policy, EditPolicy)
    with torch.no_grad():
        distribution = agent.policy.get_distribution(torch.as_tensor(observation), allowed)
    probability = distribution.distribution.probs.numpy()  # type: ignore[union-attr]
    assert (probability[~allowed] < 1e-6).all()
    share = np.array([probability[:, kinds_of(ACTIONS) == kind].sum(axis=1).mean() for kind in range(5)])
    assert share / share.sum() == pytest.approx(np.array(KINDS[: BY_ELEMENT + 1]) / 6, abs=0.12)
    envs.close()


@pytest.mark.parametrize(("algorithm", "policy"), [("maskable_ppo", "EditPolicy"), ("dqn", "EditQPolicy")])
def test_agents_train_save_load_and_are_evaluated_with_masks(tmp_path, algorithm, policy):
    path = tmp_path / "tiny.yml"
    own = "n_steps: 8, n_epochs: 1" if algorithm == "maskable_ppo" else "learning_starts: 16, buffer_size: 200"
    path.write_text(f"{ENV_ID}: {{n_envs: 8, n_timesteps: 64, policy: {policy}, batch_size: 32, {own}}}\n")
    agent = train(algorithm, tmp_path / "a", 128, 1, ENV_ID, {"horizon": 4}, path, progress=False)
    stored = load(tmp_path / "a")
    again = train(algorithm, tmp_path / "b", 128, 1, ENV_ID, {"horizon": 4}, path, progress=False)
    for a, b, c in zip(*(x.policy.state_dict().values() for x in (agent, stored, again)), strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)
    envs = gym.make_vec(ENV_ID, num_envs=16)
    observation, _ = envs.reset(seed=0)
    for deterministic in (True, False):
        masks = envs.unwrapped.action_masks()  # type: ignore[attr-defined]
        actions, _ = stored.predict(observation, deterministic=deterministic, action_masks=masks)  # type: ignore[call-arg]
        assert masks[np.arange(16), actions].all()
        action, _ = stored.predict(observation[0], deterministic=True, action_masks=masks[0])  # type: ignore[call-arg]
        assert masks[0, action]
    e = evaluate_policy(stored, ENV_ID, episodes=6, horizon=4)
    assert len(e.final_formulas) == 6 and (e.returns >= 0).all()
    task = matenv.load_task("stiff-stable")
    assert task.allows(matenv.Oracle("train").assess(e.final_formulas).compositions).all()


def test_policy_search_counts_every_formula_met():
    problem = Problem(matenv.load_task("stable-novel"), matenv.Oracle(budget=150))
    result = play(Walk(RandomPolicy, ENV_ID, 0, horizon=5), problem)
    assert len(result.formulas) == len(set(result.formulas)) == 150 == len(result.scores)


@pytest.mark.slow
def test_maskable_ppo_beats_the_random_policy(tmp_path):
    agent = train("maskable_ppo", tmp_path, 60_000, env_id=ENV_ID, progress=False)
    random = RandomPolicy(gym.make(ENV_ID).action_space, 0)
    learned, chance = evaluate_policy(agent, ENV_ID, 128), evaluate_policy(random, ENV_ID, 128)
    assert learned.returns.mean() > 2 * chance.returns.mean()
    assert learned.final_scores.mean() > 2 * chance.final_scores.mean()
