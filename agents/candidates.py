"""From visited formulas to a table of candidates, each with its reasons."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from matenv import CompositionBatch, Oracle, Ramp, Task, Window, load_dataset
from matenv import elements as alphabet
from matenv.atomic import write_whole
from matenv.card import large_formulas
from matenv.composition import integer_counts
from matenv.data import Dataset
from matenv.data.dataset import UNITS
from matenv.elements import SYMBOLS
from matenv.oracle import Assessment
from matenv.oracle.rivals import Standing, standings

CAVEAT = "Predicted from composition alone (no structure) at 0 K; not a statement about synthesis."
"""Stands under everything that lists predicted materials."""

GOLD = "Gold: score and P(stable) by another predictor, told all labels of the table; no search was paid by it. "
"""Stands under a table with a second opinion."""

HULLS = (
    "Ranked by the score against the hull of the whole table, as are P, E_d and products; the reward was paid "
    "for the hull of the reference phases. P is calibrated (docs/energies). DFT values are the table's own."
)
"""Stands under a table that shows both hulls."""


@dataclass(frozen=True)
class Candidate:
    """One proposed material. Energies in eV/atom at 0 K; the hull is that of the whole table where not said otherwise.

    Attributes:
        rank: 1 is best.
        formula: Reduced formula.
        chemical_system: Its elements.
        dft: ``"stable"`` or ``"unstable"`` where the table holds the formula, else empty.
        dft_decomposition_energy: DFT E_d; None where the table does not hold the formula.
        dft_formation_energy: DFT formation energy, likewise.
        dft_properties: What the table holds of the properties the task asks about, in words.
        status: "in reference", "held out" (in the table, but not among the reference phases) or "not in table".
        score: The task's score, what candidates are ranked by.
        utility: The part of it that is about what the task asks for, viability left out.
        p_stable: Calibrated probability of stability, if somebody had a reason to compute the formula.
        p_found: Probability of a stable phase, of all compositions of its chemical system.
        place: Its place by p_found among them, such as "2 of 731"; empty where they were not ranked.
        unbeaten: Whether its predicted energy also lies below those of its rivals: "yes", or "no" and by how much it
            is beaten [eV/atom].
        decomposition_energy: Predicted E_d.
        formation_energy: Predicted formation energy.
        formation_energy_std: Its standard deviation, which is also that of E_d.
        properties: Mean and standard deviation of the properties the task asks about, in words.
        decomposes_into: Competing phases, itself excluded, with atom fractions.
        large_products: Those of them with so many atoms that they may be supercells with a defect, with their atoms.
        novel: No reference formula on the same or fewer elements within L1 distance 0.05.
        reward_score: The score that a reward pays: of the hull of the reference phases.
        reward_p_stable: P(stable) in it.
        reward_decomposition_energy: Predicted E_d behind it.
        gold_score: The task's score by the gold predictor, a second opinion that no search was paid by.
        gold_p_stable: P(stable) in it.
    """

    rank: int
    formula: str
    chemical_system: str
    dft: str
    dft_decomposition_energy: float | None
    dft_formation_energy: float | None
    dft_properties: str
    status: str
    score: float
    utility: float
    p_stable: float
    p_found: float
    place: str
    unbeaten: str
    decomposition_energy: float
    formation_energy: float
    formation_energy_std: float
    properties: str
    decomposes_into: str
    large_products: str
    novel: bool
    reward_score: float
    reward_p_stable: float
    reward_decomposition_energy: float
    gold_score: float
    gold_p_stable: float


def rank_candidates(
    formulas: Sequence[str], task: Task, oracle: Oracle, top: int = 20, alike: int | None = None
) -> list[Candidate]:
    """The best formulas by the task's score against the hull of the whole table, at most one per chemical system.

    Args:
        formulas: Formulas to choose from.
        task: The task.
        oracle: The oracle that rewards come from, without a budget; what is novel is so to its reference.
        top: How many to keep.
        alike: At most so many of one family, as `families` has them; None for any number.

    Returns:
        At most `top` candidates with a score above 0, best first.
    """
    for name, least in (("top", top), ("alike", 1 if alike is None else alike)):
        if least < 1:
            raise ValueError(f"{name}={least} must be at least 1")
    distinct = [formula for formula in dict.fromkeys(formulas) if formula]
    if not distinct:
        return []
    batch = CompositionBatch.from_counts(integer_counts(distinct))
    whole = Oracle("all", predictor=oracle.predictor, properties=oracle.properties, judge=oracle.judge)
    scored = task.score(_judged(batch, oracle, whole))
    score, family = scored.score, families(batch)
    chosen: dict[tuple[int, ...], int] = {}
    met: Counter[str] = Counter()
    for row in np.argsort(-score, kind="stable").tolist():
        if score[row] <= 0 or len(chosen) == top:
            break
        system = tuple(batch.elements[row][: batch.size[row]].tolist())
        if system not in chosen and met[family[row]] < (alike or top):
            chosen[system] = row
            met[family[row]] += 1
    if not chosen:
        return []
    best = batch[np.array(list(chosen.values()))]
    seen, full = oracle.assess(best).also(task.properties), _judged(best, oracle, whole).also(task.properties)
    paid = task.score(seen).score
    second = Oracle("all", predictor="gold", judge=True, properties=oracle.properties)
    gold = _judged(best, oracle, second).also(task.properties)
    by_gold = task.score(gold).score
    asked = [objective.property_name for objective in task.objectives if isinstance(objective, Ramp | Window)]
    table = load_dataset("mp-ground-states")
    rows, ranks = table.find(best).tolist(), standings(whole, best)
    return [
        Candidate(
            rank=i + 1,
            formula=full.formulas[i],
            chemical_system="-".join(SYMBOLS[element] for element in system),
            **_on_record(table, rows[i], asked),
            status="in reference" if seen.known[i] else "held out" if rows[i] >= 0 else "not in table",
            score=round(float(score[row]), 4),
            utility=round(float(scored.terms["utility"][row]), 4),
            p_stable=round(float(full.p_stable[i]), 4),
            **_among_rivals(ranks[i]),
            decomposition_energy=round(float(full.decomposition_energy[i]), 4),
            formation_energy=round(float(full.mean["formation_energy"][i]), 4),
            formation_energy_std=round(float(full.std["formation_energy"][i]), 4),
            properties="; ".join(
                _in_words(name, full.mean[name][i], full.std[name][i], full.units[name]) for name in asked
            ),
            decomposes_into=" + ".join(f"{amount:.3f} {product}" for product, amount in full.products(i)),
            large_products=_listed(large_formulas(product for product, _ in full.products(i))),
            novel=bool(seen.novel[i]),
            reward_score=round(float(paid[i]), 4),
            reward_p_stable=round(float(seen.p_stable[i]), 4),
            reward_decomposition_energy=round(float(seen.decomposition_energy[i]), 4),
            gold_score=round(float(by_gold[i]), 4),
            gold_p_stable=round(float(gold.p_stable[i]), 4),
        )
        for i, (system, row) in enumerate(chosen.items())
    ]


def families(batch: CompositionBatch) -> list[str]:
    """What formulas (B) have in common with those of like elements: groups of the periodic table with their counts.

    Lanthanides are one group here, actinides another: EuSmCuSe3, EuGdCuSe3 and PrEuAgSe3 are of one family.
    """
    group, number = alphabet.values("group"), alphabet.values("number")
    kind = np.where((number >= 57) & (number <= 71), 57, np.where(number >= 89, 89, np.nan_to_num(group))).astype(int)
    return [
        str(sorted(zip(kind[elements[:size]].tolist(), counts[:size].tolist(), strict=True)))
        for elements, counts, size in zip(*batch.arrays, strict=True)
    ]


def _judged(batch: CompositionBatch, oracle: Oracle, whole: Oracle) -> Assessment:
    """What the hull of the whole table says; known is what the reference holds."""
    return replace(whole.assess(batch), known=oracle.assess(batch).known)


def _among_rivals(standing: Standing) -> dict[str, Any]:
    """How a formula stands among all of its system, as fields of a candidate."""
    unbeaten = {None: "", True: "yes", False: f"no, by {standing.margin or 0.0:.3f}"}[standing.unbeaten]
    place = "" if standing.place is None else f"{standing.place} of {standing.among}"
    return {"p_found": round(standing.p_found, 4), "place": place, "unbeaten": unbeaten}


def _on_record(table: Dataset, row: int, asked: Sequence[str]) -> dict[str, Any]:
    """What the table holds of a formula, as fields of a candidate; `row` is -1 where it does not hold it."""
    if row < 0:
        return {"dft": "", "dft_decomposition_energy": None, "dft_formation_energy": None, "dft_properties": ""}
    e_d = float(table.labels["decomposition_energy"][row])
    return {
        "dft": "stable" if e_d <= 0 else "unstable",
        "dft_decomposition_energy": round(e_d, 4),
        "dft_formation_energy": round(float(table.formation_energy[row]), 4),
        "dft_properties": "; ".join(
            _median(name, float(table.labels[name][row]), float(table.spread[name][row]))
            for name in asked
            if name in table.spread and np.isfinite(table.labels[name][row])
        ),
    }


def _listed(atoms: Mapping[str, int]) -> str:
    return "; ".join(f"{formula} ({count} atoms)" for formula, count in atoms.items())


_NUMBERS = ("#", "score", "P(stable)", "gold", "reward")
_HEADINGS = (
    "#",
    "formula",
    "DFT",
    "score",
    "predicted",
    "P(stable)",
    "p_found",
    "E_d (eV/atom)",
    "decomposes into",
    "gold",
)


def _median(name: str, median: float, spread: float) -> str:
    """A label of the table: the median over polymorphs or reports, and how far these are apart."""
    if name.startswith("log10_"):
        words, apart = f"{name[6:].replace('_', ' ')} {10**median:.0f} GPa", f"a factor {10**spread:.2g}"
    else:
        words, apart = f"{name.replace('_', ' ')} {median:.2f} {UNITS[name]}", f"{spread:.2f} {UNITS[name]}"
    return words + (f" (median, spread {apart})" if spread else "")


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
    whole = io.StringIO(newline="")
    writer = csv.DictWriter(whole, [*names.values(), "note"])
    writer.writeheader()
    for candidate in candidates:
        writer.writerow({**{names[key]: value for key, value in asdict(candidate).items()}, "note": CAVEAT})
    write_whole(path, whole.getvalue())


def show_table(candidates: Sequence[Candidate], title: str) -> None:
    """Print candidates as a table on the terminal.

    Args:
        candidates: The candidates.
        title: Heading.
    """
    from rich.console import Console
    from rich.table import Table

    both = any(c.reward_score != c.score for c in candidates)
    table = Table(title=title, caption=f"{CAVEAT} {GOLD}{HULLS * both}")
    for heading in (*_HEADINGS, *["reward"] * both):
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left")
    for c in candidates:
        dft = "\n".join(filter(None, [_dft(c), *c.dft_properties.split("; "), c.status]))
        energy = f"{c.decomposition_energy:+.3f} +- {c.formation_energy_std:.3f}"
        large = c.large_products and f"\n{c.large_products}: a supercell?"
        found = "\n".join(filter(None, [f"{c.p_found:.2g}", c.place, c.unbeaten and f"unbeaten: {c.unbeaten}"]))
        table.add_row(
            str(c.rank), c.formula, dft, f"{c.score:.3f}", c.properties.replace("; ", "\n"),
            f"{c.p_stable:.2f}", found,
            energy, c.decomposes_into + large, f"{c.gold_score:.3f}\nP {c.gold_p_stable:.2f}",
            *[f"{c.reward_score:.3f}\nP {c.reward_p_stable:.2f}"] * both,
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:  # rich then assumes 80 columns, which would break every cell
        console = Console(width=max(console.width, 140))
    console.print(table)


def _dft(candidate: Candidate) -> str:
    e_d, e_f = candidate.dft_decomposition_energy, candidate.dft_formation_energy
    return "" if e_d is None else f"{candidate.dft}, E_d {e_d:+.3f}\nE_f {e_f:.3f}"
