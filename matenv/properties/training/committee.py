"""A committee of families: ``matenv predictor committee default=0.7 statistics=0.3`` makes ``two-family``.

The calibration of what the parts say together is fitted on the validation part, like that of each part. Then the
variance between models is multiplied by `CAUTION`: a search goes where the parts err alike more often than on table
rows, so that what little disagreement is left there means more than it does on those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from matenv.atomic import write_whole
from matenv.properties import store
from matenv.properties.distribution import UNCALIBRATED
from matenv.properties.evaluation import evaluate
from matenv.properties.predictor import Predictor
from matenv.properties.sources import Committee, source_of
from matenv.properties.training.export import calibrate

CAUTION = 9.0
"""Factor of the variance between models beyond what fits table rows; 9 triples its part of the standard deviation."""


def assemble(parts: Sequence[str], shares: Sequence[float], target: Path, caution: float = CAUTION) -> dict[str, Any]:
    """Calibrate several predictors together, test them, and write their committee's file.

    Args:
        parts: Names or paths of two or more single predictors, trained on train rows only.
        shares: What share each has in the mean; positive, with sum 1.
        target: The .json file to write; a .md card goes beside it.
        caution: Factor of the calibrated variance between models, at least 1; 1 for what fits table rows.

    Returns:
        The file's contents.

    Raises:
        ValueError: Fewer than two parts, a part that is itself a committee or is gold, different energy schemes, or
            shares that do not fit; `caution` below 1; `target` of another ending.
    """
    if target.suffix != ".json":
        raise ValueError(f"target={str(target)!r} must end in .json")
    if not caution >= 1.0:
        raise ValueError(f"caution={caution} must be at least 1, which fits table rows")
    contents = {name: store.read(name) for name in parts}
    committees = [name for name, part in contents.items() if len(part.parts) > 1]
    if committees:
        raise ValueError(f"parts holds {committees}, which are committees themselves; name their parts instead")
    schemes = {part.energy_scheme for part in contents.values()}
    if len(schemes) > 1:
        raise ValueError(f"parts learned energies of different schemes: {', '.join(sorted(schemes))}")
    if any(part.role == "gold" for part in contents.values()):
        raise ValueError("parts holds a gold predictor: it has fitted the validation rows that calibration needs")
    source, scheme = Committee([source_of(part) for part in contents.values()], shares), schemes.pop()
    fitted = calibrate(Predictor(source, UNCALIBRATED, scheme))
    calibrations = {name: replace(found, between=caution * found.between) for name, found in fitted.items()}
    report = evaluate.held_out(Predictor(source, calibrations, scheme))
    given = " ".join(f"{part}={share}" for part, share in zip(parts, shares, strict=True))
    card = {
        "model": target.stem,
        "parts": {
            name: {"share": share, "sha256": store.file_checksum(store.locate(name))}
            for name, share in zip(contents, shares, strict=True)
        },
        "energy_scheme": scheme,
        "command": f"matenv predictor committee {given} --caution {caution:g} --out {target.name}",
        "caution": caution,
        "calibrations": {name: asdict(calibration) for name, calibration in calibrations.items()},
        "held_out": report,
        "held_out_without_caution": evaluate.held_out(Predictor(source, fitted, scheme)),
    }
    store.save_committee(target, card)
    write_whole(target.with_suffix(".md"), _markdown(card))
    return card


def _markdown(card: dict[str, Any]) -> str:
    parts = " and ".join(f"`{name}` (share {part['share']:g})" for name, part in card["parts"].items())
    widened = fitted = ""
    if card["caution"] != 1.0:
        widened = f"""
The variance between models is then multiplied by {card["caution"]:g}: intervals are wider, on purpose, than fits table
rows, most so where the parts disagree. The expected value of a gap, which cannot be negative, rises with its interval.
"""
        fitted = f"""
The same without the factor, as fitted:

{evaluate.table(card["held_out_without_caution"])}
"""
    return f"""# Property predictor `{card["model"]}`

A committee of {parts}, models of different families. What they disagree about
joins the variance between models (law of total variance), and the whole is calibrated together on the validation part
of the `system` split. The parts' cards say what they were trained on.
{widened}
Command: `{card["command"]}`.

## Held-out accuracy and calibration

Test part of the `system` split, embedded ground states; columns as in the parts' cards.

{evaluate.table(card["held_out"])}
{fitted}"""
