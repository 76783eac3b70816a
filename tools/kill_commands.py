"""Commands that write, at the smallest sizes that exercise them, for `tools.kill_campaign`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import matenv

TABLE_ROWS = 80


@dataclass(frozen=True)
class Writer:
    """A command that writes.

    Attributes:
        words: Its words; ``{out}`` stands for where it writes, ``{inputs}`` for the folder of `make_inputs`.
        from_another: Command whose whole result is copied to ``{inputs}/NAME`` first; by its name.
        differing: Files that may differ between two runs, and why.
    """

    words: str
    from_another: str = ""
    differing: tuple[tuple[str, str], ...] = ()


_STUDY = (("study.db", "Optuna keeps the clock time of every trial, those that were killed too"),)
_SPEED = (("*", "holds measured speeds"),)

WRITERS: dict[str, Writer] = {
    "train ppo": Writer("train ppo --timesteps 8192 --no-progress --out {out}/run"),
    "train sac": Writer("train sac --timesteps 1500 --no-progress --out {out}/run"),
    "train td3": Writer("train td3 --timesteps 1500 --no-progress --out {out}/run"),
    "train tqc": Writer("train tqc --timesteps 1500 --no-progress --out {out}/run"),
    "train recurrent_ppo": Writer("train recurrent_ppo --timesteps 4096 --no-progress --out {out}/run"),
    "train maskable_ppo": Writer(
        "train maskable_ppo --env MaterialElements-v0 --timesteps 8192 --no-progress --out {out}/run"
    ),
    "train dqn": Writer("train dqn --env MaterialElements-v0 --timesteps 1500 --no-progress --out {out}/run"),
    "tune": Writer(
        "tune ppo --trials 2 --timesteps 512 --episodes 8 --no-progress --out {out}/study", differing=_STUDY
    ),
    "demo": Writer("demo --timesteps 1024 --calls 200 --no-progress --out {out}/demo"),
    "design": Writer("design --calls 50 --cards 0 --csv {out}/design.csv"),
    "build": Writer("build {inputs}/table.csv --epochs 1 --replay 0 --no-progress --out {out}/bundle"),
    "compare": Writer(
        "compare --env MaterialElements-v0 --seeds 1 --episodes 8 --timesteps 1024 --budget 50 --no-progress --out "
        "{out}/compare",
        differing=(("summary.md", "shows CPU seconds"),),
    ),
    "equal-budget": Writer("equal-budget --method random --budget 50 --seeds 2 --out {out}/budget"),
    "gap": Writer("gap stiff-stable --calls 50 --seeds 1 --reward default --out {out}/gap"),
    "benchmark run": Writer(
        "benchmark run --method random --method genetic --task stiff-stable --budget 50 --seeds 2 --out {out}/runs"
    ),
    "benchmark leaderboard": Writer(
        "benchmark leaderboard {inputs}/runs --out {out}/board.md", from_another="benchmark run"
    ),
    "data fetch": Writer("data fetch {out}/snapshot --chemsys Fe-Li-O-P --page-size 20 --endpoint {server}"),
    "latent train": Writer("latent train vae --data {inputs}/table.csv --epochs 2 --no-progress --out {out}/space"),
    "latent train --from": Writer(
        "latent train --from vae --data {inputs}/table.csv --epochs 2 --replay 0 --no-progress --out {out}/space"
    ),
    "latent distil": Writer(
        "latent distil {inputs}/space/vae.safetensors --data {inputs}/table.csv --epochs 1 --no-progress "
        "--out {out}/lean",
        from_another="latent train",
    ),
    "latent interpolate": Writer("latent interpolate NaCl LiF --points 11 --out {out}/line.png"),
    "latent map": Writer("latent map vae --rows 90 --out {out}/map.png"),
    "latent compare": Writer("latent compare vae --seeds 1 --timesteps 256 --out {out}/spaces", differing=_SPEED),
    "latent generators": Writer("latent generators vae --samples 50 --at-each 10 --out {out}/generators"),
    "predictor train": Writer(
        "predictor train --max-rows 100 --epochs 2 --members 1 --width 8 --layers 1 --out {out}/predictor"
    ),
    "predictor train --data": Writer(
        "predictor train --data {inputs}/table.csv --column heaviness --out {out}/heaviness"
    ),
    "predictor distil": Writer(
        "predictor distil --max-rows 100 --epochs 2 --width 8 --layers 1 --transfer 256 --out {out}/student"
    ),
    "predictor committee": Writer("predictor committee default=0.5 statistics=0.5 --out {out}/committee.json"),
}  # fmt: skip
"""By name. `tests/tools/test_kill_campaign.py` sees that no command that writes is missing."""


def make_inputs(folder: Path) -> None:
    """Write the table that some commands read: rows of the embedded one with a column of its own."""
    data = matenv.load_dataset()
    usable = np.flatnonzero((data.compositions.counts.max(axis=1) <= 12) & (data.compositions.size <= 3))
    chosen = data.subset(np.sort(np.random.default_rng(0).choice(usable, TABLE_ROWS, replace=False)))
    mass = chosen.fractions @ matenv.elements.values("mass")
    table = {
        "formula": chosen.formulas, "heaviness (u)": np.round(mass, 3), "formation_energy": chosen.formation_energy,
        "energy_scheme": chosen.energy_scheme,
    }  # fmt: skip
    pd.DataFrame(table).to_csv(folder / "table.csv", index=False)
