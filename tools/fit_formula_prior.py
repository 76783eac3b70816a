"""Fit the prior of the formula policy: ``python -m tools.fit_formula_prior``.

Maximum likelihood on the formulas of the train part without validation; no label is read. The card says how well it
spells the formulas of held-out chemical systems, and what its samples are worth.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from matenv.agents.formula_policy import MOST_COUNT, MOST_ELEMENTS, FormulaPolicy, Sequences, pretrain
from matenv.agents.formula_policy.prior import EVERYTHING, write

from matenv.chemistry import is_electronegativity_balanced
from matenv.data import Dataset, load_dataset
from matenv.data.novelty import is_novel
from tools import CHECKOUT
from tools.command import run

TARGET = CHECKOUT / "agents" / "formula_policy" / "weights"

SAMPLES = 20_000

_BLOCK = 2_000


def spelled(data: Dataset, part: str) -> Sequences:
    """The formulas of a part that the policy can spell."""
    batch = data.compositions[data.part(part)]
    return Sequences.of(batch[np.flatnonzero(EVERYTHING.allows(batch))])


@torch.no_grad()
def surprise(policy: FormulaPolicy, formulas: Sequences) -> float:
    """Mean negative log-probability [nat]."""
    blocks = [policy.log_prob(formulas[at : at + _BLOCK], EVERYTHING) for at in range(0, len(formulas), _BLOCK)]
    return float(-torch.cat(blocks).mean())


def measure(policy: FormulaPolicy, data: Dataset) -> dict[str, float]:
    """Held-out likelihood, and how many samples are balanced, new and distinct."""
    formulas, _ = policy.sample(SAMPLES, EVERYTHING, torch.Generator().manual_seed(0))
    batch = formulas.compositions()
    return {
        **{f"{part} nat a formula": surprise(policy, spelled(data, part)) for part in ("train", "validation", "test")},
        "samples that obey the rules": float(EVERYTHING.allows(batch).mean()),
        "samples, electronegativity-balanced": float(is_electronegativity_balanced(batch).mean()),
        "train formulas, electronegativity-balanced": float(
            is_electronegativity_balanced(spelled(data, "train").compositions()).mean()
        ),
        "samples, novel": float(is_novel(batch).mean()),
        "samples, distinct": len(batch.distinct()) / len(batch),
    }


def main(
    epochs: Annotated[int, typer.Option(help="Times that each formula is shown.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of weights and order.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = TARGET,
) -> None:
    """Fit and write the shipped prior and its card."""
    torch.set_num_threads(1)  # more gain little for a network this small, and change the last bits
    data = load_dataset("mp-ground-states")
    train = spelled(data, "train")
    policy = pretrain(train, epochs, seed=seed)
    path = out / "formula-prior.safetensors"
    write(policy, path)
    card = {
        "what": "prior of matenv.agents.formula_policy: spells formulas like those of the train part",
        "fitted_on": f"{len(train):,} formulas of the train part of the system split, without validation; no labels",
        "limits": f"2 to {MOST_ELEMENTS} elements, 20 atoms, {MOST_COUNT} of each",
        "command": f"python -m tools.fit_formula_prior --epochs {epochs} --seed {seed}",
        "parameters": sum(p.numel() for p in policy.parameters()),
        "measured": {name: round(value, 4) for name, value in measure(policy, data).items()},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (out / "formula-prior.json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    run(main)
