"""The file of a committee: JSON that names its parts, their shares and checksums, and the calibration of the whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matenv.properties import store
from matenv.properties.distribution import Calibration

FORMAT = "matenv-committee-1"


@dataclass(frozen=True)
class CommitteeFile:
    """Contents of a committee's file.

    Attributes:
        parts: Files of the parts.
        shares: What share each has in the mean.
        energy_scheme: Which energies they learned.
        calibrations: Calibration of each property of the whole.
    """

    parts: tuple[Path, ...]
    shares: tuple[float, ...]
    energy_scheme: str
    calibrations: Mapping[str, Calibration]


def load(path: Path) -> CommitteeFile:
    """Read and check a committee's file.

    Args:
        path: A file written by `committee.assemble`.

    Returns:
        Its contents; every part exists and is the one the committee was calibrated with.

    Raises:
        FileNotFoundError: The file, or one of its parts, does not exist.
        ValueError: Not a committee's file, or a part has changed since.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; make one with matenv predictor committee")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a committee's file ({error})") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ValueError(f"{path} is not a committee's file ({FORMAT})")
    parts = []
    for name, entry in card["parts"].items():
        part = store.locate(name)
        if not part.exists():
            raise FileNotFoundError(f"{path} needs the predictor {name!r}, but {part} does not exist")
        if checksum(part) != entry["sha256"]:
            raise ValueError(
                f"{path} was calibrated with another version of its part {name!r}; calibrate it again: "
                f"{card['command']}"
            )
        parts.append(part)
    calibrations = {name: Calibration(**values) for name, values in card["calibrations"].items()}
    shares = tuple(entry["share"] for entry in card["parts"].values())
    return CommitteeFile(tuple(parts), shares, card["energy_scheme"], calibrations)


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
