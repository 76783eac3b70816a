"""A user's table of compositions to learn from, solid solutions included, and how it is split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data.splits import TEST_SHARE, system_part, uniform
from matenv.data.table import Table, read_table_as

HOLDOUTS = ("system", "formula")

NAMED = 5
"""Skipped rows that are named."""


@dataclass(frozen=True)
class UserTable:
    """Compositions to learn from and to test on.

    Attributes:
        name: Name of the table.
        train: Distinct compositions to learn from.
        test: Distinct compositions held out.
        skipped: What was left out, with the reason.
        train_labels: Labels of the compositions to learn from (N, L) float32, NaN where the table has none.
        test_labels: Those of the compositions held out.
    """

    name: str
    train: CompositionBatch
    test: CompositionBatch
    skipped: tuple[str, ...]
    train_labels: NDArray[np.float32]
    test_labels: NDArray[np.float32]

    def report(self) -> str:
        """Numbers of rows, and the first that were skipped, in words."""
        text = f"{self.name}: {len(self.train):,} formulas to learn from, {len(self.test):,} held out"
        if not self.skipped:
            return text
        more = "; ..." if len(self.skipped) > NAMED else ""
        rows = "row or value" if len(self.skipped) == 1 else "rows or values"
        return f"{text}; {len(self.skipped):,} {rows} skipped ({'; '.join(self.skipped[:NAMED])}{more})"


def split_table(
    source: Any,
    *,
    max_count: int,
    holdout: str = "system",
    tolerance: float = 0.0,
    column: str | None = None,
    labels: Sequence[str] = (),
) -> UserTable:
    """Read a table of formulas, and of labels if asked, and hold out a part.

    Amounts may be fractional: La0.7Sr0.3MnO3 is read as La7Sr3Mn10O30. A formula of a single element, or one that needs
    a count above `max_count`, is skipped: the latent spaces cannot spell it.

    Args:
        source: The table, as `matenv.data.read_table` takes it.
        max_count: Most atoms of one element per formula unit; the latent spaces spell counts up to 64.
        holdout: ``"system"`` holds out whole chemical systems by the frozen split, as for every other table;
            ``"formula"`` a fifth of the formulas, for a table of one system or few.
        tolerance: Largest change of an atom fraction for the sake of smaller integers; 0 for none. At 0.001
            La0.67Sr0.33MnO3 is read as La2SrMn3O9, which differs by 0.0007.
        column: Column of formulas.
        labels: Labels to learn, where the table has such columns.

    Returns:
        The table, in order of first appearance; of a formula that is listed twice the first row counts.

    Raises:
        ValueError: As `read_table`, nothing left to learn from or to hold out, or a bad option.
        FileNotFoundError: The file does not exist.
    """
    if holdout not in HOLDOUTS:
        raise ValueError(f"holdout={holdout!r} must be one of {', '.join(HOLDOUTS)}")
    table = read_table_as("data", source, column=column, tolerance=tolerance)
    values = _labels(table, labels)
    batch, report = table.compositions, table.report
    most, names = batch.counts.max(axis=1), batch.formulas()
    skipped, spelled = [report.words(problem) for problem in report.problems], []
    for row, formula in enumerate(names):
        if batch.size[row] < 2:
            skipped.append(f"{formula}: a pure element")
        elif most[row] > max_count:
            skipped.append(f"{formula}: needs {most[row]} atoms of one element, more than {max_count}")
        else:
            spelled.append(row)
    kept = np.array(spelled, dtype=np.int64)
    kept = kept[batch[kept].distinct()]
    batch, values = batch[kept], values[kept]
    held_out = _held_out(batch, holdout)
    learn, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    split = UserTable(report.source, batch[learn], batch[test], tuple(skipped), values[learn], values[test])
    if not len(split.train):
        raise ValueError(f"nothing to learn from in {split.report()}; give formulas of more chemical systems")
    if not len(split.test):
        other = " or hold out by formula (--holdout formula)" if holdout == "system" else ""
        raise ValueError(f"nothing is held out in {split.report()}; give formulas of more chemical systems{other}")
    return split


def _labels(table: Table, names: Sequence[str]) -> NDArray[np.float32]:
    """Labels (n, L), NaN where the table has no such column."""
    columns = {"formation_energy": table.formation_energy, **table.labels}
    absent = np.full(len(table), np.nan)
    empty = np.zeros((len(table), 0))
    return np.column_stack([empty, *(columns.get(name, absent) for name in names)]).astype(np.float32)


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
