"""Every public callable, driven with wrong values: errors name the parameter, and nothing else is raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import matenv
from matenv.envs.elements import MaterialElementsEnv, MaterialElementsVectorEnv
from matenv.envs.latent import MaterialLatentEnv, MaterialLatentVectorEnv
from tests.wrong_values import QUICK, WRONG, complaints

ENVS = [MaterialLatentEnv, MaterialLatentVectorEnv, MaterialElementsEnv, MaterialElementsVectorEnv]


def _table() -> matenv.Dataset:
    return matenv.load_dataset("mp-ground-states").subset(np.arange(300))


def _callables() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Public callables with right values for what they need."""
    table, space, predictor = _table(), matenv.load_latent("vae"), matenv.load_predictor("default")
    hull, said = matenv.ConvexHull.from_dataset(table), matenv.Oracle().assess(["NaCl", "Fe2O3"])
    batch, band = matenv.CompositionBatch.from_counts(np.eye(89)[:1]), {"name": "band_gap_pbe"}
    return {
        "formula": (matenv.formula, {"fractions": matenv.fractions("NaCl")}),
        "fractions": (matenv.fractions, {}),
        "is_charge_neutral": (matenv.is_charge_neutral, {"X": "NaCl"}),
        "is_electronegativity_balanced": (matenv.is_electronegativity_balanced, {"X": "NaCl"}),
        "explain": (matenv.explain, {"formula": "NaCl"}),
        "load_latent": (matenv.load_latent, {"name": "vae"}),
        "load_predictor": (matenv.load_predictor, {"name": "default"}),
        "load_dataset": (matenv.load_dataset, {"name": "mp-ground-states"}),
        "load_bundle": (matenv.load_bundle, {"path": "absent"}),
        "Property": (matenv.Property, {"name": "mass", "unit": "u", "predict": lambda x: x.sum(axis=1)}),
        "CompositionBatch.from_counts": (matenv.CompositionBatch.from_counts, {}),
        "CompositionBatch.from_fractions": (matenv.CompositionBatch.from_fractions, {"fractions": np.eye(89)}),
        "Oracle": (matenv.Oracle, {}),
        "Oracle.assess": (matenv.Oracle().assess, {}),
        "Assessment.prob": (said.prob, band),
        "Assessment.interval": (said.interval, band),
        "Assessment.products": (said.products, {}),
        "Assessment.also": (said.also, {}),
        "ConvexHull.from_dataset": (matenv.ConvexHull.from_dataset, {"data": table}),
        "ConvexHull.decompose": (hull.decompose, {"X": "NaCl"}),
        "ConvexHull.decompose_into_subsystems": (hull.decompose_into_subsystems, {}),
        "ConvexHull.known_energy": (hull.known_energy, {}),
        "ConvexHull.window": (hull.window, {"X": "NaCl"}),
        "ConvexHull.open_to": (hull.open_to, {}),
        "Dataset.split": (table.split, {}),
        "Dataset.part": (table.part, {}),
        "Dataset.truth": (table.truth, {}),
        "Dataset.subset": (table.subset, {"rows": [0, 1]}),
        "Dataset.from_formulas": (matenv.Dataset.from_formulas, {"formulas": ["NaCl"]}),
        "LatentSpace.encode": (space.encode, {}),
        "LatentSpace.decode": (space.decode, {}),
        "LatentSpace.decode_batch": (space.decode_batch, {}),
        "LatentSpace.score": (space.score, {}),
        "LatentSpace.sample": (space.sample, {"k": 2, "seed": 0}),
        "LatentSpace.sample_nominal": (space.sample_nominal, {"k": 2, "seed": 0}),
        "Predictor.predict": (predictor.predict, {}),
        "Predictor.distribution": (predictor.distribution, {}),
        "Predictor.predict_batch": (predictor.predict_batch, {"batch": batch}),
        "Predictor.prob": (predictor.prob, {"X": "NaCl", "low": 0.0, "high": 1.0, **band}),
    }


@pytest.fixture(scope="module")
def callables() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    return _callables()


@pytest.mark.filterwarnings("ignore")
def test_some_wrong_values_for_every_callable(callables):
    slow = ("explain", "Oracle", "LatentSpace.score")
    said = {
        name: found
        for name, (function, right) in callables.items()
        if name not in slow and (found := list(complaints(function, right, QUICK)))
    }
    assert not said


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env", ENVS)
def test_some_wrong_values_for_every_argument_of_an_environment(env):
    assert not list(complaints(env, {}, [[None]]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_wrong_value_for_every_callable(callables):
    said = {
        name: found
        for name, (function, right) in callables.items()
        if (found := list(complaints(function, right, WRONG)))
    }
    assert not said


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
