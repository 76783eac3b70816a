"""A user's table of compositions, solid solutions and fractional occupancies included, and how it is split."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch, fractions
from matenv.data.splits import TEST_SHARE, system_part, uniform

MAX_FORMULA_ATOMS = 1000
"""Cap on atoms per formula unit when amounts are turned into integers."""

EXACT = 2e-7
"""Change of an atom fraction below which integers stand for the amounts exactly."""

HOLDOUTS = ("system", "formula")

YES_OR_NO = ("single_phase",)
"""Labels that are 1 or 0."""

NAMED = 5
"""Skipped rows that are named."""


@dataclass(frozen=True)
class UserTable:
    """Compositions to learn from and to test on.

    Attributes:
        name: Name of the table.
        train: Distinct compositions to learn from.
        test: Distinct compositions held out.
        skipped: What was left out, as written, with the reason.
        train_labels: Labels of the compositions to learn from (N, L) float32, NaN where the table has none.
        test_labels: Those of the compositions held out.
    """

    name: str
    train: CompositionBatch
    test: CompositionBatch
    skipped: tuple[tuple[str, str], ...]
    train_labels: NDArray[np.float32]
    test_labels: NDArray[np.float32]

    def report(self) -> str:
        """Numbers of rows, and the first rows that were skipped, in words."""
        text = f"{self.name}: {len(self.train):,} formulas to learn from, {len(self.test):,} held out"
        if not self.skipped:
            return text
        named = "; ".join(f"{formula}: {reason}" for formula, reason in self.skipped[:NAMED])
        more = ", ..." if len(self.skipped) > NAMED else ""
        rows = "row" if len(self.skipped) == 1 else "rows"
        return f"{text}; {len(self.skipped):,} {rows} skipped ({named}{more})"


def read_table(
    path: str | Path,
    *,
    max_count: int,
    holdout: str = "system",
    tolerance: float = 0.0,
    column: str = "formula",
    labels: Sequence[str] = (),
) -> UserTable:
    """Read a CSV file with a column of formulas, and columns of labels if asked; other columns are left alone.

    Amounts may be fractional: La0.7Sr0.3MnO3 is read as La7Sr3Mn10O30. A formula of a single element, or one that needs
    a count above `max_count`, is skipped: the latent spaces cannot spell it.

    Args:
        path: The file.
        max_count: Most atoms of one element per formula unit; the latent spaces spell counts up to 64.
        holdout: ``"system"`` holds out whole chemical systems by the frozen split, as for every other table;
            ``"formula"`` a fifth of the formulas, for a table of one system or few.
        tolerance: Largest change of an atom fraction for the sake of smaller integers; 0 for none. At 0.001
            La0.67Sr0.33MnO3 is read as La2SrMn3O9, which differs by 0.0007.
        column: Name of the column of formulas; capitals do not matter.
        labels: Columns to read where there are such; empty cells are absent labels.

    Returns:
        The table, in order of first appearance; of a formula that is listed twice the first row counts.

    Raises:
        ValueError: Not a CSV file, no column of formulas, no rows, a formula that cannot be read or has an element
            outside the alphabet or a label that is no number (line quoted), nothing left to learn from or to hold out,
            or a bad option.
        FileNotFoundError: The file does not exist.
    """
    path = Path(path)
    if holdout not in HOLDOUTS:
        raise ValueError(f"holdout={holdout!r} must be one of {', '.join(HOLDOUTS)}")
    if not 0 <= tolerance < 0.1:
        raise ValueError(f"tolerance={tolerance} must be a change of an atom fraction, 0 to 0.1")
    rows = _rows(path, column)
    written, values = [row[column].strip() for row in rows], _labels(path, rows, labels)
    batch = _integers(path, written, tolerance)
    most = batch.counts.max(axis=1)
    skipped, kept, seen = [], [], set()
    for row, formula in enumerate(written):
        if batch.size[row] < 2:
            skipped.append((formula, "a pure element"))
        elif most[row] > max_count:
            skipped.append((formula, f"needs {most[row]} atoms of one element, more than {max_count}"))
        elif (key := batch.elements[row].tobytes() + batch.counts[row].tobytes()) not in seen:
            seen.add(key)
            kept.append(row)
    batch, values = batch[np.array(kept, dtype=np.int64)], values[np.array(kept, dtype=np.int64)]
    held_out = _held_out(batch, holdout)
    learn, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    table = UserTable(path.name, batch[learn], batch[test], tuple(skipped), values[learn], values[test])
    if not len(table.train):
        raise ValueError(f"nothing to learn from in {table.report()}; give formulas of more chemical systems")
    if not len(table.test):
        other = " or hold out by formula (--holdout formula)" if holdout == "system" else ""
        raise ValueError(f"nothing is held out in {table.report()}; give formulas of more chemical systems{other}")
    return table


def _rows(path: Path, column: str) -> list[dict[str, str]]:
    """The rows below the header, the formula under the name of `column` whatever its capitals."""
    if path.suffix.lower() != ".csv":
        raise ValueError(f"data={str(path)!r} is not a .csv file; give one with a column of formulas")
    if not path.exists():
        raise FileNotFoundError(f"data={str(path)!r} does not exist; give a .csv file with a column of formulas")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8; save it again as CSV (UTF-8)") from None
    if not text.strip():
        raise ValueError(f"{path} is empty; it needs a header with a column {column!r}, and a formula in each line")
    reader = csv.DictReader(StringIO(text, newline=""))
    header = list(reader.fieldnames or [])
    named = [name for name in header if name == column] or [n for n in header if n.strip().lower() == column.lower()]
    if not named:
        example = next((name for name in header if name.strip()), column)
        advice = f"name the one that holds formulas (--column {example!r})"
        if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
            advice = "separate columns by commas"
        raise ValueError(f"{path} has columns {header} and none called {column!r}: {advice}, or give it a header line")
    rows = [row | {column: row[named[0]] or ""} for row in reader]
    if not rows:
        raise ValueError(f"{path} holds no rows below its header")
    return rows


def _labels(path: Path, rows: list[dict[str, str]], names: Sequence[str]) -> NDArray[np.float32]:
    values = np.full((len(rows), len(names)), np.nan, np.float32)
    for row, cells in enumerate(rows):
        for column, name in enumerate(names):
            text = (cells.get(name) or "").strip()
            try:
                values[row, column] = float(text or "nan")
            except ValueError:
                values[row, column] = np.inf
            if np.isinf(values[row, column]) or (name in YES_OR_NO and text and values[row, column] not in (0, 1)):
                what = "1, 0 or empty" if name in YES_OR_NO else "a number or empty"
                raise ValueError(f"{path} line {row + 2}: {name}={text!r} must be {what}")
    return values


def _integers(path: Path, written: Sequence[str], tolerance: float) -> CompositionBatch:
    try:
        x = fractions(written)
    except ValueError:
        for line, formula in enumerate(written, start=2):  # which line is it?
            try:
                fractions([formula])
            except ValueError as error:
                raise ValueError(f"{path} line {line}: {error}") from None
        raise
    return CompositionBatch.from_fractions(x, MAX_FORMULA_ATOMS, max(tolerance, EXACT))


def _held_out(batch: CompositionBatch, holdout: str) -> NDArray[np.bool_]:
    """Which rows are tested on; of the frozen split's parts, validation is learned from."""
    if holdout == "formula":
        return np.array([uniform([formula], "formula") < TEST_SHARE for formula in batch.formulas()], dtype=np.bool_)
    symbols = np.array(alphabet.SYMBOLS)
    systems = [tuple(symbols[row[:size]].tolist()) for row, size in zip(batch.elements, batch.size, strict=True)]
    return np.array([system_part(system) == "test" for system in systems], dtype=np.bool_)


def digest(batch: CompositionBatch) -> str:
    """A name for a list of compositions, by its content."""
    return hashlib.sha256("\n".join(batch.formulas()).encode()).hexdigest()
