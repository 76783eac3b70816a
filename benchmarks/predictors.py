"""What a prediction of each predictor costs, side by side: ``python -m benchmarks.predictors``."""

from __future__ import annotations

from typing import Annotated

import typer

from matenv.properties import load_predictor
from matenv.properties.evaluation.speed import ROWS, core_microseconds
from matenv.properties.store import SHIPPED
from tools.command import run


def main(
    models: Annotated[list[str] | None, typer.Argument(help="Names or files; default: the shipped ones.")] = None,
) -> None:
    """Print core-microseconds a row."""
    names = models or list(SHIPPED)
    print("| predictor | " + " | ".join(f"core-us a row, batch of {rows:,}" for rows in ROWS) + " |")
    print("|---" * (1 + len(ROWS)) + "|")
    for name, result in zip(names, core_microseconds([load_predictor(name) for name in names]), strict=True):
        print(f"| {name} | " + " | ".join(f"{result[str(rows)]:.1f}" for rows in ROWS) + " |")


if __name__ == "__main__":
    run(main)
