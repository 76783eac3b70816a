import subprocess
import sys

import pytest
from typer.testing import CliRunner

from matenv.cli import app, main

runner = CliRunner()


def test_every_command_explains_itself():
    latent = [["latent"], ["latent", "train"], ["latent", "distil"], ["latent", "interpolate"]]
    latent += [["latent", "compare"], ["latent", "map"]]
    predictor = [["predictor"], ["predictor", "train"], ["predictor", "distil"]]
    for command in [[], ["demo"], ["train"], ["evaluate"], ["compare"], ["explain"], *latent, *predictor]:
        result = runner.invoke(app, [*command, "--help"])
        assert result.exit_code == 0 and "Usage" in result.output


def test_explain_prints_a_card_for_each_formula():
    out = runner.invoke(app, ["explain", "LiFePO4", "MgO"]).output
    assert "1/3 Fe3(PO4)2" in out and "eV/atom" in out and out.count("Nothing here is a statement about synthesis") == 2


def test_train_then_evaluate(tmp_path):
    yml = tmp_path / "tiny.yml"
    yml.write_text("MaterialLatent-v0: {n_envs: 8, n_timesteps: 128, policy: MlpPolicy, n_steps: 16, batch_size: 64}\n")
    run = tmp_path / "run"
    kwargs = '{"task": "stable-novel", "horizon": 4}'
    arguments = ["train", "ppo", "--out", str(run), "--hyperparams", str(yml), "--env-kwargs", kwargs, "--no-progress"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0 and "Saved to" in result.output, result.output
    result = runner.invoke(app, ["evaluate", str(run), "--episodes", "16", "--top", "3"])
    assert result.exit_code == 0 and "16 episodes: return" in result.output, result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "Fe"], "matenv: formula='Fe' cannot be explained: it needs two elements"),
        (["explain", "Xx2"], "matenv: formula 'Xx2' cannot be read"),
        (["evaluate", "nowhere"], "matenv: nowhere holds no trained agent"),
        (["train", "ppo", "--out", "x", "--env-kwargs", "{"], "is not JSON"),
    ],
)
def test_a_mistake_is_one_line_not_a_traceback(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["matenv", *arguments])
    with pytest.raises(SystemExit) as end:  # Python prints its text as the last words, and ends with 1
        main()
    assert message in str(end.value) and "\n" not in str(end.value)


def test_the_last_words_go_to_stderr(tmp_path):
    command = [sys.executable, "-m", "matenv.cli", "evaluate", "nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and not result.stdout
