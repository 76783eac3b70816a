"""What searches find by each form of viability: ``python -m studies.honesty.viability``.

A genetic search assesses 10,000 formulas on the train hull, paid by P(stable) alone or by P(stable) x p_found^(1/3).
Counted is what DFT says of the formulas it met, by the rows of the table that the `system` split holds out: whether it
met formulas that somebody computed, and whether they are stable on the whole table's hull. Uniform random formulas and
samples of the latent space stand beside it, with as many calls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import typer

from matenv.benchmark import Found, best_by_system, search
from matenv.data import load_dataset
from matenv.oracle import Oracle
from matenv.tasks import load_task
from matenv.tasks.task import Viability
from tools.command import run

FORMS: tuple[Viability, ...] = ("p_stable", "p_found")

METHODS = {"uniform random formulas": "random", "prior samples": "prior", "genetic search": "genetic"}

HEADINGS = ("held-out formulas met", "of them stable", "best 100 systems: in table", "held out and stable")


def counts(found: Found) -> list[int]:
    """The numbers of one row of the table: see `HEADINGS`."""
    data = load_dataset("mp-ground-states")
    stable, test = data.labels["decomposition_energy"] <= 0.0, data.system_part == 2
    rows = data.find(found.compositions)
    best = rows[best_by_system(found.compositions, found.scores, 100)]
    met, top = rows[rows >= 0], best[best >= 0]
    return [int(test[met].sum()), int((test & stable)[met].sum()), len(top), int((test & stable)[top].sum())]


def main(
    task: Annotated[list[str] | None, typer.Option(help="Tasks; default: three.")] = None,
    budget: Annotated[int, typer.Option(help="Distinct formulas of a search.")] = 10_000,
    seeds: Annotated[int, typer.Option(help="Searches of each.")] = 3,
) -> None:
    """Search and print a Markdown table, means over seeds."""
    print(f"| task | paid by | method | {' | '.join(HEADINGS)} |\n{'|---' * 7}|")
    for name in task or ("stable-novel", "stiff-stable", "wide-gap-novel"):
        for form in FORMS:
            asked = replace(load_task(name), viability=form)
            for heading, method in METHODS.items():
                found = [counts(search(method, asked, Oracle(budget=budget), seed)) for seed in range(seeds)]
                cells = " | ".join(f"{value:.1f}" for value in np.mean(found, axis=0))
                print(f"| {name} | {form} | {heading} | {cells} |", flush=True)


if __name__ == "__main__":
    run(main)
