"""The decoy test: ``python -m studies.honesty.decoys`` counts how many stable phases P(stable) promises.

P(stable) is calibrated on table rows, which somebody had reason to compute. A search asks about all compositions, and
most of them are decoys. Where a chemical system is well sampled, the sum of P over all of its compositions should be
near the number of stable phases known there; how far it is above is the over-counting. Much of it is that P weighs
each composition alone: it must beat the phases of the reference, not the other compositions around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import brentq

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data import Dataset, load_dataset
from matenv.oracle import Oracle
from matenv.thermo import ConvexHull
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run

MAX_ATOMS = 20
"""Most atoms per formula unit of the compositions that are counted."""

SYSTEMS = 20
"""Systems per number of elements: those with the most known formulas."""

SIZES = (2, 3, 4)


@dataclass(frozen=True)
class Decoys:
    """The count in the best-sampled systems of one number of elements.

    Attributes:
        predictor: Name of the predictor.
        reference: Phases of the hull, as `Oracle`.
        size: Number of elements.
        systems: The systems counted.
        compositions: Compositions of at most `MAX_ATOMS` atoms in them.
        known: Of these, formulas in the table.
        stable: Of these, stable by DFT against the whole table.
        expected: Sum of P(stable) over all compositions.
        expected_known: Sum of P(stable) over the known formulas.
        found: Sum of p_found over all compositions.
        unbeaten: Compositions that also beat all their rivals: on or below the hull of the reference phases and of the
            predicted energies of all compositions counted.
        expected_unbeaten: Sum of P(stable) over these.
        stable_unbeaten: How many of these are known to be stable.
        odds_factor: What the odds of P(stable) of all compositions would have to be multiplied with for the sum to be
            `stable`. Phases nobody has computed count as decoys, so it is a lower limit.
    """

    predictor: str
    reference: str
    size: int
    systems: tuple[str, ...]
    compositions: int
    known: int
    stable: int
    expected: float
    expected_known: float
    found: float
    unbeaten: int
    expected_unbeaten: float
    stable_unbeaten: int
    odds_factor: float

    @property
    def over_counting(self) -> float:
        """Promised stable phases per known one."""
        return self.expected / self.stable


def count(predictor: str, reference: str, size: int, systems: int = SYSTEMS) -> Decoys:
    """Sum of P(stable) over all compositions of well-sampled systems.

    Args:
        predictor: Name of the predictor.
        reference: ``"all"``: the hull of the whole table, best-sampled systems of the whole table; ``"train"``: the
            hull of train rows, best-sampled systems among those held out.
        size: Number of elements.
        systems: How many systems.

    Returns:
        The count.
    """
    data = load_dataset("mp-ground-states")
    pool = np.arange(len(data)) if reference == "all" else data.split("system").test
    pool = pool[(data.compositions.size[pool] == size) & (data.compositions.atoms[pool] <= MAX_ATOMS)]
    names, rows = np.unique(data.systems[pool], return_counts=True)
    chosen = names[np.argsort(-rows, kind="stable")[:systems]]
    pool = pool[np.isin(data.systems[pool], chosen)]
    batch = _all_compositions(chosen.tolist(), size)
    assessment = Oracle(reference, predictor=predictor).assess(batch)
    known = np.isfinite(assessment.dft_formation_energy)
    stable = int((data.labels["decomposition_energy"][pool] <= 0.0).sum())
    phases = data if reference == "all" else data.subset(data.split("system").train)
    unbeaten = _unbeaten(batch, assessment.mean["formation_energy"], phases)
    return Decoys(
        predictor=predictor,
        reference=reference,
        size=size,
        systems=tuple(chosen.tolist()),
        compositions=len(batch),
        known=int(known.sum()),
        stable=stable,
        expected=float(assessment.p_stable.sum()),
        expected_known=float(assessment.p_stable[known].sum()),
        found=float(assessment.p_found.sum()),
        unbeaten=int(unbeaten.sum()),
        expected_unbeaten=float(assessment.p_stable[unbeaten].sum()),
        stable_unbeaten=int((assessment.dft_decomposition_energy[unbeaten] <= 0.0).sum()),
        odds_factor=_odds_factor(assessment.p_stable, stable),
    )


def _all_compositions(systems: Sequence[str], size: int) -> CompositionBatch:
    """Every reduced composition of at most `MAX_ATOMS` atoms with all elements of each system."""
    patterns = _patterns(size)
    counts = np.zeros((len(systems), len(patterns), alphabet.NUM_ELEMENTS), np.int64)
    for k, system in enumerate(systems):
        counts[k][:, alphabet.positions(system.split("-"))] = patterns
    return CompositionBatch.from_counts(counts.reshape(-1, alphabet.NUM_ELEMENTS))


@lru_cache
def _patterns(size: int) -> NDArray[np.int64]:
    """Counts (n, size) without common divisor, each at least 1, of at most `MAX_ATOMS` atoms together."""
    # Cutting a row of atoms at `size` places gives every way to share at most that many.
    cuts = np.array(list(combinations(range(1, MAX_ATOMS + 1), size)))
    counts = np.diff(cuts, axis=1, prepend=0)
    return counts[np.gcd.reduce(counts, axis=1) == 1]


def _unbeaten(batch: CompositionBatch, energy: NDArray[np.float64], phases: Dataset) -> NDArray[np.bool_]:
    """Which of B compositions stay on or below the hull of the phases and of the others' predicted energies (B,)."""
    everything = Dataset(
        "phases and rivals",
        np.concatenate([phases.formulas, batch.formulas()]),
        CompositionBatch.concatenate([phases.compositions, batch]),
        np.concatenate([phases.formation_energy, energy]),
        phases.energy_scheme,
    )
    return energy <= ConvexHull.from_dataset(everything).energy(batch, exclude_self=True)


def _odds_factor(p: NDArray[np.float64], wanted: float) -> float:
    odds = p / (1.0 - p)

    def excess(log_factor: float) -> float:
        scaled = np.exp(log_factor) * odds
        return float((scaled / (1.0 + scaled)).sum() - wanted)

    return float(np.exp(brentq(excess, -30.0, 30.0)))


def tables(results: dict[str, Any]) -> str:
    """The counts as a Markdown table."""
    headings = (
        "predictor", "hull", "elements", "compositions", "known", "stable", "sum of P(stable), known",
        "sum of P(stable), all", "sum of p_found, all", "unbeaten by rivals", "stable, unbeaten",
    )  # fmt: skip
    return markdown(
        headings,
        (
            [c["predictor"], c["reference"], f"{c['size']}", f"{c['compositions']:,}", f"{c['known']:,}",
             f"{c['stable']}",
             f"{c['expected_known']:.1f}", f"{c['expected']:.1f}", f"{c['found']:.1f}", f"{c['unbeaten']:,}",
             f"{c['stable_unbeaten']}"]
            for c in results["counts"]
        ),
    )  # fmt: skip


def main(
    predictors: Annotated[list[str] | None, typer.Option("--predictor", help="Default: default.")] = None,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "decoys.json",
) -> None:
    """Count, write and print."""
    counts = [count(name, hull, n) for hull in ("train", "all") for name in predictors or ["default"] for n in SIZES]
    results = {"counts": [asdict(c) for c in counts]}
    store(out, results)
    print(tables(results))


if __name__ == "__main__":
    run(main)
