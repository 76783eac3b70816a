"""`MaterialSystem-v0` has no task and no oracle: what trains, tunes and compares agents does so all the same."""

from typing import Any

import pytest
from matenv.agents.train import train
from matenv.agents.tune import tune
from typer.testing import CliRunner

from matenv.cli import app

from matenv.agents import compare as comparison  # isort: skip
from matenv.agents import tune as tuning  # isort: skip

SYSTEM = "MaterialSystem-v0"
TINY = "{n_envs: 4, n_timesteps: 80, policy: MlpPolicy, n_steps: 10, batch_size: 20}\n"


@pytest.fixture
def asked(monkeypatch):
    """What agents were scored on."""
    evaluate, calls = tuning.evaluate_policy, []

    def noted(agent, env_id, episodes, seed, **arguments):
        calls.append((arguments, evaluate(agent, env_id, episodes, seed, **arguments)))
        return calls[-1][1]

    monkeypatch.setattr(tuning, "evaluate_policy", noted)
    return calls


def test_tensorboard_is_told_the_hits(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    path = tmp_path / "tiny.yml"
    path.write_text(f"{SYSTEM}: {TINY}")
    arguments: dict[str, Any] = {"hyperparameters": path, "progress": False, "tensorboard": tmp_path / "tb"}
    train("ppo", tmp_path / "run", 80, env_id=SYSTEM, **arguments)
    log = events.EventAccumulator(str(next((tmp_path / "tb").iterdir())))
    log.Reload()
    tags = {*log.Tags()["scalars"]}
    assert "reward/hits" in tags and "oracle/calls" not in tags


def test_hyperparameters_for_systems_are_chosen_by_return_on_validation_systems(tmp_path, small, asked, capsys):
    pytest.importorskip("optuna")
    found = tune("ppo", tmp_path, trials=1, timesteps=64, episodes=40, env_id=SYSTEM, progress=False)
    arguments, evaluation = asked[-1]
    assert found.by == "return" and found.score == evaluation.returns.mean() and arguments["part"] == "validation"
    assert "task" not in found.command and "return" in found.path.read_text().splitlines()[0]


@pytest.mark.parametrize(("more", "by"), [({"campaign": 2}, "return"), ({}, "final score"), ({"wish": "draw"}, None)])
def test_no_hyperparameter_is_chosen_on_the_held_out_part(tmp_path, small, asked, more, by):
    optuna = pytest.importorskip("optuna")
    arguments: dict[str, Any] = {"timesteps": 16, "episodes": 4, "trials": 1, "progress": False}
    found = tune("ppo", tmp_path / "a", env_kwargs={"horizon": 3, **more}, **arguments)
    assert all(given["part"] == "train" for given, _ in asked) and found.by == (by or "final score")
    evaluation = asked[-1][1]
    assert found.score == (evaluation.returns if by == "return" else evaluation.final_scores).mean()
    if more:
        return
    with pytest.raises(ValueError, match="part='test' is held out"):
        tune("ppo", tmp_path / "b", env_kwargs={"part": "test"}, **arguments)
    # A study of before, scored on other starts, is not gone on with.
    study = optuna.load_study(study_name="ppo", storage=f"sqlite:///{tmp_path / 'a' / 'study.db'}")
    kept = study.user_attrs["settings"]
    study.set_user_attr("settings", {name: kept[name] for name in kept if name not in ("part", "scored by")})
    with pytest.raises(ValueError, match="another part, scored by"):
        tune("ppo", tmp_path / "a", env_kwargs={"horizon": 3}, **arguments)


def test_agents_for_systems_are_compared_by_return_and_in_the_track_systems(tmp_path, small):
    options = ["--env", SYSTEM, "--seeds", "2", "--episodes", "8", "--systems", "1", "--out", str(tmp_path)]
    said = CliRunner().invoke(app, ["compare", *options, "--agent", "random", "--no-progress"])
    assert said.exit_code == 0, said.output
    assert f"{SYSTEM}, held-out chemical systems" in said.output and "| return |\n" in said.output
    assert "## systems, 10 proposals, 1 of each size" in said.output and "| 1 | random policy, systems |" in said.output
    found = comparison.compare(
        tmp_path, ("random", "ppo"), 2, {"ppo": 64}, 8, progress=False, env_id=SYSTEM, systems=1
    )  # fmt: skip
    assert set(found.episodes) == {"random", "ppo"} and found.episodes["ppo"].keys() == {"return", "timesteps"}
    learned = [each for each in found.results if each.plan.method.startswith("ppo, systems, trained")]
    assert len(learned) == 2 and not any(each.plan.training for each in learned)  # nothing is counted in this track
    assert all(len(answer.formulas) == 10 for each in learned for answer in each.answers)
    assert (tmp_path / "learning_curves.png").stat().st_size > 10_000
