"""The command: ``python -m studies.papers.elawady`` trains, measures, draws, and writes ``docs/elawady.md``.

Stop it with Ctrl-C and give the same command again to go on: networks resume after their last epoch, and whatever is
finished is read from the run's folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from matenv.data import load_dataset
from studies.papers.elawady.page import write_page
from studies.papers.elawady.pictures import draw_all
from studies.papers.elawady.plan import Plan
from studies.papers.elawady.report import make_results

DIGITS = 5
"""Significant digits of the numbers that are kept."""


def main(arguments: list[str] | None = None) -> None:
    """Make the report.

    Args:
        arguments: Command line, by default the process's own.
    """
    plan = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m studies.papers.elawady", description="Repeat the paper of El-Awady (arXiv:2401.06779)."
    )
    parser.add_argument("--out", type=Path, default=Path("runs/elawady"), help="folder of the run")
    parser.add_argument("--page", type=Path, default=Path("docs/elawady.md"), help="page to write")
    parser.add_argument("--results", type=Path, default=Path("studies/results/elawady.json"), help="numbers to write")
    parser.add_argument("--epochs", type=int, default=plan.epochs, help="passes over the training rows in the scan")
    parser.add_argument("--long", type=int, default=plan.long, help="passes for the network the paper describes")
    parser.add_argument("--trial", type=int, default=plan.trial, help="passes when a schedule is tried")
    parser.add_argument("--widths", type=int, nargs="+", default=plan.widths, help="nodes per hidden layer")
    parser.add_argument("--seeds", type=int, default=len(plan.seeds), help="seeds of the paper's width")
    parser.add_argument("--rows", type=int, help="every so many-th row of the table is used, for a quick look")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-progress", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    data = load_dataset()
    try:
        lengths = {"epochs": options.epochs, "long": options.long, "trial": options.trial}
        tried = tuple(width for width in plan.tried if width in options.widths)
        plan = Plan(tuple(options.widths), tried, seeds=tuple(range(options.seeds)), **lengths)
        if options.rows is not None:
            data = data.subset(slice(None, None, options.rows), f"every {options.rows}th row")
        results = rounded(make_results(options.out, data, plan, progress=not options.no_progress))
    except KeyboardInterrupt:
        raise SystemExit(
            f"\nInterrupted. What is finished is kept in {options.out}; the same command goes on"
        ) from None
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    images = options.page.parent / "images"
    draw_all(results, images)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(results) + "\n")
    write_page(results, options.page)
    print(f"{options.page}, pictures in {images}, numbers in {options.results}")


def rounded(value: Any) -> Any:
    """The same results with floats of `DIGITS` significant digits."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
