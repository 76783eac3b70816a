"""`PhaseTable`: the distinct compounds of a hull in canonical order, and the index the simplex gathers from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_rows
from matenv.composition import EXACT_MAX_ATOMS, EXACT_TOLERANCE, CompositionBatch, FormulaIndex
from matenv.composition.keys import units
from matenv.data import Dataset
from matenv.elements import NUM_ELEMENTS
from matenv.thermo.queries import Queries
from matenv.thermo.simplex import PhaseIndex

ENERGY_SHARE = 1e-9
"""Tie-breaking perturbation of energies in eV/atom, times a number in [0.1, 1) fixed by the formula."""

COMPOSITION_SHARE = 1e-10
"""Tie-breaking shift of atom fractions, times a number in [0.1, 1) fixed by the element."""

ELEMENT_TOLERANCE = 1e-6
"""eV/atom; a pure element may lie below its reference energy of zero by round-off, not by more."""

_SEEDS = 1, 2  # of two independent keys that sort the table; the first also fixes a phase's tie-breaking share


@dataclass(frozen=True)
class PhaseTable:
    """Distinct compounds (two or more elements), sorted by key so that the order of the source does not matter.

    Attributes:
        compositions: Reduced, packed compositions of the P phases.
        energy: Formation energy (P,) eV/atom, the lowest of a formula's polymorphs.
        perturbed: The same with the tie-breaking share added (P,).
    """

    compositions: CompositionBatch
    energy: NDArray[np.float64]
    perturbed: NDArray[np.float64]
    _names: dict[int, str] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.energy)

    @classmethod
    def from_dataset(cls, data: Dataset, rows: ArrayLike | None = None) -> PhaseTable:
        """Take the compounds of a dataset; rows without a formation energy and pure elements are left out.

        Args:
            data: A table with formation energies.
            rows: Row numbers or a boolean mask (N,); by default all rows.

        Returns:
            The table, duplicates merged.

        Raises:
            ValueError: `rows` out of range or of the wrong type, no finite formation energy, an infinite one, or a pure
                element below its reference.
        """
        if not isinstance(data, Dataset):
            raise ValueError(
                f"data={str(data)[:60]!r} must be a matenv.Dataset, such as load_dataset('mp-ground-states')"
            )
        chosen = np.arange(len(data)) if rows is None else check_rows("rows", rows, len(data))
        energy = np.asarray(data.formation_energy, dtype=np.float64)[chosen]
        if np.isinf(energy).any():
            row = int(chosen[np.argmax(np.isinf(energy))])
            raise ValueError(f"data.formation_energy[{row}] of {data.formulas[row]} is infinite; use NaN for absent")
        present = np.isfinite(energy)
        if not present.any():
            raise ValueError(f"{data!r} has no formation energy in the chosen rows; a hull needs at least one")
        chosen, energy = chosen[present], energy[present]
        compositions = data.compositions[chosen]
        low = (compositions.size == 1) & (energy < -ELEMENT_TOLERANCE)
        if low.any():
            row = int(chosen[np.argmax(low)])
            raise ValueError(
                f"data.formation_energy[{row}] = {data.formation_energy[row]:g} eV/atom of the pure element "
                f"{data.formulas[row]} is below zero; formation energies are measured from the elements"
            )
        compound = compositions.size > 1
        compositions, energy = compositions[compound], energy[compound]

        return cls.distinct(compositions, energy)[0]

    @classmethod
    def distinct(
        cls, compositions: CompositionBatch, energy: NDArray[np.float64]
    ) -> tuple[PhaseTable, NDArray[np.int64]]:
        """The lowest of each formula, in canonical order.

        Args:
            compositions: Compounds (n), polymorphs among them.
            energy: Their energies (n,) eV/atom.

        Returns:
            The table, and which row each of its phases was.
        """
        first, second = (compositions.keys(seed) for seed in _SEEDS)
        order = np.lexsort((energy, second, first))
        first, second = first[order], second[order]
        # Polymorphs are neighbours now, the lowest first.
        lowest = np.ones(len(energy), np.bool_)
        lowest[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        kept = order[lowest]
        energy = energy[kept]
        return cls(compositions[kept], energy, energy + ENERGY_SHARE * units(first[lowest])), kept

    def with_more(self, other: PhaseTable) -> PhaseTable:
        """The phases of both tables; of a formula in both the lower energy counts."""
        batch = CompositionBatch.concatenate([self.compositions, other.compositions])
        return self.distinct(batch, np.concatenate([self.energy, other.energy]))[0]

    def find(self, compositions: CompositionBatch) -> NDArray[np.int64]:
        """Row of each composition in this table.

        Args:
            compositions: Packed, reduced compositions (B).

        Returns:
            Rows (B,) int64, -1 where the table lacks the formula.
        """
        return self._index.find(compositions)

    def find_own(self, queries: Queries) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The phase that each composition is, if it is one, to within `EXACT_TOLERANCE`.

        Args:
            queries: Compositions (B).

        Returns:
            Rows (B,) int64 as `find`, and the largest difference of an atom fraction from that phase, or from the
            integer formula (B,); (0,) if all are exact.
        """
        row, deviation = self.find(queries.formulas), queries.deviation
        # Formulas of that many atoms are not recovered from fractions: they are compared with each such phase.
        unread = np.flatnonzero(deviation > EXACT_TOLERANCE) if len(self._large) else self._large
        if len(unread):
            row, deviation = row.copy(), deviation.copy()
            x = queries[unread].scatter(queries.amounts[unread], 0.0)
            x /= x.sum(axis=1, keepdims=True)
            for phase, y in zip(self._large.tolist(), self.compositions[self._large].fractions(), strict=True):
                apart = np.abs(x - y).max(axis=1)
                same = apart < np.minimum(deviation[unread], EXACT_TOLERANCE)
                row[unread[same]], deviation[unread[same]] = phase, apart[same]
        return row, deviation

    @cached_property
    def _large(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.compositions.atoms > EXACT_MAX_ATOMS)

    @cached_property
    def _index(self) -> FormulaIndex:
        return FormulaIndex(self.compositions)

    def references(self, numbers: list[int]) -> CompositionBatch:
        """Compositions of reference numbers (k): a pure element's alphabet position, or 89 + a row of this table."""
        listed = np.array(numbers, np.int64)
        element = listed < NUM_ELEMENTS
        pure = CompositionBatch.from_counts(np.eye(NUM_ELEMENTS, dtype=np.int64)[np.where(element, listed, 0)])
        if element.all():
            return pure
        known = self.compositions[np.where(element, 0, listed - NUM_ELEMENTS)]
        return CompositionBatch(
            np.where(element[:, None], pure.elements, known.elements),
            np.where(element[:, None], pure.counts, known.counts),
            np.where(element, pure.size, known.size),
        )

    def names(self, numbers: list[int]) -> list[str]:
        """Formulas of reference numbers (k); each is spelled once in the life of the table."""
        known = self._names
        if any(number not in known for number in numbers):
            known |= zip(numbers, self.references(numbers).formulas(), strict=True)
        return [known[number] for number in numbers]

    def index(self, rows: NDArray[np.int64]) -> PhaseIndex:
        """Lay some of the phases out for the simplex.

        Args:
            rows: Rows of this table, ascending (n,).

        Returns:
            The index; `reference` numbers are 89 + row, after the pure elements.
        """
        compositions = self.compositions[rows]
        listed = compositions.elements >= 0
        occurrence = np.bincount(compositions.elements[listed], minlength=NUM_ELEMENTS)
        rank = np.empty(NUM_ELEMENTS, np.int64)
        rank[np.argsort(occurrence, kind="stable")] = np.arange(NUM_ELEMENTS)
        ranks = np.where(listed, rank[compositions.elements], NUM_ELEMENTS)
        rarest = np.sort(ranks, axis=1)[:, :2]
        group = rarest[:, 0] * NUM_ELEMENTS + rarest[:, 1]
        bits = np.where(listed, np.uint64(1) << (compositions.elements % 64).astype(np.uint64), np.uint64(0))
        in_low = compositions.elements < 64
        mask_low = np.bitwise_or.reduce(np.where(in_low, bits, np.uint64(0)), axis=1)
        mask_high = np.bitwise_or.reduce(np.where(in_low, np.uint64(0), bits), axis=1)
        # Phases of one chemical system side by side, for the processor's cache; the sort is stable.
        order = np.lexsort((mask_low, mask_high, group))
        compositions, listed = compositions[order], listed[order]
        return PhaseIndex(
            rank=rank,
            bucket=np.searchsorted(group[order], np.arange(NUM_ELEMENTS**2 + 1)).astype(np.int32),
            mask_low=mask_low[order],
            mask_high=mask_high[order],
            offset=np.concatenate([[0], np.cumsum(compositions.size, dtype=np.int64)]).astype(np.int32),
            element=compositions.elements[listed],
            fraction=compositions.amounts[listed],
            energy=self.energy[rows][order],
            perturbed=self.perturbed[rows][order],
            shift=COMPOSITION_SHARE * units(np.arange(NUM_ELEMENTS).astype(np.uint64)),
            reference=(NUM_ELEMENTS + rows[order]).astype(np.int32),
        )
