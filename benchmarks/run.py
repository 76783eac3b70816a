"""All benchmarks, one table, one file: ``make bench``, or ``python -m benchmarks.run``.

Writes ``benchmarks/results/<date>-<machine>.json``, the same as Markdown, and pictures of the hull's cost and of
where a step's time goes. About a quarter of an hour; `--quick` takes a few minutes and writes nothing unless `--out`
says where.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks import breakdown, device, edits, environment, hull, hull_growth, training
from benchmarks.machine import use_cores
from benchmarks.measure import Report

RESULTS = Path(__file__).parent / "results"
BENCHMARKS = ("hull", "growth", "environment", "edits", "device", "training")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS, help="run these only")
    parser.add_argument("--quick", action="store_true", help="few repeats; not for quoting")
    parser.add_argument("--cores", type=int, default=2, help="processors to use, so that machines compare (2)")
    parser.add_argument("--steps", type=int, help="steps of the training (1,000,000)")
    parser.add_argument("--out", type=Path, help=f"folder of the results ({RESULTS.name}/ beside this file)")
    options = parser.parse_args()
    torch.set_num_threads(use_cores(options.cores))
    report = Report(options.quick)
    report.notes.append(f"Torch threads: {torch.get_num_threads()}, unless a row says otherwise.")
    folder = options.out or (None if options.quick else RESULTS)

    def growth() -> None:
        cost = hull_growth.measure(report, options.quick)
        if folder:
            hull_growth.draw(cost, folder / hull_growth.PICTURE)

    def steps() -> None:
        environment.measure(report, options.quick)
        if folder:
            breakdown.draw(report, folder / breakdown.PICTURE)

    measure = {
        "hull": lambda: hull.measure(report, options.quick),
        "growth": growth,
        "environment": steps,
        "edits": lambda: edits.measure(report, options.quick),
        "device": lambda: device.measure(report, options.quick),
        "training": lambda: training.measure(report, options.quick, options.steps),
    }
    for name in BENCHMARKS:
        if name in options.only:
            measure[name]()
            if folder:  # after each of them, so that nothing is lost
                written = report.write(folder)
    print(report.markdown())
    if folder:
        print(f"written to {written}")


if __name__ == "__main__":
    main()
