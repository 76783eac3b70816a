"""``matenv latent``: train, distil, evaluate, compare, interpolate and map latent spaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from matenv.cli.options import Out, Progress, Seed, Threads, file, folder

app = typer.Typer(no_args_is_help=True, help="Latent spaces: train, distil, evaluate, compare, interpolate, map.")

Latent = Annotated[str, typer.Option(help="Name of a latent space, or a weights file.")]


@app.command()
def train(
    out: Out,
    name: Annotated[str | None, typer.Argument(help="Space to train, such as vae, cvae, dvae or dkl-vae.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="Space or weights file to fine-tune on --data, in place of NAME.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="CSV file of one's own with a formula column.")] = None,
    beta_cycles: Annotated[int | None, typer.Option(min=1, help="Training: KL weight in so many cycles.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; default: the model's own.")] = None,
    seed: Seed = 0,
    replay: Annotated[float, typer.Option(min=0, help="Fine-tuning: original rows shown per row of --data.")] = 1.0,
    holdout: Annotated[str, typer.Option(help="Fine-tuning: hold out by system, or by formula.")] = "system",
    tolerance: Annotated[
        float, typer.Option(min=0, help="Fine-tuning: change of a fraction for smaller integers.")
    ] = 0.0,
    column: Annotated[str, typer.Option(help="Fine-tuning: column of --data that holds formulas.")] = "formula",
    threads: Threads = 1,
    progress: Progress = True,
) -> None:
    """Train a latent space on the frozen split, or fine-tune one on compositions of one's own."""
    if (name is None) == (source is None):
        raise ValueError("give the NAME of a space to train from nothing, or --from a space to fine-tune: one of them")
    if source is None:
        asked = {"--replay": replay != 1.0, "--holdout": holdout != "system", "--tolerance": tolerance != 0.0}
        if wrong := [option for option, given in (asked | {"--column": column != "formula"}).items() if given]:
            raise ValueError(f"{', '.join(wrong)} is for fine-tuning; give --from a space, or leave it out")
        from matenv.latent.training.train import train

        path = train(
            str(name), out, epochs=epochs, seed=seed, threads=threads, data=data, beta_cycles=beta_cycles,
            progress=progress,
        )  # fmt: skip
    elif data is None:
        raise ValueError("--from needs --data, a .csv file with a column of formulas, to fine-tune on")
    elif beta_cycles is not None:
        raise ValueError(f"--beta-cycles={beta_cycles} is for training from nothing; leave it out with --from")
    else:
        from matenv.latent.training.finetune import finetune

        path = finetune(
            source, data, out, epochs=epochs, seed=seed, replay=replay, holdout=holdout, tolerance=tolerance,
            column=column, threads=threads, progress=progress,
        )  # fmt: skip
        print(path.with_suffix(".md").read_text())
    print(f'Saved to {path}; move in it with: gym.make("MaterialLatent-v0", latent="{path}")')


@app.command()
def distil(
    source: Annotated[Path, typer.Argument(help="Weights file of a trained vae.")],
    out: Out,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; default: the recipe's own.")] = None,
    seed: Seed = 0,
    threads: Threads = 1,
    data: Annotated[str, typer.Option(help="The table the space was trained on: shipped, or a CSV file.")] = (
        "mp-ground-states"
    ),
    progress: Progress = True,
) -> None:
    """Give a latent space a leaner decoder; the space stays the same."""
    from matenv.latent.training.distil import distil

    path = distil(source, out, epochs=epochs, seed=seed, threads=threads, data=data, progress=progress)
    print(f"{path} and its card {path.with_suffix('.md')}")


@app.command()
def evaluate(
    name: Annotated[str, typer.Argument(help="Name of a latent space, or a weights file.")] = "vae",
    samples: Annotated[int, typer.Option(min=1, help="Samples of the prior.")] = 10_000,
    seed: Seed = 0,
    threads: Threads = 1,
) -> None:
    """Recovery of held-out formulas and quality of prior samples."""
    import torch

    from matenv import load_dataset, load_latent
    from matenv.latent.evaluation.collapse import unit_statistics, warn_of_inactive
    from matenv.latent.evaluation.evaluate import evaluate

    torch.set_num_threads(threads)
    space = load_latent(name)
    data = load_dataset(space.table)
    metrics = evaluate(space, data, samples, seed)
    units = unit_statistics(*space.posterior(data.compositions[data.split("system").train]))
    print(json.dumps({key: round(value, 5) for key, value in metrics.items()}, indent=2))
    print(f"KL per latent dimension, nats: {' '.join(f'{value:.2f}' for value in units['kl_per_unit'])}")
    warn_of_inactive(units)


@app.command()
def round_trip(
    formulas: Annotated[list[str] | None, typer.Argument(help="Formulas; default: held-out rows.")] = None,
    latent: Latent = "vae",
    draws: Annotated[int, typer.Option(min=1, help="Draws from each posterior.")] = 10,
    rows: Annotated[int, typer.Option(min=1, help="Held-out rows, where no formula is given.")] = 2000,
    seed: Seed = 0,
) -> None:
    """Whether formulas come back from the latent space, from their encoding and from draws around it."""
    from matenv import load_dataset, load_latent
    from matenv.latent.evaluation.round_trip import held_out, round_trip

    space = load_latent(latent)
    trip = round_trip(space, formulas or held_out(load_dataset(space.table), rows, seed), draws, seed)
    print(trip.table() if formulas else trip.summary())


@app.command()
def smoothness(
    names: Annotated[list[str] | None, typer.Argument(help="Latent spaces; default: vae and vae-elawady.")] = None,
    predictor: Annotated[str, typer.Option(help="Name of a predictor, or a file.")] = "default",
    property: Annotated[str, typer.Option(help="Property.")] = "formation_energy",
) -> None:
    """How gradually formulas and a predicted property change along straight lines."""
    from matenv import load_dataset, load_latent, load_predictor
    from matenv.benchmark.smoothness import smoothness
    from matenv.checks import check_choice

    model, data = load_predictor(predictor), load_dataset()
    check_choice("property", property, model.units)
    for name in names or ("vae", "vae-elawady"):
        print(name)
        for key, value in smoothness(load_latent(name), data, model, property).items():
            print(f"  {key:26s} {value:8.3f}")


@app.command()
def interpolate(
    first: Annotated[str, typer.Argument(help="Formula to start from.")],
    last: Annotated[str, typer.Argument(help="Formula to end at.")],
    out: Annotated[Path, file("Picture to write.")] = Path("interpolation.png"),
    points: Annotated[int, typer.Option(min=2, help="Points on the line.")] = 201,
    latent: Latent = "vae",
) -> None:
    """The formulas on a straight line between two in the latent space, as a table and a picture."""
    from matenv import load_latent
    from matenv.latent.evaluation.line import straight_line
    from matenv.report.interpolation import draw_line

    line = straight_line(load_latent(latent), first, last, points)
    print(f"{'moved':>15s}  formula")
    for start, stop, formula in line.stretches():
        print(f"{line.moved[start]:6.2f} - {line.moved[stop - 1]:6.2f}  {formula}")
    draw_line(line, out, f"From {first} to {last}, a straight line in {latent}")
    print(f"Moved: whitened latent units from {first}, of {line.moved[-1]:.2f}. Picture: {out}")


@app.command("map")
def draw(
    name: Annotated[str, typer.Argument(help="Name of a latent space, or a weights file.")] = "vae",
    out: Annotated[Path, file("Picture to write.")] = Path("latent-map.png"),
    property: Annotated[
        str | None, typer.Option(help="Label that colours the first map; default: the formation energy, or one phase.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Formulas shown.")] = 4000,
) -> None:
    """Two maps of the space's table: coloured by a property, and by family of materials."""
    from matenv import load_dataset, load_latent
    from matenv.report.latent_map import draw_map

    space = load_latent(name)
    draw_map(space, load_dataset(space.table), out, property, rows)
    print(f"Picture: {out}")


@app.command()
def compare(
    spaces: Annotated[list[str] | None, typer.Argument(help="Latent spaces; default: all that are shipped.")] = None,
    out: Out = Path("runs/latent-compare"),
    seeds: Annotated[int, typer.Option(min=1, help="Training runs per space.")] = 3,
    timesteps: Annotated[int, typer.Option(min=1, help="Environment steps of each training run.")] = 100_000,
    page: Annotated[Path | None, file("Markdown page to write the tables into.")] = None,
) -> None:
    """Every latent space beside every other: recovery, samples, speed, and what PPO reaches in it."""
    from matenv.agents.latent_spaces import compare_spaces
    from matenv.latent import SHIPPED

    compare_spaces(out, spaces or SHIPPED, seeds, timesteps, page=page)


@app.command()
def generators(
    spaces: Annotated[
        list[str] | None,
        typer.Argument(help="Latent spaces or weights files; default: vae, vae-elawady, cvae, wgan-gp."),
    ] = None,
    out: Annotated[Path, folder("Folder for generative.json and conditioning.png.")] = Path("generators"),
    samples: Annotated[int, typer.Option(min=1, help="Formulas of each.")] = 10_000,
    at_each: Annotated[int, typer.Option(min=1, help="Samples at each value asked of a conditional space.")] = 500,
    seed: Seed = 0,
) -> None:
    """Validity, uniqueness, novelty and diversity of samples; whether conditional spaces obey what is asked."""
    from matenv.benchmark.generators import SPACES, compare_generators
    from matenv.report.generative import draw_conditioning

    compare_generators(out, spaces or SPACES, samples, at_each, seed, draw_conditioning)
