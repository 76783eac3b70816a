"""What the paper does not say about its training, chosen by short runs on validation rows. Test rows take no part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matenv.data import Dataset
from studies.papers.elawady.training import Rows, Setting, dense, nelbo_and_kl, train

RATES = (0.01, 0.02, 0.04, 0.08)
"""Peak learning rates that are tried."""

RISES = (0.0, 0.25)
"""Shares of the run over which the KL weight rises that are tried; 0, full weight from the first step, for every rate,
the others with the best rate."""


@dataclass(frozen=True)
class Schedule:
    """What is chosen; attributes as those of `Setting`."""

    learning_rate: float
    kl_rise: float


def choose(reading: str, width: int, epochs: int, data: Dataset, folder: Path, progress: bool = True) -> dict[str, Any]:
    """Try schedules with short runs and keep that with the least negative ELBO of the validation rows.

    Args:
        reading: A key of `READINGS`.
        width: Nodes per hidden layer.
        epochs: Length of a trial.
        data: The table.
        folder: Where the networks tried are kept.
        progress: Whether to show a progress bar.

    Returns:
        ``reading``, ``width``, ``epochs``; ``trials``: each schedule with its ``validation_nelbo`` (nats, KL term at
        weight 1); ``chosen``: the best one.
    """
    x = dense(data, Rows.of(data, "system").validation)
    trials: list[dict[str, float]] = []

    def try_out(rate: float, rise: float) -> None:
        setting = Setting(reading, width, epochs, learning_rate=rate, kl_rise=rise)
        nelbo, _ = nelbo_and_kl(train(setting, data, folder, progress), reading, x)
        trials.append({"learning_rate": rate, "kl_rise": rise, "validation_nelbo": nelbo})

    def best() -> dict[str, float]:
        return min(trials, key=lambda trial: trial["validation_nelbo"])

    for rate in RATES:
        try_out(rate, RISES[0])
    rate = best()["learning_rate"]
    for rise in RISES[1:]:
        try_out(rate, rise)
    return {"reading": reading, "width": width, "epochs": epochs, "trials": trials, "chosen": best()}
