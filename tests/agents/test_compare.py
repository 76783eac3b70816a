"""Agents over several seeds: their episodes, and what they find in the benchmark once trained."""

import json
from typing import Any

import numpy as np
import pytest
from matenv.agents.train import load
from typer.testing import CliRunner

import matenv
from matenv import load_task
from matenv.benchmark import PolicyMethod, Problem, Result, play, read_results, validate
from matenv.benchmark.leaderboard import TRAINED, leaderboard
from matenv.benchmark.trivial import wheel_line
from matenv.cli import app

from matenv.agents import compare as comparison  # isort: skip


def test_comparison_is_a_view_of_the_benchmark_that_resumes(tmp_path, monkeypatch, capsys):
    arguments: dict[str, Any] = dict(
        agents=("random", "ppo"), seeds=2, timesteps={"ppo": 64}, episodes=8, progress=False, budget=60,
    )  # fmt: skip
    found = comparison.compare(tmp_path, **arguments, env_id="matenv:MaterialLatent-v0", task="stiff-stable")
    said = capsys.readouterr().out
    assert set(found.episodes) == {"random", "ppo"}
    steps = json.loads((tmp_path / "ppo-1.json").read_text())["result"]["timesteps"]
    assert steps >= 64 and "95 % interval" in said and wheel_line(load_task("stiff-stable")) in said.splitlines()
    trained, chance = f"ppo, latent, trained {steps:,} steps", "random policy, latent"
    assert {each.plan.method for each in found.results} == {"random", "point", "retrieval", trained, chance}
    assert {(each.plan.seed, each.plan.budget) for each in found.results} == {(1000, 60), (1001, 60)}
    learned = [each.plan for each in found.results if each.plan.method == trained]
    assert len({plan.source for plan in learned}) == 2 and all(0 < plan.training <= steps + 128 for plan in learned)
    # A seed acts with the agent that was trained with it, and the board is made of files alone.
    problem = Problem(learned[1].wanted, matenv.Oracle("train", 60))
    played = play(PolicyMethod("MaterialLatent-v0", load(tmp_path / "ppo-1")), problem, learned[1].seed)
    assert Result.read(tmp_path / "runs" / learned[1].file).answers[0].formulas == played.formulas
    assert validate(tmp_path / "runs" / learned[1].file) == []
    board = leaderboard(read_results([tmp_path / "runs"]))
    assert board in said and TRAINED in board
    row = next(line for line in board.splitlines() if trained in line)
    assert row.startswith("|  |") and f"| {np.median([plan.training for plan in learned]):,.0f} | 2 |" in row

    monkeypatch.setattr(comparison, "train", lambda *a, **k: pytest.fail("a finished run was trained again"))
    for name in ("learning_curves.png", "leaderboard.png"):
        (tmp_path / name).unlink()
    assert comparison.compare(tmp_path, **arguments, task="stiff-stable") == found
    assert all((tmp_path / f"{name}.png").stat().st_size > 10_000 for name in ("learning_curves", "leaderboard"))
    assert (tmp_path / "summary.md").read_text() == capsys.readouterr().out
    with (tmp_path / "ppo-0" / "model.zip").open("ab") as weights:
        weights.write(b"x")
    with pytest.raises(ValueError, match="before its file was changed"):
        comparison.compare(tmp_path, **arguments, task="stiff-stable")
    with pytest.raises(ValueError, match="seeds=0"):
        comparison.compare(tmp_path, seeds=0)
    with pytest.raises(ValueError, match="agents holds 'luck'"):
        comparison.compare(tmp_path / "more", ["luck"])


def test_agents_that_read_wishes_are_compared_by_their_episodes_alone(tmp_path):
    found = comparison.compare(tmp_path, ["random"], 1, episodes=4, env_id="MaterialElementsGoal-v0")
    assert found.results == [] and not (tmp_path / "runs").exists() and set(found.episodes["random"]) > {"return"}


STIFF = """
max_elements = 3
[[objectives]]
kind = "maximise"
property = "log10_bulk_modulus"
low = 1.5
high = 2.5
"""
"""A task's file."""


@pytest.mark.slow
def test_a_comparison_on_a_task_of_a_file(tmp_path, monkeypatch):
    path = tmp_path / "stiff.toml"
    path.write_text(STIFF)
    asked = ["compare", "--task", str(path), "--out", str(tmp_path / "runs"), "--seeds", "1", "--episodes", "4"]
    asked += ["--budget", "20", "--processes", "2"]
    monkeypatch.setitem(comparison.AGENTS, "MaterialLatent-v0", ("random",))
    said = CliRunner().invoke(app, asked)
    assert said.exit_code == 0 and "task stiff" in said.output and "*point*" in said.output
    path.write_text(STIFF.replace("1.5", "1.6"))
    with pytest.raises(ValueError, match="task"):
        comparison.compare(tmp_path / "runs", seeds=1, episodes=4, task=path, progress=False)
