"""Properties learned from a column of a table: chosen, calibrated, stored, damaged, and used."""

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from typer.testing import CliRunner

import matenv
from matenv.cli import app
from matenv.properties import descriptors, learners
from matenv.properties.learned import LearnedModel, save_property
from matenv.properties.learners import LEARNERS
from matenv.properties.training.from_table import train_property, widen
from matenv.tasks import Task

MASS = matenv.elements.values("mass")


@pytest.fixture(scope="module")
def table(data):
    """250 formulas with a value that depends on element statistics alone, with noise that is stated nowhere."""
    rows = np.random.default_rng(0).choice(len(data), 250, replace=False)
    frame = data.subset(rows).to_pandas()[["formula"]]
    frame["density (g/cm3)"] = 0.1 * (data.fractions[rows] @ MASS) + np.random.default_rng(1).normal(0, 0.3, 250)
    return frame


@pytest.fixture(scope="module")
def learned(table, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learners, "TREES", 20)
        patch.setattr(learners, "MOST_TUNED", 80)
        return train_property(tmp_path_factory.mktemp("run"), table, "density")


def test_every_kind_is_shown_and_the_best_on_left_out_systems_is_saved(learned):
    card = json.loads(learned.with_suffix(".json").read_text())
    results = card["results"]
    assert set(results) == {*LEARNERS, "mean of the table"} and card["unit"] == "g/cm3"
    assert card["chosen"] == min(LEARNERS, key=lambda kind: results[kind]["mae_deciding"])
    assert results[card["chosen"]]["mae"] < 0.5 < results["mean of the table"]["mae"]  # 0.24 is the noise
    assert all(0.8 < results[kind]["coverage"] < 0.97 for kind in LEARNERS)
    page = learned.with_suffix(".md").read_text()
    assert all(kind in page for kind in results) and f"**{card['chosen']}**" in page


def test_a_learned_property_is_used_by_path(learned, data):
    own = matenv.load_property(learned.parent)
    assert own.name == "density" and own.unit == "g/cm3"
    rows = np.random.default_rng(5).choice(len(data), 200, replace=False)
    said, truth = own.of(data.compositions[rows]), 0.1 * (data.fractions[rows] @ MASS)
    low, high = said.interval(0.9)
    assert 0.85 < ((low <= truth) & (truth <= high)).mean()  # without the noise it should hold more than 90 %
    one = own.of(data.compositions[rows[7:8]])
    assert one.mean[0] == said.mean[7] and one.std[0] == said.std[7]  # a row depends on itself alone
    oracle = matenv.Oracle(properties=[str(learned)])
    a = oracle.assess(["TiN", "CsI"])
    assert a.mean["density"] == pytest.approx(own.of(a.compositions).mean) and oracle.units["density"] == "g/cm3"


@pytest.mark.slow
def test_a_learned_property_is_on_cards_and_in_environments(learned):
    own = matenv.load_property(learned)
    assert "density" in str(matenv.explain("TiN", properties=[learned]))
    task = Task("heavy", "Heavy and stable.", (matenv.maximise("density", 2.0, 12.0),), properties=(own,))
    env = gym.make("MaterialLatent-v0", task=task, horizon=2)
    env.reset(seed=0)
    assert "density" in env.step(env.action_space.sample())[4]["predicted"]


@pytest.mark.parametrize("kind", LEARNERS)
def test_stored_arrays_say_what_was_fitted(kind, data, tmp_path):
    rows = np.random.default_rng(2).choice(len(data), 150, replace=False)
    x, learner = data.fractions[rows], LEARNERS[kind]
    y = x @ MASS / 50 - 1
    arrays = learner.fit(learner.describe(x[:120]), y[:120], 0)
    save_property(tmp_path / "p.safetensors", "p", "1", LearnedModel(kind, arrays, 3.0, 2.0, (1.0, 0.5)))
    model: Any = matenv.load_property(tmp_path / "p.safetensors").predict
    mean, std = model.predict(x[120:], return_std=True)
    raw = learner.predict(arrays, learner.describe(x[120:]))
    np.testing.assert_allclose(mean, 3.0 + 2.0 * raw[0])
    np.testing.assert_allclose(std, np.sqrt((2.0 * raw[1]) ** 2 + 0.25))


def test_forest_and_process_predict_as_scikit_learn_does(data, monkeypatch):
    kept: list[Any] = []

    def keeping(fit):
        def fit_and_keep(self, *args):
            kept.append(self)
            return fit(self, *args)

        return fit_and_keep

    for kind in (RandomForestRegressor, GaussianProcessRegressor):
        monkeypatch.setattr(kind, "fit", keeping(kind.fit))
    rows = np.random.default_rng(2).choice(len(data), 150, replace=False)
    x = descriptors.statistics(data.fractions[rows])
    y = np.sin(x[:, 0] / 10) + np.random.default_rng(3).normal(0, 0.3, 150)
    for name in ("forest", "gp"):
        learner = LEARNERS[name]
        arrays = learner.fit(x[:120], y[:120], 0)
        model, mean = kept[-1], learner.predict(arrays, x[120:])
        if name == "forest":
            assert mean[0] == pytest.approx(model.predict(x[120:]), abs=1e-6)
            trees = np.stack([tree.predict(x[120:].astype(np.float32)) for tree in model.estimators_])
            assert mean[1] == pytest.approx(trees.std(axis=0), abs=1e-4)
        else:
            z = (x - arrays["centre"]) / arrays["scale"]
            exact = GaussianProcessRegressor(model.kernel_, optimizer=None, alpha=0).fit(
                z[:120], y[:120] - y[:120].mean()
            )
            expected = exact.predict(z[120:], return_std=True)
            assert mean[0] == pytest.approx(expected[0] + y[:120].mean(), abs=1e-6)
            assert mean[1] == pytest.approx(expected[1], abs=1e-5)


def test_widening_makes_intervals_hold_what_they_promise():
    rng = np.random.default_rng(0)
    std = rng.uniform(0.1, 1.0, 4000)
    error = rng.normal(0, 1, 4000) * np.sqrt((2 * std) ** 2 + 0.3**2)
    a, b = widen(error, std)
    assert a == pytest.approx(2.0, rel=0.1) and b == pytest.approx(0.3, abs=0.15)
    assert (np.abs(error) < 1.645 * np.hypot(a * std, b)).mean() == pytest.approx(0.9, abs=0.005)


def test_a_damaged_file_is_refused(learned, tmp_path):
    content = learned.read_bytes()
    for damage, message in ((content[:-100], "truncated"), (content[:-8] + b"\1" * 8, "damaged"), (b"x", "truncated")):
        path = tmp_path / "damaged.safetensors"
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=message):
            matenv.load_property(path)
    with pytest.raises(FileNotFoundError, match="matenv predictor train --data"):
        matenv.load_property(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="holds 0 .safetensors files"):
        (tmp_path / "empty").mkdir()
        matenv.load_property(tmp_path / "empty")
    with pytest.raises(ValueError, match="is not a property of one's own"):
        matenv.load_property(descriptors.store.locate("default"))


def test_tables_that_cannot_be_learned_from_are_refused(table, tmp_path):
    few = table.head(10)
    for frame, options, message in (
        (few, {}, "has 10 values of 'density'; at least 30"),
        (table.rename(columns={"density (g/cm3)": "density"}), {}, "states no unit; give one: --unit GPa"),
        (table, {"name": "band_gap_pbe"}, "is a built-in property"),
        (table.assign(**{"density (g/cm3)": 0.0 * table["density (g/cm3)"]}), {"log10": True}, "are not above zero"),
    ):
        with pytest.raises(ValueError, match=message):
            train_property(tmp_path, frame, "density", **options)
    assert not list(tmp_path.iterdir())


def test_the_command_checks_its_options(tmp_path):
    (tmp_path / "my.csv").write_text("formula,hardness\nMgO,9\n")
    data = ["--data", str(tmp_path / "my.csv")]
    for arguments, message in (
        (["--column", "x"], "--column is for a table of one's own; give --data"),
        (data, "--data needs --column"),
        ([*data, "--column", "hardness", "--width", "9"], "--width is for training networks"),
        ([*data, "--column", "hardness", "--unit", "GPa"], "has 1 values of 'hardness'"),
    ):
        result = CliRunner().invoke(app, ["predictor", "train", "--out", str(tmp_path / "run"), *arguments])
        assert isinstance(result.exception, ValueError) and message in str(result.exception)
