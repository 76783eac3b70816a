"""The tables of docs/pan.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matenv.atomic import write_whole
from studies.papers.pan_oxides.paper import RANDOM, TRAINED

PAGE = Path(__file__).parents[3] / "docs" / "pan.md"

BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"

TITLES = {
    "formation_energy": ("Formation energy, low", "E_f [eV/atom]"),
    "log10_bulk_modulus": ("Bulk modulus, high", "ln K [GPa]"),
    "log10_shear_modulus": ("Shear modulus, high", "ln G [GPa]"),
    "band_gap_pbe": ("Band gap (PBE), high", "gap [eV]"),
}

CHEMISTRY = {"neutral": 2, "balanced": 2, "unique": 2, "diversity": 1}
"""The paper's measures, and their decimals."""

HONEST = {"in_table": 2, "stable": 2, "gold_stable": 2, "p_found": 3, "above_hull": 2}
"""Ours beside them."""

NAMES = {
    "neutral": "neutral", "balanced": "balanced", "unique": "unique", "diversity": "ElMD", "in_table": "in table",
    "stable": "stable", "gold_stable": "stable, gold", "p_found": "p_found", "above_hull": "above hull",
}  # fmt: skip


def tables(found: dict[str, Any]) -> str:
    """All tables as Markdown: rows without an objective, then a table for each."""
    head = [*CHEMISTRY, *HONEST]
    parts = [_row("formulas", [*(NAMES[key] for key in head), *(unit for _, unit in TITLES.values())])]
    parts.append(_row("---", ["---"] * (len(head) + len(TITLES))))
    paper = [f"{RANDOM[key]:.{digits}f}" for key, digits in CHEMISTRY.items()] + [""] * len(HONEST)
    parts.append(_row("*the paper's random row*", [*paper, *(f"{RANDOM[name]:.2f}" for name in TITLES)]))
    for name, runs in found["rows"].items():
        parts.append(_row(name, [*_common(runs), *(_value(runs, each) for each in TITLES)]))
    for objective, rows in found["objectives"].items():
        title, unit = TITLES[objective]
        parts += ["", f"**{title}**", ""]
        parts.append(_row("formulas", [unit, "by gold", *(NAMES[key] for key in head)]))
        parts.append(_row("---", ["---"] * (len(head) + 2)))
        said = TRAINED[objective]
        cells = [f"{said['value']:.2f}", "", *(f"{said[key]:.{digits}f}" for key, digits in CHEMISTRY.items())]
        parts.append(_row("*the paper's DQN*", [*cells, *[""] * len(HONEST)]))
        for name, runs in rows.items():
            values = [_value(runs, objective), _value(runs, objective, "gold_"), *_common(runs)]
            parts.append(_row(name, values))
    return "\n".join(parts)


def write_page(found: dict[str, Any], page: Path = PAGE) -> None:
    """Put the tables between the marks of the page, whose prose stays.

    Raises:
        ValueError: A page without the marks.
    """
    text = page.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page} lacks the marks {BEGIN} and {END} between which tables stand")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    write_whole(page, f"{before}\n{tables(found)}\n{after}")


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |" if name != "---" else f"|{'---|' * (len(cells) + 1)}"


def _common(runs: list[dict[str, Any]]) -> list[str]:
    return [_mean([run[key] for run in runs], digits) for key, digits in (CHEMISTRY | HONEST).items()]


def _value(runs: list[dict[str, Any]], objective: str, prefix: str = "") -> str:
    """Mean and spread of a property, moduli as natural logarithms."""
    scale = math.log(10.0) if objective.startswith("log10") else 1.0
    return _mean([scale * run[f"{prefix}mean_{objective}"] for run in runs], 2)


def _mean(values: list[float], digits: int) -> str:
    """Mean over seeds, and their standard deviation if it shows."""
    text, spread = f"{np.mean(values):.{digits}f}", f"{np.std(values, ddof=1 if len(values) > 1 else 0):.{digits}f}"
    return f"{text} +- {spread}" if float(spread) else text
