"""The systems track's problems: chemical systems whose stable phases are to be named, paid by DFT."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.benchmark.problem import Problem, Proposals, packed
from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.data.dataset import PARTS
from matenv.oracle import Oracle
from matenv.tasks import Task

SIZES = (2, 3, 4)
"""Numbers of elements."""

PROPOSALS = 10
"""Proposals per system."""

System = tuple[str, ...]


def system_task(system: System) -> Task:
    """The rules for proposals: exactly these elements, at most 20 atoms and counts of at most 12."""
    size = len(system)
    return Task(
        "system", f"Name the stable phases of {'-'.join(system)}.", (),
        min_elements=size, max_elements=size, elements=system, exclude=(),
    )  # fmt: skip


@lru_cache
def stable_phases(part: str) -> dict[System, CompositionBatch]:
    """The DFT-stable phases of every chemical system of a part that has one, within `system_task`'s limits.

    Args:
        part: ``"train"`` (validation included) or ``"test"``, of the `system` split.

    Returns:
        Phases by system, symbols in alphabetical order; systems with a radioactive element (masked by default) and with
        other numbers of elements than `SIZES` are left out.
    """
    data = load_dataset("mp-ground-states")
    rows = getattr(data.split("system"), part)
    rows = rows[data.labels["decomposition_energy"][rows] <= 0.0]
    rows = rows[Task("any", "", (), max_elements=SIZES[-1]).allows(data.compositions[rows])]
    members: dict[str, list[int]] = {}
    for row in rows.tolist():
        members.setdefault(str(data.systems[row]), []).append(row)
    return {tuple(name.split("-")): data.compositions[np.array(found)] for name, found in sorted(members.items())}


def held_out(most: int | None, seed: int) -> list[System]:
    """The held-out systems of a run: all with a stable phase, or a subset.

    Args:
        most: Systems of each number of elements; None for all.
        seed: Of the subset.

    Returns:
        The systems, by number of elements.
    """
    names = list(stable_phases("test"))
    chosen: list[System] = []
    for size in SIZES:
        some = [name for name in names if len(name) == size]
        order = np.random.default_rng([seed, size]).permutation(len(some))[:most]
        chosen += [some[k] for k in sorted(order.tolist())]
    return chosen


class SystemProblem(Problem):
    """A chemical system. A proposal scores 1 if it is a DFT-stable phase that was not named before, else 0.

    Every proposal counts, repeats too.

    Args:
        system: Symbols in alphabetical order.
        part: Part of the split that knows the truth: ``"test"``, or ``"train"`` in training.
    """

    def __init__(self, system: System, part: str = "test") -> None:
        super().__init__(system_task(system), Oracle("train", PROPOSALS))
        self.system, self._stable = system, stable_phases(part).get(system)
        self._part, self._proposed = part, 0

    @property
    def remaining(self) -> int:
        """Proposals left."""
        return self.budget - self._proposed

    def assess(self, compositions: Proposals) -> NDArray[np.float64]:
        """Score proposals by DFT, as `Problem.assess`; nothing is predicted."""
        batch = packed(compositions)[: max(self.remaining, 0)]
        self._proposed += len(batch)
        first = np.zeros(len(batch), np.bool_)
        first[batch.distinct()] = True
        new = first & ~self.asked(batch)
        scores = (new & self.task.allows(batch) & self._is_stable(batch)).astype(np.float64)
        self._reveal(batch)
        self._seen.update(batch.keys().tolist())
        self._parts.append((batch, scores))
        return np.pad(scores, (0, len(compositions) - len(batch)))

    def _is_stable(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        if self._stable is None:
            return np.zeros(len(batch), np.bool_)
        return np.isin(batch.keys(), self._stable.keys())

    def _reveal(self, batch: CompositionBatch) -> None:
        """Enter the energies of what is in the table's part and in the system."""
        data = load_dataset("mp-ground-states")
        known = data.find(batch)
        own = np.array([alphabet.INDEX[symbol] for symbol in self.system or ()])
        for row, number in enumerate(known.tolist()):
            inside = bool(np.isin(batch.elements[row, : batch.size[row]], own).all())
            hidden = self._part == "train" and data.system_part[number] == PARTS.index("test")
            if number >= 0 and inside and not hidden and np.isfinite(data.formation_energy[number]):
                self.revealed[str(data.formulas[number])] = float(data.formation_energy[number])
