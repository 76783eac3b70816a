"""All compositions of a chemical system, ranked: which of them would be its stable phases, rivals included.

P(stable) and p_found weigh each composition by itself. A stable phase must also beat the other compositions of its
system, whose energies are predicted too: exact, and too dear for the step of an environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch, FormulaIndex
from matenv.data import Dataset
from matenv.oracle.found import LARGEST, MAX_ATOMS, MAX_COUNT, SMALLEST
from matenv.oracle.oracle import Oracle
from matenv.thermo import ConvexHull

PLAUSIBLE = 0.03
"""Smallest p_found of a rival that counts: among thousands of compositions the lowest predicted energies are errors."""


@dataclass(frozen=True)
class RankedSystem:
    """The compositions of one chemical system, most probable first.

    Attributes:
        compositions: Those of at most 20 atoms and counts of at most 12 (N).
        p_found: P(a stable phase | one of all compositions of the system) (N,), of the thorough model, which ranks
            better than the quick one.
        p_stable: P(stable) (N,).
        decomposition_energy: Predicted, against the phases of the reference (N,) [eV/atom].
        margin: Predicted energy against the phases of the reference *and* the plausible rivals (N,) [eV/atom].
    """

    compositions: CompositionBatch
    p_found: NDArray[np.float64]
    p_stable: NDArray[np.float64]
    decomposition_energy: NDArray[np.float64]
    margin: NDArray[np.float64]

    @property
    def unbeaten(self) -> NDArray[np.bool_]:
        """Whether no mixture of phases and plausible rivals lies below (N,) bool."""
        return self.margin <= 0.0


@lru_cache
def patterns(size: int) -> NDArray[np.int64]:
    """Counts (n, size) of every reduced composition of at most 20 atoms and counts of at most 12."""
    # Cutting a row of atoms at `size` places gives every way to share at most that many.
    cuts = np.array(list(combinations(range(1, MAX_ATOMS + 1), size)))
    counts = np.diff(cuts, axis=1, prepend=0)
    return counts[(np.gcd.reduce(counts, axis=1) == 1) & (counts.max(axis=1) <= MAX_COUNT)]


def compositions(positions: Sequence[int], counts: NDArray[np.int64] | None = None) -> CompositionBatch:
    """Compositions of one system.

    Args:
        positions: Alphabet positions of its elements, ascending.
        counts: Counts (n, elements); by default all `patterns`.

    Returns:
        n packed compositions.
    """
    counts = patterns(len(positions)) if counts is None else counts
    elements = np.full((len(counts), 10), -1, np.int16)
    amounts = np.zeros((len(counts), 10), np.int32)
    elements[:, : len(positions)], amounts[:, : len(positions)] = positions, counts
    return CompositionBatch(elements, amounts, np.full(len(counts), len(positions), np.int16))


def rank_system(oracle: Oracle, system: Sequence[str]) -> RankedSystem:
    """Rank all compositions of a system; they count as calls of the oracle.

    Args:
        oracle: The oracle, with budget enough for them all.
        system: Two to five element symbols.

    Returns:
        The compositions, most probable first.

    Raises:
        ValueError: Unknown symbols, one named twice, or fewer than two or more than five.
    """
    positions = np.unique(alphabet.positions(system, "system"))
    if len(positions) != len(system) or not SMALLEST <= len(system) <= LARGEST:
        raise ValueError(f"system={list(system)!r} must be two to five different elements")
    batch = compositions(positions.tolist())
    a = oracle.assess(batch)
    p = a.prob_found(thorough=True)
    margin = margins(oracle.hull, batch, a.mean["formation_energy"], p >= PLAUSIBLE)
    order = np.argsort(-p, kind="stable")
    return RankedSystem(batch[order], p[order], a.p_stable[order], a.decomposition_energy[order], margin[order])


@dataclass(frozen=True)
class Standing:
    """How one composition stands among all of its system.

    Attributes:
        p_found: P(a stable phase | one of all compositions of the system), of the quick model, as in scores.
        place: 1 for the most probable by the thorough model, which ranks better; None where the system was not ranked.
        among: Compositions that were ranked.
        margin: As in `RankedSystem` [eV/atom]; None where the system was not ranked.
    """

    p_found: float
    place: int | None = None
    among: int | None = None
    margin: float | None = None

    @property
    def unbeaten(self) -> bool | None:
        """Whether no mixture of phases and plausible rivals lies below; None where nobody looked."""
        return None if self.margin is None else self.margin <= 0.0


def standings(oracle: Oracle, batch: CompositionBatch) -> list[Standing]:
    """How each composition stands among all of its own system, which is ranked for it.

    Args:
        oracle: The oracle, without a budget: every system counts hundreds to thousands of calls.
        batch: Compositions (B) that are valid to the oracle.

    Returns:
        One for each; only p_found where it lies outside what `rank_system` ranks (more than 5 elements, 20 atoms, or
        12 of one).
    """
    p_found = oracle.assess(batch).p_found
    found = []
    for row in range(len(batch)):
        one = batch[row : row + 1]
        if not SMALLEST <= batch.size[row] <= LARGEST or batch.atoms[row] > MAX_ATOMS or one.counts.max() > MAX_COUNT:
            found.append(Standing(float(p_found[row])))
            continue
        ranked = rank_system(oracle, [alphabet.SYMBOLS[e] for e in one.elements[0, : one.size[0]]])
        place = int(FormulaIndex(ranked.compositions).find(one)[0])
        found.append(Standing(float(p_found[row]), place + 1, len(ranked.p_found), float(ranked.margin[place])))
    return found


def margins(
    hull: ConvexHull, batch: CompositionBatch, energy: NDArray[np.float64], plausible: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Energy of each composition of a system against the phases of a hull and the plausible others of the batch.

    Args:
        hull: The reference.
        batch: Compositions (B) of one chemical system.
        energy: Their predicted formation energies (B,) [eV/atom].
        plausible: Which of them count as rivals (B,) bool.

    Returns:
        Energy minus that of the cheapest mixture of others (B,) [eV/atom]; <= 0: unbeaten.
    """
    inside = np.zeros(alphabet.NUM_ELEMENTS + 1, np.bool_)
    inside[batch.elements[0]] = True  # padding too
    references = hull.references
    phases = references[inside[references.elements].all(axis=1) & (references.size >= 2)]
    rivals = Dataset(
        "phases and rivals",
        np.concatenate([phases.formulas(), batch[plausible].formulas()]).astype(np.str_),
        CompositionBatch.concatenate([phases, batch[plausible]]),
        np.concatenate([hull.known_energy(phases), energy[plausible]]),
        hull.energy_scheme,
    )
    if not len(rivals):
        return energy.copy()
    return energy - ConvexHull.from_dataset(rivals, threads=1).energy(batch, exclude_self=True)
