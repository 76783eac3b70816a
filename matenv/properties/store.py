"""The file of a predictor: safetensors with the settings in its header and a checksum. No pickle is involved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from matenv.properties import heads
from matenv.properties.distribution import Calibration
from matenv.properties.networks.features import element_features
from matenv.training.weights_file import WeightsFormat

FORMAT = WeightsFormat(
    "matenv-predictor-1",
    "property predictor",
    "matenv predictor train --out <folder>",
    sealed=("settings",),
)
SHIPPED = ("default", "ensemble", "accurate", "statistics", "informed", "two-family", "gold-train", "gold")
"""Predictors that come with the package.

The fast student; the ensemble it was distilled from; the committee with the least errors; a second family; a network
that is told of the training table; the first two families together; and a third family that judges them: the recipe on
train rows, and on all rows.
"""

COMMITTEES = ("accurate", "two-family")
"""Those of them that are committees: a .json file that names its parts."""

ROLES = ("proxy", "gold")
"""Whether a predictor may be in a reward, or has seen the labels of held-out rows and can only judge."""

FOLDER = Path(__file__).parent / "weights"
"""Where the shipped files lie."""


@dataclass(frozen=True)
class Weights:
    """Contents of a predictor file.

    Attributes:
        members: Weights of each network of the ensemble, by parameter name.
        width: Width of an element's state.
        layers: Rounds of exchange.
        energy_scheme: Which energies the predictor learned.
        calibrations: Calibration of each property.
        family: Family of the networks, a key of `families.FAMILIES`.
        role: One of `ROLES`.
    """

    members: tuple[Mapping[str, Tensor], ...]
    width: int
    layers: int
    energy_scheme: str
    calibrations: Mapping[str, Calibration]
    family: str = "set"
    role: str = "proxy"

    @property
    def recipe(self) -> tuple[str, int, int, int, int]:
        """What predictors of one recipe share: family, members, outputs, width, layers."""
        return self.family, len(self.members), self.outputs, self.width, self.layers

    @property
    def outputs(self) -> int:
        """Numbers a network puts out: `heads.OUTPUTS` in an ensemble, `summary.OUTPUTS` in a student."""
        return len(self.members[0]["head.weight"])


def locate(name: str | Path) -> Path:
    """The file of a predictor.

    Args:
        name: A shipped one (`SHIPPED`), or a path ending in .safetensors, or in .json for a committee.

    Returns:
        Its path; not checked to exist.

    Raises:
        ValueError: Neither of them.
    """
    if str(name) in SHIPPED:
        return FOLDER / f"{name}.{'json' if name in COMMITTEES else 'safetensors'}"
    path = Path(name)
    if path.suffix not in (".safetensors", ".json"):
        raise ValueError(
            f"name={str(name)!r} is not a predictor; choose one of {', '.join(SHIPPED)} or give the path of a "
            ".safetensors file, or of a committee's .json file"
        )
    return path


def save(path: str | Path, weights: Weights) -> None:
    """Write a predictor file, in half precision; an existing one is replaced in one step.

    Args:
        path: File to write, ending in .safetensors.
        weights: What to store.
    """
    tensors = {
        f"{member}.{name}": tensor.to(torch.float16).contiguous()
        for member, parameters in enumerate(weights.members)
        for name, tensor in parameters.items()
    }
    settings = {
        "members": len(weights.members),
        "width": weights.width,
        "layers": weights.layers,
        "energy_scheme": weights.energy_scheme,
        "family": weights.family,
        "role": weights.role,
        "names": list(heads.NAMES),
        "element_values": _element_checksum(),
        "calibrations": {name: asdict(calibration) for name, calibration in weights.calibrations.items()},
    }
    FORMAT.write(Path(path), tensors, {"settings": json.dumps(settings)})


def load(path: str | Path) -> Weights:
    """Read and check a predictor file.

    Args:
        path: A file written by `save`.

    Returns:
        Its contents, in single precision.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is truncated, corrupted, or not a predictor. The message says what to do.
    """
    path = Path(path)
    header, tensors = FORMAT.read(path)
    FORMAT.verify(path, header, tensors)
    settings = json.loads(header["settings"])
    if tuple(settings["names"]) != heads.NAMES:
        raise ValueError(f"{path} predicts {settings['names']}; this version of matenv expects {list(heads.NAMES)}")
    if settings["element_values"] != _element_checksum():
        raise ValueError(f"{path} was trained with other reference values of the elements than matenv.elements has now")
    members: list[dict[str, Tensor]] = [{} for _ in range(settings["members"])]
    for key, tensor in tensors.items():
        member, name = key.split(".", 1)
        members[int(member)][name] = tensor.to(torch.float32)
    try:
        calibrations = {name: Calibration(**values) for name, values in settings["calibrations"].items()}
    except TypeError as error:
        raise ValueError(f"{path} was made by another version of matenv ({error}). {FORMAT.remedy}") from None
    # Files written before there were families are set networks that saw the train part only.
    return Weights(
        tuple(members),
        settings["width"],
        settings["layers"],
        settings["energy_scheme"],
        calibrations,
        settings.get("family", "set"),
        settings.get("role", "proxy"),
    )


def _element_checksum() -> str:
    """Of the element features the networks take from `matenv.elements`, rounded: their last bits vary by platform."""
    rounded = (element_features().double() * 1e3).round().to(torch.int32)
    return hashlib.sha256(rounded.numpy().tobytes()).hexdigest()
