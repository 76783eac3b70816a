"""KL weight at once, in a single rise, and in cycles: ``python -m benchmarks.annealing``.

Short runs of the paper's VAE (KL weight 1, where collapse threatens), equal but for the schedule. Each run resumes.
Writes benchmarks/results/annealing.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from matenv import load_dataset
from matenv.latent.fit import RECIPES, fit
from matenv.latent.objectives import elbo
from matenv.latent.pairs import Pairs

SCHEDULES = {
    "full weight at once": {"beta_warmup": 1e-9},
    "a single rise over half of the run": {"beta_warmup": 0.5},
    "4 cycles, rising over half of each": {"beta_warmup": 0.5, "beta_cycles": 4},
}
"""Schedules by name, as changes to the recipe."""

DRAWS = 8


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.annealing", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/annealing"), help="folder of the runs")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/annealing.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_dataset()
    held_out = Pairs.of(data.compositions[data.split("system").test])
    runs = []
    for name, changes in SCHEDULES.items():
        for seed in range(options.seeds):
            recipe = replace(RECIPES["vae-elawady"], **changes)
            folder = options.out / f"{name}, seed {seed}"
            network, history = fit(
                "vae-elawady", data, folder, epochs=options.epochs, seed=seed, recipe=recipe, progress=False
            )
            noise = torch.Generator().manual_seed(0)
            with torch.inference_mode():
                loss = np.mean([elbo(network, held_out, torch.zeros(0), noise, 1.0)[0].item() for _ in range(DRAWS)])
            last = history[-1]
            row = {"schedule": name, "seed": seed, "epochs": options.epochs, "nelbo": round(float(loss), 3)}
            row |= {key: last[key] for key in ("active_units", "kl_per_unit", "element_set")}
            row["active_units_by_epoch"] = [record["active_units"] for record in history]
            runs.append(row)
            options.results.write_text(json.dumps(runs, indent=1) + "\n")
    print("| KL weight | held-out negative ELBO (nats) | active units | KL of the least unit | element sets |")
    print("|---|---|---|---|---|")
    for row in runs:
        print(
            f"| {row['schedule']}, seed {row['seed']} | {row['nelbo']:.2f} | {row['active_units']} "
            f"| {min(row['kl_per_unit']):.2f} | {row['element_set']:.1%} |"
        )


if __name__ == "__main__":
    main()
