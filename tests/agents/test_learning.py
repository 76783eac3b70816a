"""Every shipped agent learns something easy within seconds: formulas rich in oxygen, whatever else they hold."""

from copy import deepcopy

import pytest
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.policies import RandomPolicy
from matenv.agents.train import ENV_IDS, create

import matenv

OXYGEN = matenv.elements.INDEX["O"]
SHARE = matenv.Property("oxygen_share", "1", lambda x: x[:, OXYGEN])
SMALL = {"policy_kwargs": {"net_arch": [64, 64]}, "learning_rate": 2e-3, "gamma": 0.8, "batch_size": 128}
FRESH = {"n_envs": 32, "n_steps": 8, **SMALL}
REPLAYED = {"n_envs": 16, "learning_starts": 512, "gradient_steps": 4, **SMALL}
LARGE = {"ent_coef": "auto_0.1"}  # rewards here are a thousand times those of the tasks that the shipped weight is for
SETTINGS = {
    "ppo": (4_096, FRESH),
    "recurrent_ppo": (8_192, {**FRESH, "policy_kwargs": {"net_arch": [64], "lstm_hidden_size": 32}}),
    "sac": (3_000, {**REPLAYED, "tau": 0.05, **LARGE}),
    "td3": (3_000, {**REPLAYED, "tau": 0.05}),
    "tqc": (3_000, {**REPLAYED, "tau": 0.05, **LARGE}),
    "maskable_ppo": (3_072, FRESH),
    "dqn": (2_000, {**REPLAYED, "target_update_interval": 200}),
    "her_dqn": (3_000, {**REPLAYED, "target_update_interval": 200}),
}


def toy(env_id):
    """The task, and where to start from: anything but what is asked for."""
    edits, wishes = "Elements" in env_id, "Goal" in env_id
    task = matenv.Task(
        "rich-in-oxygen", "Mostly oxygen.", (matenv.maximise("oxygen_share", 0.0, 0.8),), viability="none",
        properties=(SHARE,), elements=("Mg", "O", "Ti") if edits else None,
    )  # fmt: skip
    wish = {"wish": {"targets": {}, "required": ["O"]}} if wishes else {}
    return {"task": task, "horizon": 6, **wish} | ({"start": "random"} if edits else {})


COSTLY = ("td3", "tqc", "recurrent_ppo", "her_dqn")


@pytest.mark.parametrize(
    "algorithm", [pytest.param(name, marks=pytest.mark.slow) if name in COSTLY else name for name in SETTINGS]
)
def test_agent_learns_a_toy_task(algorithm):
    timesteps, overrides = SETTINGS[algorithm]
    env_id = ENV_IDS[algorithm]
    arguments = toy(env_id)
    agent, envs = create(algorithm, env_id, 0, arguments, overrides=deepcopy(overrides))
    chance = evaluate_policy(RandomPolicy(envs.action_space, 0), env_id, 64, **arguments).final_scores.mean()
    agent.learn(timesteps)
    envs.close()
    learnt = evaluate_policy(agent, env_id, 64, deterministic=True, **arguments).final_scores.mean()
    assert learnt > 0.6
    assert learnt > chance + 0.2, (learnt, chance)


@pytest.mark.slow
def test_hindsight_learns_to_answer_wishes_that_it_never_saw():
    agent, envs = create("her_dqn", "MaterialElementsGoal-v0", 0)
    agent.learn(15_000)
    envs.close()
    said = evaluate_policy(agent, "MaterialElementsGoal-v0", 64, deterministic=True)
    assert said.returns.mean() > 0.02  # random edits: less than .0001
