"""What searches find by each form of viability: ``python -m studies.honesty.viability``.

A search assesses formulas on the train hull, paid by a task in which viability has the form P(stable)^a p_found^b.
Counted is what DFT says of the formulas it met, by the rows of the table that the `system` split holds out: whether it
met formulas that somebody computed, and whether they are stable on the whole table's hull. Uniform random formulas and
samples of the latent space stand beside the genetic search, with as many calls.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.benchmark import Found, best_by_system, search
from matenv.data import load_dataset
from matenv.oracle import Assessment, Oracle
from matenv.tasks import Task, TaskScore, load_task
from studies.honesty.cheats import alter
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run

FORMS: dict[str, tuple[float, float]] = {
    "P(stable)": (1.0, 0.0),
    "P(stable) p_found^(1/3)": (1.0, 1 / 3),
    "P(stable) p_found": (1.0, 1.0),
    "p_found^(1/3)": (0.0, 1 / 3),
    "p_found": (0.0, 1.0),
}
"""Powers of P(stable) and of p_found by name. The second is what tasks pay. Where a task asks for nothing but
viability, the last two rank alike, and so find the same by a search that only compares."""

PAID = "P(stable) p_found^(1/3)"
"""The form that `METHODS` without a mind of their own are ranked by: what they meet depends on no form."""

METHODS = {"uniform random formulas": "random", "prior samples": "prior", "genetic search": "genetic"}

TASKS = ("stable-novel", "stiff-stable", "wide-gap-novel")

HEADINGS = ("held-out formulas met", "of them stable", "best 100 systems: in table", "held out and stable")


def paid_by(task: Task, form: str) -> Task:
    """A task with another form of viability.

    Args:
        task: The task.
        form: Key of `FORMS`.

    Returns:
        The task; the taper of what is too good to be true stays. What must be new must be so to train rows only:
        the other rows of the table are what tells.
    """
    asked = replace(task, viability="p_stable", novel=False, unseen=task.novel or task.unseen)
    return alter(asked, partial(_score, *FORMS[form]))


def _score(a: float, b: float, assessment: Assessment, scored: TaskScore) -> NDArray[np.float64]:
    """A score that holds P(stable) (B,), with other powers."""
    p = np.maximum(assessment.p_stable, 1e-12)
    return np.where(scored.score > 0, scored.score * p ** (a - 1.0) * assessment.p_found**b, 0.0)


def counts(found: Found) -> list[int]:
    """The numbers of one row of the table: see `HEADINGS`."""
    data = load_dataset("mp-ground-states")
    stable, test = data.labels["decomposition_energy"] <= 0.0, data.system_part == 2
    rows = data.find(found.compositions)
    best = rows[best_by_system(found.compositions, found.scores, 100)]
    met, top = rows[rows >= 0], best[best >= 0]
    return [int(test[met].sum()), int((test & stable)[met].sum()), len(top), int((test & stable)[top].sum())]


def tables(results: dict[str, Any]) -> str:
    """What was counted, as Markdown, means over seeds."""
    lines = [
        [
            entry["task"],
            entry["paid by"],
            entry["method"],
            *(f"{value:.1f}" for value in np.mean(entry["counts"], axis=0)),
        ]
        for entry in results["searches"]
    ]
    heading = f"{results['calls']:,} calls, {results['seeds']} seeds."
    return f"{heading}\n\n{markdown(('task', 'paid by', 'method', *HEADINGS), lines)}"


def main(
    task: Annotated[list[str] | None, typer.Option(help=f"Default: {', '.join(TASKS)}.")] = None,
    form: Annotated[list[str] | None, typer.Option(help=f"Default: {', '.join(FORMS)}.")] = None,
    budget: Annotated[int, typer.Option(help="Distinct formulas of a search.")] = 3000,
    seeds: Annotated[int, typer.Option(help="Searches of each.")] = 2,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "viability.json",
) -> None:
    """Search, write and print what was found."""
    results: dict[str, Any] = {"calls": budget, "seeds": seeds, "searches": []}
    for name in task or TASKS:
        for chosen in form or FORMS:
            asked = paid_by(load_task(name), chosen)
            for heading, method in METHODS.items():
                if method == "genetic" or chosen == PAID:
                    found = [counts(search(method, asked, Oracle(budget=budget), seed)) for seed in range(seeds)]
                    results["searches"].append({"task": name, "paid by": chosen, "method": heading, "counts": found})
                    store(out, results)
    print(tables(results))


if __name__ == "__main__":
    run(main)
