"""`CompositionBatch`: integer formulas packed by their elements, what the hot path computes with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_flag, check_made, check_seed, check_share, check_whole
from matenv.composition.integers import MAX_ELEMENTS, MOST_ATOMS, smallest_counts
from matenv.composition.keys import Packed, fill_slots, find, keys_of, same_rows
from matenv.composition.packing import restore, scatter
from matenv.composition.reading import check_fractions, check_width, numbers
from matenv.composition.soundness import what_is_wrong
from matenv.composition.spelling import spell

MAX_ATOMS = 60
"""Default cap on atoms per formula unit when a noisy composition is turned into integers."""

TOLERANCE = 1e-4
"""Default largest deviation of a fraction. Formulas of at most 60 atoms differ by >= 1/3600: none is confused."""

EXACT_MAX_ATOMS = 1000
"""Cap on atoms per formula unit where fractions are taken as exact."""

EXACT_TOLERANCE = 2e-7
"""Largest deviation of a fraction taken as exact (float32 is). Formulas of at most 1000 atoms differ by >= 1e-6."""

KNOWN_DISTANCE = 1e-9
"""L1 distance of atom fractions below which two compositions are the same formula (rounding noise only)."""

LARGEST_SEED = 2**63 - 1
"""Largest seed of `CompositionBatch.keys`."""

LARGEST = 2**53
"""Largest count that a float holds exactly, before a formula is reduced."""


def check_rounding(max_atoms: int, tolerance: float) -> None:
    """Refuse, by a ValueError that names it, a cap on atoms or a tolerance that no rounding can have."""
    if check_whole("max_atoms", max_atoms, f"atoms, at most {MOST_ATOMS:,}") > MOST_ATOMS:
        raise ValueError(f"max_atoms={max_atoms} must be at most {MOST_ATOMS:,}")
    check_share("tolerance", tolerance)


def check_packed(name: str, value: Any) -> None:
    """Refuse, by a ValueError that names the parameter, what is no `CompositionBatch`, or one that breaks its promises.

    A batch is looked through once; parts of one that is sound are sound.
    """
    check_made(name, value, CompositionBatch, "CompositionBatch.from_fractions(matenv.fractions(formulas))")
    if value.problem:
        raise ValueError(f"{name}: {value.problem}; CompositionBatch.from_counts packs counts (B, 89)")


@dataclass(frozen=True)
class CompositionBatch:
    """A batch of integer compositions, reduced and packed: only the elements present are listed.

    Attributes:
        elements: Alphabet positions (B, 10) int16, ascending within a row, padded with -1.
        counts: Atoms per reduced formula unit (B, 10) int32, padded with 0; a row's counts have no common divisor.
        size: Number of elements in each row (B,) int16; 0 marks an empty composition.
    """

    elements: NDArray[np.int16]
    counts: NDArray[np.int32]
    size: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.size)

    def __getitem__(self, rows: NDArray | slice) -> CompositionBatch:
        part = CompositionBatch(self.elements[rows], self.counts[rows], self.size[rows])
        if self.__dict__.get("problem") == "":
            part.__dict__["problem"] = ""
        return part

    @cached_property
    def problem(self) -> str:
        """In what the arrays break the promises above, worked out once; empty if in nothing."""
        return what_is_wrong(*self.arrays)

    @cached_property
    def atoms(self) -> NDArray[np.int64]:
        """Atoms per reduced formula unit (B,)."""
        return self.counts.sum(axis=1, dtype=np.int64)

    @cached_property
    def amounts(self) -> NDArray[np.float64]:
        """Atom fractions of the listed elements (B, 10), padded with 0; rows sum to 1 (0 if empty)."""
        return self.counts / np.maximum(self.atoms, 1)[:, None]

    @property
    def arrays(self) -> Packed:
        """Elements, counts and size, as compiled code takes them."""
        return self.elements, self.counts, self.size

    def keys(self, seed: int = 0) -> NDArray[np.uint64]:
        """A 64-bit number (B,) for each formula, the same in every process; another seed gives other numbers.

        Raises:
            ValueError: A seed that is no whole number from 0 to 2^63 - 1; arrays that are no packed compositions.
        """
        check_packed("batch", self)
        number = check_seed("seed", seed)
        if number is None or number > LARGEST_SEED:
            raise ValueError(f"seed={seed!r} must be a whole number from 0 to {LARGEST_SEED:,}")
        return keys_of(self.arrays, number)

    def same_as(self, other: CompositionBatch) -> NDArray[np.bool_]:
        """Whether each row is the same formula as that row of another batch (B,).

        Raises:
            ValueError: Another number of rows, or something else than a batch.
        """
        check_packed("other", other)
        if len(self) != len(other):
            raise ValueError(f"other has {len(other)} rows; expected {len(self)}, as many as it is compared with")
        return same_rows(self.arrays, other.arrays)

    def distinct(self) -> NDArray[np.int64]:
        """Row numbers of the distinct formulas, each where it occurs first, ascending."""
        check_packed("batch", self)
        slots = fill_slots(self.arrays, len(self), len(self))
        return np.flatnonzero(find(self.arrays, self.arrays, slots) == np.arange(len(self)))

    def systems(self) -> CompositionBatch:
        """Each row's elements in equal parts (B): formulas of one chemical system become the same."""
        return CompositionBatch(self.elements, (self.counts > 0).astype(np.int32), self.size)

    def dense_counts(self) -> NDArray[np.int32]:
        """Counts over the whole alphabet (B, 89) int32."""
        return self.scatter(self.counts)

    def fractions(self) -> NDArray[np.float64]:
        """Atom fractions over the whole alphabet (B, 89) float64; rows sum to 1 (0 if empty)."""
        return self.scatter(self.amounts)

    def formulas(self) -> list[str]:
        """Reduced formulas, spelled as pymatgen's `reduced_formula`; "" for an empty composition.

        Raises:
            ValueError: Arrays that are no packed compositions.
        """
        check_packed("batch", self)
        return spell(self.elements, self.counts, self.size)

    @classmethod
    def concatenate(cls, batches: Sequence[CompositionBatch]) -> CompositionBatch:
        """Several batches, at least one, as one.

        Raises:
            ValueError: No batch, or something else.
        """
        if not isinstance(batches, Sequence) or not batches:
            raise ValueError(f"batches={str(batches)[:60]!r} must be a list of one CompositionBatch or more")
        for batch in batches:
            check_packed("batches", batch)
        parts = zip(*((batch.elements, batch.counts, batch.size) for batch in batches), strict=True)
        return cls(*map(np.concatenate, parts))

    def scatter(self, values: NDArray, elsewhere: float = 0) -> NDArray:
        """Spread values of the listed elements (B, 10) over the alphabet (B, 89), with one value for all others."""
        check_packed("batch", self)
        return scatter(self.elements, values, elsewhere)

    @classmethod
    def from_counts(cls, counts: ArrayLike, *, allow_empty: bool = False) -> CompositionBatch:
        """Pack and reduce dense integer counts.

        Args:
            counts: Array (B, 89) of non-negative integers with at most 10 non-zero entries a row.
            allow_empty: Keep a row of zeros as an empty composition: how a decoder says that it names no element.

        Returns:
            The packed batch.

        Raises:
            ValueError: If the width is not 89, an entry is negative or not an integer, or a row sums to zero, has > 10
                elements or, reduced, more than `MOST_ATOMS` atoms.
        """
        dense = np.atleast_2d(numbers(counts, "counts"))
        if dense.dtype.kind != "f":
            raise ValueError("counts holds formulas; read them by matenv.composition.read")
        check_width(dense)
        good = np.isfinite(dense) & (dense >= 0) & (dense == np.floor(dense))
        if not good.all():
            raise ValueError(f"counts row {int(np.argmin(good.all(axis=1)))} must hold non-negative integers")
        size = np.count_nonzero(dense, axis=1)
        if not check_flag("allow_empty", allow_empty) and not size.all():
            row = int(size.argmin())
            raise ValueError(
                f"counts row {row} sums to zero; a composition needs at least one element (allow_empty=True keeps it)"
            )
        if size.max(initial=0) > MAX_ELEMENTS:
            row = int(size.argmax())
            raise ValueError(f"counts row {row} has {size[row]} elements; at most {MAX_ELEMENTS} are supported")
        if dense.max(initial=0) > LARGEST:
            row = int(dense.max(axis=1).argmax())
            raise ValueError(f"counts row {row} holds {dense[row].max():g}; at most {LARGEST:,} can be counted exactly")
        # Stable sort of "absent" brings the elements present to the front in ascending order.
        order = np.argsort(dense == 0, axis=1, kind="stable")[:, :MAX_ELEMENTS]
        packed = np.take_along_axis(dense, order, axis=1).astype(np.int64)
        divisor = np.gcd.reduce(packed, axis=1)
        packed //= np.maximum(divisor, 1)[:, None]
        atoms = packed.sum(axis=1)
        if atoms.max(initial=0) > MOST_ATOMS:
            row = int(atoms.argmax())
            raise ValueError(
                f"counts row {row} has {atoms[row]:,} atoms per reduced formula unit; at most {MOST_ATOMS:,}"
            )
        present = packed > 0
        return cls(
            np.where(present, order, -1).astype(np.int16), packed.astype(np.int32), present.sum(axis=1).astype(np.int16)
        )

    @classmethod
    def from_fractions(
        cls, fractions: ArrayLike, max_atoms: int = MAX_ATOMS, tolerance: float = TOLERANCE
    ) -> CompositionBatch:
        """The integer formula of each fraction vector, by the smallest-total rule.

        For each row the smallest number of atoms N <= `max_atoms` is taken for which rounding N x to integers changes
        no fraction by more than `tolerance`; if none qualifies, the N with the smallest change.

        Args:
            fractions: Array (B, 89) or (89,), non-negative; rows are normalised to sum to 1.
            max_atoms: Cap on atoms per formula unit.
            tolerance: Largest accepted change of an atom fraction.

        Returns:
            The packed batch; exact for fractions of formulas up to `max_atoms` atoms at the default tolerance.

        Raises:
            ValueError: If a row holds NaN, infinite or negative values, sums to zero, or has > 10 elements; a cap
                outside 1 to `MOST_ATOMS`, a tolerance outside (0, 1).
        """
        check_rounding(max_atoms, tolerance)
        x = check_fractions(fractions)
        elements, counts, size = smallest_counts(x, max_atoms, tolerance)
        return cls(elements, counts, size)

    @classmethod
    def nearest(
        cls, elements: NDArray[np.int16], amounts: NDArray[np.float64], max_atoms: int, tolerance: float
    ) -> tuple[CompositionBatch, NDArray[np.float64]]:
        """The integer formula of packed amounts, by the rule of `from_fractions`, and how near it is.

        Args:
            elements: Alphabet positions (B, 10), as `packing.pack` returns them.
            amounts: Amounts (B, 10) of any scale.
            max_atoms: As `from_fractions`.
            tolerance: As `from_fractions`.

        Returns:
            The packed batch, and the largest difference (B,) between its atom fractions and those of the amounts.
        """
        # The packed columns are searched as if they were a ten-letter alphabet, then given their elements back.
        shares = amounts / amounts.sum(axis=1, keepdims=True)
        places, counts, size = smallest_counts(shares, max_atoms, tolerance)
        kept, deviation = restore(elements, shares, places, counts)
        whole = np.flatnonzero((deviation > 0) & ((amounts == np.floor(amounts)) & (amounts <= LARGEST)).all(axis=1))
        if len(whole):
            # Counts are a formula as they stand, even one of more atoms than were searched.
            exact = amounts[whole].astype(np.int64) // np.gcd.reduce(amounts[whole].astype(np.int64), axis=1)[:, None]
            small = exact.sum(axis=1) <= MOST_ATOMS
            rows = whole[small]
            kept[rows], counts[rows], deviation[rows] = elements[rows], exact[small], 0.0
            size[rows] = np.count_nonzero(exact[small], axis=1)
        return cls(kept, counts, size), deviation
