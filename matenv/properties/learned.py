"""`load_property`: a property learned from a table of one's own, from its file. No pickle is involved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from matenv.checks import check_path
from matenv.properties.descriptors import trunk_checksum
from matenv.properties.learners import LEARNERS
from matenv.properties.own import Property
from matenv.training.weights_file import WeightsFormat

Array = NDArray[np.float64]

COMMAND = "matenv predictor train --data <table> --column <column> --out <folder>"
"""What makes a property's file."""

FORMAT = WeightsFormat("matenv-property-1", "property of one's own", COMMAND, sealed=("settings",))


@dataclass(frozen=True)
class LearnedModel:
    """A fitted and calibrated model: what `Property` takes as `predict`.

    Attributes:
        kind: A key of `learners.LEARNERS`.
        arrays: Its arrays.
        centre: Mean of the values it learned, in their unit.
        scale: Their standard deviation.
        widening: a, b: the calibrated standard deviation is sqrt((a s)^2 + b^2), with s the model's own and b in the
            property's unit.
        file: Absolute path of the file it was read from; "" if of none.
    """

    kind: str
    arrays: Mapping[str, NDArray] = field(repr=False)
    centre: float
    scale: float
    widening: tuple[float, float]
    file: str = ""

    def predict(self, fractions: Array, return_std: bool = False) -> Array | tuple[Array, Array]:
        """Predict.

        Args:
            fractions: Atom fractions (B, 89).
            return_std: Whether to return standard deviations too.

        Returns:
            Means (B,), or means and standard deviations, in the property's unit.
        """
        mean, std = self.raw(fractions)
        if not return_std:
            return mean
        a, b = self.widening
        return mean, np.sqrt((a * std) ** 2 + b**2)

    def raw(self, fractions: Array) -> tuple[Array, Array]:
        """Means and the model's own standard deviations (B,), before calibration."""
        learner = LEARNERS[self.kind]
        mean, std = learner.predict(self.arrays, learner.describe(np.asarray(fractions, np.float64)))
        return self.centre + self.scale * mean, self.scale * std


def save_property(path: str | Path, name: str, unit: str, model: LearnedModel) -> None:
    """Write a property's file, in one step.

    Args:
        path: File to write, ending in .safetensors.
        name: Name of the property.
        unit: Its unit.
        model: The model.
    """
    settings = {
        "name": name, "unit": unit, "kind": model.kind, "centre": model.centre, "scale": model.scale,
        "widening": list(model.widening), "trunk": trunk_checksum() if model.kind == "transfer" else "",
    }  # fmt: skip
    tensors = {key: torch.from_numpy(np.array(values, order="C")) for key, values in model.arrays.items()}
    FORMAT.write(Path(path), tensors, {"settings": json.dumps(settings)})


def load_property(path: str | Path) -> Property:
    """Load a property that ``matenv predictor train --data my.csv`` made.

    Args:
        path: Its .safetensors file, or the folder that holds just one.

    Returns:
        The property, for `matenv.Oracle`, `matenv.Task` and `matenv.explain`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is truncated, damaged, of another kind, or stands on other shipped networks.
    """
    file = Path(check_path("path", path, "the file of a property, or its folder"))
    if not file.exists():
        raise FileNotFoundError(
            f"path={str(path)!r}: there is no such file of a property; properties of your own are made by: {COMMAND}"
        )
    if file.is_dir():
        found = sorted(file.glob("*.safetensors"))
        if len(found) != 1:
            raise ValueError(f"path={str(path)!r} holds {len(found)} .safetensors files; name the property's")
        (file,) = found
    header, tensors = FORMAT.read(file)
    FORMAT.verify(file, header, tensors)
    settings = json.loads(header["settings"])
    if settings["kind"] not in LEARNERS:
        raise FORMAT.foreign(file, f"a model of kind {settings['kind']!r}")
    if settings["trunk"] not in ("", trunk_checksum()):
        raise FORMAT.foreign(file, "it stands on other shipped networks than this version has")
    arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
    low, high = settings["widening"]
    model = LearnedModel(
        settings["kind"], arrays, settings["centre"], settings["scale"], (low, high), str(file.resolve())
    )
    return Property(settings["name"], settings["unit"], model, centre=settings["centre"], scale=settings["scale"])


def check_properties(properties: Iterable[Property | str | Path]) -> tuple[Property, ...]:
    """Properties with distinct names.

    Args:
        properties: What was given to an `Oracle`: properties, or paths of files as `load_property` takes them.

    Returns:
        The properties as a tuple.

    Raises:
        ValueError: Something else, or a name twice; as `load_property`.
        FileNotFoundError: As `load_property`.
    """
    if isinstance(properties, Property | str | Path):
        name = properties.name if isinstance(properties, Property) else str(properties)
        raise ValueError(f"properties={name!r} must be a list: properties=[{name}]")
    if not isinstance(properties, Iterable):
        raise ValueError(f"properties={properties!r} must be a list of matenv.Property(name, unit, predict)")
    checked = []
    for entry in properties:
        if isinstance(entry, str | Path):
            entry = load_property(entry)
        if not isinstance(entry, Property):
            raise ValueError(f"properties holds {entry!r}; expected matenv.Property(name, unit, predict) or a path")
        checked.append(entry)
    names = [entry.name for entry in checked]
    if len(set(names)) < len(names):
        raise ValueError(f"properties {names} must have distinct names")
    return tuple(checked)
