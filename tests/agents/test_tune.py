import itertools
from typing import Any

import pytest
import yaml
from matenv.agents.train import ALGORITHMS, ENV_IDS, create, train
from matenv.agents.tune import SPACES, tune

from matenv.agents import tune as tuning  # isort: skip


@pytest.mark.slow
def test_a_study_is_kept_and_goes_on_and_its_best_can_be_trained(tmp_path, small):
    optuna = pytest.importorskip("optuna")
    asked: dict[str, Any] = {"timesteps": 64, "episodes": 4, "env_kwargs": {"horizon": 3}, "progress": False}
    tune("ppo", tmp_path, trials=2, env_id="matenv:MaterialLatent-v0", **asked)
    found = tune("ppo", tmp_path, trials=3, **asked)
    study = optuna.load_study(study_name="ppo", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert len(study.trials) == 3 and not study.trials[0].params  # the shipped ones first
    rates = [trial.params["learning_rate"] for trial in study.trials[1:]]
    assert rates[0] != rates[1] and found.score == study.best_value and found.number == study.best_trial.number
    assert tune("ppo", tmp_path, trials=3, **asked) == found
    block = yaml.safe_load(found.path.read_text())["MaterialLatent-v0"]
    assert block["policy"] == "MlpPolicy" and f"--hyperparams {found.path}" in found.command
    train("ppo", tmp_path / "agent", 16, hyperparameters=found.path, env_kwargs={"horizon": 3}, progress=False)
    with pytest.raises(ValueError, match="another timesteps"):
        tune("ppo", tmp_path, trials=3, **{**asked, "timesteps": 65})
    with pytest.raises(ValueError, match="trials=0"):
        tune("ppo", tmp_path, trials=0)
    with pytest.raises(ValueError, match="algorithm='dreamer'"):
        tune("dreamer", tmp_path)


def test_a_damaged_study_is_named(tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / "study.db").write_text("garbage" * 100)
    with pytest.raises(ValueError, match="study.db cannot be read .*delete it, or choose another folder"):
        tune("ppo", tmp_path, trials=1, progress=False)


@pytest.mark.slow
def test_a_study_that_was_stopped_ends_as_the_one_that_was_not(tmp_path, small, monkeypatch):
    pytest.importorskip("optuna")
    asked: dict[str, Any] = {"timesteps": 64, "episodes": 4, "env_kwargs": {"horizon": 3}, "progress": False}
    whole = tune("ppo", tmp_path / "whole", trials=3, **asked)
    evaluate, calls = tuning.evaluate_policy, itertools.count(1)

    def stopped(*given, **more):
        if next(calls) in (2, 8, 11):
            raise KeyboardInterrupt
        return evaluate(*given, **more)

    monkeypatch.setattr(tuning, "evaluate_policy", stopped)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            tune("ppo", tmp_path / "parts", trials=3, **asked)
    parts = tune("ppo", tmp_path / "parts", trials=3, **asked)
    assert (parts.number, parts.score) == (whole.number, whole.score)
    assert parts.path.read_text() == whole.path.read_text()


@pytest.mark.slow
def test_a_study_on_the_task_of_a_file_keeps_what_the_file_says(tmp_path, small):
    pytest.importorskip("optuna")
    file = tmp_path / "stiff-stable.yml"  # the name of a registered task, too
    file.write_text("objectives: [{kind: Window, property: band_gap_pbe, low: 1, high: 4}]\n")
    asked: dict[str, Any] = {"timesteps": 16, "episodes": 2, "env_kwargs": {"horizon": 3}, "progress": False}
    found = tune("ppo", tmp_path / "out", task=str(file), trials=1, **asked)
    assert '"property_name": "band_gap_pbe"' in found.command
    with pytest.raises(ValueError, match="another env_kwargs"):
        tune("ppo", tmp_path / "out", trials=1, **asked)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_suggestions_make_an_agent(algorithm):
    optuna = pytest.importorskip("optuna")
    trial = optuna.create_study().ask()
    overrides = {name: suggest(trial) for name, suggest in SPACES[algorithm].items()}
    env_id = ENV_IDS[algorithm]
    agent, envs = create(algorithm, env_id, 0, overrides=overrides)
    assert vars(agent)["gamma"] == overrides["gamma"]
    envs.close()


def test_tensorboard_holds_every_reward_term(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    path = tmp_path / "tiny.yml"
    path.write_text("MaterialLatent-v0: {n_envs: 8, n_timesteps: 64, policy: MlpPolicy, n_steps: 8, batch_size: 32}\n")
    weights = {"reward": {"score": 1.0, "novelty": 0.1}, "horizon": 4}
    train(
        "ppo",
        tmp_path / "run",
        64,
        1,
        env_kwargs=weights,
        hyperparameters=path,
        progress=False,
        tensorboard=tmp_path / "tb",
    )
    (folder,) = (tmp_path / "tb").iterdir()
    log = events.EventAccumulator(str(folder))
    log.Reload()
    tags = log.Tags()["scalars"]
    assert {"reward/score", "reward/ood", "reward/novelty", "final/utility", "final/viability", "oracle/calls"} <= {
        *tags
    }
    assert 0 <= log.Scalars("reward/score")[-1].value <= 1 and log.Scalars("oracle/calls")[-1].value > 8
