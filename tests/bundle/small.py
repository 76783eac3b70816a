"""A small table, and builds of it that take seconds: fewer rows measured, trees and epochs, nothing replayed."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

import matenv

QUICK: dict[str, Any] = {
    "matenv.latent.training.finetune.MEASURED": 20,
    "matenv.latent.training.finetune.SAMPLES": 20,
    "matenv.latent.training.cloud.EPOCHS": 1,
    "matenv.properties.learners.TREES": 3,
    "matenv.properties.learners.MOST_TUNED": 20,
}
OPTIONS: dict[str, Any] = {"epochs": 2, "replay": 0.0, "progress": False}


def set_quick() -> None:
    """For a process of its own; tests in this one use monkeypatch."""
    for name, value in QUICK.items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)


def columns(rows: int = 80, scheme: str | None = "mp-legacy-pbe-u", seed: int = 0) -> dict[str, Any]:
    """A table: rows of the embedded one, and a column that nobody else has."""
    data = matenv.load_dataset()
    usable = np.flatnonzero((data.compositions.counts.max(axis=1) <= 12) & (data.compositions.size <= 3))
    chosen = np.sort(np.random.default_rng(seed).choice(usable, rows, replace=False))
    mass = data.fractions[chosen] @ matenv.elements.values("mass")
    table: dict[str, Any] = {"formula": data.formulas[chosen].tolist(), "heaviness (u)": np.round(mass, 3).tolist()}
    if scheme is not None:
        table |= {"formation_energy": data.formation_energy[chosen].tolist(), "energy_scheme": [scheme] * rows}
    return table


def build_here(folder: str, pause_after: str = "") -> None:
    """What a process that is to be stopped runs: it says what it has made, and waits after one of the parts."""
    import time

    building: Any = importlib.import_module("matenv.bundle.building")

    set_quick()
    part = building._part

    def told(*given: Any) -> Any:
        made = part(*given)
        print(f"made {given[1]}", flush=True)
        time.sleep(60.0 if given[1] == pause_after else 0.0)
        return made

    building._part = told
    building.build(columns(), folder, **OPTIONS)
