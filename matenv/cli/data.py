"""``matenv data``: tables of one's own, checked before they are used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Tables of one's own: check them before they are used.")


@app.command()
def check(
    table: Annotated[Path, typer.Argument(help="A .csv, .json or .parquet file.")],
    column: Annotated[str | None, typer.Option(help="Column that holds formulas.")] = None,
    energy: Annotated[str | None, typer.Option(help="Column that holds formation energies.")] = None,
    energy_scheme: Annotated[str | None, typer.Option(help="Which energies these are.")] = None,
    tolerance: Annotated[
        float, typer.Option(help="Largest change of an atom fraction for the sake of smaller integers.")
    ] = 0.0,
    strict: Annotated[bool, typer.Option(help="Exit with status 1 if a row or value cannot be used.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of the report as JSON.")] = False,
) -> None:
    """Say how a table is read, what is left out and why, and what looks odd; nothing is written."""
    from matenv.data import read_table
    from matenv.data.schemes import compare_with_embedded

    read = read_table(table, column=column, energy=energy, energy_scheme=energy_scheme, tolerance=tolerance)
    report = read.report.with_flags(*compare_with_embedded(read.dataset()))
    print(json.dumps(report.to_dict(), indent=2) if as_json else report)
    if strict and not report.good:
        raise typer.Exit(1)
