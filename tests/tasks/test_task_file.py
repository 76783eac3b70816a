"""Tasks from YAML and TOML: what a file says is what the task asks, and a mistake is named by file, key and value."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import matenv
from matenv.properties.learned import LearnedModel, save_property
from matenv.tasks import Task
from matenv.tasks.as_data import KINDS, task_from_data, task_to_data
from matenv.tasks.task_file import read_task

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "own_task.yml"

ALL_KINDS = """
objectives:
  - {kind: maximise, property: log10_bulk_modulus, low: 1.2, high: 2.6}
  - {kind: minimise, property: formation_energy, low: -3, high: 0}
  - {kind: target, property: band_gap_pbe, value: 1.4, tolerance: 0.3}
  - {kind: Near, property: band_gap_expt, target: 2, tolerance: 0.5}
  - {kind: Inside, property: log10_shear_modulus, low: null, high: 1.5, tolerance: 0.1}
  - {kind: Hardness, low: 5, high: 4e1}
  - {kind: WaterSplitting, largest_gap: 2.8}
  - {kind: LithiumWindow, reduction: [1.5, 0.0]}
  - {kind: LithiumCathode}
  - {kind: StableAgainst, environment: 2.5 V, potentials: {Li: -2.5}}
filters:
  - {kind: window, property: price, high: 50}
"""


def write(folder, text, name="mine.yml"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def hardness(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "centre": np.zeros(63), "scale": np.ones(63), "shown": rng.random((3, 63)), "root": np.eye(3),
        "middle": np.array(0.0), "weights": np.zeros(3),
        "length": np.array(1.0), "scale_": np.array(1.0), "noise": np.array(0.1),
    }  # fmt: skip
    save_property(tmp_path / "runs" / "hardness.safetensors", "hardness", "GPa",
                  LearnedModel("gp", arrays, 20.0, 5.0, (1.0, 0.0)))  # fmt: skip
    return tmp_path / "runs"


def test_the_example_is_the_task_it_describes():
    task = matenv.load_task(str(EXAMPLE))
    assert task.name == "window-coating" and task.novel and task.regime == "ionic" and task.max_elements == 4
    assert task.objectives == (
        matenv.Window("band_gap_pbe", low=3.0), matenv.maximise("log10_bulk_modulus", 1.8, 2.5)
    )  # fmt: skip
    assert [each.name for each in task.filters] == ["price", "toxic", "stable_against_water"]
    assert {"Pb", "Tc"} <= set(task.exclude)
    env: Any = gym.make("MaterialElements-v0", task=str(EXAMPLE))
    _, info = env.reset(seed=0, options={"formula": "MgO"})
    assert "filter_price" in info["terms"]
    again: Any = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.core.task == task


def test_every_kind_of_objective_can_be_written_and_comes_back_from_plain_data(tmp_path):
    task = matenv.load_task(write(tmp_path, ALL_KINDS))
    assert {type(each).__name__ for each in (*task.objectives, *task.filters)} == set(KINDS)
    assert task.name == "mine" and task_from_data(json.loads(json.dumps(task_to_data(task)))) == task


def test_every_field_of_a_task_is_a_key(tmp_path):
    given = {
        "name": "all", "description": "All.", "objectives": [], "novel": True, "unseen": True, "min_elements": 2,
        "max_elements": 3, "max_atoms": 12, "max_count": 6, "elements": ["Li", "O", "F", "Cl", "Tc"], "exclude": ["Tc"],
        "success_utility": 0.3, "regime": "ionic", "viability": "none", "min_fraction": 0.1, "max_fraction": 0.8,
        "properties": ["mean_mass"], "valence_share": 0.0, "require": ["Li", ["F", "Cl"]], "filters": [],
        "start": "LiF", "within": 5.0,
    }  # fmt: skip
    assert set(given) == {each.name for each in fields(Task)}
    task = read_task(write(tmp_path, json.dumps(given)))  # JSON is YAML
    for key in ("novel", "unseen", "max_atoms", "success_utility", "viability", "start", "within"):
        assert getattr(task, key) == given[key]
    assert task.require == (("Li",), ("F", "Cl")) and "Tc" in task.exclude


def test_toml_says_the_same(tmp_path):
    text = 'novel = true\nrequire = ["Li"]\nlimits = {price = {high = 50}}\n'
    text += '[[objectives]]\nkind = "Window"\nproperty = "band_gap_pbe"\nlow = 5'
    other = "novel: true\nrequire: [Li]\nlimits: {price: {high: 50}}\nobjectives:\n"
    other += "- {kind: Window, property: band_gap_pbe, low: 5}"
    a, b = read_task(write(tmp_path, text, "mine.toml")), read_task(write(tmp_path, other))
    assert a.objectives == b.objectives and a.filters == b.filters and a.require == b.require and a.novel


def test_a_property_of_ones_own_by_its_path_from_the_file(hardness, tmp_path):
    text = "objectives: [{kind: maximise, property: hardness, low: 5, high: 40}]\nproperties: [runs]\n"
    path = write(tmp_path, text)
    task = matenv.load_task(path)
    assert [each.name for each in task.properties] == ["hardness"]
    data = json.loads(json.dumps(task_to_data(task)))
    assert data["properties"] == [str(hardness / "hardness.safetensors")]
    again: Any = task_from_data(data).properties[0].predict
    assert again.file == data["properties"][0]
    env = gym.make("MaterialElements-v0", task=str(path))
    _, info = env.reset(seed=0, options={"formula": "MgO"})
    assert info["predicted"]["hardness"][0] == pytest.approx(20.0)


WRONG = {
    "objectve: []": r"objectve=\[\] is an unknown key; did you mean objectives\?",
    "objectives: {}": r"objectives=\{\} must be a list",
    "objectives: [{property: x}]": r"objectives\[0\]=.* must have a kind: one of maximise",
    "objectives: [{kind: more}]": r"objectives\[0\].kind='more' is unknown; choose one of maximise, minimise, target",
    "objectives: [{kind: Window, propert: x}]": r"objectives\[0\].propert='x' .* did you mean objectives\[0\].property",
    "objectives: [{kind: Window, low: 3}]": r"objectives\[0\] lacks property",
    "objectives: [{kind: Window, property: x, low: three}]": r"objectives\[0\].low='three' must be a number",
    "objectives: [{kind: Window, property: x, low: 3, high: 1}]": r"objectives\[0\]: Window\('x'\): low=3",
    "objectives: [{kind: LithiumWindow, reduction: 3}]": r"objectives\[0\].reduction=3 must be a pair",
    "novel: perhaps": r"novel='perhaps' must be True or False",
    "max_elements: 2.5": r"max_elements=2.5 must be a positive whole number",
    "success_utility: 3": r"success_utility=3 must be a number between 0 and 1",
    "elements: Li": r"elements='Li' must be a list of element symbols",
    "elements: [Xx, O]": r"elements.*Xx",
    "require: Li": r"require='Li' must be a list",
    "limits: [price]": r"limits=\['price'\] must name properties",
    "limits: {price: 50}": r"limits.price=50 must be a pair",
    "limits: {price: [50, 1]}": r"limits.price=\[50, 1\]: low=50.0 must lie below",
    "regime: metallic": r"regime='metallic' is unknown; choose one of any, ionic",
    "stable_against: [fire]": r"environment='fire' is unknown",
    "properties: [nothing]": r"properties holds 'nothing': neither a shipped property",
    "novel: true\nnovel: false": r"the key 'novel' is given twice",
    "objectives: [{kind: Window, property: x, low: 010}]": r"objectives\[0\].low='010' must be a number",
    "objectives: [{kind: Window, property: x, low: !!int 010}]": "!!int 010 must be a number such as 12",
    "objectives: [{kind: Window, property: x, low: !!float 1:30}]": "!!float 1:30 must be a number",
    "objectives: [{kind: Window, property: x, low: 1:30}]": r"objectives\[0\].low='1:30' must be a number",
    "<<: {novel: true}\n<<: {novel: false}": r"the key '<<' is given twice",
    "within: !!float x": r"cannot be read as YAML: !!float x must be a number",
    "a: [": r"cannot be read as YAML",
    "- 1": r"must hold keys with values",
    "name: 3": r"name=3 must be text",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_named_by_file_key_and_value(text, tmp_path):
    path = write(tmp_path, text)
    with pytest.raises((ValueError, FileNotFoundError), match=WRONG[text]) as error:
        matenv.load_task(path)
    assert str(error.value).startswith(f"{path}: ")


def test_merge_keys_are_merged_and_what_they_bring_may_be_overridden(tmp_path):
    text = "objectives:\n  - &wide {kind: Window, property: band_gap_pbe, low: 3, high: 1e1}\n"
    task = read_task(write(tmp_path, text + "  - {<<: *wide, property: price, low: 2}\n"))
    assert task.objectives == (matenv.Window("band_gap_pbe", 3, 10), matenv.Window("price", 2, 10))


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.yml' does not exist"):
        matenv.load_task("absent.yml")
    with pytest.raises(ValueError, match="it must end in .yml, .yaml, .toml"):
        matenv.load_task(tmp_path / "task.ini")
    (tmp_path / "latin.yml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(ValueError, match="save it as UTF-8"):
        matenv.load_task(tmp_path / "latin.yml")
    with pytest.raises(ValueError, match="cannot be read as TOML"):
        matenv.load_task(write(tmp_path, "a = ", "a.toml"))


def test_a_run_keeps_what_the_file_said(tmp_path):
    from matenv.agents.train import train

    path = write(tmp_path, EXAMPLE.read_text())
    for _ in range(2):  # the second goes on
        train("ppo", tmp_path / "run", 64, env_kwargs={"task": str(path), "horizon": 4}, progress=False,
              hyperparameters=small(tmp_path))  # fmt: skip
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert task_from_data(config["env_kwargs"]["task"]) == read_task(path)
    path.write_text(EXAMPLE.read_text().replace("novel: true", "novel: false"))
    with pytest.raises(ValueError, match="another"):
        train("ppo", tmp_path / "run", 64, env_kwargs={"task": str(path), "horizon": 4}, progress=False,
              hyperparameters=small(tmp_path))  # fmt: skip


def small(folder):
    text = (
        "MaterialLatent-v0:\n  n_envs: 4\n  n_timesteps: 64\n  policy: MlpPolicy\n  n_steps: 8\n  batch_size: 16\n"
        "  n_epochs: 1\n"
    )
    return write(folder, text, "small.yml")
