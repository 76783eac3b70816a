"""Training that is stopped and resumed is the training that was not; equal trainings write equal bytes."""

import base64
import json
import os
import pickle
import signal
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from matenv.agents import compare as comparison
from matenv.agents.callbacks import Checkpoint
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.given_files import digests
from matenv.agents.train import ALGORITHMS, ENV_ID, ENV_IDS, load, read_config, train
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO

import matenv
from matenv.atomic import only_writer
from matenv.wrappers import SB3VecEnv

BLOCKS = {
    "ppo": "{n_envs: 4, n_timesteps: 192, policy: MlpPolicy, n_steps: 8, batch_size: 16, n_epochs: 2}",
    "sac": "{n_envs: 4, n_timesteps: 96, policy: MlpPolicy, learning_starts: 16, batch_size: 16, buffer_size: 1000}",
    "td3": "{n_envs: 4, n_timesteps: 96, policy: MlpPolicy, learning_starts: 16, batch_size: 16, buffer_size: 1000,"
    " noise_type: normal, noise_std: 0.2}",
    "tqc": "{n_envs: 4, n_timesteps: 96, policy: MlpPolicy, learning_starts: 16, batch_size: 16, buffer_size: 1000}",
    "recurrent_ppo": "{n_envs: 4, n_timesteps: 192, policy: MlpLstmPolicy, n_steps: 8, batch_size: 16, n_epochs: 2}",
    "maskable_ppo": "{n_envs: 4, n_timesteps: 192, policy: EditPolicy, n_steps: 8, batch_size: 16, n_epochs: 2}",
    "dqn": "{n_envs: 4, n_timesteps: 96, policy: EditQPolicy, learning_starts: 16, batch_size: 16, buffer_size: 1000,"
    " train_freq: 1}",
    "her": "{n_envs: 4, n_timesteps: 96, policy: MultiInputPolicy, learning_starts: 32, batch_size: 16,"
    " buffer_size: 1000, replay_buffer_class: WishReplayBuffer}",
    "her_dqn": "{n_envs: 4, n_timesteps: 96, policy: ElementwiseGoalQPolicy, learning_starts: 32, batch_size: 16,"
    " buffer_size: 1000, train_freq: 1, replay_buffer_class: WishReplayBuffer}",
}


class Stopped(Exception):
    """Stands for a kill."""


def run(algorithm, folder, settings, env_id=None, **arguments):
    env_id = env_id or ENV_IDS[algorithm]
    path = Path(folder).parent / f"{algorithm}.yml"
    block = BLOCKS[algorithm].removesuffix("}") + ", policy_kwargs: {net_arch: [16]}}"  # SB3 writes into these
    path.write_text(f"{env_id}: {block}\n")
    given = {"seed": 1, "env_id": env_id, "hyperparameters": path, "progress": False, "env_kwargs": settings}
    return train(algorithm, folder, **{**given, **arguments})


def files(folder):
    names = ("model.zip", "checkpoint.safetensors", "episodes.csv", "config.json")
    return {name: (Path(folder) / name).read_bytes() for name in names}


RUNS = [(each, ENV_IDS[each], {"horizon": 5, "budget": 150}) for each in ALGORITHMS]


@pytest.mark.parametrize(("algorithm", "env_id", "settings"), [*RUNS, ("ppo", "MaterialSystem-v0", {"horizon": 5})])
def test_a_resumed_training_is_the_uninterrupted_one_to_the_byte(algorithm, env_id, settings, tmp_path, monkeypatch):
    run(algorithm, tmp_path / "whole", settings, env_id)
    with monkeypatch.context() as patch:
        step, seen = Checkpoint._on_step, []

        def stop(self):
            seen.append(0)
            if len(seen) == 17:
                raise Stopped  # in the middle of a rollout, after lines of the log that will be written again
            return step(self)

        patch.setattr(Checkpoint, "_on_step", stop)
        with pytest.raises(Stopped):
            run(algorithm, tmp_path / "parts", settings, env_id, checkpoint_every=32)
    assert (tmp_path / "parts" / "checkpoint.safetensors").is_file()
    for _ in range(2):  # the second time there is nothing left to do
        run(algorithm, tmp_path / "parts", settings, env_id, checkpoint_every=32)
        assert files(tmp_path / "whole") == files(tmp_path / "parts")


def test_sb3_itself_loads_what_was_saved(tmp_path):
    agent = run("ppo", tmp_path / "a", {})
    other = PPO.load(tmp_path / "a" / "model.zip", device="cpu")
    one, two = agent.policy.state_dict(), other.policy.state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_between_rollouts(number, tmp_path, monkeypatch, capsys):
    settings = {"horizon": 5}
    run("ppo", tmp_path / "whole", settings)
    with monkeypatch.context() as patch:
        step, seen = Checkpoint._on_step, []

        def ask(self):
            seen.append(0)
            if len(seen) == 11:
                os.kill(os.getpid(), number)
            return step(self)

        patch.setattr(Checkpoint, "_on_step", ask)
        with pytest.raises(KeyboardInterrupt):
            run("ppo", tmp_path / "parts", settings)
    assert "interrupted at 64 steps" in capsys.readouterr().out
    run("ppo", tmp_path / "parts", settings)
    assert files(tmp_path / "whole") == files(tmp_path / "parts")


def test_a_mistake_leaves_a_folder_that_takes_the_corrected_run(tmp_path):
    path = tmp_path / "own.yml"
    path.write_text(f"{ENV_ID}: {BLOCKS['ppo'].replace('n_epochs', 'n_epoch')}\n")
    with pytest.raises(ValueError, match="n_epoch=2 is no hyperparameter of PPO"):
        train("ppo", tmp_path / "a", hyperparameters=path, progress=False)
    run("ppo", tmp_path / "a", {})
    with pytest.raises(ValueError, match="another env_kwargs"):
        run("ppo", tmp_path / "a", {"horizon": 9})


class Payload:
    path = ""

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def test_an_untrusted_model_runs_nothing(tmp_path, monkeypatch):
    run("ppo", tmp_path / "a", {})
    payload = Payload()
    payload.path = str(tmp_path / "ran")
    model = tmp_path / "a" / "model.zip"
    with zipfile.ZipFile(model) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def written(**changes):
        with zipfile.ZipFile(model, "w") as archive:
            for name, content in {**members, **changes}.items():
                archive.writestr(name, content)

    data = {**json.loads(members["data"]), "policy_class": {":type:": "x", ":serialized:": ""}}
    data["policy_class"][":serialized:"] = base64.b64encode(pickle.dumps(payload)).decode()
    written(data=json.dumps(data))
    load(tmp_path / "a")  # the weights are what they should be; the rest is never looked at
    written(**{"policy.pth": pickle.dumps(payload)})
    with pytest.raises(ValueError, match="--trust"):
        load(tmp_path / "a")
    written(**{"policy.pth": members["policy.pth"][:1000]})
    with pytest.raises(ValueError, match="does not hold the weights"):
        load(tmp_path / "a")
    config = tmp_path / "a" / "config.json"
    text = config.read_text()
    for foreign in (f"payload:{ENV_ID}", "CartPole-v1"):
        config.write_text(text.replace(ENV_ID, foreign))
        with monkeypatch.context() as patch:
            patch.setattr(gym, "make_vec", lambda *_, **__: pytest.fail("a foreign environment was made"))
            with pytest.raises(ValueError, match=f"env_id='{foreign}' is none of this package.*--trust"):
                load(tmp_path / "a")
    assert not (tmp_path / "ran").exists()
    for damaged in ("[]", "{", '{"algorithm": "ppo"}'):
        config.write_text(damaged)
        with pytest.raises(ValueError, match=r"config.json is (damaged|no configuration)"):
            load(tmp_path / "a")


def test_a_configuration_may_begin_with_a_byte_order_mark_and_name_the_package(tmp_path):
    run("ppo", tmp_path / "a", {}, env_id=f"matenv:{ENV_ID}")
    config = tmp_path / "a" / "config.json"
    assert json.loads(config.read_text())["env_id"] == ENV_ID
    config.write_text(config.read_text().replace(ENV_ID, f"matenv:{ENV_ID}"), encoding="utf-8-sig")
    assert read_config(tmp_path / "a")["env_id"] == ENV_ID
    assert load(tmp_path / "a").num_timesteps == run("ppo", tmp_path / "a", {}).num_timesteps


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    run("ppo", tmp_path / "a", {})
    checkpoint = tmp_path / "a" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ValueError, match="cannot be resumed from"):
        run("ppo", tmp_path / "a", {}, timesteps=256)
    checkpoint.unlink()
    with pytest.raises(ValueError, match="without checkpoint.safetensors"):
        run("ppo", tmp_path / "a", {}, timesteps=256)


def test_stored_results_of_other_settings_are_refused(tmp_path):
    given: dict[str, Any] = {"agents": ("random",), "seeds": 1, "episodes": 4, "budget": 20}
    comparison.compare(tmp_path, **given)
    for changed, message in (({"task": "wide-gap-novel"}, "another task"), ({"episodes": 5}, "another episodes")):
        with pytest.raises(ValueError, match=message):
            comparison.compare(tmp_path, **{**given, **changed})
    assert np.isfinite(comparison.compare(tmp_path, **given).episodes["random"]["return"][0])


def test_a_recurrent_policy_is_evaluated_with_its_state():
    starts = []

    class Counting:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            count = np.zeros(len(observation)) if state is None else state * ~episode_start + 1
            starts.append((count.tolist(), episode_start.tolist()))
            return np.zeros((len(observation), 32), np.float32), count

    evaluate_policy(Counting(), episodes=2, horizon=3)
    assert starts == [([0.0, 0.0], [True, True]), ([1.0, 1.0], [False, False]), ([2.0, 2.0], [False, False])]
    space = gym.make_vec(ENV_ID, num_envs=2)
    agent = RecurrentPPO("MlpLstmPolicy", SB3VecEnv(space), n_steps=4, batch_size=4, seed=0, device="cpu")
    assert evaluate_policy(agent, episodes=3, horizon=3, deterministic=True).returns.shape == (3,)


def test_a_run_on_a_file_that_has_changed_is_not_gone_on_with(tmp_path):
    weights = Path(matenv.__file__).parent / "latent" / "weights"
    space = tmp_path / "space.safetensors"
    space.write_bytes((weights / "vae.safetensors").read_bytes())
    settings = {"horizon": 5, "latent": str(space)}
    run("ppo", tmp_path / "run", settings, timesteps=32)
    run("ppo", tmp_path / "run", settings, timesteps=64)
    assert load(tmp_path / "run").num_timesteps == 64
    space.write_bytes((weights / "dkl-vae.safetensors").read_bytes())
    with pytest.raises(ValueError, match="holds a run on other contents of .*space.safetensors"):
        run("ppo", tmp_path / "run", settings, timesteps=96)
    with pytest.raises(ValueError, match="was trained on other contents of .*space.safetensors"):
        load(tmp_path / "run")


def test_digests_of_what_arguments_name(tmp_path):
    bundle = tmp_path / "bundle"
    (bundle / "parts").mkdir(parents=True)
    (bundle / "parts" / "a").write_text("1")
    before = digests({"oracle": {"bundle": str(bundle), "predictor": "default"}, "latent": "vae", "horizon": 3})
    assert list(before) == [str(bundle)]
    (bundle / "parts" / "a").rename(bundle / "parts" / "b")
    assert digests({"bundle": bundle}) != before
    assert digests({"latent": tmp_path / "absent.safetensors"}) == {}  # the environment says so


@pytest.mark.parametrize("left", [None, "garbage\n"])
def test_a_log_that_is_gone_is_begun_anew_with_a_warning(tmp_path, left):
    run("ppo", tmp_path / "run", {"horizon": 5}, timesteps=320)
    log = tmp_path / "run" / "episodes.csv"
    if left is None:
        log.unlink()
    else:
        log.write_text(left)
    with pytest.warns(UserWarning, match="episodes.csv lacks episodes"):
        run("ppo", tmp_path / "run", {"horizon": 5}, timesteps=640)
    header, *rows = log.read_text().splitlines()
    assert header.startswith("timestep,") and rows and all(row[0].isdigit() for row in rows)


def test_two_trainings_do_not_share_a_folder(tmp_path):
    (tmp_path / "run").mkdir()
    with only_writer(tmp_path / "run"), pytest.raises(OSError, match="is being written by another process"):
        run("ppo", tmp_path / "run", {"horizon": 5}, timesteps=32)
