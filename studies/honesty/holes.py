"""Do holes of the train hull pay?: ``python -m studies.honesty.holes``.

Where the train hull lacks phases, formulas seem to lie far below it. The genetic search seeks the highest score of
`stable-novel` among ternaries; its winners, one per chemical system, are set against the hull of the whole table,
once with a ceiling per number of elements (as it was) and once with the map that ships.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import typer

from matenv.benchmark import best_by_system, search
from matenv.oracle import Oracle
from matenv.tasks import load_task
from studies.honesty.ceilings import Ceilings
from tools.command import run

BUDGET = 10_000

WINNERS = 100

NEAR = 0.05
"""eV/atom above the hull that still counts as near it."""

JUDGES = ("default", "accurate", "gold")
"""Predictors whose energies are set against the whole table's hull."""


def main(seeds: Annotated[int, typer.Option(help="Searches with each map.")] = 3) -> None:
    """Print the winners' energies."""
    task = replace(load_task("stable-novel"), min_elements=3, max_elements=3, viability="p_stable")
    judges = {name: Oracle("all", predictor=name, judge=True) for name in JUDGES}
    print(f"Best {WINNERS} of {BUDGET:,} calls, {seeds} searches; E_d [eV/atom]: median; within: E_d <= {NEAR}")
    print("| map | mean score | mean P, train hull | E_d, train hull | competitors hold a pure element ", end="")
    print("".join(f"| E_d, whole hull, {name} | within | mean P, whole hull " for name in JUDGES) + "|")
    print("|---" * (5 + 3 * len(JUDGES)) + "|")
    for name in ("ceilings", "shipped"):
        rows: list[list[np.ndarray]] = []
        for seed in range(seeds):
            oracle = Oracle("train", budget=BUDGET)
            if name == "ceilings":
                oracle.stability = Ceilings.at_its_word()
            won = search("genetic", task, oracle, seed)
            kept = best_by_system(won.compositions, won.scores, WINNERS)
            batch = won.compositions[kept]
            own = oracle.assess(batch)
            pure = ((own.members >= 0) & (own.members < 89) & (own.weights > 0)).any(axis=1)
            columns: list[Any] = [won.scores[kept], own.p_stable, own.decomposition_energy, pure]
            for judge in judges.values():
                said = judge.assess(batch)
                columns += [said.decomposition_energy, said.decomposition_energy <= NEAR, said.p_stable]
            rows.append(columns)
        found = [np.concatenate(column) for column in zip(*rows, strict=True)]
        middle = {2, *range(4, len(found), 3)}
        cells = [f"{np.median(c):+.3f}" if k in middle else f"{c.mean():.2f}" for k, c in enumerate(found)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    run(main)
