"""The environments in RLlib's PPO (extra ``rllib``); left out where ray is not installed."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("ray.rllib")

import ray  # noqa: E402
from ray.rllib.algorithms.ppo import PPOConfig  # noqa: E402
from ray.rllib.core.rl_module.rl_module import RLModuleSpec  # noqa: E402
from ray.rllib.examples.rl_modules.classes.action_masking_rlm import ActionMaskingTorchRLModule  # noqa: E402
from ray.tune.registry import register_env  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def local_ray():
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


class Masked(gym.ObservationWrapper):
    """The observation beside the actions that are allowed, as RLlib's example of action masks takes them."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        actions: Any = env.action_space
        mask = gym.spaces.Box(0, 1, (actions.n,), np.float32)
        self.observation_space = gym.spaces.Dict({"action_mask": mask, "observations": env.observation_space})

    def observation(self, observation):
        mask = self.env.unwrapped.action_masks().astype(np.float32)  # type: ignore[attr-defined]
        return {"action_mask": mask, "observations": observation}

    def step(self, action):
        assert self.env.unwrapped.action_masks()[action], "RLlib took an action that is masked"  # type: ignore[attr-defined]
        return super().step(action)


def one_iteration(env: str, config: dict[str, Any], module: RLModuleSpec | None = None) -> dict[str, Any]:
    """What RLlib reports of one iteration of PPO on two rows of an environment."""
    chosen = (
        PPOConfig()
        .environment(env, env_config=config)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=2)
        .training(train_batch_size_per_learner=64, minibatch_size=32, num_epochs=1)
        .debugging(seed=0, log_level="ERROR")
    )
    algorithm = (chosen if module is None else chosen.rl_module(rl_module_spec=module)).build_algo()
    try:
        return algorithm.train()
    finally:
        algorithm.stop()


@pytest.mark.parametrize("env_id", ["MaterialLatent-v0", "MaterialElements-v0", "MaterialSystem-v0"])
def test_ppo_trains_by_the_id_alone(env_id):
    told = one_iteration(f"matenv:{env_id}", {"horizon": 8})
    runners, learner = told["env_runners"], told["learners"]["default_policy"]
    assert runners["num_env_steps_sampled"] >= 64 and runners["num_episodes"] >= 4
    assert runners["episode_len_max"] == 8 and np.isfinite(runners["episode_return_mean"])
    assert np.isfinite(learner["total_loss"])


def test_ppo_keeps_to_the_action_masks():
    register_env("masked", lambda config: Masked(gym.make("matenv:MaterialElements-v0", **config)))
    told = one_iteration("masked", {"horizon": 8}, RLModuleSpec(module_class=ActionMaskingTorchRLModule))
    assert told["env_runners"]["episode_len_max"] == 8
    assert np.isfinite(told["learners"]["default_policy"]["total_loss"])
