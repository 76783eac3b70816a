"""The command: ``python -m studies.papers.elawady`` trains, measures, draws, and writes ``docs/elawady.md``.

Stop it with Ctrl-C and give the same command again to go on: networks resume after their last epoch, and whatever is
finished is read from the run's folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from matenv.data import load_dataset
from studies import IMAGES, RESULTS
from studies.papers.elawady.page import EMBEDDED, write_page
from studies.papers.elawady.pictures import draw_all
from studies.papers.elawady.plan import Plan
from studies.papers.elawady.report import make_results
from tools.command import run

DIGITS = 5
"""Significant digits of the numbers that are kept."""

PLAN = Plan()


def main(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/elawady"),
    page: Annotated[
        Path | None,
        typer.Option(help="Page to write, pictures beside it; docs/elawady.md, or in OUT for another table."),
    ] = None,
    result: Annotated[Path | None, typer.Option(help="File of the numbers; likewise.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training rows in the scan.")] = PLAN.epochs,
    long: Annotated[int, typer.Option(help="Passes for the network the paper describes.")] = PLAN.long,
    trial: Annotated[int, typer.Option(help="Passes when a schedule is tried.")] = PLAN.trial,
    widths: Annotated[
        list[int] | None, typer.Option("--width", help="Nodes per hidden layer; default: those of the page.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of the paper's width.")] = len(PLAN.seeds),
    rows: Annotated[int, typer.Option(help="Use every so many-th row of the table, for a quick look.")] = 1,
    data: Annotated[
        str, typer.Option(help="The table: mp-ground-states, or the folder of a snapshot (matenv data fetch).")
    ] = EMBEDDED,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    progress: Annotated[bool, typer.Option(help="Show progress bars.")] = True,
) -> None:
    """Make the report."""
    torch.set_num_threads(threads)
    shipped = data == EMBEDDED
    page = page or (IMAGES.parent if shipped else out) / "elawady.md"
    result = result or (RESULTS if shipped else out) / "elawady.json"
    table, chosen = load_dataset(data), tuple(widths or PLAN.widths)
    tried = tuple(width for width in PLAN.tried if width in chosen)
    plan = Plan(chosen, tried, seeds=tuple(range(seeds)), epochs=epochs, long=long, trial=trial)
    if rows > 1:
        table = table.subset(np.arange(0, len(table), rows), f"every {rows}th row of {table.name}")
    try:
        results = rounded(make_results(out, table, plan, progress))
    except KeyboardInterrupt:
        raise SystemExit(f"\nInterrupted. What is finished is kept in {out}; the same command goes on") from None
    images = page.parent / "images"
    draw_all(results, images)
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(results) + "\n")
    write_page(results, page)
    print(f"{page}, pictures in {images}, numbers in {result}")


def rounded(value: Any) -> Any:
    """The same results with floats of `DIGITS` significant digits."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


if __name__ == "__main__":
    run(main)
