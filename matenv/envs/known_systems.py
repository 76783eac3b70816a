"""Chemical systems of the embedded table in which DFT found a stable phase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch, FormulaIndex
from matenv.data import load_dataset
from matenv.data.dataset import PARTS
from matenv.tasks import Task

SIZES = (2, 3, 4)
"""Numbers of elements that there are systems of."""

SLOTS = max(SIZES)
"""Places for elements."""

MAX_COUNT = 12
"""Largest count of an element in a proposal."""

MAX_ATOMS = 20
"""Most atoms per reduced formula unit of a proposal that is looked up."""


@dataclass(frozen=True)
class KnownSystems:
    """The chemical systems of the embedded table with a stable phase.

    Attributes:
        systems: Each system's elements, in equal parts (S).
        phases: Stable phases of at most 20 atoms and counts of at most 12 (S,) int64.
        part: Part of the `system` split (S,) uint8, a number of `matenv.data.dataset.PARTS`.
    """

    systems: CompositionBatch
    phases: NDArray[np.int64]
    part: NDArray[np.uint8]
    index: FormulaIndex

    def pool(self, part: str, size: int) -> NDArray[np.int64]:
        """Numbers of the systems of a part with so many elements."""
        return np.flatnonzero((self.part == PARTS.index(part)) & (self.systems.size == size))

    def count(self, systems: CompositionBatch) -> NDArray[np.int64]:
        """Stable phases of any systems (B,); 0 for those that are not listed."""
        rows = self.index.find(systems)
        return np.where(rows >= 0, self.phases[rows], 0)


@lru_cache(maxsize=1)
def known_systems() -> KnownSystems:
    """The systems of the embedded table; those with an element that is masked by default (radioactive) are left out."""
    data = load_dataset("mp-ground-states")
    listed = Task("listed", "", (), max_elements=SLOTS, max_atoms=MAX_ATOMS, max_count=MAX_COUNT)
    rows = np.flatnonzero((data.labels["decomposition_energy"] <= 0.0) & listed.allows(data.compositions))
    systems = data.compositions[rows].systems()
    first = systems.distinct()
    index = FormulaIndex(systems[first])
    phases = np.bincount(index.find(systems), minlength=len(first))
    return KnownSystems(systems[first], phases, data.system_part[rows[first]], index)


def by_electronegativity(elements: NDArray[np.int16]) -> NDArray[np.int16]:
    """Elements of systems (B, 4), least electronegative first, -1 last; equal ones keep the alphabet's order."""
    scale = np.append(np.nan_to_num(alphabet.values("electronegativity")), np.inf)
    return np.take_along_axis(elements, np.argsort(scale[elements], axis=1, kind="stable"), axis=1)
