"""The environments inside other people's libraries; a library that is not installed is left out."""

import os
import subprocess
import sys
import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordVideo, TimeAwareObservation

import matenv
from matenv.wrappers import SB3VecEnv


@pytest.mark.parametrize("env_id", ["MaterialLatent-v0", "MaterialElements-v0"])
def test_frames_come_thirty_a_second(env_id):
    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    first: Any = env.render()
    for _ in range(16):
        env.step(env.action_space.sample())
    times = []
    for _ in range(5):
        started = time.process_time()
        last: Any = env.render()
        times.append(time.process_time() - started)
    assert min(times) < 1 / 30
    assert first.shape == last.shape == (450, 1000, 3) and last.dtype == np.uint8 and (first != last).any()


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_a_batch_draws_each_of_its_episodes(mode):
    arguments: dict[str, Any] = {"num_envs": 2, "horizon": 3, "render_mode": "rgb_array", "autoreset_mode": mode}
    envs: Any = gym.make_vec("MaterialLatent-v0", **arguments)
    envs.reset(seed=0)
    lengths = []
    for _ in range(5):
        envs.step(envs.action_space.sample())
        assert [frame.shape for frame in envs.render()] == [(450, 1000, 3)] * 2
        lengths.append(len(envs.unwrapped._trails[1].infos))
    assert lengths == ([2, 3, 1, 2, 3] if mode == "SameStep" else [2, 3, 4, 1, 2])


def test_time_aware_observations():
    env = TimeAwareObservation(gym.make("MaterialLatent-v0", horizon=3))
    env.reset(seed=0)
    assert [env.step(env.action_space.sample())[0][-1] for _ in range(3)] == [1, 2, 3]


def test_normalised_observations_in_their_mode():
    envs = gym.make_vec("MaterialLatent-v0", num_envs=2, autoreset_mode="NextStep")
    wrapped: Any = gym.wrappers.vector.NormalizeObservation(envs)
    wrapped.reset(seed=0)
    assert np.isfinite(wrapped.step(wrapped.action_space.sample())[0]).all()


@pytest.mark.slow
def test_an_id_with_its_module_is_found_without_an_import():
    code = "import gymnasium as gym; print(gym.make('matenv:MaterialLatent-v0').spec.id)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "MaterialLatent-v0"


@pytest.mark.slow
def test_spawned_workers_find_the_ids():
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import SubprocVecEnv

    arguments: dict[str, Any] = {"vectorization_mode": "async", "vector_kwargs": {"context": "spawn"}}
    envs = gym.make_vec("MaterialLatent-v0", num_envs=2, oracle=matenv.Oracle(budget=100), **arguments)
    envs.reset(seed=0)
    assert envs.step(envs.action_space.sample())[1].shape == (2,)
    envs.close()
    workers = make_vec_env(
        "matenv:MaterialLatent-v0", 2, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "spawn"}
    )
    assert workers.reset().shape == (2, *workers.observation_space.shape)  # type: ignore[misc, union-attr]
    workers.close()


def test_torchrl():
    pytest.importorskip("torchrl")
    from torchrl.envs import GymEnv, GymWrapper
    from torchrl.envs.utils import check_env_specs

    env = GymEnv("MaterialLatent-v0")
    check_env_specs(env)
    batch: Any = GymWrapper(gym.make_vec("MaterialLatent-v0", num_envs=3, info="numbers", horizon=4))
    rollout: Any = batch.rollout(6, break_when_any_done=False)
    assert rollout.shape == (3, 6) and rollout["next", "done"][:, 3].all() and rollout["next", "reward"].sum() > 0
    assert not (rollout["next", "observation"][:, 3] == rollout["observation"][:, 4]).all()  # a new episode began


def test_minari(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    pytest.importorskip("jax")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make("MaterialLatent-v0", info="numbers", horizon=4), record_infos=True)
    for seed in range(2):
        env.reset(seed=seed)
        for _ in range(4):
            env.step(env.action_space.sample())
    names = {
        "algorithm_name": "random",
        "author": "a",
        "author_email": "a@b",
        "code_permalink": "c",
        "description": "d",
    }
    dataset = env.create_dataset("matenv/random-v0", **names)
    episodes = list(dataset.iterate_episodes())
    assert len(episodes) == 2 and episodes[0].infos["score"].shape == (5,)
    assert dataset.recover_environment().spec.max_episode_steps == 4


def test_tianshou():
    pytest.importorskip("tianshou")
    from tianshou.data import Batch, ReplayBuffer
    from tianshou.env import DummyVectorEnv

    env, buffer = gym.make("MaterialLatent-v0", info="numbers", horizon=4), ReplayBuffer(20)
    observation, _ = env.reset(seed=0)
    for _ in range(12):
        action = env.action_space.sample()
        after, reward, terminated, truncated, info = env.step(action)
        told: Any = {"obs": observation, "act": action, "rew": reward, "terminated": terminated}
        buffer.add(Batch(**told, truncated=truncated, obs_next=after, info=info))
        observation = env.reset()[0] if truncated else after
    sampled: Any = buffer.sample(8)[0]
    assert sampled.info["terms.score"].shape == (8,)
    workers = DummyVectorEnv([lambda: gym.make("MaterialLatent-v0", info="numbers")] * 2)
    workers.reset()
    assert workers.step(np.stack([env.action_space.sample()] * 2))[1].shape == (2,)


@pytest.mark.slow
def test_videos(tmp_path):
    pytest.importorskip("moviepy")
    from stable_baselines3.common.vec_env import VecVideoRecorder

    env: Any = RecordVideo(gym.make("MaterialLatent-v0", render_mode="rgb_array"), str(tmp_path / "single"))
    env.reset(seed=0)
    for _ in range(16):
        env.step(env.action_space.sample())
    env.close()
    arguments: dict[str, Any] = {"num_envs": 2, "render_mode": "rgb_array"}
    batch: Any = gym.wrappers.vector.RecordVideo(
        gym.make_vec("MaterialLatent-v0", **arguments, autoreset_mode="NextStep"), str(tmp_path / "batch")
    )
    batch.reset(seed=0)
    for _ in range(17):
        batch.step(batch.action_space.sample())
    batch.close()
    envs = SB3VecEnv(gym.make_vec("MaterialLatent-v0", **arguments))
    recorder = VecVideoRecorder(envs, str(tmp_path / "sb3"), lambda step: step == 0, video_length=4)
    recorder.reset()
    for _ in range(6):
        recorder.step(np.stack([envs.action_space.sample()] * 2))
    recorder.close()
    for folder in ("single", "batch", "sb3"):
        assert [path.stat().st_size > 1000 for path in (tmp_path / folder).glob("*.mp4")]


@pytest.mark.slow
def test_a_window_for_people(monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
    with pytest.warns(UserWarning, match="HumanRendering wrapper"):
        env = gym.make("MaterialLatent-v0", render_mode="human")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()
