"""Fit P(metal) of the measured gap of the shipped predictors anew: ``python -m tools.refit_metals``.

For a change of the table's measured gaps: one row of each network's last layer and its calibration are fitted, every
other output stays the same to the bit (`matenv.properties.training.metals`). Files and cards are rewritten in place.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from matenv.data import load_dataset
from matenv.properties import store
from matenv.properties.evaluation import evaluate
from matenv.properties.evaluation.agreement import agreement
from matenv.properties.predictor import Predictor, load_predictor
from matenv.properties.training import metals
from matenv.properties.training.export import table_hash
from tools.command import run

ORDER = ("ensemble", "default", "statistics", "informed", "gold-train", "gold")
"""Single predictors: a teacher before its student, gold's recipe on train rows before gold."""

NAME = "band_gap_expt"


def main() -> None:
    """Refit all of them, then calibrate the committees."""
    for name in ORDER:
        _single(name)
    for name in store.COMMITTEES:
        _committee(name)


def _single(name: str) -> None:
    path = store.locate(name)
    fitted = metals.refit(store.load(path))
    if fitted.role == "gold":
        twin = store.load(store.locate("gold-train"))
        calibrations = dict(twin.calibrations)
    else:
        calibrations = metals.recalibrated(fitted)
    store.save(path, replace(fitted, calibrations=calibrations))
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    judged = "gold-train" if fitted.role == "gold" else name
    card["sha256"], old = store.file_checksum(path), card["sha256"]
    card["held_out"] = evaluate.held_out(load_predictor(judged))
    card["metals"] = {
        "what": "P(metal) of the measured gap was fitted on these tables, the rest on those of `data`",
        "command": "python -m tools.refit_metals",
        "data": {table: table_hash(table) for table in ("mp-ground-states", "mp-properties")},
    }
    text = path.with_suffix(".md").read_text(encoding="utf-8").replace(old, card["sha256"])
    if "teacher" in card:
        text = _beside_teacher(card, text)
    _write(path, card, _with_note(_with_rows(text, [card["held_out"]]), card["metals"]["data"]))


def _beside_teacher(card: dict[str, Any], text: str) -> str:
    """The student's row of the table beside its teacher."""
    teacher, data = load_predictor(card["teacher"]["name"]), load_dataset("mp-ground-states")
    card["teacher"]["held_out"] = evaluate.held_out(teacher)
    near = agreement(load_predictor(card["model"]), teacher, data.compositions[data.part("test")])
    card["agreement"]["test"] = near
    theirs, mine = card["teacher"]["held_out"][NAME]["mae"], card["held_out"][NAME]["mae"]
    row = f"| {NAME} | eV | {theirs:.4f} | {mine:.4f} | {near[NAME]['mean']:.4f} | \\1"
    return re.sub(rf"\| {NAME} \| eV(?: \| [\d.]+){{3}} \| ([\d.]+ \| [\d.]+ \|)$", row, text, flags=re.MULTILINE)


def _committee(name: str) -> None:
    path = store.locate(name)
    card = json.loads(path.read_text(encoding="utf-8"))
    for part, entry in card["parts"].items():
        entry["sha256"] = store.file_checksum(store.locate(part))
    store.save_committee(path, card)  # a committee is read with its parts as they are
    contents = store.load_committee(path)
    fitted = metals.recalibrated(contents, card["caution"])
    model = Predictor.from_weights(replace(contents, calibrations=fitted))
    narrow = {key: replace(each, between=each.between / card["caution"]) for key, each in fitted.items()}
    card["calibrations"] = {key: asdict(each) for key, each in fitted.items()}
    card["held_out"] = evaluate.held_out(model)
    card["held_out_without_caution"] = evaluate.held_out(Predictor.from_weights(replace(contents, calibrations=narrow)))
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    reports = [card["held_out"], card["held_out_without_caution"]]
    _write(path, card, _with_rows(text, reports))


def _with_rows(text: str, reports: list[dict[str, Any]]) -> str:
    """A card with its tables of held-out errors anew."""
    tables = iter(evaluate.table(report) for report in reports)
    return re.sub(r"\| property \| unit \| rows \|.*?(?=\n\n|\n?\Z)", lambda _: next(tables), text, flags=re.DOTALL)


def _with_note(text: str, data: dict[str, str]) -> str:
    """A card that says what was fitted on which tables."""
    listed = "; ".join(f"`{name}`, sha256 `{digest}`" for name, digest in data.items())
    note = (
        "\nP(metal) of the measured gap was fitted afterwards, on tables without the zeros that are no measurements "
        f"(`python -m tools.refit_metals`):\n{listed}.\n"
    )
    text = re.sub(
        r"\nP\(metal\) of the measured gap was fitted afterwards.*?\.\n(?=\nSplit:)", "", text, flags=re.DOTALL
    )
    text = text.replace("\nSplit: ", f"{note}\nSplit: ", 1)
    return re.sub(r"experimental gaps for(\s)4 %", r"experimental gaps for\g<1>3 %", text)


def _write(path: Path, card: dict[str, Any], text: str) -> None:
    if path.suffix == ".json":
        store.save_committee(path, card)
    else:
        path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    gap = card["held_out"][NAME]
    print(f"{path.stem}: {NAME} MAE {gap['mae']:.4f} eV on {gap['rows']} held-out rows, {gap['metals']}", flush=True)


if __name__ == "__main__":
    run(main)
