"""What a hyperparameter file or a run's configuration gets wrong is named by file, key and value, and leaves no run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from matenv.agents.hyperparameters import check_fit, load_hyperparameters
from matenv.agents.train import ALGORITHMS, POLICIES, create, load, train

from matenv.tasks.plain_yaml import read_yaml

HYPERPARAMS = Path(__file__).parent.parent.parent / "agents" / "hyperparams"
ENV = "MaterialLatent-v0"
BLOCK = {"n_envs": 2, "n_timesteps": 16, "policy": "MlpPolicy", "n_steps": 8, "batch_size": 8}
OFF = {"n_envs": 2, "n_timesteps": 16, "policy": "MlpPolicy", "buffer_size": 100}


def test_numbers_are_read_as_they_are_meant(tmp_path):
    path = tmp_path / "h.yml"
    path.write_text(f"{ENV}: {{n_envs: 2e0, n_timesteps: 16, policy: MlpPolicy, learning_rate: 1e-3, n_steps: 8.0}}")
    block = load_hyperparameters("ppo", ENV, path)
    assert block == {"n_envs": 2, "n_timesteps": 16, "policy": "MlpPolicy", "learning_rate": 1e-3, "n_steps": 8}
    assert isinstance(block["n_steps"], int)


@pytest.mark.parametrize(
    ("algorithm", "wrong", "said"),
    [
        ("ppo", {"batch_size": 0}, "batch_size=0 must be a positive whole number of transitions"),
        ("ppo", {"batch_size": 1}, "no agent can be made of this: .*batch_size"),
        ("ppo", {"gamma": "x"}, r"gamma='x' must be a number in \[0, 1\]"),
        ("ppo", {"gamma": float("nan")}, "gamma=nan"), ("ppo", {"gamma": 1.5}, "gamma=1.5"),
        ("ppo", {"n_steps": 2.5}, "n_steps=2.5 must be a positive whole number"),
        ("ppo", {"learning_rate": "lin_1e-3"}, "learning_rate='lin_1e-3' must be a positive number of at most 1"),
        ("ppo", {"learning_rate": 1e30}, r"learning_rate=1e\+30 must be a positive number of at most 1"),
        ("ppo", {"env_kwargs": {"horizon": "x"}}, "env_kwargs={'horizon': 'x'}: no environment .* horizon='x'"),
        ("ppo", {"env_kwargs": {"horizn": 3}}, "env_kwargs={'horizn': 3}: no environment .* did you mean 'horizon'"),
        ("ppo", {"learning_rate": 0}, "learning_rate=0"), ("ppo", {"learning_rate": None}, "learning_rate=None"),
        ("ppo", {"policy_kwargs": {"net_arch": "x"}}, r"policy_kwargs.net_arch='x' must be a list of the layers'"),
        ("ppo", {"policy_kwargs": {"net_arch": {"pi": [0]}}}, r"policy_kwargs.net_arch.pi\[0\]=0 must be"),
        ("ppo", {"policy_kwargs": {"net_arch": {"po": [8]}}}, "keys pi and vf"),
        ("ppo", {"policy_kwargs": {"activation_fn": "nn.ReLU"}}, "activation_fn='nn.ReLU' must be a class"),
        ("ppo", {"policy_kwargs": {"net_arhc": [8]}}, "no agent can be made of this: .*net_arhc"),
        ("ppo", {"policy_kwargs": "dict()"}, r"policy_kwargs='dict\(\)' must hold arguments by name"),
        ("ppo", {"learning_rat": 1}, r"learning_rat=1 is no hyperparameter of PPO; did you mean learning_rate\?"),
        ("ppo", {"tensorboard_log": 0}, "tensorboard_log=0 is no hyperparameter"),
        ("ppo", {"seed": 1}, "seed=1 is no hyperparameter"), ("ppo", {"buffer_size": 9}, "no hyperparameter of PPO"),
        ("ppo", {"noise_type": "normal"}, "noise_type='normal' is no hyperparameter of PPO"),
        ("ppo", {"policy": "evil:P"}, "policy='evil:P' is unknown; choose one of MlpPolicy"),
        ("ppo", {"ent_coef": "auto"}, "ent_coef='auto' must be a number for PPO"),
        ("ppo", {"n_timesteps": "abc"}, "n_timesteps='abc' must be a positive whole number of steps"),
        ("ppo", {"env_kwargs": 5}, "env_kwargs=5 must hold arguments by name"),
        ("ppo", {"normalize_advantage": "no"}, "normalize_advantage='no' must be True or False"),
        ("sac", {"ent_coef": "auto_x"}, "ent_coef='auto_x' must be a number, auto"),
        ("sac", {"train_freq": [1, "episode"]}, "train_freq=.* episodes cannot be counted"),
        ("sac", {"gradient_steps": 0.5}, "gradient_steps=0.5 must be a positive whole number of updates, or -1"),
        ("sac", {"tau": -1}, "tau=-1"), ("sac", {"learning_starts": -1}, "learning_starts=-1"),
        ("sac", {"noise_type": "pink"}, "noise_type='pink'"), ("sac", {"buffer_size": 10**15}, "no agent can be made"),
        ("sac", {"replay_buffer_class": "Mine"}, "replay_buffer_class='Mine'"),
        ("sac", {"replay_buffer_kwargs": {"goal_selection_strategy": "x"}}, "goal_selection_strategy='x'"),
    ],
)  # fmt: skip
def test_a_wrong_hyperparameter_is_named_and_leaves_nothing(tmp_path, algorithm, wrong, said):
    path, run = tmp_path / "h.yml", tmp_path / "run"
    path.write_text(yaml.safe_dump({ENV: {**(BLOCK if algorithm == "ppo" else OFF), **wrong}}))
    with pytest.raises(ValueError, match=said) as error:
        train(algorithm, run, hyperparameters=path, progress=False)
    assert str(error.value).startswith(f"{path}: ") and not run.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{ENV}: {{n_envs: 2, n_envs: 3}}", "the key 'n_envs' is given twice"),
        (f"{ENV}: {{n_envs: 2, n_timesteps: 8}}", f"the block of {ENV} lacks policy"),
        (f"{ENV}: {{n_timesteps: abc}}", "lacks n_envs, policy"),
        ("1: 2", r"no block for .*it has 1"), ("[", "is not YAML"), ("5", "must map environment ids"),
    ],
)  # fmt: skip
def test_files_that_hold_no_block(tmp_path, text, said):
    path = tmp_path / "h.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as error:
        load_hyperparameters("ppo", ENV, path)
    assert str(path) in str(error.value)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("settings")
    (folder / "h.yml").write_text(yaml.safe_dump({ENV: BLOCK}))
    train("ppo", folder / "run", 16, hyperparameters=folder / "h.yml", progress=False)
    return folder / "run"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hyperparameters": {"learning_rate": "lin_x"}}, "learning_rate='lin_x' must be a positive number"),
        ({"hyperparameters": {"policy_kwargs": {"activation_fn": "evil.X"}}}, "activation_fn='evil.X' must be a class"),
        ({"hyperparameters": {"policy": "evil:P"}}, "policy='evil:P' is unknown"),
        ({"hyperparameters": {"n_epochs": 4}, "algorithm": "sac"}, "n_epochs=4 is no hyperparameter of SAC"),
        ({"n_envs": 0}, "n_envs=0"), ({"seed": -1}, "seed=-1"), ({"env_id": "Nothing-v0"}, "Nothing"),
        ({"env_kwargs": {"horizon": "x"}}, "horizon='x'"), ({"env_kwargs": {"horizn": 3}}, "did you mean 'horizon'"),
    ],
)  # fmt: skip
def test_a_configuration_that_makes_no_agent_is_named(run, tmp_path, wrong, said):
    config = json.loads((run / "config.json").read_text())
    settings = {"policy": "MlpPolicy", **wrong.get("hyperparameters", {})}
    (tmp_path / "config.json").write_text(json.dumps({**config, **wrong, "hyperparameters": settings}))
    (tmp_path / "model.zip").write_bytes((run / "model.zip").read_bytes())
    with pytest.raises(ValueError, match=said) as error:
        load(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'config.json'}: ")


def test_resuming_reads_the_configuration_likewise(run, tmp_path):
    config = json.loads((run / "config.json").read_text())
    config["hyperparameters"]["gamma"] = "x"
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.zip").touch()
    with pytest.raises(ValueError, match=r"config.json: gamma='x' must be a number in \[0, 1\]"):
        train("ppo", tmp_path, progress=False)


def test_overrides_are_checked_as_files_are():
    for wrong, said in (
        ({"learning_rat": 1}, "learning_rat=1 is no hyperparameter of PPO"),
        ({"batch_size": 0}, "no agent can be made"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"the shipped ppo.yml with overrides: .*{said}"):
            create("ppo", ENV, overrides=wrong)
    agent, envs = create("ppo", ENV, overrides={"learning_rate": lambda left: 1e-3 * left})
    assert agent.lr_schedule(0.5) == 5e-4
    envs.close()


@pytest.mark.parametrize("file", sorted(HYPERPARAMS.glob("*.yml")), ids=lambda file: file.stem)
def test_every_shipped_file_suits_its_algorithm(file):
    for env_id in read_yaml(file.read_text()):
        block = load_hyperparameters(file.stem, env_id)
        settings = {key: value for key, value in block.items() if key not in ("n_envs", "n_timesteps", "env_kwargs")}
        check_fit(file.name, settings, ALGORITHMS[file.stem.removesuffix("-few-calls")], POLICIES)


def test_a_seed_of_numpy_is_a_seed(tmp_path):
    (tmp_path / "h.yml").write_text(yaml.safe_dump({ENV: BLOCK}))
    int64: Any = np.int64(3)
    train("ppo", tmp_path / "run", 16, seed=int64, hyperparameters=tmp_path / "h.yml", progress=False)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["seed"] == 3
