"""What finds the better candidates for a wish in about the same time: ``python -m studies.design.wishes``.

The search behind `matenv design` beside searches that it might be, and beside retrieval, which learns nothing. Its
twenty best are ranked as `matenv design` ranks them.
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import typer
from matenv.agents.candidates import rank_candidates
from matenv.agents.design import ALIKE, CALLS, design_task

from matenv import Oracle
from matenv.benchmark import Problem, find, play
from tools.command import run

WISHES = {
    "a solar absorber with copper": design_task(["band_gap_expt=1.1..1.6"], ["Cu"], ["Pb", "Cd"]),
    "stiff and cheap": design_task(["bulk_modulus=250..", "price=..20"]),
    "a wide gap with lithium": design_task(["band_gap_expt=5.."], ["Li"], ionic=True),
    "a semiconductor with nitrogen": design_task(["band_gap_expt=1.5..2.5"], ["N"]),
}
SEARCHES = {"retrieval": CALLS, "screening": CALLS, "REINVENT": 2_000, "REINVENT, screened": CALLS}


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each search.")] = 2,
    top: Annotated[int, typer.Option(min=1, help="Candidates that count.")] = 20,
) -> None:
    """Print the table, a row for each wish, seed and search, and means at the end."""
    scores: dict[str, list[tuple[float, float, float]]] = {name: [] for name in SEARCHES}
    print("| wish | seed | search | calls | mean score | by gold | CPU s | first five |\n" + "|---" * 8 + "|")
    for wish, task in WISHES.items():
        for seed in range(seeds):
            for name, calls in SEARCHES.items():
                began = time.process_time()
                problem = Problem(task, Oracle("all", calls, properties=task.properties))
                found = play(find(name).factory(seed), problem, seed)
                took = time.process_time() - began
                oracle = Oracle("all", properties=task.properties)
                best = rank_candidates(found.formulas, task, oracle, top, ALIKE)
                row = sum(each.score for each in best) / top, sum(each.gold_score for each in best) / top, took
                scores[name].append(row)
                first = ", ".join(each.formula for each in best[:5])
                cells = f"{row[0]:.3f} | {row[1]:.3f} | {took:.0f} | {first}"
                print(f"| {wish} | {seed} | {name} | {calls:,} | {cells} |", flush=True)
    for name, calls in SEARCHES.items():
        score, gold, took = np.mean(scores[name], axis=0)
        print(f"| mean | | {name} | {calls:,} | {score:.3f} | {gold:.3f} | {took:.0f} | |")


if __name__ == "__main__":
    run(main)
