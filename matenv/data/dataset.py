"""`Dataset`: formulas with formation energies, property labels and frozen splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.checks import check_choice, check_column, check_made, check_rows, check_text
from matenv.composition import CompositionBatch, FormulaIndex, check_packed, integer_counts, listed
from matenv.data import splits
from matenv.data.grouping import SideBySide, group_statistics, joined
from matenv.data.report import TableReport
from matenv.data.written import read_formulas

if TYPE_CHECKING:
    import pandas as pd

UNITS: dict[str, str] = {
    "formation_energy": "eV/atom",
    "decomposition_energy": "eV/atom",
    "band_gap_pbe": "eV",
    "band_gap_expt": "eV",
    "log10_bulk_modulus": "log10(GPa)",
    "log10_shear_modulus": "log10(GPa)",
}
"""Unit of each label."""

TRUTH_SPREAD: dict[str, float] = {
    "band_gap_pbe": 0.2,  # eV between polymorphs
    "band_gap_expt": 0.2,  # eV between reports
    "log10_bulk_modulus": float(np.log10(1.2)),  # a ratio of 1.2 between polymorphs
    "log10_shear_modulus": float(np.log10(1.2)),
}
"""Largest spread over polymorphs with which a row may serve as truth, in the label's unit."""

PARTS = ("train", "validation", "test")


class Split(NamedTuple):
    """Row numbers of a named split.

    Attributes:
        train: Rows a model may learn from, its own validation part included, (n,) int64.
        test: Held-out rows, (m,) int64.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """A table of distinct reduced formulas.

    Attributes:
        name: Name of the table.
        formulas: Reduced formulas (N,), spelled as pymatgen does ("Fe2O3", never "Fe4O6"); the embedded tables hold no
            pure elements.
        compositions: The same as packed integer counts.
        formation_energy: Formation energy against the elements (N,) in eV/atom; NaN where the table has none.
        labels: Further labels by name, (N,) float64 each, NaN where absent; units in `UNITS`.
        spread: Largest minus smallest value over a formula's polymorphs, per label, (N,) each.
        energy_scheme: Which energies these are; hulls and predictors refuse to mix schemes.
        system_part: Part of the `system` split: 0 train, 1 validation (a part of train), 2 test, (N,) uint8; worked
            out from the chemical systems where not given.
        frontier: Whether the `frontier` split holds the row out, (N,) bool; likewise.
        std: Uncertainties that the table states, per label or ``formation_energy``, (N,) each, NaN where absent.
        extra: Text that is carried along (DOI, notes, material id), (N,) each, "" where absent; of several rows of a
            formula all that differ, separated by "; ".
        units: Unit of each label that is not in `UNITS`.
        report: How a table of one's own was read and what was left out; None for the embedded ones.
    """

    name: str
    formulas: NDArray[np.str_]
    compositions: CompositionBatch
    formation_energy: NDArray[np.float64]
    energy_scheme: str
    labels: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    spread: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    system_part: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    frontier: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    std: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    extra: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    report: TableReport | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Fill in the split columns of a table that comes without them."""
        if len(self.system_part) != len(self) or len(self.frontier) != len(self):
            for name, column in assign_splits(self.systems).items():
                object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.formulas)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self):,} formulas, energy_scheme={self.energy_scheme!r})"

    @cached_property
    def fractions(self) -> NDArray[np.float64]:
        """Atom fractions (N, 89) float64 in alphabet order; rows sum to 1."""
        return self.compositions.fractions()

    @cached_property
    def systems(self) -> NDArray[np.str_]:
        """Chemical system of each row (N,), such as "Fe-Li-O-P", symbols in alphabetical order."""
        symbols = np.array([*alphabet.SYMBOLS, ""])
        names = symbols[self.compositions.elements.astype(np.int64)]
        return np.array(["-".join(filter(None, row)) for row in names.tolist()])

    @cached_property
    def _index(self) -> FormulaIndex:
        return FormulaIndex(self.compositions)

    def find(self, compositions: CompositionBatch) -> NDArray[np.int64]:
        """Row of each composition in this table.

        Args:
            compositions: Compositions (B).

        Returns:
            Rows (B,) int64, -1 where the table lacks the formula.
        """
        check_packed("compositions", compositions)
        return self._index.find(compositions)

    def material_id(self, formula: str) -> str:
        """Id of a formula's ground state in the database that the table comes from.

        Args:
            formula: A formula, such as ``"Fe2O3"``.

        Returns:
            Its id, such as ``"mp-19770"``; "" where the table lacks the formula.

        Raises:
            ValueError: The table has no ids, as the embedded ones, or the formula cannot be read.
        """
        check_text("formula", formula, "a formula, such as 'Fe2O3'")
        if "material_id" not in self.extra:
            raise ValueError(f"{self.name} holds no material ids; a snapshot does (matenv data fetch)")
        (row,) = self.find(CompositionBatch.from_counts(integer_counts([formula])))
        return str(self.extra["material_id"][row]) if row >= 0 else ""

    def split(self, name: str = "system") -> Split:
        """Row numbers of a frozen split.

        Args:
            name: ``"system"`` (20 % of exact element sets held out; sub- and super-systems may stay) or ``"frontier"``
                (chosen systems of >= 3 elements and every super-system of theirs held out; subsystems stay).

        Returns:
            `Split` of row numbers; ``train, test = data.split("system")`` works.

        Raises:
            ValueError: Unknown split name.
        """
        check_choice("name", name, ("system", "frontier"))
        if name == "system":
            held_out = self.system_part == PARTS.index("test")
        else:
            held_out = self.frontier
        return Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))

    def part(self, name: str) -> NDArray[np.int64]:
        """Rows of one part of the `system` split: "train" without validation, "validation", or "test".

        Args:
            name: Part name.

        Returns:
            Row numbers (n,) int64.

        Raises:
            ValueError: Unknown part.
        """
        check_choice("name", name, PARTS)
        return np.flatnonzero(self.system_part == PARTS.index(name))

    def truth(self, label: str) -> NDArray[np.bool_]:
        """Rows whose label may serve as truth: present, and not spread over polymorphs beyond `TRUTH_SPREAD`.

        Args:
            label: A key of `labels`.

        Returns:
            Mask (N,) bool.

        Raises:
            ValueError: The table lacks that label.
        """
        if not isinstance(label, str) or label not in self.labels:
            raise ValueError(f"label={label!r} is not in {self.name}; it has {', '.join(self.labels)}")
        mask = np.isfinite(self.labels[label])
        if label in self.spread:
            mask &= ~(self.spread[label] > TRUTH_SPREAD.get(label, np.inf))
        return mask

    def subset(self, rows: NDArray, name: str | None = None) -> Dataset:
        """The same table restricted to some rows.

        Args:
            rows: Row numbers or a boolean mask.
            name: Name of the new table; by default the old one.

        Returns:
            A new `Dataset`.
        """
        rows = check_rows("rows", rows, len(self))
        if name is not None and (not isinstance(name, str) or not name):
            raise ValueError(f"name={name!r} must be text, or None for the old name")
        return replace(
            self,
            name=name or self.name,
            formulas=self.formulas[rows],
            compositions=self.compositions[rows],
            formation_energy=self.formation_energy[rows],
            labels={key: value[rows] for key, value in self.labels.items()},
            spread={key: value[rows] for key, value in self.spread.items()},
            system_part=self.system_part[rows],
            frontier=self.frontier[rows],
            std={key: value[rows] for key, value in self.std.items()},
            extra={key: value[rows] for key, value in self.extra.items()},
        )

    def merge(self, other: Dataset, name: str | None = None) -> Dataset:
        """Both tables as one. Of a formula in both the lower formation energy counts, and this table's labels.

        Energies above the hull (``decomposition_energy``) of either table are of its own phases: they are left out.

        Args:
            other: The other table; with energies of the same scheme, unless one of the two has none.
            name: Name of the new table; by default both names.

        Returns:
            A new `Dataset`: this table's formulas, then those only the other has.

        Raises:
            ValueError: Energies of different schemes, a label in different units, or something else than a table.
        """
        check_made("other", other, Dataset, "load_dataset")
        if name is not None:
            check_text("name", name, "a name, or None for both names")
        both = [np.isfinite(table.formation_energy).any() for table in (self, other)]
        if all(both) and self.energy_scheme != other.energy_scheme:
            raise ValueError(
                f"{self.name} holds energies {self.energy_scheme!r} and {other.name} {other.energy_scheme!r}, which do "
                "not mix; convert one: other = matenv.data.fit_conversion(other, table).apply(other)"
            )
        for label in self.units.keys() & other.units.keys():
            if self.units[label] != other.units[label]:
                raise ValueError(
                    f"{label} is in {self.units[label]!r} in {self.name} and {other.units[label]!r} in {other.name}"
                )
        place = self.find(other.compositions)
        new = np.flatnonzero(place < 0)
        compositions = CompositionBatch.concatenate([self.compositions, other.compositions[new]])
        rows = np.where(place < 0, 0, place)
        rows[new] = len(self) + np.arange(len(new))
        both_rows = SideBySide(len(self), rows, len(compositions))
        energies = np.fmin(*both_rows.numbers(self.formation_energy, other.formation_energy))
        stale = {"decomposition_energy"} if all(both) else set[str]()
        labels = both_rows.filled(self.labels, other.labels)
        spread = both_rows.filled(self.spread, other.spread)
        for key in self.labels.keys() & other.labels.keys() & spread.keys():
            apart = np.abs(np.subtract(*both_rows.numbers(self.labels[key], other.labels[key])))
            spread[key] = np.fmax(spread[key], apart)
        return Dataset(
            name=name or f"{self.name}+{other.name}",
            formulas=np.concatenate([self.formulas, other.formulas[new]]),
            compositions=compositions,
            formation_energy=energies,
            energy_scheme=self.energy_scheme if both[0] else other.energy_scheme,
            labels={key: values for key, values in labels.items() if key not in stale},
            spread={key: values for key, values in spread.items() if key not in stale},
            std=both_rows.filled(self.std, other.std),
            extra=both_rows.joined(self.extra, other.extra),
            units={**other.units, **self.units},
            system_part=np.concatenate([self.system_part, other.system_part[new]]),
            frontier=np.concatenate([self.frontier, other.frontier[new]]),
        )

    def to_pandas(self) -> pd.DataFrame:
        """The table as a pandas frame; `load_dataset` reads it back, from any file pandas writes it to.

        Returns:
            Columns ``formula``, ``formation_energy`` and ``energy_scheme`` if there are energies, the labels, their
            ``_std`` and ``_spread`` where they say something, and what is carried along. Units are in ``attrs``.
        """
        import pandas as pd

        columns: dict[str, Any] = {"formula": self.formulas}
        if np.isfinite(self.formation_energy).any():
            columns |= {"formation_energy": self.formation_energy, "energy_scheme": self.energy_scheme}
        columns |= self.labels
        for suffix, belongs in (("std", self.std), ("spread", self.spread)):
            columns |= {f"{key}_{suffix}": values for key, values in belongs.items() if np.nansum(values) > 0}
        columns |= self.extra
        frame = pd.DataFrame(columns)
        units = {**UNITS, **self.units}
        frame.attrs = {"units": {key: units[key] for key in self.labels if key in units}}
        return frame

    @classmethod
    def from_formulas(
        cls,
        formulas: Sequence[str],
        formation_energy: ArrayLike | None = None,
        labels: Mapping[str, ArrayLike] | None = None,
        *,
        name: str = "user",
        energy_scheme: str = "user",
    ) -> Dataset:
        """A table of one's own. Polymorphs collapse to the lowest energy; other labels to their median.

        Args:
            formulas: Formula strings (n,); amounts may be fractional.
            formation_energy: Formation energies (n,) in eV/atom, or None.
            labels: Further labels (n,) each; NaN, None or masked where absent.
            name: Name of the table.
            energy_scheme: Which energies these are, for example ``"my-r2scan"``.

        Returns:
            A `Dataset` of the distinct reduced formulas, in order of first appearance.

        Raises:
            ValueError: Unreadable formula, or a label of the wrong length, with truth values or with infinite ones.
        """
        given = listed(formulas, "formulas")
        if not isinstance(given, list):
            raise ValueError(f"formulas={str(formulas)[:60]} must be a list of formulas, such as ['LiFePO4', 'NaCl']")
        batch, _, problems = read_formulas(given)
        for row, reason in problems.items():
            raise ValueError(f"formulas[{row}]={str(given[row])!r}: {reason}")
        if labels is not None and not isinstance(labels, Mapping):
            raise ValueError(f"labels={str(labels)[:60]!r} must be a dictionary of columns by name")
        for what, text in (("name", name), ("energy_scheme", energy_scheme)):
            if not isinstance(text, str) or not text:
                raise ValueError(f"{what}={text!r} must be text")
        everything = {"formation_energy": formation_energy, **(labels or {})}
        columns: dict[str, NDArray[np.float64]] = {}
        for key, values in everything.items():
            values = np.full(len(batch), np.nan) if values is None else values
            columns[key] = check_column(key, values, len(batch))
        energies = columns.pop("formation_energy")
        return cls.collapse(batch, energies, columns, name=name, energy_scheme=energy_scheme)

    @classmethod
    def collapse(
        cls,
        batch: CompositionBatch,
        formation_energy: NDArray[np.float64],
        labels: Mapping[str, NDArray[np.float64]],
        *,
        name: str,
        energy_scheme: str,
        std: Mapping[str, NDArray[np.float64]] | None = None,
        spread: Mapping[str, NDArray[np.float64]] | None = None,
        extra: Mapping[str, NDArray[np.str_]] | None = None,
        units: Mapping[str, str] | None = None,
        report: TableReport | None = None,
    ) -> Dataset:
        """Rows to distinct formulas: the lowest formation energy, the median of every other column.

        Args:
            batch: Compositions (n), a formula perhaps more than once.
            formation_energy: (n,) eV/atom, NaN where absent.
            labels: Further columns (n,) each.
            name: Name of the table.
            energy_scheme: Which energies these are.
            std: Stated uncertainties (n,) by label; the median of a formula's rows is kept.
            spread: Spreads over polymorphs (n,) that the rows state; the larger of theirs and of the rows' own is kept.
            extra: Text (n,) by column.
            units: Unit by label.
            report: How the rows were read.

        Returns:
            The table, in order of first appearance.
        """
        first = batch.distinct()
        compositions = batch[first]
        members = FormulaIndex(compositions).find(batch)

        def grouped(values: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
            return group_statistics(values, members, len(first))

        middle, apart = {}, {}
        for key, column in labels.items():
            low, middle[key], high = grouped(column)
            apart[key] = high - low
        for key, column in (spread or {}).items():
            apart[key] = np.fmax(apart[key], grouped(column)[2])
        return cls(
            name=name,
            formulas=np.array(compositions.formulas()),
            compositions=compositions,
            formation_energy=grouped(formation_energy)[0],
            energy_scheme=energy_scheme,
            labels=middle,
            spread=apart,
            std={key: grouped(values)[1] for key, values in (std or {}).items()},
            extra={key: joined(cells, members, len(first)) for key, cells in (extra or {}).items()},
            units=dict(units or {}),
            report=report,
        )


def assign_splits(systems: NDArray[np.str_]) -> dict[str, NDArray]:
    """The frozen split columns of a table, from its chemical systems.

    Args:
        systems: Chemical systems (N,) such as "Fe-O".

    Returns:
        ``system_part`` (N,) uint8 and ``frontier`` (N,) bool.
    """
    distinct, inverse = np.unique(systems, return_inverse=True)
    keys = [tuple(system.split("-")) for system in distinct.tolist()]
    part = np.array([PARTS.index(splits.system_part(key)) for key in keys], dtype=np.uint8)
    frontier = np.array([splits.is_frontier(key) for key in keys], dtype=np.bool_)
    return {"system_part": part[inverse], "frontier": frontier[inverse]}


def label_columns(data: Dataset, names: Sequence[str]) -> NDArray[np.float32]:
    """Labels of every row of a table (N, L) float32, NaN where absent.

    Args:
        data: The table.
        names: ``"formation_energy"``, or keys of `Dataset.labels`.

    Raises:
        ValueError: The table has no such column, or a column without a single value.
    """
    columns = {"formation_energy": data.formation_energy, **data.labels}
    for name in names:
        if name not in columns or not np.isfinite(columns[name]).any():
            having = [key for key, values in columns.items() if np.isfinite(values).any()]
            raise ValueError(
                f"{data.name} has no label {name!r}, which this latent space is trained on; it has "
                f"{', '.join(having) or 'none'}: add a column {name!r}"
            )
    empty = np.zeros((len(data), 0))
    return np.column_stack([empty, *(columns[name] for name in names)]).astype(np.float32)
