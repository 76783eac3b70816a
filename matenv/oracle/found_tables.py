"""What the phases of a reference say about a formula: chemical relatives, stoichiometries, valences. Compiled.

Every figure is taken from *other* chemical systems: phases with exactly the formula's elements never count, so that a
formula of a known system and one of an unknown system are judged alike. The only trace that a system leaves is in the
counts of stoichiometries, to which it contributes one row of thousands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.chemistry.table import load_table
from matenv.composition import MAX_ELEMENTS, CompositionBatch, FormulaIndex
from matenv.data import Dataset
from matenv.oracle import found_features as compiled
from matenv.thermo import ConvexHull

WIDTH = alphabet.NUM_ELEMENTS

FULL_TABLE = 85_014
"""Rows of the embedded table. Counts are scaled to it, so that those of a smaller reference mean the same."""

MOST_SCALED = 2.0
"""Largest such scale: a small table of one's own is no sample of everything."""

FITTED_SCALE = 1.535
"""That scale of the references on which the networks were fitted. The cosine of likeness falls in proportion to the
share of all formulas that a reference holds, and products over several elements with its powers: those of `_thorough`
are brought to the density that its networks know."""

SHRINK = 10.0
"""Formulas added to each element's count before its likeness to others is worked out: rare ones are like none."""

COMMON_STATE = 0.03
"""Smallest share of an element's reports in the ICSD with which an oxidation state counts."""

MOST_ENERGY = 0.5
"""eV/atom; decomposition energies of relatives are clipped to this size."""


@dataclass(frozen=True)
class FoundTables:
    """Counts over the phases of a reference, as arrays that the compiled features read.

    Attributes:
        arrays: What `_quick` reads.
        kin: What `_thorough` reads.
        scale: Rows of the embedded table per row of the reference, at most `MOST_SCALED`.
    """

    arrays: tuple[NDArray, ...]
    kin: tuple[NDArray, ...]
    scale: float

    @classmethod
    def of(cls, table: Dataset, hull: ConvexHull) -> FoundTables:
        """Count the phases of a table.

        Args:
            table: The reference, of which rows with a formation energy and two or more elements count.
            hull: Its convex hull, by which its own rows are stable or not.

        Returns:
            The tables.
        """
        rows = np.flatnonzero((table.compositions.size >= 2) & np.isfinite(table.formation_energy))
        batch = table.compositions[rows]
        energy = table.formation_energy[rows] - hull.energy(batch, exclude_self=True)
        stable = energy <= 0.0
        energy = np.clip(energy, -MOST_ENERGY, MOST_ENERGY)
        scale = min(max(FULL_TABLE / max(len(rows), 1), 1.0), MOST_SCALED)

        relatives, related, left_out = _without_one(batch, with_counts=True)
        likeness = _likeness(relatives, left_out)
        groups = _Groups.of(relatives)
        order = groups.order
        packed, member = _systems(batch)
        phases = np.bincount(member, weights=stable, minlength=len(packed))
        keys, owner, other = _without_one(packed, with_counts=False)
        system_groups = _Groups.of(keys)

        ordered_keys, ordered_elements = _ordered(batch)
        stoichiometries = _Groups.of(ordered_keys)
        anonymous = _Groups.of(compiled.anonymous_keys(batch.counts, batch.size))
        own = compiled.formula_keys(batch.elements, batch.counts, batch.size)
        places, first_place = _places(stoichiometries, ordered_elements, stable, batch.size, likeness)
        row = related[order]
        entries = left_out[order] | stable[row].astype(np.int64) << 8
        entries |= np.round(energy[row] / compiled.ENERGY_UNIT).astype(np.int64) << 16
        arrays = (
            likeness.astype(np.float32),
            groups.spans, entries.astype(np.int32),
            system_groups.spans, other[system_groups.order].astype(np.uint8),
            phases[owner[system_groups.order]].astype(np.float32),
            stoichiometries.numbers, np.column_stack([stoichiometries.counts(stable), first_place]), places,
            anonymous.numbers, anonymous.counts(stable),
            compiled.make_index(own, stable.astype(np.int64)),
        )  # fmt: skip
        order = anonymous.order
        by_size = np.argsort(packed.size, kind="stable")
        kin = (
            _as_fitted(likeness, scale), anonymous.spans,
            batch.elements[order], batch.counts[order], stable[order], energy[order],
            packed.elements[by_size], phases[by_size],
            np.searchsorted(packed.size[by_size], np.arange(MAX_ELEMENTS + 2)),
        )  # fmt: skip
        return cls(tuple(map(np.ascontiguousarray, arrays)), tuple(map(np.ascontiguousarray, kin)), scale)

    def quick(self, batch: CompositionBatch) -> NDArray[np.float32]:
        """The features `QUICK_NAMES` (B, 29) float32 of B compositions of two or more elements."""
        out = np.empty((len(batch), len(compiled.QUICK_NAMES)), np.float32)
        compiled.quick(batch.elements, batch.counts, batch.size, self.arrays, _elements(), self.scale, out)
        return out

    def thorough(self, batch: CompositionBatch) -> NDArray[np.float32]:
        """The features `QUICK_NAMES` and `THOROUGH_NAMES` (B, 45) float32.

        About 0.1 ms a row and 0.3 to 4 ms per distinct chemical system: for candidates, not for steps.
        """
        systems, member = _systems(batch)
        mass = np.empty((len(systems), 4))
        compiled.system_mass(systems.elements, self.kin, mass)
        out = np.empty((len(batch), len(compiled.THOROUGH_NAMES)), np.float32)
        compiled.thorough(batch.elements, batch.counts, batch.size, self.kin, mass[member], self.scale, out)
        return np.concatenate([self.quick(batch), out], axis=1)


def _systems(batch: CompositionBatch) -> tuple[CompositionBatch, NDArray[np.int64]]:
    """The distinct chemical systems of a batch (Q), and which of them each row belongs to (B,)."""
    each = batch.systems()
    rows = each.distinct()
    return each[rows], np.searchsorted(rows, FormulaIndex(each).find(each))


@dataclass(frozen=True)
class _Groups:
    """Rows with equal keys; the numbers of a group's rows stand together in `order`."""

    order: NDArray[np.int64]
    keys: NDArray[np.uint64]
    start: NDArray[np.int64]
    member: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.uint64]) -> _Groups:
        distinct, member = np.unique(keys, return_inverse=True)
        order = np.argsort(member, kind="stable")
        return cls(order, distinct, np.searchsorted(member[order], np.arange(len(distinct) + 1)), member)

    @property
    def spans(self) -> NDArray[np.uint64]:
        """Index of the stretch of `order` that holds each key's rows."""
        return compiled.make_index(self.keys, self.start[:-1] << 32 | self.start[1:])

    @property
    def numbers(self) -> NDArray[np.uint64]:
        """Index of each key's row in `counts`."""
        return compiled.make_index(self.keys, np.arange(len(self.keys)))

    def counts(self, stable: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many rows there are of each key, and how many of them stable (K, 2)."""
        number = np.diff(self.start)
        return np.stack([number, np.bincount(self.member, stable, len(number)).astype(np.int64)], axis=1)


def _without_one(
    batch: CompositionBatch, with_counts: bool
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Each row without each of its elements: key of the rest (E,), row (E,), element left out (E,)."""
    keys = np.empty(int(batch.size.sum()), np.uint64)
    rows, left_out = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    compiled.rest_keys(batch.elements, batch.counts, batch.size, with_counts, keys, rows, left_out)
    return keys, rows, left_out


def _likeness(keys: NDArray[np.uint64], left_out: NDArray[np.int64]) -> NDArray[np.float64]:
    """How alike elements are (89, 89) in [0, 1]: the cosine between the sets of formulas that each completes.

    The substitution statistics of Hautier and co-workers, Inorg. Chem. 50, 656 (2011), without their ions.
    """
    from scipy.sparse import csr_matrix

    _, group = np.unique(keys, return_inverse=True)
    once = np.unique(group * WIDTH + left_out)
    incidence = csr_matrix((np.ones(len(once)), (once // WIDTH, once % WIDTH)), shape=(group.max(initial=0) + 1, WIDTH))
    together = (incidence.T @ incidence).toarray()
    number = np.diag(together) + SHRINK
    alike = together / np.sqrt(np.outer(number, number))
    np.fill_diagonal(alike, 1.0)
    return alike


def _as_fitted(likeness: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The likeness (89, 89) that a reference of `FITTED_SCALE` would show, at most 1."""
    scaled = np.minimum(likeness * (scale / FITTED_SCALE), 1.0)
    np.fill_diagonal(scaled, 1.0)
    return scaled


def _ordered(batch: CompositionBatch) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Key of each row's counts in order of electronegativity (B,), and its elements in that order (B, 10)."""
    keys, elements = np.empty(len(batch), np.uint64), np.full(batch.elements.shape, -1, np.int64)
    compiled.ordered_keys(batch.elements, batch.counts, batch.size, _elements()[0], keys, elements)
    return keys, elements


def _places(
    groups: _Groups, elements: NDArray, stable: NDArray, size: NDArray, likeness: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Stable rows by stoichiometry, place and element, spread by likeness (P, 89); first row of each stoichiometry."""
    some = np.bincount(groups.member, weights=stable, minlength=len(groups.keys)) > 0
    width = np.where(some, size[groups.order[groups.start[:-1]]], 0).astype(np.int64)
    first = np.where(some, np.cumsum(width) - width, -1)
    table = np.zeros((int(width.sum()), WIDTH), np.float32)
    for place in range(int(size.max(initial=0))):
        rows = np.flatnonzero(stable & (size > place))
        np.add.at(table, (first[groups.member[rows]] + place, elements[rows, place]), 1.0)
    return table @ likeness.astype(np.float32), first


_CACHE: list[tuple[NDArray, ...]] = []


def _elements() -> tuple[NDArray, ...]:
    """Per element: rank and value of electronegativity, valence electrons, Pettifor number, radius, common states."""
    if not _CACHE:
        electronegativity = np.nan_to_num(alphabet.values("electronegativity"), nan=2.0)
        rank = np.empty(WIDTH, np.int64)
        rank[np.argsort(electronegativity, kind="stable")] = np.arange(WIDTH)
        group = alphabet.values("group")
        valence = np.where(group <= 12, group, group - 10.0)
        table = load_table()
        share = table.reports / np.maximum(table.reports.sum(axis=1, keepdims=True), 1)
        common = share >= COMMON_STATE
        order = np.argsort(~common, axis=1, kind="stable")
        states = np.take_along_axis(table.states.astype(np.int64), order, axis=1)
        likely = np.log(np.maximum(np.take_along_axis(share, order, axis=1), 1e-9))
        radius = np.nan_to_num(alphabet.values("radius"), nan=1.5)
        pettifor = np.array(alphabet.MODIFIED_PETTIFOR, np.float64)
        _CACHE.append((rank, electronegativity, valence, pettifor, radius, states, likely, common.sum(axis=1)))
    return _CACHE[0]
