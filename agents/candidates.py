"""From visited formulas to a table of candidates, each with its reasons.

May import: matenv's public names.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from matenv import CompositionBatch, Oracle, Task
from matenv.composition import integer_counts
from matenv.elements import SYMBOLS

CAVEAT = (
    "Predicted from composition alone (no structure) at 0 K, against a hull of the reference phases; "
    "not a statement about synthesis."
)
"""Stands under every candidate table."""


@dataclass(frozen=True)
class Candidate:
    """One proposed material.

    Attributes:
        rank: 1 is best.
        formula: Reduced formula.
        chemical_system: Its elements.
        score: The task's score.
        p_stable: Calibrated probability that it is stable against decomposition.
        decomposition_energy: Predicted E_d [eV/atom]; its error is that of the formation energy.
        formation_energy: Predicted formation energy [eV/atom].
        formation_energy_std: Its standard deviation [eV/atom].
        properties: Mean and standard deviation of the properties the task asks about, in words.
        decomposes_into: Competing phases with atom fractions.
        novel: No known formula on the same or fewer elements within L1 distance 0.05.
        status: Whether the reference, or the full table, already holds it.
        dft_decomposition_energy: The full table's own E_d [eV/atom], where it holds the formula.
    """

    rank: int
    formula: str
    chemical_system: str
    score: float
    p_stable: float
    decomposition_energy: float
    formation_energy: float
    formation_energy_std: float
    properties: str
    decomposes_into: str
    novel: bool
    status: str
    dft_decomposition_energy: float | None


def rank_candidates(formulas: Sequence[str], task: Task, oracle: Oracle, top: int = 20) -> list[Candidate]:
    """The best formulas by the task's score, at most one per chemical system.

    Args:
        formulas: Formulas to choose from.
        task: The task.
        oracle: An oracle without a budget.
        top: How many to keep.

    Returns:
        At most `top` candidates with a score above 0, best first.
    """
    distinct = [formula for formula in dict.fromkeys(formulas) if formula]
    if not distinct:
        return []
    batch = CompositionBatch.from_counts(integer_counts(distinct))
    assessment = oracle.assess(batch)
    scored = task.score(assessment)
    chosen: list[Candidate] = []
    systems: set[tuple[int, ...]] = set()
    asked = [getattr(objective, "property", None) for objective in task.objectives]
    for row in np.argsort(-scored.score, kind="stable").tolist():
        system = tuple(batch.elements[row][: batch.size[row]].tolist())
        if len(chosen) == top or scored.score[row] <= 0:
            break
        if system in systems:
            continue
        systems.add(system)
        one = oracle.assess(batch[row : row + 1])
        dft = float(one.dft_decomposition_energy[0])
        in_table = np.isfinite(dft)
        chosen.append(
            Candidate(
                rank=len(chosen) + 1,
                formula=assessment.formulas[row],
                chemical_system="-".join(SYMBOLS[element] for element in system),
                score=round(float(scored.score[row]), 4),
                p_stable=round(float(assessment.p_stable[row]), 4),
                decomposition_energy=round(float(assessment.decomposition_energy[row]), 4),
                formation_energy=round(float(assessment.mean["formation_energy"][row]), 4),
                formation_energy_std=round(float(assessment.std["formation_energy"][row]), 4),
                properties="; ".join(
                    f"{name} {assessment.mean[name][row]:.2f} +- {assessment.std[name][row]:.2f}"
                    f" {oracle.predictor.units[name]}"
                    for name in asked
                    if name
                ),
                decomposes_into=" + ".join(f"{amount:.3f} {product}" for product, amount in one.products(0)),
                novel=bool(assessment.novel[row]),
                status="in reference" if assessment.known[row] else "held out of it" if in_table else "not in table",
                dft_decomposition_energy=round(dft, 4) if in_table else None,
            )
        )
    return chosen


def write_csv(candidates: Sequence[Candidate], path: Path) -> None:
    """Write candidates to a CSV file, with the caveat as its last line.

    Args:
        candidates: The candidates.
        path: The file.
    """
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(Candidate.__dataclass_fields__))
        writer.writeheader()
        for candidate in candidates:
            writer.writerow(asdict(candidate))
        stream.write(f"# {CAVEAT}\n")


def show_table(candidates: Sequence[Candidate], title: str) -> None:
    """Print candidates as a table on the terminal.

    Args:
        candidates: The candidates.
        title: Heading.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, caption=CAVEAT)
    for heading in (
        "#",
        "formula",
        "score",
        "P(stable)",
        "E_d [eV/atom]",
        "predicted",
        "would decompose into",
        "status",
    ):
        table.add_column(heading, justify="right" if heading in ("#", "score", "P(stable)") else "left")
    for c in candidates:
        status = (
            c.status if c.dft_decomposition_energy is None else f"{c.status}, DFT {c.dft_decomposition_energy:+.3f}"
        )
        table.add_row(
            str(c.rank), c.formula, f"{c.score:.3f}", f"{c.p_stable:.2f}",
            f"{c.decomposition_energy:+.3f} +- {c.formation_energy_std:.3f}", c.properties.replace("; ", "\n"),
            c.decomposes_into, status,
        )  # fmt: skip
    Console(width=None).print(table)
