"""Every public callable, driven with wrong values: errors name the parameter, and nothing else is raised."""

from __future__ import annotations

from importlib import import_module

import gymnasium as gym
import pytest
from gymnasium.envs.registration import load_env_creator

import matenv
from matenv.benchmark import method
from matenv.envs.latent import MaterialLatentEnv
from tests.bundle.small import QUICK as QUICK_BUILDS
from tests.public_callables import Right, callables, public
from tests.wrong_values import QUICK, WRONG, call, complaints

ENVS = [
    load_env_creator(entry)
    for name, spec in gym.registry.items()
    if name.startswith("Material")
    for entry in (spec.entry_point, spec.vector_entry_point)
    if isinstance(entry, str)
]
"""Every registered environment, single and batched."""

SOME = (
    "CompositionBatch.from_counts", "CompositionBatch.same_as", "ConvexHull.decompose", "ConvexHull.to_phase_diagram",
    "Dataset.from_formulas", "Dataset.split", "Property", "Ramp", "Task", "Task.admits", "VAESpace.sample", "Window",
    "formula", "fractions", "is_charge_neutral", "load_dataset", "load_latent", "load_predictor", "load_task",
    "read_table", "viability_of",
)  # fmt: skip
"""Driven with some wrong values at every test run; all, with all of them, by `make test-all`."""


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK_BUILDS.items():
            patch.setattr(name, value)
        yield Right(tmp_path_factory.mktemp("right"))


def test_the_walk_finds_what_is_public():
    names = [name for name, _, _ in public()]
    assert len(names) == len(set(names)) > 100
    lone = {
        name
        for name in matenv.__all__
        if callable(getattr(matenv, name)) and not isinstance(getattr(matenv, name), type)
    }
    assert lone <= set(names)


@pytest.mark.filterwarnings("ignore")
def test_some_wrong_values_for_some_callables(right, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {
        name: said
        for name, function, given in callables(right, SOME)
        if (said := list(complaints(function, given, QUICK)))
    }
    assert not found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env", ENVS)
def test_some_wrong_values_for_every_argument_of_an_environment(env):
    assert not list(complaints(env, {}, [[None]]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(name for name, _, _ in public()))
def test_every_wrong_value_for_every_callable(name, right, tmp_path, monkeypatch):
    """Right values work, so that it is the wrong one that is complained of."""
    monkeypatch.chdir(tmp_path)  # a wrong name of a folder to write into is a folder here
    for module in method.SHIPPED:  # before the copy, or they would register in it alone
        import_module(module)
    monkeypatch.setattr(method, "METHODS", dict(method.METHODS))  # and of a method, a method
    for _, function, given in callables(right, [name]):
        call(function, given)
        assert not list(complaints(function, given, WRONG))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env", ENVS)
def test_every_wrong_value_for_every_argument_of_an_environment(env):
    assert not list(complaints(env, {}, WRONG))


def test_an_oracle_and_what_would_make_another_are_refused():
    oracle = matenv.Oracle(reference="all")
    for name, value in (("reference", "train"), ("budget", 5), ("predictor", "default")):
        with pytest.raises(ValueError, match=f"oracle= and {name}="):
            MaterialLatentEnv(oracle=oracle, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["terminate_on_success", "potentials"])
def test_text_is_no_truth_value(name):
    with pytest.raises(ValueError, match=f"{name}='False' must be True or False"):
        MaterialLatentEnv(**{name: "False"})


def test_a_device_that_matenv_does_not_run_on():
    for device in ("mps", "meta", "cuda:99", "gpu", 1.5):
        with pytest.raises(ValueError, match="device="):
            matenv.load_latent("vae", device=device)  # type: ignore[arg-type]
