"""A committee of families: ``python -m matenv.properties.committee --parts default statistics --out two-family.json``.

Its file names the parts, with their checksums, and holds the calibration of what they say together, fitted on the
validation part like that of each part.

May import: `matenv.data`, `matenv.properties`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matenv.properties import weights
from matenv.properties.distribution import UNCALIBRATED, Calibration

FORMAT = "matenv-committee-1"


@dataclass(frozen=True)
class CommitteeFile:
    """Contents of a committee's file.

    Attributes:
        parts: Files of the parts.
        energy_scheme: Which energies they learned.
        calibrations: Calibration of each property of the whole.
    """

    parts: tuple[Path, ...]
    energy_scheme: str
    calibrations: Mapping[str, Calibration]


def load(path: Path) -> CommitteeFile:
    """Read and check a committee's file.

    Args:
        path: A file written by `main`.

    Returns:
        Its contents; every part exists and is the one the committee was calibrated with.

    Raises:
        FileNotFoundError: The file, or one of its parts, does not exist.
        ValueError: Not a committee's file, or a part has changed since.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; make one with python -m matenv.properties.committee")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a committee's file ({error})") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ValueError(f"{path} is not a committee's file ({FORMAT})")
    parts = []
    for name, digest in card["parts"].items():
        part = weights.locate(name)
        if not part.exists():
            raise FileNotFoundError(f"{path} needs the predictor {name!r}, but {part} does not exist")
        if checksum(part) != digest:
            raise ValueError(
                f"{path} was calibrated with another version of its part {name!r}; calibrate it again: "
                f"{card['command']}"
            )
        parts.append(part)
    calibrations = {name: Calibration(**values) for name, values in card["calibrations"].items()}
    return CommitteeFile(tuple(parts), card["energy_scheme"], calibrations)


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assemble(parts: Sequence[str], target: Path) -> dict[str, Any]:
    """Calibrate several predictors together, test them, and write their committee's file.

    Args:
        parts: Names or paths of two or more single predictors, trained on train rows only.
        target: The .json file to write; a .md card goes beside it.

    Returns:
        The file's contents.

    Raises:
        ValueError: Fewer than two parts, a part that is itself a committee or is gold, or different energy schemes.
    """
    from matenv.properties import evaluate
    from matenv.properties.export import calibrate
    from matenv.properties.predictor import Predictor
    from matenv.properties.sources import Committee, Networks

    files = {name: weights.locate(name) for name in parts}
    committees = [name for name, path in files.items() if path.suffix == ".json"]
    if committees:
        raise ValueError(f"parts holds {committees}, which are committees themselves; name their parts instead")
    contents = [weights.load(path) for path in files.values()]
    schemes = {part.energy_scheme for part in contents}
    if len(schemes) > 1:
        raise ValueError(f"parts learned energies of different schemes: {', '.join(sorted(schemes))}")
    if any(part.role == "gold" for part in contents):
        raise ValueError("parts holds a gold predictor: it has fitted the validation rows that calibration needs")
    source, scheme = Committee([Networks(part) for part in contents]), schemes.pop()
    calibrations = calibrate(Predictor(source, UNCALIBRATED, scheme))
    report = evaluate.held_out(Predictor(source, calibrations, scheme))
    card = {
        "format": FORMAT,
        "model": target.stem,
        "parts": {name: checksum(path) for name, path in files.items()},
        "energy_scheme": scheme,
        "command": f"python -m matenv.properties.committee --parts {' '.join(parts)} --out {target.name}",
        "calibrations": {name: asdict(calibration) for name, calibration in calibrations.items()},
        "held_out": report,
    }
    target.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    target.with_suffix(".md").write_text(_markdown(card, evaluate.table(report)), encoding="utf-8")
    return card


def _markdown(card: dict[str, Any], table: str) -> str:
    parts = " and ".join(f"`{name}`" for name in card["parts"])
    return f"""# Property predictor `{card["model"]}`

A committee of {parts}, models of different families, each with the same say. What they disagree about joins the
variance between models (law of total variance), and the whole is calibrated together on the validation part of the
`system` split. The parts' cards say what they were trained on.

Command: `{card["command"]}`.

## Held-out accuracy and calibration

Test part of the `system` split, embedded ground states; columns as in the parts' cards.

{table}
"""


def main(argv: list[str] | None = None) -> int:
    """Command line: calibrate and test a committee, and write its file."""
    parser = argparse.ArgumentParser(prog="python -m matenv.properties.committee", description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["default", "statistics"], help="names or .safetensors files")
    parser.add_argument("--out", default=str(weights.FOLDER / "two-family.json"), help="the .json file to write")
    arguments = parser.parse_args(argv)
    target = Path(arguments.out)
    if target.suffix != ".json":
        raise ValueError(f"--out={arguments.out!r} must end in .json")
    assemble(arguments.parts, target)
    print(target.with_suffix(".md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
