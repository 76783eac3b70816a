"""From visited formulas to a table of candidates, each with its reasons."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from matenv import CompositionBatch, Oracle, Ramp, Task, Window
from matenv.composition import integer_counts
from matenv.elements import SYMBOLS

CAVEAT = "Predicted from composition alone (no structure) at 0 K; not a statement about synthesis."
"""Stands under everything that lists predicted materials."""

HULLS = (
    "The score was earned against the hull of the reference phases (P reward); P, E_d and products shown are against "
    "the whole table. P is calibrated for the reference hull (docs/energies)."
)
"""Stands under a table that shows both hulls."""


@dataclass(frozen=True)
class Candidate:
    """One proposed material. Energies in eV/atom at 0 K.

    Attributes:
        rank: 1 is best.
        formula: Reduced formula.
        chemical_system: Its elements.
        score: The task's score.
        p_stable: Calibrated probability of stability the score was earned with (hull of the reference phases).
        decomposition_energy: Predicted E_d behind it.
        p_stable_full: The same against the hull of the whole table.
        decomposition_energy_full: The same E_d against the hull of the whole table.
        formation_energy: Predicted formation energy.
        formation_energy_std: Its standard deviation, which is also that of both E_d.
        properties: Mean and standard deviation of the properties the task asks about, in words.
        decomposes_into: Competing phases of the whole table, itself excluded, with atom fractions.
        novel: No reference formula on the same or fewer elements within L1 distance 0.05.
        status: "in reference", "held out" (in the table, but not among the reference phases) or "not in table".
        dft_decomposition_energy: The table's own DFT value, where it holds the formula.
    """

    rank: int
    formula: str
    chemical_system: str
    score: float
    p_stable: float
    decomposition_energy: float
    p_stable_full: float
    decomposition_energy_full: float
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
        oracle: The oracle the score comes from; without a budget.
        top: How many to keep.

    Returns:
        At most `top` candidates with a score above 0, best first.
    """
    if top < 1:
        raise ValueError(f"top={top} must be at least 1")
    distinct = [formula for formula in dict.fromkeys(formulas) if formula]
    if not distinct:
        return []
    batch = CompositionBatch.from_counts(integer_counts(distinct))
    score = task.score(oracle.assess(batch)).score
    chosen: dict[tuple[int, ...], int] = {}
    for row in np.argsort(-score, kind="stable").tolist():
        if score[row] <= 0 or len(chosen) == top:
            break
        chosen.setdefault(tuple(batch.elements[row][: batch.size[row]].tolist()), row)
    if not chosen:
        return []
    best = batch[np.array(list(chosen.values()))]
    seen, full = oracle.assess(best), Oracle("all").assess(best)
    asked = [objective.property_name for objective in task.objectives if isinstance(objective, Ramp | Window)]
    dft = full.dft_decomposition_energy
    return [
        Candidate(
            rank=i + 1,
            formula=seen.formulas[i],
            chemical_system="-".join(SYMBOLS[element] for element in system),
            score=round(float(score[row]), 4),
            p_stable=round(float(seen.p_stable[i]), 4),
            decomposition_energy=round(float(seen.decomposition_energy[i]), 4),
            p_stable_full=round(float(full.p_stable[i]), 4),
            decomposition_energy_full=round(float(full.decomposition_energy[i]), 4),
            formation_energy=round(float(seen.mean["formation_energy"][i]), 4),
            formation_energy_std=round(float(seen.std["formation_energy"][i]), 4),
            properties="; ".join(
                _in_words(name, seen.mean[name][i], seen.std[name][i], oracle.units[name]) for name in asked
            ),
            decomposes_into=" + ".join(f"{amount:.3f} {product}" for product, amount in full.products(i)),
            novel=bool(seen.novel[i]),
            status="in reference" if seen.known[i] else "held out" if full.known[i] else "not in table",
            dft_decomposition_energy=round(float(dft[i]), 4) if full.known[i] else None,
        )
        for i, (system, row) in enumerate(chosen.items())
    ]


_HEADINGS = (
    "#",
    "formula",
    "score",
    "P reward",
    "predicted",
    "P(stable)",
    "E_d (eV/atom)",
    "decomposes into",
    "status",
)


def _in_words(name: str, mean: float, std: float, unit: str) -> str:
    """A predicted property; logarithms are undone, with the interval of one standard deviation."""
    if name.startswith("log10_"):
        return f"{name[6:].replace('_', ' ')} {10**mean:.0f} ({10 ** (mean - std):.0f}-{10 ** (mean + std):.0f}) GPa"
    return f"{name.replace('_', ' ')} {mean:.2f} +- {std:.2f} {unit}"


def write_csv(candidates: Sequence[Candidate], path: Path) -> None:
    """Write candidates to a CSV file; energies carry their unit in the header, every row the caveat.

    Args:
        candidates: The candidates.
        path: The file.
    """
    names = {key: f"{key} [eV/atom]" if "energy" in key else key for key in Candidate.__dataclass_fields__}
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*names.values(), "note"])
        writer.writeheader()
        for candidate in candidates:
            writer.writerow({**{names[key]: value for key, value in asdict(candidate).items()}, "note": CAVEAT})


def show_table(candidates: Sequence[Candidate], title: str) -> None:
    """Print candidates as a table on the terminal.

    Args:
        candidates: The candidates.
        title: Heading.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, caption=f"{CAVEAT} {HULLS}")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading in ("#", "score", "P reward", "P(stable)") else "left")
    for c in candidates:
        dft = "" if c.dft_decomposition_energy is None else f"\nDFT E_d {c.dft_decomposition_energy:+.3f}"
        energy = f"{c.decomposition_energy_full:+.3f} +- {c.formation_energy_std:.3f}"
        table.add_row(
            str(c.rank), c.formula, f"{c.score:.3f}", f"{c.p_stable:.2f}", c.properties.replace("; ", "\n"),
            f"{c.p_stable_full:.2f}", energy, c.decomposes_into, c.status + dft,
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:  # rich then assumes 80 columns, which would break every cell
        console = Console(width=max(console.width, 140))
    console.print(table)
