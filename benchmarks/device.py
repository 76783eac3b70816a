"""Steps a second with the models on a GPU, where there is one: ``python -m benchmarks.device``.

The hull stays on the CPU and is solved while the predictor runs. Also says how far the two devices' rewards differ.
"""

from __future__ import annotations

from typing import Annotated

import gymnasium as gym
import numpy as np
import torch
import typer

from benchmarks.environment import ENV_ID, STEPS, episode, moves
from benchmarks.measure import Report, timed
from tools.command import run

GROUP = "device"
SIZES = (1024, 4096, 16384, 65536)


def measure(report: Report, quick: bool = False, device: str = "cuda") -> None:
    """Measure rates on `device` and on the CPU into `report`; a note instead where there is no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        report.notes.append('No GPU here: `device="cuda"` was not measured.')
        return
    if device == "cuda":
        report.notes.append(f"GPU: {torch.cuda.get_device_name()}.")
    agreement(report, device)
    for rows in SIZES[:1] if quick else SIZES:
        rates = []
        for where in (device, "cpu"):
            envs = gym.make_vec(ENV_ID, num_envs=rows, device=where)
            envs.reset(seed=0)
            actions = moves(rows, envs.single_action_space.shape[0])  # type: ignore[index]
            rate = STEPS * rows / timed(episode(envs, actions), 1 if quick else 3)
            rates.append(report.add(GROUP, f"batched, N = {rows:,}, device={where!r}", "steps/s", rate))
            envs.close()
        report.ratio(GROUP, f"N = {rows:,}: {device} over cpu", rates[0], rates[1])


def agreement(report: Report, device: str, rows: int = 1024) -> None:
    """Largest difference of rewards between `device` and the CPU over one episode, where the formulas are the same."""
    here, there = (gym.make_vec(ENV_ID, num_envs=rows, device=where) for where in ("cpu", device))
    here.reset(seed=0)
    there.reset(seed=0)
    largest, same = 0.0, []
    for action in moves(rows, here.single_action_space.shape[0])[:-1]:  # type: ignore[index]
        difference = np.abs(here.step(action)[1] - there.step(action)[1])
        formulas = zip(here.unwrapped.formulas(), there.unwrapped.formulas(), strict=True)  # type: ignore[attr-defined]
        equal = np.array([a == b for a, b in formulas])
        same.append(equal.mean())
        largest = max(largest, float(difference[equal].max()))
    report.add(GROUP, f"share of formulas that {device} decodes as the cpu does", "%", 100 * np.mean(same))
    report.add(GROUP, f"largest difference of a reward, {device} and cpu", "score", largest, at_most=1e-4)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Few repeats, one size.")] = False,
    device: Annotated[str, typer.Option(help="Torch device to compare with the CPU.")] = "cuda",
) -> None:
    """Measure and print."""
    report = Report(quick)
    measure(report, quick, device)
    print(report.markdown())


if __name__ == "__main__":
    run(main)
