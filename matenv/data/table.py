"""`read_table`: the one door for tables of one's own. Every row is checked before anything is used."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.checks import check_flag, check_listed, check_number, check_text
from matenv.composition import CompositionBatch
from matenv.data.cells import is_absent, read_column
from matenv.data.columns import YES_OR_NO, Columns, tell_apart, text_of
from matenv.data.dataset import UNITS, Dataset
from matenv.data.report import Problem, TableReport
from matenv.data.table_file import RawTable, open_table
from matenv.data.written import read_formulas

RANGES: dict[str, tuple[float, float, str]] = {
    "formation_energy": (-6.0, 6.0, "eV/atom of formation; is it a total energy, or in another unit?"),
    "band_gap_pbe": (0.0, 15.0, "eV"),
    "band_gap_expt": (0.0, 15.0, "eV"),
    "log10_bulk_modulus": (-3.0, 3.3, "log10(GPa); is it the modulus itself?"),
    "log10_shear_modulus": (-3.0, 3.3, "log10(GPa); is it the modulus itself?"),
}
"""Possible values. The embedded table spans -4.6 to 1.0 eV/atom, gaps up to 11.7 eV, moduli up to 400 GPa."""

NEVER_NEGATIVE = ("hardness", "bulk_modulus", "shear_modulus", "youngs_modulus", "density", "band_gap", "mass")
"""Quantities that are not below zero."""

OUTLIER = 12.0
"""Distance from the median, in robust standard deviations, at which a value is pointed out."""

APART = 3
"""Formulas listed more than once whose values are pointed out as furthest apart."""


@dataclass(frozen=True)
class Table:
    """Checked rows of a table, in their order; a formula may occur more than once.

    Attributes:
        name: Name of the table.
        compositions: Compositions (n).
        formation_energy: (n,) eV/atom, NaN where absent.
        labels: Columns of numbers (n,) by label.
        std: Stated uncertainties (n,) by label.
        spread: Stated spreads over polymorphs (n,) by label.
        extra: Text that is carried along (n,) by column.
        units: Unit of each label that states one.
        energy_scheme: Which energies these are.
        report: What was read, how, and what was left out.
    """

    name: str
    compositions: CompositionBatch
    formation_energy: NDArray[np.float64]
    labels: Mapping[str, NDArray[np.float64]]
    std: Mapping[str, NDArray[np.float64]]
    spread: Mapping[str, NDArray[np.float64]]
    extra: Mapping[str, NDArray[np.str_]]
    units: Mapping[str, str]
    energy_scheme: str
    report: TableReport

    def __len__(self) -> int:
        return len(self.compositions)

    def dataset(self) -> Dataset:
        """Distinct formulas: the lowest formation energy and the median of every other column."""
        return Dataset.collapse(
            self.compositions, self.formation_energy, self.labels, name=self.name, energy_scheme=self.energy_scheme,
            std=self.std, spread=self.spread, extra=self.extra, units=self.units, report=self.report,
        )  # fmt: skip


def read_table(
    source: Any,
    *,
    column: str | None = None,
    energy: str | None = None,
    labels: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    energy_scheme: str | None = None,
    tolerance: float = 0.0,
    strict: bool = False,
) -> Table:
    """Read a table, check every row and say what was made of it.

    Args:
        source: A file (.csv, .tsv, .json, .jsonl, .parquet), a pandas DataFrame, Series or Index, a mapping of columns,
            a list of formulas, or a list of pymatgen entries. Separator, encoding and decimal commas are told.
        column: Column of formulas; by default "formula", "composition" or the like.
        energy: Column of formation energies; by default "formation_energy" or the like.
        labels: Columns to read as numbers; by default all that hold mostly numbers. The rest is carried along as text.
        units: Unit by column, where the header does not state it as in "hardness (GPa)".
        energy_scheme: Which energies these are, such as "mp-legacy-pbe-u"; by default what the table says of itself
            (column ``energy_scheme``), else a scheme of its own.
        tolerance: Largest change of an atom fraction for the sake of smaller integers; 0 takes amounts at their word.
        strict: Whether a row or value that cannot be used is an error instead of being left out.

    Returns:
        The rows; `Table.report` says how they were read.

    Raises:
        ValueError: A damaged file, a column that does not exist or is ambiguous, no usable row, or a problem if
            `strict`. File, line, column and value are named.
        FileNotFoundError: The file does not exist.
        ImportError: A Parquet file without the extra ``tables``.

    Examples:
        >>> table = read_table({"composition": ["Fe2O3", "TiN", "Xy"], "hardness (GPa)": ["39 +- 1", "20.5", "3"]})
        >>> table.labels["hardness"].tolist(), float(table.std["hardness"][0]), table.units["hardness"]
        ([39.0, 20.5], 1.0, 'GPa')
        >>> len(table.report.problems)
        1
    """
    return read_table_as(
        "source", source, column=column, energy=energy, labels=labels, units=units, energy_scheme=energy_scheme,
        tolerance=tolerance, strict=strict,
    )  # fmt: skip


def read_table_as(
    parameter: str,
    source: Any,
    *,
    column: str | None = None,
    energy: str | None = None,
    labels: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    energy_scheme: str | None = None,
    tolerance: float = 0.0,
    strict: bool = False,
) -> Table:
    """As `read_table`, for a caller whose own parameter has another name, which errors quote."""
    if check_number("tolerance", tolerance, 0, 1, "a change of an atom fraction, 0 to 0.1") >= 0.1:
        raise ValueError(f"tolerance={tolerance} must be a change of an atom fraction, 0 to 0.1")
    check_flag("strict", strict)
    for name, text in (("column", column), ("energy", energy), ("energy_scheme", energy_scheme)):
        if text is not None:
            check_text(name, text, "the scheme's name" if name == "energy_scheme" else "a column's name")
    if labels is not None:
        check_listed("labels", labels, "columns")
    if units is not None and not isinstance(units, Mapping):
        raise ValueError(f"units={str(units)[:60]!r} must be a dictionary such as {{'hardness': 'GPa'}}")
    for name, unit in (units or {}).items():
        check_text(f"units: the unit of {name!r}", unit, "such as 'GPa'; '1' for a number")
    raw = open_table(source, column or "formula", parameter)
    columns = tell_apart(raw, column, energy, labels, units)
    batch, atoms, unread = read_formulas(raw.frame[columns.formula].tolist(), tolerance)
    reader = _Reader(raw, dict(raw.ragged))
    for row, reason in unread.items():
        reader.refuse_row(row, columns.formula, reason)
    factor = columns.energy_factor / np.where(atoms > 0, atoms, 1.0) if columns.per_formula else columns.energy_factor
    energies, stated = np.full(len(atoms), np.nan), {}
    if columns.energy is not None:
        energies, std = reader.numbers(columns.energy, "formation_energy", factor, batch)
        if np.isfinite(std).any():
            stated["formation_energy"] = std
    numbers = {}
    for label, header in columns.labels.items():
        numbers[label], std = reader.numbers(header, label, _factor(raw, label, columns.units.get(label)), batch)
        if np.isfinite(std).any():
            stated[label] = std
    for belongs in (columns.std, columns.spread):
        for label, header in belongs.items():
            side = reader.numbers(header, header, 1.0, batch)[0]
            if belongs is columns.std:
                stated[label] = np.where(np.isfinite(side), side, stated.get(label, np.nan))
    spread = {label: reader.numbers(header, header, 1.0, batch)[0] for label, header in columns.spread.items()}
    scheme, said = _scheme(raw, columns, energy_scheme, bool(np.isfinite(energies).any()))
    kept = reader.kept()
    if not len(kept):
        report = reader.report(columns, said, kept, 0)
        raise ValueError(f"{raw.name} has no row that can be used; {report.summary()}")
    extra = {name: np.array([text_of(cell) for cell in raw.frame[name].tolist()])[kept] for name in columns.extra}
    chosen = batch[kept]
    report = reader.report(columns, said, kept, len(chosen.distinct()))
    if strict:
        report.refuse()
    flags = [*_odd(numbers, kept), *_listed_twice(chosen, {"formation_energy": energies, **numbers}, kept)]
    return Table(
        raw.name.rsplit(".", 1)[0] if raw.place == "line" else raw.name, chosen, energies[kept],
        {name: values[kept] for name, values in numbers.items()},
        {name: values[kept] for name, values in stated.items()},
        {name: values[kept] for name, values in spread.items()},
        extra, {name: UNITS.get(name, unit) for name, unit in columns.units.items() if name in numbers},
        scheme, report.with_flags(*flags),
    )  # fmt: skip


def warn(report: TableReport, stacklevel: int = 3) -> None:
    """Warn of what was left out, if anything was."""
    if not report.good:
        warnings.warn(f"{report.summary()}; Dataset.report lists all", UserWarning, stacklevel)


@dataclass
class _Reader:
    """Reads the columns of a table and gathers what is wrong."""

    raw: RawTable
    ragged: dict[int, str]
    problems: list[Problem] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        for row, reason in self.ragged.items():
            self.refuse_row(row, "", reason)

    def refuse_row(self, row: int, header: str, reason: str) -> None:
        """Leave out a row; only the first reason is kept."""
        if row not in self.refused:
            self.refused.add(row)
            cell = self.raw.frame[header].iloc[row] if header else ""
            written = getattr(cell, "formula", cell)
            self.problems.append(Problem(self.raw.lines[row], header, str(written), reason))

    def numbers(
        self, header: str, label: str, factor: float | NDArray, batch: CompositionBatch
    ) -> tuple[NDArray, NDArray]:
        """A column of numbers and their stated uncertainties in the label's unit; what is impossible is left out."""
        cells = self.raw.frame[header].tolist()
        if label in YES_OR_NO:
            cells = [int(cell) if isinstance(cell, bool | np.bool_) else cell for cell in cells]
        values, std, unread = read_column(cells, self.raw.decimal_comma)
        values, std = values * factor, std * factor
        reasons = dict(unread)
        if label in RANGES:
            low, high, what = RANGES[label]
            for row in np.flatnonzero((values < low) | (values > high)).tolist():
                reasons[row] = f"impossible: {values[row]:g} {what}"
        if label in NEVER_NEGATIVE:
            reasons |= dict.fromkeys(np.flatnonzero(values < 0).tolist(), "impossible: below zero")
        if label == "formation_energy":
            for row in np.flatnonzero((values < -1e-6) & (batch.size == 1)).tolist():
                reasons[row] = "impossible: formation energies are measured from the elements"
        if label in YES_OR_NO:
            for row in np.flatnonzero(np.isfinite(values) & ~np.isin(values, (0.0, 1.0))).tolist():
                reasons[row] = "must be 1, 0 or empty"
            reasons |= {row: "must be 1, 0 or empty" for row in unread}
        for row, reason in reasons.items():
            values[row] = std[row] = np.nan
            if row not in self.refused:
                self.problems.append(Problem(self.raw.lines[row], header, str(cells[row]), reason, row=False))
        return values, std

    def kept(self) -> NDArray[np.int64]:
        """Rows that are used."""
        return np.array([row for row in range(len(self.raw.frame)) if row not in self.refused], np.int64)

    def report(self, columns: Columns, said: Sequence[str], kept: NDArray, formulas: int) -> TableReport:
        """What it came to."""
        everything = (*self.raw.said, *columns.said, *said)
        problems = tuple(sorted(self.problems, key=lambda problem: problem.line))
        return TableReport(
            self.raw.name, len(self.raw.frame), len(kept), formulas, everything, problems, place=self.raw.place
        )


def _factor(raw: RawTable, label: str, unit: str | None) -> float:
    """What turns a column of a built-in label into its unit."""
    if label not in UNITS or not unit or unit.replace(" ", "") in (UNITS[label], UNITS[label].replace("(", "")):
        return 1.0
    if unit == f"m{UNITS[label]}":
        return 1e-3
    raise ValueError(f"{raw.name}: {label} is in {unit!r}; matenv has it in {UNITS[label]}: convert it or rename it")


def _scheme(raw: RawTable, columns: Columns, given: str | None, energies: bool) -> tuple[str, list[str]]:
    """Which energies a table holds, and how that is known."""
    if not energies:
        return given or "none", []
    if given is not None:
        return given, [f"energy scheme: {given}, as given"]
    if columns.scheme is not None:
        named = {str(cell).strip() for cell in raw.frame[columns.scheme].tolist() if not is_absent(cell)}
        if len(named) > 1:
            raise ValueError(
                f"{raw.name}: column {columns.scheme!r} names {len(named)} energy schemes "
                f"({', '.join(sorted(named))}); they do not mix: split the "
                "table, or name the scheme by energy_scheme="
            )
        if named:
            (scheme,) = named
            return scheme, [f"energy scheme: {scheme}, by the column {columns.scheme!r}"]
    if "energy_scheme" in raw.attributes:
        scheme = str(raw.attributes["energy_scheme"])
        return scheme, [f"energy scheme: {scheme}, as the table says"]
    scheme = f"file:{raw.name}"
    return scheme, [f"energy scheme: not stated, called {scheme!r}; name it by energy_scheme= (--energy-scheme)"]


def _odd(numbers: Mapping[str, NDArray], kept: NDArray) -> list[str]:
    """Values far from all others, in words."""
    flags = []
    for name, column in numbers.items():
        values = column[kept][np.isfinite(column[kept])]
        if len(values) < 10:
            continue
        middle = float(np.median(values))
        width = 1.4826 * float(np.median(np.abs(values - middle)))
        far = np.abs(values - middle) > OUTLIER * width if width else np.zeros(0, np.bool_)
        if far.any():
            furthest = values[np.argmax(np.abs(values - middle))]
            flags.append(f"{name}: {far.sum():,} values far from the median {middle:g}, such as {furthest:g}")
    return flags


def _listed_twice(batch: CompositionBatch, columns: Mapping[str, NDArray], kept: NDArray) -> list[str]:
    """How many formulas occur more than once, and how far apart their values are."""
    first = batch.distinct()
    if len(first) == len(batch):
        return []
    flags = [
        f"{len(batch) - len(first):,} rows repeat a formula: the lowest formation energy and the median of every other "
        "column are kept"
    ]
    for name, column in columns.items():
        gathered: dict[str, list[float]] = {}
        for formula, value in zip(batch.formulas(), column[kept].tolist(), strict=True):
            if np.isfinite(value):
                gathered.setdefault(formula, []).append(value)
        apart = sorted(((max(v) - min(v), formula) for formula, v in gathered.items() if max(v) > min(v)), reverse=True)
        if apart:
            named = ", ".join(f"{formula} {width:g}" for width, formula in apart[:APART])
            flags.append(f"{name}: {len(apart):,} repeated formulas with different values; furthest apart: {named}")
    return flags
