"""Do holes of the train hull pay?: ``python -m studies.honesty.holes``.

Where the train hull lacks phases, formulas seem to lie far below it. The genetic search seeks the highest score of
`stable-novel` among ternaries; its winners, one per chemical system, are set against the hull of the whole table:
paid by P(stable) with one ceiling per number of elements (as it was), by P(stable), and by P(stable) and p_found.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.benchmark import best_by_system, search
from matenv.elements import NUM_ELEMENTS
from matenv.oracle import Oracle
from matenv.oracle.stability import StabilityModel
from matenv.tasks import load_task
from matenv.tasks.task import Viability
from studies.honesty.ceilings import Ceilings
from studies.honesty.stored import RESULTS, markdown, store
from tools.command import run

WINNERS = 100

NEAR = 0.05
"""eV/atom above the hull that still counts as near it."""

JUDGES = ("default", "accurate", "gold")
"""Predictors whose energies are set against the whole table's hull."""


MAPS: dict[str, tuple[StabilityModel | None, Viability]] = {
    "P(stable), one ceiling per number of elements": (Ceilings.at_its_word(), "p_stable"),
    "P(stable)": (None, "p_stable"),
    "P(stable) and p_found": (None, "p_found"),
}
"""What pays, by name: the map of P(stable), None for the shipped one, and the form of viability."""

MEDIANS = ("E_d", *(f"E_d, {name}" for name in JUDGES))


def winners(form: str, budget: int, seed: int, judges: dict[str, Oracle]) -> dict[str, NDArray]:
    """The best of one search.

    Args:
        form: Key of `MAPS`.
        budget: Calls.
        seed: Of the search.
        judges: Oracles on the whole table's hull by name.

    Returns:
        By name one value for each winner (W,), energies in eV/atom.
    """
    stability, viability = MAPS[form]
    task = replace(load_task("stable-novel"), min_elements=3, max_elements=3, viability=viability)
    oracle = Oracle("train", budget=budget)
    if stability is not None:
        oracle.stability = stability
    won = search("genetic", task, oracle, seed)
    kept = best_by_system(won.compositions, won.scores, WINNERS)
    own = oracle.assess(won.compositions[kept])
    pure = ((own.members >= 0) & (own.members < NUM_ELEMENTS) & (own.weights > 0)).any(axis=1)
    found: dict[str, Any] = {"score": won.scores[kept], "E_d": own.decomposition_energy, "pure": np.asarray(pure)}
    for name, judge in judges.items():
        found[f"E_d, {name}"] = judge.assess(won.compositions[kept]).decomposition_energy
        found[f"within, {name}"] = found[f"E_d, {name}"] <= NEAR
    return found


def measure(budget: int, seeds: int) -> dict[str, Any]:
    """Winners' energies by what pays: medians of energies, means of the rest, over all winners of all searches."""
    judges = {name: Oracle("all", predictor=name, judge=True) for name in JUDGES}
    results: dict[str, Any] = {"calls": budget, "seeds": seeds, "paid by": {}}
    for form in MAPS:
        found = [winners(form, budget, seed, judges) for seed in range(seeds)]
        whole = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
        results["paid by"][form] = {
            name: float(np.median(values) if name in MEDIANS else np.mean(values)) for name, values in whole.items()
        }
    return results


def tables(results: dict[str, Any]) -> str:
    """What `measure` found, as Markdown."""
    headings = ["paid by", "mean score", "E_d, train hull", "competitors hold a pure element"]
    headings += [f"whole hull, {name}: E_d / within" for name in JUDGES]
    lines = [
        [form, f"{f['score']:.2f}", f"{f['E_d']:+.3f}", f"{f['pure']:.2f}"]
        + [f"{f[f'E_d, {name}']:+.3f} / {f[f'within, {name}']:.2f}" for name in JUDGES]
        for form, f in results["paid by"].items()
    ]
    return f"{results['calls']:,} calls, {results['seeds']} seeds.\n\n{markdown(headings, lines)}"


def main(
    budget: Annotated[int, typer.Option(help="Distinct formulas of a search.")] = 3000,
    seeds: Annotated[int, typer.Option(help="Searches of each.")] = 2,
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "holes.json",
) -> None:
    """Measure, write and print the winners' energies."""
    results = measure(budget, seeds)
    store(out, results)
    print(tables(results))


if __name__ == "__main__":
    run(main)
