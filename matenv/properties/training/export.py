"""From finished checkpoints to a predictor file with its model card: calibrate on validation, then test once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matenv.atomic import write_whole
from matenv.data.embedded import ENERGY_SCHEME
from matenv.properties import families, heads, store
from matenv.properties.distribution import UNCALIBRATED, Calibration
from matenv.properties.evaluation import evaluate
from matenv.properties.evaluation.agreement import compare
from matenv.properties.labels import labelled_rows
from matenv.properties.predictor import Predictor
from matenv.properties.training import calibration
from matenv.training.checkpoint import CHECKPOINT, read_checkpoint

FEW = 500
"""Gaps on validation rows below which the calibration is told that they are few; measured ones are 130."""


def export(
    run: str | Path, target: str | Path, command: str, calibrated_on: str | Path | None = None
) -> dict[str, Any]:
    """Assemble the members of a training run into one file, and write its card beside it.

    Args:
        run: Folder that `train` wrote.
        target: File to write, ending in .safetensors; the card goes to the same name with .json and .md.
        command: The command that made the run, for the card.
        calibrated_on: For a run on all rows: name or path of the predictor of the same recipe on train rows, whose
            calibration and held-out errors stand in for those that this one cannot have.

    Returns:
        The card, as written to the .json file.

    Raises:
        ValueError: `run` holds no checkpoint, or an unfinished one; `calibrated_on` is missing, not wanted, or of
            another recipe.
    """
    target = Path(target)
    paths = sorted(Path(run).glob(f"member-*/{CHECKPOINT}"))
    if not paths:
        raise ValueError(f"run={str(run)!r} holds no member-*/{CHECKPOINT}; train first")
    states = [_finished(path) for path in paths]
    wanted = max(state["identity"]["members"] for state in states)  # it may have grown
    if len(paths) != wanted:
        raise ValueError(f"run={str(run)!r} holds {len(paths)} of {wanted} members; finish the training first")
    config = states[0]["identity"] | {"members": wanted}
    members = tuple(state["best"] for state in states)
    if (config["rows"] == "all") != (calibrated_on is not None):
        raise ValueError(
            f"calibrated_on={calibrated_on!r}: a run on all rows has none left to calibrate on and needs the predictor "
            "of the same recipe on train rows; a run on train rows takes no other's calibration"
        )
    epoch = "last epoch kept" if config["keep"] == "last" else "epoch chosen on validation"
    facts: dict[str, Any] = {
        "split": f"system: fitted on train, {epoch}, calibrated on validation, tested on test",
        "config": config,
        "command": command,
    }
    if config["keep"] == "best":
        facts["best_epoch"] = [int(np.argmin([score(errors) for errors in state["history"]])) + 1 for state in states]
    if calibrated_on is not None:
        facts["split"] = f"none: fitted on every labelled row, held-out ones included, {epoch}"
        facts["role"] = "gold"
    what = (
        f"{config['members']} {families.find(config['family']).title} ({_parameters(members):,} parameters each; width "
        f"{config['width']}, {config['layers']} layers, {config['epochs']} epochs, seed {config['seed']})"
    )
    return _finish(members, target, facts, what, calibrated_on=calibrated_on)


def export_student(run: str | Path, target: str | Path, command: str) -> dict[str, Any]:
    """Calibrate and test a distilled student, write it to a file, and its card beside it.

    Args:
        run: Folder that `distil` wrote.
        target: File to write, ending in .safetensors; the card goes to the same name with .json and .md.
        command: The command that made the run, for the card.

    Returns:
        The card, as written to the .json file; ``teacher`` holds the teacher's name, errors and speed, ``agreement``
        how far apart the two are on held-out rows, and ``core_microseconds`` both speeds.

    Raises:
        ValueError: `run` holds no finished checkpoint.
    """
    path = Path(run) / CHECKPOINT
    if not path.exists():
        raise ValueError(f"run={str(run)!r} holds no {CHECKPOINT}; distil first")
    state = _finished(path)
    config = state["identity"]
    members = (state["network"],)
    what = (
        f"One network ({_parameters(members):,} parameters; width {config['width']}, {config['layers']} layers, "
        f"{config['epochs']} epochs, seed {config['seed']}) distilled from `{config['teacher']}`: it says what that "
        "ensemble's members say together, their disagreement included"
    )
    facts = {
        "split": "system: distilled on train and unlabelled compositions, calibrated on validation, tested on test",
        "config": config,
        "command": command,
    }
    return _finish(members, Path(target), facts, what, config["teacher"])


def _finished(path: Path) -> dict[str, Any]:
    """A checkpoint, if its run has come to its end."""
    state = read_checkpoint(path)
    if (done := len(state["history"])) < state["identity"]["epochs"]:
        raise ValueError(f"{path} stopped after epoch {done}; run the command again to finish it")
    return state


def _finish(
    members: tuple[dict[str, Tensor], ...],
    target: Path,
    facts: dict[str, Any],
    what: str,
    teacher: str | None = None,
    calibrated_on: str | Path | None = None,
) -> dict[str, Any]:
    """Calibrate and test trained weights, and write the file and its card."""
    # Calibration and test must see the weights as stored, that is rounded to half precision.
    rounded = tuple({name: tensor.to(torch.float16).float() for name, tensor in member.items()} for member in members)
    config = facts["config"]
    raw = store.Weights(
        rounded,
        config["width"],
        config["layers"],
        ENERGY_SCHEME,
        UNCALIBRATED,
        config.get("family", "set"),  # a student is always one
        "proxy" if calibrated_on is None else "gold",
    )
    if calibrated_on is None:
        store.save(target, replace(raw, calibrations=calibrate(Predictor.from_weights(raw))))
        model = Predictor.from_weights(store.load(target))
    else:
        twin = store.load(store.locate(calibrated_on))
        if twin.recipe != raw.recipe or twin.role == "gold":
            raise ValueError(f"calibrated_on={str(calibrated_on)!r} is not of the same recipe on train rows")
        store.save(target, replace(raw, calibrations=twin.calibrations))
        model = Predictor.from_weights(twin)
    report = evaluate.held_out(model)
    comparison, text = compare(model, report, teacher) if teacher else ({}, "")
    card = {
        "model": target.stem,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "energy_scheme": ENERGY_SCHEME,
        "data": {name: table_hash(name) for name in ("mp-ground-states", "mp-properties")},
        **facts,
        "parameters_per_member": _parameters(members),
        "storage": "float16 weights, float32 arithmetic",
        "held_out_of": target.stem if calibrated_on is None else Path(calibrated_on).stem,
        "held_out": report,
        **comparison,
    }
    write_whole(target.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
    write_whole(target.with_suffix(".md"), _markdown(card, what, text))
    return card


def _parameters(members: tuple[dict[str, Tensor], ...]) -> int:
    return sum(tensor.numel() for tensor in members[0].values())


def calibrate(model: Predictor, names: Sequence[str] = heads.NAMES) -> dict[str, Calibration]:
    """Calibration of properties on the validation part.

    Args:
        model: A predictor that has fitted train rows only; its calibrations take no part.
        names: Which properties.
    """
    batch, targets = labelled_rows("validation")
    location, within, between, zero = model.uncalibrated(batch)
    result: dict[str, Calibration] = {}
    for k, name in enumerate(heads.NAMES):
        if name not in names:
            continue
        rows = np.isfinite(targets[:, k])
        raw_zero = zero[rows, heads.HURDLE.index(k)] if k in heads.HURDLE else None
        parts = targets[rows, k], location[rows, k], within[rows, k], between[rows, k], batch.size[rows]
        if raw_zero is not None and np.count_nonzero(parts[0]) < FEW:
            result[name] = calibration.fit_few(*parts, raw_zero)
        else:
            result[name] = calibration.fit(*parts, raw_zero)
    return result


def score(errors: list[float]) -> float:
    """The five validation errors of an epoch as one number, by which the best epoch is chosen."""
    return float(np.nansum(np.array(errors) / heads.ERROR_UNIT))


def table_hash(name: str) -> str:
    """SHA-256 of a shipped table's file."""
    return hashlib.sha256((files("matenv.data") / "tables" / f"{name}.npz").read_bytes()).hexdigest()


def _markdown(card: dict[str, Any], what: str, text: str) -> str:
    borrowed = limit = ""
    if card.get("role") == "gold":
        borrowed = f"""
Of `{card["held_out_of"]}`, the same recipe on train rows, whose calibration this predictor carries: there is no row
left on which an error of its own would mean anything. It judges candidates and is never in a reward.
"""
        limit = "What it says of a known formula is what it was told.\n"
    data = "\n".join(f"- `{name}`, sha256 `{digest}`" for name, digest in card["data"].items())
    return f"""# Property predictor `{card["model"]}`

Composition -> formation energy, PBE and experimental band gap, log10 bulk and shear modulus, with calibrated
uncertainty. {what}; {card["storage"]}.

Data (0 K, energy scheme `{card["energy_scheme"]}`):

{data}

Split: {card["split"]}.
Command: `{card["command"]}`. File sha256: `{card["sha256"]}`.

## Held-out accuracy and calibration
{borrowed}
Test part of the `system` split, embedded ground states. MAE is that of the mean; gaps and moduli on rows without a wide
spread over polymorphs, beside all rows. Coverage of a gap uses the randomised probability transform.

{evaluate.table(card["held_out"])}
{text}
## Limits

{limit}Sees the composition only: polymorphs cannot be told apart. Trained on what the Materials Project holds, a
selection of mostly stable or nearly stable compounds. Moduli are known for 11 % of the rows and experimental gaps for
3 %. PBE gaps are smaller than measured ones. No compounds of He, Ne, Ar, Kr and Xe.
"""
