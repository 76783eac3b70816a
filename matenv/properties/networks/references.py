"""What a table of labelled compositions says near a composition: competing phases, and compounds of like elements.

Much of what decides a property of a compound is known from its neighbours in the table: the mixture of phases it
competes with says where its energy must lie, and the compounds that differ from it in one element (LiFePO4, NaFePO4)
mostly share its structure. A network that is given both need not learn them by heart.

A composition's own formula never takes part in what is said of it. For training that is not enough: see
`describe_apart`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import MAX_ELEMENTS, CompositionBatch, FormulaIndex
from matenv.data import Dataset
from matenv.data.embedded import ENERGY_SCHEME
from matenv.properties import heads
from matenv.thermo import ConvexHull

WIDTH = 3 + 6 * len(heads.NAMES)
"""Numbers per element of a composition, as `References.describe` returns them."""

COMPETITORS = ("subsystems", "all")
"""Phases a composition is measured against: those of all other chemical systems, or its own system's as well."""

_DELTA_UNIT = 0.25  # eV/atom: E_f of a compound minus that of the phases it competes with
_PAIRS_OF_PRIOR = 10.0  # pairs of compounds that an element's general unlikeness counts for
_SHARPNESS = 3  # a compound counts by the inverse cube of how unlike the exchanged elements are
_WEIGHT_OF_NOTHING = 0.3  # pulls the mean of few and unlike compounds to zero
_FARTHEST, _LARGEST = 3.0, 12.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Gaps:
    """The table's rows by what is left of them without one of their elements.

    Attributes:
        key: Hash of the rest and of the missing count, ascending (G,).
        element: The element that is missing (G,).
        row: Row of the table (G,).
    """

    key: NDArray[np.uint64]
    element: NDArray[np.int64]
    row: NDArray[np.int64]


class References:
    """A table of labelled compositions that describes what is near a composition.

    Args:
        batch: Compositions of the table (N); a formula may occur more than once, as polymorphs do.
        labels: (N, 5) in the order of `heads.NAMES`, NaN where absent.
        competitors: One of `COMPETITORS`. ``"subsystems"`` treats compositions of known and unknown chemical systems
            alike.
        polymorphs: Whether the other rows of a composition's own formula are told as well; for tables that list
            polymorphs.

    Raises:
        ValueError: Unknown `competitors`.
    """

    def __init__(
        self, batch: CompositionBatch, labels: Array, competitors: str = "subsystems", polymorphs: bool = False
    ) -> None:
        if competitors not in COMPETITORS:
            raise ValueError(f"competitors={competitors!r} must be one of {', '.join(COMPETITORS)}")
        self._competitors, self._polymorphs = competitors, polymorphs
        known = np.isfinite(labels[:, 0]) & (batch.size > 1)
        self._hull = _hull(batch[np.flatnonzero(known)], labels[known, 0]) if known.any() else None
        values = (labels - heads.CENTRES) / heads.WIDTHS
        values[:, 0] = (labels[:, 0] - self._compete(batch)[1]) / _DELTA_UNIT
        self._values = values
        self._gaps, self._unlike = _gaps(batch), []
        for k in range(len(heads.NAMES)):
            self._unlike.append(_unlikeness(self._gaps, values[:, k]))
        self._formulas = FormulaIndex(batch)
        self._formula_row = self._formulas.find(batch)

    def describe(self, batch: CompositionBatch) -> NDArray[np.float32]:
        """Numbers for each element of each composition.

        Args:
            batch: Compositions (B), reduced, none of them empty.

        Returns:
            (B, 10, `WIDTH`) float32, zero beyond the elements present: the element's chemical potential in the
            mixture of competing phases, the energy of the mixture, the potential times the fraction; then for each
            property of the compounds with this element exchanged for another the weighted mean, the log weight, the
            value of the most alike and how unlike it is; then for each property the mean over the composition's own
            formula and whether there is any (both 0 without `polymorphs`). Energies are differences from the
            competing phases.
        """
        potential, energy = self._compete(batch)
        described = np.zeros((len(batch), MAX_ELEMENTS, WIDTH), np.float32)
        described[..., 0], described[..., 1] = potential, energy[:, None]
        described[..., 2] = potential * batch.amounts
        listed, place = np.nonzero(np.arange(MAX_ELEMENTS) < batch.size[:, None])
        element = batch.elements[listed, place].astype(np.int64)
        key = _gap_keys(batch)[listed, place]
        first, last = (np.searchsorted(self._gaps.key, key, side) for side in ("left", "right"))  # type: ignore[call-overload]
        query, entry = _ranges(first, last)
        other = self._gaps.element[entry] != element[query]
        query, entry = query[other], entry[other]
        for k, unlike in enumerate(self._unlike):
            if not np.isfinite(self._values[:, k]).any():
                continue
            value = self._values[self._gaps.row[entry], k]
            has = np.isfinite(value)
            distance = unlike[element[query[has]], self._gaps.element[entry[has]]]
            described[listed, place, 3 + 4 * k : 7 + 4 * k] = _summarise(query[has], value[has], distance, len(listed))
        if self._polymorphs:
            described[..., 3 + 4 * len(self._unlike) :] = self._own(batch)[:, None]
        described[np.arange(MAX_ELEMENTS) >= batch.size[:, None]] = 0.0
        return described

    def _compete(self, batch: CompositionBatch) -> tuple[Array, Array]:
        """Potentials (B, 10) and energy (B,) of the competing phases, 0 where there are none [eV/atom]."""
        if self._hull is None:
            return np.zeros((len(batch), MAX_ELEMENTS)), np.zeros(len(batch))
        if self._competitors == "all":
            mixture = self._hull.decompose(batch, exclude_self=True)
        else:
            mixture = self._hull.decompose_into_subsystems(batch)
        elements = np.maximum(batch.elements, 0).astype(np.int64)
        potential = np.take_along_axis(mixture.potentials, elements, axis=1)
        return np.nan_to_num(potential), np.nan_to_num(mixture.energy)

    def _own(self, batch: CompositionBatch) -> Array:
        """Mean of the rows of the same formula and whether there is one, for each property (B, 10)."""
        has = np.isfinite(self._values)
        known = np.nan_to_num(self._values)
        groups = len(self._formula_row)
        number = np.stack([np.bincount(self._formula_row, h, groups) for h in has.T.astype(float)], axis=1)
        total = np.stack([np.bincount(self._formula_row, v, groups) for v in known.T], axis=1)
        place = self._formulas.find(batch)
        found = (place >= 0)[:, None]
        count, value = np.where(found, number[place], 0.0), np.where(found, total[place], 0.0)
        any_left = count > 0.5
        mean = np.where(any_left, value / np.maximum(count, 1.0), 0.0)
        return np.stack([mean, any_left], axis=2).reshape(len(batch), -1)


def describe_apart(
    batch: CompositionBatch,
    labels: Array,
    folds: int,
    rng: np.random.Generator,
    competitors: str = "subsystems",
    polymorphs: bool = False,
) -> NDArray[np.float32]:
    """What each row of a table is told by the rest of it, for training.

    Leaving out no more than the row itself would give its label away: the sums that others are told contain it, so
    that a network learns to take the difference, which does not help with rows that are not in the table.

    Args:
        batch: As of `References`.
        labels: As of `References`.
        folds: Number of random parts; the rows of each are told what the other parts hold. At least 2.
        rng: Draws the parts.
        competitors: As of `References`.
        polymorphs: As of `References`.

    Returns:
        As `References.describe`.

    Raises:
        ValueError: `folds` is below 2.
    """
    if folds < 2:
        raise ValueError(f"folds={folds} must be at least 2: one part cannot be told what other parts hold")
    part = rng.permutation(len(batch)) % folds
    described = np.zeros((len(batch), MAX_ELEMENTS, WIDTH), np.float32)
    for fold in range(folds):
        inside, outside = np.flatnonzero(part == fold), np.flatnonzero(part != fold)
        table = References(batch[outside], labels[outside], competitors, polymorphs)
        described[inside] = table.describe(batch[inside])
    return described


def _hull(batch: CompositionBatch, energy: Array) -> ConvexHull:
    return ConvexHull.from_dataset(Dataset("references", np.array(batch.formulas()), batch, energy, ENERGY_SCHEME))


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash of 64-bit integers: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _entry_keys(batch: CompositionBatch) -> NDArray[np.uint64]:
    """Hash of each element with its count (B, 10), 0 where there is none."""
    numbers = (batch.elements.astype(np.int64) + 1 << 32) + batch.counts
    return np.where(batch.counts > 0, _mix(numbers.astype(np.uint64)), np.uint64(0))


def _gap_keys(batch: CompositionBatch) -> NDArray[np.uint64]:
    """Hash of what is left without each element, and of its count (B, 10): a sum, from which elements are taken."""
    entries = _entry_keys(batch)
    return entries.sum(axis=1, dtype=np.uint64)[:, None] - entries + _mix(batch.counts.astype(np.uint64))


def _gaps(batch: CompositionBatch) -> _Gaps:
    row, place = np.nonzero(np.arange(MAX_ELEMENTS) < batch.size[:, None])
    key = _gap_keys(batch)[row, place]
    order = np.argsort(key, kind="stable")
    return _Gaps(key[order], batch.elements[row, place].astype(np.int64)[order], row[order])


def _ranges(first: NDArray[np.int64], last: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every (range, member) of the half-open ranges [first, last)."""
    length = last - first
    ends = np.cumsum(length)
    which = np.repeat(np.arange(len(length)), length)
    return which, np.arange(len(which)) - np.repeat(ends - length, length) + np.repeat(first, length)


def _unlikeness(gaps: _Gaps, values: Array) -> Array:
    """How much a property changes on average where one element takes another's place (89, 89), in units of the mean.

    Pairs seen rarely lean on how much each of the two changes things in general.
    """
    n = alphabet.NUM_ELEMENTS
    has = np.isfinite(values[gaps.row])
    key, element, value = gaps.key[has], gaps.element[has], values[gaps.row[has]]
    edge = np.searchsorted(key, key, "left"), np.searchsorted(key, key, "right")
    one, other = _ranges(*edge)
    pair = element[one] * n + element[other]
    differ = element[one] != element[other]
    change = np.abs(value[one] - value[other])[differ]
    number = np.bincount(pair[differ], minlength=n * n).reshape(n, n).astype(np.float64)
    total = np.bincount(pair[differ], change, minlength=n * n).reshape(n, n)
    if not number.any():
        return np.ones((n, n))
    mean = total.sum() / number.sum()
    general = (total.sum(axis=1) + mean) / (number.sum(axis=1) + 1.0)
    prior = 0.5 * (general[:, None] + general)
    return (total + _PAIRS_OF_PRIOR * prior) / (number + _PAIRS_OF_PRIOR) / mean


def _summarise(query: NDArray[np.int64], value: Array, distance: Array, queries: int) -> Array:
    """Weighted mean, log weight, nearest value and its distance of each query's compounds (queries, 4)."""
    weight = distance**-_SHARPNESS
    total = np.bincount(query, weight, queries)
    mean = np.bincount(query, weight * value, queries) / (total + _WEIGHT_OF_NOTHING)
    order = np.lexsort((distance, query))
    leads = order[np.diff(query[order], prepend=-1) > 0]
    nearest, farness = np.zeros(queries), np.full(queries, _FARTHEST)
    nearest[query[leads]], farness[query[leads]] = value[leads], np.minimum(distance[leads], _FARTHEST)
    mean, nearest = (np.clip(values, -_LARGEST, _LARGEST) for values in (mean, nearest))
    return np.column_stack([mean, np.log1p(total), nearest, farness])
