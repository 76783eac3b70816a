import json
import subprocess
import sys
from dataclasses import fields
from inspect import signature
from typing import Any

import pytest
from typer.testing import CliRunner

from matenv.cli import app, latent, main, predictor
from matenv.properties.training import committee
from matenv.properties.training.distil import DistilConfig
from matenv.properties.training.train import TrainConfig

runner = CliRunner()


def test_every_command_explains_itself():
    latent = [["latent"], ["latent", "train"], ["latent", "distil"], ["latent", "interpolate"]]
    latent += [["latent", "compare"], ["latent", "map"]]
    predictor = [["predictor"], ["predictor", "train"], ["predictor", "distil"]]
    for command in [[], ["demo"], ["train"], ["evaluate"], ["compare"], ["explain"], *latent, *predictor]:
        result = runner.invoke(app, [*command, "--help"])
        assert result.exit_code == 0 and "Usage" in result.output


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom matenv.cli import app\n"
        "app(['predictor', 'train', '--help'], standalone_mode=False)\n"
        "print([name for name in ('torch', 'numba', 'scipy', 'pymatgen', 'matplotlib') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip().endswith("[]")


@pytest.mark.parametrize(("command", "config"), [(predictor.train, TrainConfig), (predictor.distil, DistilConfig)])
def test_every_setting_of_a_training_is_an_option(command, config):
    options = {name: parameter.default for name, parameter in signature(command).parameters.items()}
    beside = {"context", "out", "threads", "calibrated_on", "data", "column", "unit", "formulas", "log10", "name"}
    assert {name: given for name, given in options.items() if name not in beside} == {
        field.name: field.default for field in fields(config)
    }


def test_defaults_that_stand_here_too():
    from matenv.latent.evaluation.evaluate import SAMPLES

    assert signature(predictor.committee).parameters["caution"].default == committee.CAUTION
    assert signature(latent.evaluate).parameters["samples"].default == SAMPLES


def test_settings_reach_the_training(tmp_path, monkeypatch):
    given: list[Any] = []
    monkeypatch.setattr("matenv.properties.training.train.train", lambda out, config: given.append((out, config)))
    monkeypatch.setattr("matenv.properties.training.train.export", lambda *arguments: given.append(arguments))
    (tmp_path / "predictor.md").write_text("the card")
    arguments = ["predictor", "train", "--out", str(tmp_path), "--family", "attention", "--members", "1"]
    result = runner.invoke(app, [*arguments, "--rows", "all", "--keep", "last", "--calibrated-on", "gold-train"])
    assert result.exit_code == 0 and "the card" in result.output, result.output
    (out, config), (_, _, command, calibrated_on) = given
    assert out == tmp_path and config == TrainConfig(family="attention", members=1, rows="all", keep="last")
    assert calibrated_on == "gold-train" and command == (
        f"matenv predictor train --out {tmp_path.name} --family attention --rows all --keep last --members 1 "
        "--calibrated-on gold-train"
    )


def test_explain_prints_a_card_for_each_formula():
    out = runner.invoke(app, ["explain", "LiFePO4", "MgO"]).output
    assert "1/3 Fe3(PO4)2" in out and "eV/atom" in out and out.count("Nothing here is a statement about synthesis") == 2


def test_a_bad_formula_is_named_and_the_others_answered(monkeypatch, capsys):
    assert end_of(["explain", "NaCl", "Xx2", "Fe", "XeF2", "MgO", "--json"], monkeypatch) == 1
    said = capsys.readouterr()
    cards = json.loads(said.out)
    assert [card["formula"] for card in cards] == ["NaCl", "MgO"] and cards[1]["dft_stable"] is True
    named = said.err.splitlines()
    assert len(named) == 3 and named[0].startswith("matenv: formula 'Xx2' cannot be read")
    assert "formula='Fe'" in named[1] and "no compound of Xe" in named[2]
    assert end_of(["explain", "Fe"], monkeypatch) == 1
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("matenv: formula='Fe' cannot be explained: it needs two elements")
    assert not end_of(["explain", "MgH2", "--max-atoms", "40"], monkeypatch)
    assert "MgH2 -> H2 + Mg\n" in capsys.readouterr().out


def test_train_then_evaluate(tmp_path):
    yml = tmp_path / "tiny.yml"
    yml.write_text("MaterialLatent-v0: {n_envs: 8, n_timesteps: 128, policy: MlpPolicy, n_steps: 16, batch_size: 64}\n")
    run = tmp_path / "run"
    kwargs = '{"task": "stable-novel", "horizon": 4}'
    arguments = ["train", "ppo", "--out", str(run), "--hyperparams", str(yml), "--env-kwargs", kwargs, "--no-progress"]
    arguments += ["--require", "Li", "--contains", "F|Cl|Br", "--env", "matenv:MaterialLatent-v0"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0 and "Saved to" in result.output, result.output
    assert json.loads((run / "config.json").read_text())["env_kwargs"]["require"] == ["Li", "F|Cl|Br"]
    result = runner.invoke(app, ["evaluate", str(run), "--episodes", "16", "--top", "3"])
    assert result.exit_code == 0 and "16 episodes, stochastic: return" in result.output, result.output


def end_of(arguments, monkeypatch):
    """How `main` ends: its exit code, or its last words, which Python then prints and ends with 1."""
    monkeypatch.setattr(sys, "argv", ["matenv", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "NaCl", "--predictor", "magic"], "matenv: name='magic'"),
        (["explain", "NaCl", "--reference", "none"], "matenv: reference='none' is unknown"),
        (["evaluate", "nowhere"], "matenv: run_folder='nowhere' holds no trained agent"),
        (["train", "ppo", "--out", "x", "--env-kwargs", "{"], "is not JSON"),
        (["demo", "--require", "Li|Xx"], "matenv: require holds ['Xx']"),
        (["equal-budget", "--method", "luck"], "matenv: method='luck' is no name of a method; choose from"),
        (["equal-budget", "--method", "no_such_module:luck"], "matenv: method='no_such_module' cannot be imported"),
        (["predictor", "train", "--out", "x", "--family", "tree"], "matenv: family='tree' must be one of set,"),
        (
            ["predictor", "train", "--out", "x", "--calibrated-on", "gold"],
            "calibrated_on='gold', rows='train': it goes",
        ),
        (["predictor", "evaluate", "gold"], "matenv: model='gold' has fitted the test rows; evaluate 'gold-train'"),
        (["predictor", "committee", "default", "--out", "x.json"], "parts holds 'default'; give each as NAME=SHARE"),
        (["predictor", "committee", "default=1", "--out", "x"], "matenv: target='x' must end in .json"),
        (["latent", "distil", "none.safetensors", "--out", "x"], "matenv: none.safetensors does not exist"),
    ],
)
def test_a_mistake_is_one_line_not_a_traceback(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = end_of(arguments, monkeypatch)
    assert message in words and "\n" not in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["latent", "trian"], "'trian'"),
        (["train", "ppo", "--otu", "x"], "--otu"),
        (["train", "ppo"], "Missing option '--out'. (see matenv train --help)"),
        (["train", "ppo", "--out", "x", "--seed", "one"], "'one'"),
        (["equal-budget", "--budget"], "Option '--budget' requires an argument"),
    ],
)
def test_wrong_use_is_one_line_too(arguments, message, monkeypatch, capsys):
    assert end_of(arguments, monkeypatch) == 2
    said = capsys.readouterr()
    assert said.err.startswith("matenv: ") and message in said.err and said.err.count("\n") == 1 and not said.out


def test_no_command_is_answered_with_help(monkeypatch, capsys):
    assert end_of([], monkeypatch) == 2
    said = capsys.readouterr()
    assert "Usage" in said.out + said.err and "matenv: " not in said.err


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("matenv.latent.training.train.fit", interrupted)
    assert end_of(["latent", "train", "vae", "--out", str(tmp_path)], monkeypatch) == 130
    assert f"goes on with: matenv latent train vae --out {tmp_path}\n" in capsys.readouterr().err


@pytest.mark.slow
def test_the_last_words_go_to_stderr(tmp_path):
    command = [sys.executable, "-m", "matenv.cli", "evaluate", "nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and not result.stdout
