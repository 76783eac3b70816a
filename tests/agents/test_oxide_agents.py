"""Agents on `MaterialOxides-v0`."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from matenv.agents.callbacks import Checkpoint
from matenv.agents.edit_dqn import EditDQN
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.policies import RandomPolicy
from matenv.agents.train import create, load, train
from stable_baselines3.common.buffers import NStepReplayBuffer

ENV_ID = "MaterialOxides-v0"

SMALL = {
    "dqn": "n_envs: 5\n  policy: MlpPolicy\n  n_steps: 5\n  gamma: 0.9\n  buffer_size: 500\n  batch_size: 16\n"
    "  learning_starts: 50\n  train_freq: 5\n  exploration_fraction: 1.0\n",
    "maskable_ppo": "n_envs: 5\n  policy: MlpPolicy\n  n_steps: 5\n  batch_size: 25\n  n_epochs: 1\n",
}


def written(folder, algorithm):
    path = folder / f"{algorithm}.yml"
    path.write_text(
        f"{ENV_ID}:\n  n_timesteps: 100\n  {SMALL[algorithm]}  policy_kwargs:\n    net_arch: [8]\n", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("algorithm", SMALL)
def test_training_keeps_to_the_masks_and_goes_on_as_if_never_stopped(algorithm, tmp_path, monkeypatch):
    given = {"env_id": ENV_ID, "hyperparameters": written(tmp_path, algorithm), "progress": False}
    whole = train(algorithm, tmp_path / "whole", 200, 3, **given)
    envs: Any = whole.get_env()
    state = envs.unwrapped.envs.unwrapped.core.state
    assert state.place[:, 89].max() == 0  # nothing was refused
    with monkeypatch.context() as patch:
        step, seen = Checkpoint._on_step, []

        def stop(self):
            seen.append(0)
            if len(seen) == 23:
                raise RuntimeError("stopped")
            return step(self)

        patch.setattr(Checkpoint, "_on_step", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            train(algorithm, tmp_path / "parts", 200, 3, checkpoint_every=50, **given)
    train(algorithm, tmp_path / "parts", 200, 3, checkpoint_every=50, **given)
    for name in ("model.zip", "checkpoint.safetensors", "episodes.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    found = evaluate_policy(load(tmp_path / "whole"), ENV_ID, 8)
    assert all(formula for formula in found.final_formulas) and set(found.start_formulas) == {""}
    np.testing.assert_array_equal(found.returns, found.final_scores)


def test_dqn_regresses_on_the_outcome():
    """Whatever the networks say of actions that no mask allows, targets are the discounted score of the episode."""
    agent, envs = create("dqn", ENV_ID, overrides={"n_envs": 4, "buffer_size": 400, "learning_starts": 0})
    assert isinstance(agent, EditDQN) and isinstance(agent.explorer, RandomPolicy)
    agent.learn(40)
    buffer = agent.replay_buffer
    assert isinstance(buffer, NStepReplayBuffer) and agent.n_steps == 5
    sample = buffer.sample(64)
    assert (sample.dones == 1).all()
    left = sample.observations[:, 89:94].argmax(dim=1)
    scores = torch.as_tensor(buffer.rewards[:10])
    for reward, step in zip(sample.rewards[:, 0], left, strict=True):
        assert torch.isclose(0.9 ** (4 - step) * scores, reward, atol=1e-6).any()
    envs.close()


def test_a_random_policy_builds_the_same_formulas_again():
    env = gym.make(ENV_ID)
    one, other = (evaluate_policy(RandomPolicy(env.action_space, 1), ENV_ID, 20) for _ in range(2))
    assert one.final_formulas == other.final_formulas and len(set(one.final_formulas)) == 20
