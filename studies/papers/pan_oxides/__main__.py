"""Oxides in five steps: agents, chance and the table in the paper's measures and in ours.

Pan, Karpovich and Olivetti (arXiv:2210.11931): ``python -m studies.papers.pan_oxides``. Agents train on the paper's
objectives that are predicted here; every row has 1,000 formulas for each of three seeds. What is measured is kept as it
goes; the same command goes on, and several may share the work by ``--objective``. The figures go to
``studies/results/pan-oxides.json``, the table to docs/pan.md. ``--quick`` is a small version for a test.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from matenv.atomic import write_whole
from studies import RESULTS
from studies.papers.pan_oxides.page import tables, write_page
from studies.papers.pan_oxides.rows import AIMED, BASE, OBJECTIVES, Plan, aimed_row, base_row
from tools.command import run

RESULT = RESULTS / "pan-oxides.json"
STEPS, FORMULAS, SEEDS = 30_000, 1000, 3


def main(
    out: Annotated[Path, typer.Option(help="Folder of agents and of what is measured, for resuming.")] = Path(
        "runs/pan-oxides"
    ),
    objective: Annotated[list[str] | None, typer.Option(help="Only these objectives; nothing is published.")] = None,
    states: Annotated[Path | None, typer.Option(help="An oxidation_states.txt of SMACT 2, to check with.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few formulas and steps, for a test.")] = False,
) -> None:
    """Measure what is missing, then write and print the figures."""
    torch.set_num_threads(1)
    plan = Plan(30, 500, 1, out, states) if quick else Plan(FORMULAS, STEPS, SEEDS, out, states)
    asked = list(OBJECTIVES)[:1] if quick else objective or list(OBJECTIVES)
    if unknown := set(asked) - set(OBJECTIVES):
        raise ValueError(f"objective={sorted(unknown)[0]!r} is unknown; choose from {', '.join(OBJECTIVES)}")
    found: dict[str, Any] = {
        "command": "python -m studies.papers.pan_oxides", "formulas": plan.formulas, "steps": plan.steps,
        "rows": {name: [_kept(plan, name, "", seed) for seed in range(plan.seeds)] for name in BASE},
        "objectives": {
            each: {
                name: [_kept(plan, name, each, seed) for seed in range(1 if name == AIMED[0] else plan.seeds)]
                for name in AIMED
            }
            for each in asked
        },
    }  # fmt: skip
    if not quick and objective is None:
        write_whole(RESULT, json.dumps(found, indent=1) + "\n")
        write_page(found)
    print(tables(found))


def _kept(plan: Plan, name: str, objective: str, seed: int) -> dict[str, Any]:
    """A row's measures with one seed, measured unless they were before."""
    words = "".join(c for c in name if c.isalnum() or c == " ").replace(" ", "-")
    path = plan.out / f"{words}{'-' * bool(objective)}{objective}-{seed}.json"
    if not path.is_file():
        measured = aimed_row(name, objective, seed, plan) if objective else base_row(name, seed, plan)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(measured) + "\n")
    return json.loads(path.read_text())


if __name__ == "__main__":
    run(main)
