"""KL weight at once, in a single rise, and in cycles: ``python -m studies.latent.annealing``.

Short runs of the paper's VAE (KL weight 1, where collapse threatens), equal but for the schedule, measured on
validation rows. Each run resumes. Writes ``studies/results/annealing.json`` and prints its table.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from benchmarks.machine import machine
from matenv import load_dataset
from matenv.latent.networks.objectives import elbo
from matenv.latent.networks.pairs import Pairs
from matenv.latent.training.fit import fit
from matenv.latent.training.recipes import RECIPES
from studies import RESULTS
from tools.command import run

SCHEDULES: dict[str, dict[str, Any]] = {
    "full weight at once": {"beta_warmup": 1e-9},
    "a single rise over half of the run": {"beta_warmup": 0.5},
    "4 cycles, rising over half of each": {"beta_warmup": 0.5, "beta_cycles": 4},
}
"""Schedules by name, as changes to the recipe."""

LEARNING_RATE = 0.02
"""Ten times the recipe's, for runs a tenth as long; see the trials in ``studies/results/elawady.json``."""

DRAWS = 8
"""Posterior draws per row in a negative ELBO."""


def main(
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/annealing"),
    epochs: Annotated[int, typer.Option(help="Epochs of a run.")] = 30,
    seeds: Annotated[int, typer.Option(help="Runs of each schedule.")] = 2,
    result: Annotated[Path, typer.Option(help="File of the figures.")] = RESULTS / "annealing.json",
) -> None:
    """Run what is missing, then write and print the table."""
    torch.set_num_threads(1)
    data = load_dataset()
    validation = Pairs.of(data.compositions[data.part("validation")])
    base = replace(RECIPES["vae-elawady"], learning_rate=LEARNING_RATE, bfloat16=True)
    document: dict[str, Any] = {"machine": machine(), "epochs": epochs, "recipe": base.settings(), "runs": []}
    for seed in range(seeds):
        for name, changes in SCHEDULES.items():
            folder = out / f"{name}, seed {seed}"
            network, history = fit(
                "vae-elawady", data, folder, epochs=epochs, seed=seed, recipe=replace(base, **changes), progress=False
            )
            noise = torch.Generator().manual_seed(0)
            with torch.inference_mode():
                loss = np.mean([elbo(network, validation, torch.zeros(0), noise, 1.0)[0].item() for _ in range(DRAWS)])
            last = history[-1]
            row = {"schedule": name, "seed": seed, "nelbo": round(float(loss), 3)}
            row |= {key: last[key] for key in ("active_units", "kl_per_unit", "element_set")}
            row["fewest_active_units"] = min(record["active_units"] for record in history[len(history) // 4 :])
            document["runs"].append(row)
            result.write_text(json.dumps(document, indent=1) + "\n")
    print(table(document["runs"]))


def table(runs: list[dict[str, Any]]) -> str:
    """Means over seeds in Markdown, the range between seeds in brackets."""
    lines = [
        "| KL weight | negative ELBO, nats | element sets | active units | fewest after a quarter of the run "
        "| KL of the least used unit, nats |",
        "|---|---|---|---|---|---|",
    ]
    for name in SCHEDULES:
        mine = [run for run in runs if run["schedule"] == name]
        loss, sets = [run["nelbo"] for run in mine], [run["element_set"] for run in mine]
        least = [min(run["kl_per_unit"]) for run in mine]
        units, fewest = (sorted({run[key] for run in mine}) for key in ("active_units", "fewest_active_units"))
        lines.append(
            f"| {name} | {np.mean(loss):.2f} ({min(loss):.2f} to {max(loss):.2f}) "
            f"| {np.mean(sets):.1%} ({min(sets):.1%} to {max(sets):.1%}) "
            f"| {_either(units)} | {_either(fewest)} | {np.mean(least):.2f} ({min(least):.2f} to {max(least):.2f}) |"
        )
    return "\n".join(lines)


def _either(numbers: list[int]) -> str:
    return " or ".join(map(str, numbers))


if __name__ == "__main__":
    run(main)
