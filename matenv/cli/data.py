"""``matenv data``: tables of one's own, checked before they are used, and download from the Materials Project."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from matenv.cli.options import Progress, folder_to_write

app = typer.Typer(no_args_is_help=True, help="Data of one's own: check a table, fetch from the Materials Project.")


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


@app.command()
def fetch(
    out: Annotated[
        Path,
        typer.Argument(help="Folder of the snapshot; an interrupted download in it goes on.", callback=folder_to_write),
    ],
    chemsys: Annotated[
        list[str] | None, typer.Option(help="Chemical system with all its subsystems, such as Li-Fe-P-O; repeat.")
    ] = None,
    elements: Annotated[
        list[str] | None, typer.Option(help="Element; every formula made of the elements given; repeat.")
    ] = None,
    thermo_type: Annotated[
        str, typer.Option(help="Kind of energies: GGA_GGA+U, R2SCAN or GGA_GGA+U_R2SCAN.")
    ] = "GGA_GGA+U",
    gnome: Annotated[bool, typer.Option(help="Take GNoME's materials too (not for commercial use).")] = False,
    endpoint: Annotated[str | None, typer.Option(help="Address of the API; by default the client's.")] = None,
    page_size: Annotated[int, typer.Option(min=1, max=1000, help="Materials per part that is kept.")] = 1000,
    attempts: Annotated[int, typer.Option(min=1, help="How often a question is asked before giving up.")] = 8,
    wait: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds before the second attempt; doubled from then on.")
    ] = 1.0,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for a reply.")] = 60,
    progress: Progress = True,
) -> None:
    """Download formation energies, decompositions and properties into a snapshot.

    The key is read from MP_API_KEY, or from PMG_MAPI_KEY in pymatgen's configuration. Without --chemsys and --elements
    everything is downloaded. Load the result with matenv.load_dataset(OUT).
    """
    from matenv.data.download import Request
    from matenv.data.fetch import begin

    request = Request.of(thermo_type, chemsys or (), elements or (), gnome)
    options = {"endpoint": endpoint, "attempts": attempts, "wait": wait, "timeout": timeout}
    with begin(out, request, size=page_size, progress=progress, say=_say, **options) as fetched:
        if fetched.done is not None:
            print(f"{out} is whole already: {fetched.done}")
            return
        from matenv.thermo import agreement

        materials = fetched.materials
        energies = materials.column("formation_energy")
        hull = agreement.compare(materials.compositions, energies, materials.entries, fetched.scheme)
        page = agreement.in_words(hull, materials.left_out, f"Snapshot {out.name}: {fetched.title}")
        print(f"{fetched.finish(hull, page)}\n{agreement.summary(hull)}\nReport: {out / 'report.md'}")
    print(f'Use it as: matenv.load_dataset("{out}")')


def _say(line: str) -> None:
    print(f"matenv: {line}", file=sys.stderr)
