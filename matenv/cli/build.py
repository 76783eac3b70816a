"""``matenv build``: from a table to an environment's latent space, predictors and hull."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from matenv.cli.options import Progress, Seed, Threads, folder


def build(
    data: Annotated[Path, typer.Argument(help="A .csv, .json or .parquet file, or the folder of a snapshot.")],
    out: Annotated[Path, folder("Folder of the bundle; a build that was stopped in it goes on.")],
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", "--column", help="Column to learn; repeat. Default: all that are not built in."),
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="COLUMN=UNIT, if the header states none; COLUMN=1 for a number; repeat.")
    ] = None,
    log10: Annotated[list[str] | None, typer.Option(help="Column whose logarithm is learned; repeat.")] = None,
    formulas: Annotated[str | None, typer.Option(help="Column that holds formulas.")] = None,
    energy: Annotated[str | None, typer.Option(help="Column that holds formation energies.")] = None,
    energy_scheme: Annotated[str | None, typer.Option(help="Which energies these are.")] = None,
    convert: Annotated[bool, typer.Option("--convert", help="Fit a step to the predictor's energies.")] = False,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Largest change of an atom fraction for the sake of smaller integers.")
    ] = 0.0,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at a row or value that cannot be used.")] = False,
    latent: Annotated[str, typer.Option(help="Latent space to fine-tune: a name, or a weights file.")] = "vae",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of fine-tuning; default: 600 steps.")] = None,
    replay: Annotated[float, typer.Option(min=0, help="Original rows shown per row of the table.")] = 1.0,
    holdout: Annotated[str, typer.Option(help="Measure on held-out rows by system, or by formula.")] = "system",
    seed: Seed = 0,
    threads: Threads = 1,
    progress: Progress = True,
) -> None:
    """Build a bundle from a table: a fine-tuned latent space, predictors of its columns, and a hull that knows it.

    The same command goes on after an interruption. Use the result as gym.make("MaterialLatent-v0", bundle=OUT).
    """
    from matenv.bundle import build

    units = dict(_pair(each) for each in unit or ())
    options: dict[str, Any] = {"column": formulas, "energy": energy, "energy_scheme": energy_scheme}
    options |= {"tolerance": tolerance, "strict": strict}
    if data.is_dir():
        given = {"--formulas": formulas, "--energy": energy, "--energy-scheme": energy_scheme, "--strict": strict}
        if wrong := [option for option, value in (given | {"--tolerance": tolerance}).items() if value]:
            raise ValueError(f"{', '.join(wrong)} is for a table; {data} is a snapshot, which says all of it")
        options = {}
    bundle = build(
        data, out, columns=columns, units=units, log10=log10 or (), latent=latent, epochs=epochs, replay=replay,
        holdout=holdout, convert=convert, seed=seed, threads=threads, progress=progress, **options,
    )  # fmt: skip
    print(f"{bundle}\n{bundle.energies.said}\nCard: {out / 'card.md'}")
    print(f'Use it as: gym.make("MaterialLatent-v0", bundle="{out}")')


def _pair(given: str) -> tuple[str, str]:
    column, equals, unit = given.rpartition("=")
    if not column or not equals or not unit:
        raise ValueError(f"--unit={given!r} must be COLUMN=UNIT, such as hardness=GPa")
    return column, unit
