"""Fine-tuning on a user's table: reading it, holding out, learning, forgetting, and mistakes at the door."""

import json
import runpy
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import matenv
from matenv.cli import app
from matenv.data import user_table
from matenv.data.splits import system_part
from matenv.latent import VAESpace, load_latent
from matenv.latent.conditional_space import ConditionalSpace
from matenv.latent.networks.conditional import ConditionalVAE
from matenv.latent.networks.counts_vae import MAX_COUNT, CountsVAE
from matenv.latent.networks.generators import SlotsGAN
from matenv.latent.space import Whitening
from matenv.latent.store import write
from matenv.latent.training import cloud as training_cloud
from matenv.latent.training.anchors import choose_anchors
from matenv.latent.training.finetune import finetune

read_table = partial(user_table.split_table, max_count=MAX_COUNT)
EXAMPLE = Path(__file__).parents[2] / "examples" / "solid_solutions.py"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Where the training points lie is learned in passing: it takes half a minute, and is tested in test_cloud."""
    monkeypatch.setattr(training_cloud, "EPOCHS", 1)


@pytest.fixture
def table(tmp_path):
    def write_table(*formulas, header="formula"):
        path = tmp_path / "my.csv"
        path.write_text("\n".join([header, *formulas]) + "\n")
        return path

    return write_table


def solid_solutions(number):
    formulas = runpy.run_path(str(EXAMPLE))["formulas"]()
    return np.random.default_rng(0).choice(formulas, number, replace=False).tolist()


def test_fractional_amounts_become_integers_and_the_rest_is_named(table):
    plain = ["NaCl", "KBr", "CsI", "MgO", "CaO", "SrO", "BaO", "ZnO", "GaAs", "InP"]
    path = table("La0.7Sr0.3MnO3", "Li0.5Na0.5Cl", "LiNaCl2", "Fe", "La0.67Sr0.33MnO3", *plain)
    read = read_table(path, holdout="formula")
    formulas = {*read.train.formulas(), *read.test.formulas()}
    assert formulas == {"Sr3La7Mn10O30", "NaLiCl2", *plain}
    assert len(read.skipped) == 2
    assert "2 rows or values skipped (Fe: a pure element; Sr33La67Mn100O300: needs 300 atoms" in read.report()
    rounded = read_table(path, holdout="formula", tolerance=0.001)
    assert "SrLa2Mn3O9" in {*rounded.train.formulas(), *rounded.test.formulas()} and len(rounded.skipped) == 1


def test_systems_are_held_out_by_the_frozen_split(table):
    read = read_table(table(*solid_solutions(300)))
    symbols = np.array(matenv.elements.SYMBOLS)
    for batch, held_out in ((read.train, False), (read.test, True)):
        for row, size in zip(batch.elements, batch.size, strict=True):
            assert (system_part(tuple(symbols[row[:size]])) == "test") is held_out
    assert 0.05 < len(read.test) / 300 < 0.5


@pytest.mark.parametrize(
    ("formulas", "header", "message"),
    [
        (["NaCl"], "name", "has columns \\['name'\\] and none called 'formula': name the one .*--column 'name'"),
        ([], "", "my.csv is empty; it needs a header with a column 'formula'"),
        ([], "formula", "holds no rows"),
        (["NaCl", "XyO2"], "formula", "my.csv line 3: formula='XyO2': cannot be read"),
        (["NaCl", "PoO2"], "formula", "my.csv line 3: .*Po"),
        (["Fe", "Cu"], "formula", "nothing to learn from .* 2 rows or values skipped"),
        (["La0.7Sr0.3MnO3", "La0.6Sr0.4MnO3"], "formula", "nothing (is held out|to learn from) in my.csv"),
    ],
)
def test_a_bad_table_is_refused(table, formulas, header, message):
    with pytest.raises(ValueError, match=message):
        read_table(table(*formulas, header=header))


def test_a_column_of_another_name_is_read_and_other_encodings_are_refused(table):
    formulas = solid_solutions(60)
    plain = read_table(table(*formulas), holdout="formula")
    for header, column in (("Formula", "formula"), ("composition", "composition")):
        read = read_table(table(*formulas, header=header), holdout="formula", column=column)
        assert read.train.formulas() == plain.train.formulas()
    path = table("NaCl")
    path.write_bytes(b"\xff\xfeformula")
    with pytest.raises(ValueError, match="is not text in UTF-8"):
        read_table(path)


def test_options_are_checked(table, tmp_path):
    path = table(*solid_solutions(50))
    for options, message in (
        ({"replay": -1.0}, "replay=-1.0 must not be negative"),
        ({"epochs": 0}, "epochs=0 must be a positive whole number"),
        ({"holdout": "row"}, "holdout='row' must be one of system, formula"),
        ({"tolerance": 0.5}, "tolerance=0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            finetune("vae", path, tmp_path / "run", **options)
    with pytest.raises(ValueError, match="source='gan' is not a latent space; choose one of vae"):
        finetune("gan", path, tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"nowhere.csv' does not exist; give a file"):
        finetune("vae", tmp_path / "nowhere.csv", tmp_path / "run")
    with pytest.raises(ValueError, match="is not a table; give a file that ends in .csv"):
        finetune("vae", tmp_path, tmp_path / "run")


def small_space(network, name, folder):
    space = VAESpace(name, network, Whitening(np.zeros(network.latent), np.ones(network.latent), 4.0))
    write(space, folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("dkl-vae", "its Gaussian process would no longer fit. Train it .*matenv latent train dkl-vae --data"),
    ],
)
def test_what_is_not_fine_tuned_is_refused_with_what_to_do(source, message, table, tmp_path):
    with pytest.raises(ValueError, match=message):
        finetune(source, table(*solid_solutions(50)), tmp_path / "run")


def test_a_conditional_space_stays_one(table, tmp_path, monkeypatch):
    monkeypatch.setattr("matenv.latent.training.finetune.choose_anchors", partial(choose_anchors, number=50))
    for name, number in (("MEASURED", 50), ("SAMPLES", 50), ("LEAST_REPLAYED", 256)):
        monkeypatch.setattr(f"matenv.latent.training.finetune.{name}", number)
    torch.manual_seed(0)
    network = ConditionalVAE(latent=8, token=16, encoder=32, decoder=32, decoder_inner=32, head=16)
    whitening = Whitening(np.zeros(8), np.ones(8), 4.0)
    write(ConditionalSpace("cvae", network, whitening), tmp_path / "cvae.safetensors")
    source, path = tmp_path / "cvae.safetensors", table(*solid_solutions(100))
    tuned = load_latent(finetune(source, path, tmp_path / "run", epochs=2, progress=False))
    assert isinstance(tuned, ConditionalSpace) and tuned.at(formation_energy=-2.0).dim == 7
    moved = tuned.network.state_dict()
    assert any(not torch.equal(moved[key], value.half().float()) for key, value in network.state_dict().items())


def test_a_generator_is_not_fine_tuned(table, tmp_path):
    source = small_space(SlotsGAN(latent=4, width=8, encoder=8), "gan", tmp_path)
    with pytest.raises(ValueError, match="SlotsGAN in a VAESpace, which is not fine-tuned: .*; choose one of vae"):
        finetune(source, table(*solid_solutions(50)), tmp_path / "run")


@pytest.mark.slow
def test_one_command_fine_tunes_and_the_result_moves(table, tmp_path, monkeypatch):
    """A small untrained space, a few epochs: the card compares, the path moves, other runs are refused."""
    monkeypatch.setattr("matenv.latent.training.finetune.choose_anchors", partial(choose_anchors, number=200))
    monkeypatch.setattr("matenv.latent.training.finetune.MEASURED", 200)
    monkeypatch.setattr("matenv.latent.training.finetune.SAMPLES", 300)
    monkeypatch.setattr("matenv.latent.training.finetune.LEAST_REPLAYED", 256)
    monkeypatch.setattr("matenv.latent.training.finetune.RATE", 4.0)
    torch.manual_seed(0)
    network = CountsVAE(latent=8, token=16, encoder=32, decoder=32, decoder_inner=32, head=16)
    source, path, out = small_space(network, "vae", tmp_path), table(*solid_solutions(250)), tmp_path / "mine"
    arguments = ["latent", "train", "--from", str(source), "--data", str(path), "--out", str(out), "--epochs", "25"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "| test_exact_formula |" in result.output and "formulas to learn from" in result.output
    card = json.loads((out / "vae.json").read_text())
    assert card["before"].keys() == card["after"].keys()
    assert card["after"]["train_elbo"] > card["before"]["train_elbo"] + 2
    env = gym.make("MaterialLatent-v0", latent=str(out / "vae.safetensors"), horizon=2)
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[0].shape == env.observation_space.shape
    assert len(torch.load(out / "checkpoint.pt", weights_only=True)["history"]) == 25
    with pytest.raises(ValueError, match="belongs to another run.*replay"):
        finetune(source, path, out, epochs=25, replay=0.0, progress=False)
    with pytest.raises(ValueError, match="the source's own folder"):
        finetune(out / "vae.safetensors", path, out, epochs=25, progress=False)


@pytest.mark.slow
def test_alloys_fine_tune_with_labels_of_their_own(table, tmp_path, monkeypatch):
    """The user's labels contradict the shipped head, which has to give in."""
    monkeypatch.setattr("matenv.latent.training.finetune.choose_anchors", partial(choose_anchors, number=200))
    monkeypatch.setattr("matenv.latent.training.finetune.SAMPLES", 300)
    monkeypatch.setattr("matenv.latent.training.finetune.BATCH", 32)
    monkeypatch.setattr("matenv.latent.training.finetune.RATE", 6.0)
    data = matenv.load_dataset("hea-phases")
    truth = data.labels["single_phase"]
    rows = np.flatnonzero(np.isfinite(truth))[::4]
    lines = [f"{data.formulas[row]},{1 - truth[row]:.0f}" for row in rows]
    path = table("Al0.3CoCrFeNi,", *lines, header="formula,single_phase")
    read = read_table(path, labels=("single_phase",))
    assert np.isnan(read.train_labels).sum() + np.isnan(read.test_labels).sum() == 1
    weights = finetune("dvae", path, tmp_path / "mine", epochs=30, replay=0.0, progress=False)
    card = json.loads(weights.with_suffix(".json").read_text())
    before, after = card["before"], card["after"]
    assert before["train_label_right"] < 0.1 and after["train_label_right"] > 0.7
    assert after["test_label_right"] > 0.5  # of alloys not shown
    assert load_latent(weights).table == "hea-phases"
    with pytest.raises(ValueError, match="belongs to another run"):  # other labels are another run
        other = table("Al0.3CoCrFeNi,1", *lines, header="formula,single_phase")
        finetune("dvae", other, tmp_path / "mine", epochs=30, replay=0.0, progress=False)
    for wrong, message in (("0.5", "line 2: single_phase='0.5': must be 1, 0 or empty"), ("yes", "'yes': must be 1")):
        with pytest.raises(ValueError, match=message):
            finetune("dvae", table(f"CoCrFeNi,{wrong}", header="formula,single_phase"), tmp_path / "bad")
    with pytest.raises(ValueError, match="line 2: band_gap_pbe='wide': not a number"):
        read_table(table("NaCl,wide", header="formula,band_gap_pbe"), labels=("band_gap_pbe",))


def test_training_asks_for_one_of_name_and_source(tmp_path):
    for arguments in (["latent", "train"], ["latent", "train", "vae", "--from", "vae"]):
        result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)])
        assert isinstance(result.exception, ValueError) and "one of them" in str(result.exception)
    result = CliRunner().invoke(app, ["latent", "train", "--from", "vae", "--out", str(tmp_path)])
    assert "--from needs --data" in str(result.exception)


def test_options_of_the_other_kind_of_training_are_not_silently_ignored(tmp_path):
    for arguments, message in (
        (["vae", "--column", "composition", "--replay", "2"], "--replay, --column is for fine-tuning; give --from"),
        (["--from", "vae", "--data", "a.csv", "--beta-cycles", "4"], "--beta-cycles=4 is for training from nothing"),
    ):
        result = CliRunner().invoke(app, ["latent", "train", *arguments, "--out", str(tmp_path)])
        assert isinstance(result.exception, ValueError) and message in str(result.exception)


@pytest.mark.slow
def test_fine_tuning_teaches_solid_solutions_and_forgets_little(table, tmp_path):
    path = finetune("vae", table(*solid_solutions(1500)), tmp_path / "mine", epochs=12, progress=False)
    card = json.loads(path.with_suffix(".json").read_text())
    before, after = card["before"], card["after"]
    assert after["test_exact_formula"] > before["test_exact_formula"] + 0.05
    assert after["original_test_exact_formula"] > before["original_test_exact_formula"] - 0.03
    assert load_latent(path).radius >= load_latent("vae").radius * 0.8
