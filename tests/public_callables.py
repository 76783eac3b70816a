"""Every public callable, found by walking the public packages, with right values for what it needs."""

from __future__ import annotations

import importlib
import inspect
import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import matenv
from matenv import benchmark, data, tasks, wrappers
from tests.bundle.small import OPTIONS, columns
from tests.wrong_values import Fresh

NUMBERS = itertools.count()

PACKAGES = (
    "matenv", "matenv.chemistry", "matenv.data", "matenv.thermo", "matenv.latent", "matenv.properties", "matenv.oracle",
    "matenv.tasks", "matenv.wrappers", "matenv.benchmark", "matenv.card", "matenv.bundle",
)  # fmt: skip
"""What users import from."""

MADE = {
    "Assessment", "Bundle", "Card", "CompositionBatch", "Conversion", "ConvexHull", "Dataset", "Decomposition", "Found",
    "OpenDecomposition", "OpenHull", "Prediction", "Predictor", "References", "Result", "Split", "Table", "TableReport",
    "TaskScore", "VAESpace",
}  # fmt: skip
"""Classes of which users are handed objects by a function: their methods are driven, their constructors are not."""

PROTOCOLS = {"LatentSpace", "Objective", "Player", "Search"}
"""There is nothing to call."""

NOT_DRIVEN = {
    "RecordMoves.step": "hands the actions to the environment's own step",
    "AskTell.ask": "raises NotImplementedError: a user's method replaces it",
    "CompositionBatch.nearest": "the compiled side of from_fractions, which checks what comes in",
    "SB3VecEnv.env_method": "name and arguments are those of another object's method",
    "SB3VecEnv.get_attr": "the name is that of another object's attribute",
    "SB3VecEnv.set_attr": "the name is that of another object's attribute",
    "SB3VecEnv.env_is_wrapped": "any class may be asked for",
    "CompositionBatch.scatter": "arrays of the packed form, which the package makes",
    "Dataset.collapse": "the inner side of from_formulas and read_table, which check what comes in",
    "Predictor.from_weights": "takes what the package's own reader of weights files returns",
    "TableReport.words": "takes a problem of the report itself",
    "TableReport.with_flags": "takes any sentences",
}
"""Callables that are left out, and why."""

INSIDE = {"utility": "Task.score calls it, and checks the assessment; an objective checks its own fields"}
"""Methods of that name, of whatever class, that are left out, and why."""


def outwards(observations: np.ndarray) -> np.ndarray:
    """A policy of the latent environment."""
    return np.ones((len(observations), 32))


class Right:
    """Right values, made when first asked for.

    Args:
        folder: Where files may be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def table(self) -> matenv.Dataset:
        """A small table with energies."""
        return matenv.load_dataset("mp-ground-states").subset(np.arange(300))

    @cached_property
    def hull(self) -> matenv.ConvexHull:
        """The hull of the small table."""
        return matenv.ConvexHull.from_dataset(self.table)

    @cached_property
    def said(self) -> matenv.Assessment:
        """Two formulas assessed."""
        return matenv.Oracle().assess(["NaCl", "Li2MnO3"])

    @cached_property
    def problem(self) -> benchmark.Problem:
        """A problem with calls left."""
        return benchmark.Problem(matenv.load_task("stiff-stable"), matenv.Oracle(budget=10_000))

    def short(self) -> benchmark.Problem:
        """A fresh problem with few calls."""
        return benchmark.Problem(matenv.load_task("stiff-stable"), matenv.Oracle(budget=3))

    @cached_property
    def training(self) -> benchmark.Training:
        """A training with calls left."""
        return benchmark.Training("amortised", 1000)

    @cached_property
    def plan(self) -> benchmark.Plan:
        """A short run."""
        return benchmark.Plan("random", "single", "stiff-stable", 1000, 10)

    @cached_property
    def result(self) -> benchmark.Result:
        """What the short run gives."""
        return benchmark.run(self.plan)

    @cached_property
    def file(self) -> Path:
        """The file of the short run."""
        self.result.write(self.folder / "result.json")
        return self.folder / "result.json"

    @cached_property
    def envs(self) -> gym.vector.VectorEnv:
        """Two environments."""
        return gym.make_vec("MaterialElements-v0", num_envs=2)

    @cached_property
    def property_file(self) -> Path:
        """The file of a property that was learned from a small table."""
        from matenv.properties.training.from_table import train_property

        return train_property(self.folder / "heaviness", columns(), "heaviness (u)")

    @cached_property
    def bundle(self) -> Any:
        """A bundle of the small table that learns nothing."""
        given = {key: value for key, value in columns().items() if key != "heaviness (u)"}
        return matenv.bundle.build(given, self.folder / "bundle", say=lambda _: None, **OPTIONS)

    @cached_property
    def objects(self) -> dict[str, Callable[[], Any]]:
        """Makes an object of every class that has methods, by its name."""
        two = self.said.compositions
        return {
            "Assessment": lambda: self.said,
            "AskTell": benchmark.AskTell,
            "Bundle": lambda: self.bundle,
            "Card": lambda: matenv.explain("NaCl"),
            "CompositionBatch": lambda: two,
            "Conversion": lambda: data.fit_conversion(self.table, self.table),
            "ConvexHull": lambda: self.hull,
            "Dataset": lambda: replace(self.table, extra={"material_id": self.table.formulas}),
            "Decomposition": lambda: self.hull.decompose("NaCl"),
            "Found": lambda: benchmark.Found(two, np.zeros(2)),
            "Hardness": tasks.Hardness,
            "LithiumCathode": tasks.LithiumCathode,
            "LithiumWindow": tasks.LithiumWindow,
            "OpenDecomposition": lambda: self.hull.decompose("NaCl", potentials={"Cl": 0.0}),
            "OpenHull": lambda: self.hull.open_to({"Cl": 0.0}),
            "Oracle": matenv.Oracle,
            "PolicyMethod": lambda: benchmark.PolicyMethod("MaterialLatent-v0", outwards),
            "Prediction": lambda: matenv.load_predictor("default").distribution("NaCl"),
            "Predictor": lambda: matenv.load_predictor("default"),
            "Problem": lambda: self.problem,
            "Property": lambda: matenv.Property("mass", "u", lambda x: x.sum(axis=1)),
            "Ramp": lambda: matenv.maximise("bulk_modulus", 1.0, 2.0),
            "RecordMoves": lambda: wrappers.RecordMoves(gym.make_vec("MaterialLatent-v0", num_envs=2)),
            "References": lambda: benchmark.references(matenv.load_task("superhard")),
            "Result": lambda: self.result,
            "SB3VecEnv": lambda: wrappers.SB3VecEnv(self.envs),
            "StableAgainst": lambda: tasks.StableAgainst("air"),
            "Table": lambda: data.read_table(["NaCl"]),
            "TableReport": lambda: data.read_table(["NaCl"]).report,
            "Task": lambda: matenv.load_task("stiff-stable"),
            "Training": lambda: self.training,
            "VAESpace": lambda: matenv.load_latent("vae-elawady"),
            "WaterSplitting": tasks.WaterSplitting,
            "Window": lambda: matenv.target("band_gap_pbe", 1.0, 0.2),
        }

    @cached_property
    def by_parameter(self) -> dict[str, Any]:
        """Values by the name of a parameter, wherever it is required."""
        two = self.said.compositions
        return {
            "X": "NaCl", "Z": np.zeros((1, 10)), "assessment": self.said, "batch": two, "compositions": two,
            "counts": np.eye(89)[:1], "data": self.table, "environment": "air", "envs": self.envs,
            "file": self.file, "folder": self.folder, "formula": "NaCl", "formulas": ["NaCl", "LiF"],
            "fractions": np.eye(89)[:2], "high": 2.0, "i": 0, "k": 2, "low": 1.0, "n": 2, "name": "band_gap_pbe",
            "oracle": matenv.Oracle(budget=10_000), "other": two, "path": self.file, "paths": [self.file],
            "potentials": {"Cl": 0.0}, "problem": self.problem, "property_name": "band_gap_pbe", "row": 0, "seed": 0,
            "task": matenv.load_task("stiff-stable"), "tolerance": 0.1, "training": self.training, "value": 1.0,
            "x": "NaCl",
        }  # fmt: skip

    @cached_property
    def by_callable(self) -> dict[str, dict[str, Any]]:
        """Values of one callable, by its name, where those of `by_parameter` do not serve."""
        two, table = self.said.compositions, self.table
        system = str(table.systems[0]).split("-")
        formulas = {"formula": table.formulas[:80].tolist()}
        return {
            "Assessment.also": {"properties": [matenv.Property("mass", "u", lambda x: x.sum(axis=1))]},
            "AskTell.tell": {"scores": np.zeros(2)},
            "Bundle.latent_on": {"device": "cpu"},
            "CompositionBatch.concatenate": {"batches": [two, two]},
            "Conversion.apply": {"data": table},
            "ConvexHull.add": {"entries": table},
            "ConvexHull.from_phase_diagram": {
                "diagram": self.hull.to_phase_diagram(system), "energy_scheme": "mp-legacy-pbe-u",
            },
            "ConvexHull.products": {"members": np.zeros(1, np.int32), "weights": np.ones(1)},
            "ConvexHull.to_phase_diagram": {"elements": system},
            "Dataset.merge": {"other": matenv.Dataset.from_formulas(["NaCl"])},
            "Dataset.part": {"name": "train"},
            "Dataset.split": {"name": "system"},
            "Dataset.subset": {"rows": [0, 1]},
            "Dataset.truth": {"label": "band_gap_pbe"},
            "OpenDecomposition.reaction_energy": {"formation_energy": np.zeros(1)},
            "Oracle.look_up": {"name": "band_gap_pbe"},
            "Oracle.recall": {"formulas": two},
            "Plan": {"method": "random", "track": "single", "task": "stiff-stable", "seed": 1000, "budget": 10},
            "PolicyMethod": {"env_id": "MaterialLatent-v0", "policy": outwards},
            "PolicyMethod.play": {"problem": Fresh(self.short)},
            "Prediction.cdf": {"value": 1.0},
            "Property": {"name": "mass", "unit": "u", "predict": lambda x: x.sum(axis=1)},
            "RecordMoves": {"env": gym.make_vec("MaterialLatent-v0", num_envs=2)},
            "Result.write": {"path": self.folder / "again.json"},
            "SB3VecEnv.step_async": {"actions": np.zeros(2, np.int64)},
            "StableAgainst": {"environment": "air"},
            "Task": {"name": "own", "description": "", "objectives": (matenv.maximise("band_gap_pbe", 1.0, 2.0),)},
            "Task.check": {"predicted": matenv.Oracle().units},
            "Training": {"track": "amortised", "calls": 1000},
            "Training.problem": {"asked": self.training.wish(np.random.default_rng(0))},
            "Training.stable": {"system": self.training.systems[0]},
            "Training.wish": {"rng": np.random.default_rng(0)},
            "VAESpace.with_rule": {"rule": "smallest"},
            "load_property": {"path": self.property_file},
            "best_by_system": {"score": np.zeros(2), "most": 2},
            "build": {"data": formulas, "out": self.folder / "built", "say": lambda _: None, **OPTIONS},
            "find": {"name": "random"},
            "fit_conversion": {"data": table, "reference": table},
            "is_ionic": {"states": matenv.chemistry.oxidation_states("NaCl")},
            "load_bundle": {"path": self.bundle.path},
            "play": {"method": benchmark.find("random").factory(0), "problem": Fresh(self.short)},
            "plans": {"methods": ["random"]},
            "read_table": {"source": ["NaCl"]},
            "register": {"name": Fresh(lambda: f"own-{next(NUMBERS)}"), "factory": benchmark.AskTell},
            "run": {"plan": self.plan},
            "search": {"name": "random", "oracle": Fresh(lambda: matenv.Oracle(budget=3))},
            "spelled": {"states": matenv.chemistry.oxidation_states("NaCl")},
            "sweep": {"plans": [self.plan]},
            "unique_potentials": {
                "element_potentials": self.said.element_potentials, "weights": self.said.weights,
            },
        }  # fmt: skip


def _methods(made: type) -> Iterator[str]:
    for name in dir(made):
        if not name.startswith("_") and callable(member := getattr(made, name)):
            if (getattr(member, "__module__", None) or "").startswith("matenv"):
                yield name


def public() -> Iterator[tuple[str, Any, str]]:
    """Name of each public callable, and what it is reached by: an object that is called, or a class and a method."""
    seen: set[int] = set()
    for package in map(importlib.import_module, PACKAGES):
        for name in package.__all__:
            found = getattr(package, name)
            if id(found) in seen or not (inspect.isclass(found) or inspect.isfunction(found)) or name in PROTOCOLS:
                continue
            seen.add(id(found))
            if name not in MADE:
                yield name, found, ""
            if inspect.isclass(found):
                for method in _methods(found):
                    if f"{name}.{method}" not in NOT_DRIVEN and method not in INSIDE:
                        yield f"{name}.{method}", found, method


def callables(right: Right, only: Collection[str] = ()) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Each public callable that takes arguments, by name, with right values of those that it requires.

    Args:
        right: Right values.
        only: Names; by default all.
    """
    for name, owner, method in public():
        if only and name not in only:
            continue
        function = owner
        if method:
            static = isinstance(inspect.getattr_static(owner, method), staticmethod | classmethod)
            function = getattr(owner if static else right.objects[owner.__name__](), method)
        listed = inspect.signature(function).parameters
        if not listed:
            continue
        given = dict(right.by_callable.get(name, {}))
        for each in listed.values():
            needed = each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            if needed and each.name not in given:
                given[each.name] = right.by_parameter[each.name]
        yield name, function, given
