"""``matenv predictor``: train, distil, evaluate, combine and time property predictors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from matenv.cli.options import Out, Seed, Threads, file

app = typer.Typer(no_args_is_help=True, help="The property predictor: train, distil, evaluate, combine, time.")

MaxRows = Annotated[int, typer.Option(min=0, help="Use only so many rows of each part, for a quick trial; 0 for all.")]


@app.command()
def train(
    context: typer.Context,
    out: Out,
    family: Annotated[
        str, typer.Option(help="Family of the networks: set, statistics, attention or informed.")
    ] = "set",
    rows: Annotated[str, typer.Option(help="train, or all for a judge that has seen every labelled row.")] = "train",
    keep: Annotated[str, typer.Option(help="Weights of the best epoch on validation rows, or of the last.")] = "best",
    members: Annotated[int, typer.Option(min=1, help="Networks in the ensemble.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each network.")] = 100,
    width: Annotated[int, typer.Option(min=1, help="Width of an element's state.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Rounds of exchange between elements.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows per step.")] = 128,
    learning_rate: Annotated[float, typer.Option(min=0, max=1, help="Peak of the one-cycle schedule.")] = 2e-3,
    weight_decay: Annotated[float, typer.Option(min=0, max=1, help="Weight decay of the optimizer.")] = 0.02,
    dropout: Annotated[float, typer.Option(min=0, max=1, help="Dropout of hidden units.")] = 0.05,
    optimizer: Annotated[str, typer.Option(help="adamw or muon.")] = "adamw",
    precision: Annotated[str, typer.Option(help="Of matrix products while training: float32 or bfloat16.")] = "float32",
    folds: Annotated[int, typer.Option(min=2, help="Family informed: parts that tell each other of their rows.")] = 5,
    seed: Seed = 0,
    max_rows: MaxRows = 0,
    threads: Threads = 1,
    calibrated_on: Annotated[
        str | None,
        typer.Option(help="With --rows all: the predictor of the same recipe on train rows, or its file."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Learn a property from a table of one's own: .csv, .json or .parquet.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="With --data: its column of values.")] = None,
    unit: Annotated[str | None, typer.Option(help="With --data: unit, if the header states none; 1 for none.")] = None,
    name: Annotated[str | None, typer.Option(help="With --data: name of the property; default: the column's.")] = None,
    log10: Annotated[bool, typer.Option("--log10", help="With --data: learn the logarithm of the values.")] = False,
    formulas: Annotated[str | None, typer.Option(help="With --data: its column of formulas.")] = None,
) -> None:
    """Train and calibrate a predictor on the frozen split; or, with --data, of a property in a table of one's own.

    Of one's own: transfer from the shipped networks, a random forest and a Gaussian process are compared on left-out
    chemical systems, and the best is saved for Oracle(properties=[...]) and matenv explain --property.
    """
    own = {"--column": column, "--unit": unit, "--name": name, "--formulas": formulas, "--log10": log10 or None}
    if data is None:
        if given := [option for option, value in own.items() if value is not None]:
            raise ValueError(f"{', '.join(given)} is for a table of one's own; give --data")
        from matenv.properties.training.train import TrainConfig, train_and_export

        without = ("out", "threads", "calibrated_on", "data", "column", "unit", "name", "log10", "formulas")
        config = TrainConfig(**_without(context, *without))
        _show(train_and_export(out, config, calibrated_on, threads))
        return
    if column is None:
        raise ValueError("--data needs --column, the column of values to learn")
    used = {"out", "seed", "data", *(option[2:] for option in own)}
    wrong = [key for key in context.params if key not in used and _is_given(context, key)]
    if wrong:
        options = ", ".join(f"--{key.replace('_', '-')}" for key in wrong)
        raise ValueError(f"{options} is for training networks on the embedded table, not with --data")
    from matenv.properties.training.from_table import train_property

    path = train_property(out, data, column, unit, name=name, log10=log10, formulas=formulas, seed=seed)
    print(f"{path.with_suffix('.md').read_text(encoding='utf-8')}\nSaved to {path}")
    print(f'Use it as: matenv.Oracle(properties=["{path}"]), or: matenv explain FORMULA --property {path}')


@app.command()
def distil(
    context: typer.Context,
    out: Out,
    teacher: Annotated[str, typer.Option(help="The ensemble to learn from: ensemble, or a file.")] = "ensemble",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs.")] = 150,
    width: Annotated[int, typer.Option(min=1, help="Width of an element's state.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Rounds of exchange between elements.")] = 2,
    transfer: Annotated[int, typer.Option(min=0, help="Unlabelled compositions per epoch.")] = 262_144,
    renewed: Annotated[int, typer.Option(min=1, help="After how many epochs they are drawn anew.")] = 4,
    label_weight: Annotated[float, typer.Option(min=0, max=1000, help="Weight of labels beside the teacher.")] = 0.3,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows per step.")] = 512,
    learning_rate: Annotated[float, typer.Option(min=0, max=1, help="Peak of the one-cycle schedule.")] = 4e-3,
    weight_decay: Annotated[float, typer.Option(min=0, max=1, help="Weight decay of AdamW.")] = 0.01,
    seed: Seed = 0,
    max_rows: MaxRows = 0,
    threads: Threads = 1,
) -> None:
    """Distil an ensemble into the fast student of the step loop."""
    from matenv.properties.training.distil import DistilConfig, distil_and_export

    _show(distil_and_export(out, DistilConfig(**_without(context, "out", "threads")), threads))


@app.command()
def evaluate(
    name: Annotated[str, typer.Argument(help="Name of a predictor, or a file.")] = "default",
) -> None:
    """Held-out errors and coverage of a predictor that was trained on train rows."""
    from matenv.properties.evaluation.evaluate import report

    print(report(name))


@app.command()
def committee(
    parts: Annotated[
        list[str], typer.Argument(help="Predictors and their shares in the mean, such as default=0.7 statistics=0.3.")
    ],
    out: Annotated[Path, file("The .json file to write; its card goes beside it.")],
    caution: Annotated[
        float, typer.Option(min=0, max=1000, help="Factor of the disagreement beyond what fits table rows; 1 for none.")
    ] = 9.0,
) -> None:
    """Combine predictors of several families; they are calibrated and tested together."""
    from matenv.properties.training.committee import assemble

    shares = [_share(part) for part in parts]
    assemble([name for name, _ in shares], [share for _, share in shares], out, caution)
    _show(out)


def _without(context: typer.Context, *names: str) -> dict[str, Any]:
    """What a command was given, but for some: the settings that its recipe has as fields of the same names."""
    return {name: value for name, value in context.params.items() if name not in names}


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _share(part: str) -> tuple[str, float]:
    name, _, share = part.rpartition("=")
    try:
        return name, float(share)
    except ValueError:
        raise ValueError(f"parts holds {part!r}; give each as NAME=SHARE, such as default=0.7") from None


def _show(path: Path) -> None:
    """Print the card of a file, and where it lies."""
    print(f"{path.with_suffix('.md').read_text(encoding='utf-8')}\nSaved to {path}")
    print(f'Use it as: matenv.load_predictor("{path}")')
