"""All benchmarks, one table, one file: ``make bench``, or ``python -m benchmarks.run``.

Writes ``benchmarks/results/<date>-<machine>.json``, the same as Markdown, and pictures of the hull's cost and of
where a step's time goes. About a quarter of an hour; `--quick` takes a few minutes and writes nothing unless `--out`
says where. `--only hull --only growth` runs those two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks import breakdown, device, edits, environment, hull, hull_growth, training
from benchmarks.machine import use_cores
from benchmarks.measure import Quick, Report
from tools.command import run

RESULTS = Path(__file__).parent / "results"
BENCHMARKS = ("hull", "growth", "environment", "edits", "device", "training")


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(BENCHMARKS)}; default: all.")] = None,
    quick: Quick = False,
    cores: Annotated[int, typer.Option(help="Processors to use, so that machines compare.")] = 2,
    steps: Annotated[int | None, typer.Option(help="Of the training; default: 1,000,000.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; default: benchmarks/results.")] = None,
) -> None:
    """Measure, print and write."""
    if unknown := set(only or ()) - set(BENCHMARKS):
        raise ValueError(f"--only {', '.join(sorted(unknown))}: choose among {', '.join(BENCHMARKS)}")
    torch.set_num_threads(use_cores(cores))
    report = Report(quick)
    report.notes.append(f"Torch threads: {torch.get_num_threads()}, unless a row says otherwise.")
    folder = out or (None if quick else RESULTS)

    def growth() -> None:
        cost = hull_growth.measure(report, quick)
        if folder:
            hull_growth.draw(cost, folder / hull_growth.PICTURE)

    def walks() -> None:
        environment.measure(report, quick)
        if folder:
            breakdown.draw(report, folder / breakdown.PICTURE)

    measure = {
        "hull": lambda: hull.measure(report, quick),
        "growth": growth,
        "environment": walks,
        "edits": lambda: edits.measure(report, quick),
        "device": lambda: device.measure(report, quick),
        "training": lambda: training.measure(report, quick, steps),
    }
    for name in BENCHMARKS:
        if name in (only or BENCHMARKS):
            measure[name]()
            if folder:  # after each of them, so that nothing is lost
                written = report.write(folder)
    print(report.markdown())
    if folder:
        print(f"written to {written}")


if __name__ == "__main__":
    run(main)
