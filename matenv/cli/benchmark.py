"""``matenv benchmark``: the protocol; and commands that compare methods and say how far scores can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matenv.cli.options import Out, Progress, TaskName, file, folder

app = typer.Typer(no_args_is_help=True, help="The protocol: run methods, check and rank their results.")

Method = Annotated[
    list[str] | None,
    typer.Option(
        help="Method; several: --method A --method B; one of your own: module:Name or file.py:Name. Default: random."
    ),
]
TaskNames = Annotated[
    list[str] | None,
    typer.Option(help="Task name, or a task's file; several: --task A --task B. Default: all of the benchmark."),
]
Files = Annotated[list[Path], typer.Argument(help="Result files, or folders of them.")]
Processes = Annotated[int, typer.Option(help="Runs at once, each in a process of its own.")]


@app.command()
def run(
    method: Method = None,
    track: Annotated[str, typer.Option(help="single, amortised or systems.")] = "single",
    task: TaskNames = None,
    budget: Annotated[
        int | None, typer.Option(help="Calls per problem; default: 1,000 in the single track, 100 in the amortised.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds per method and task.")] = 10,
    training: Annotated[int, typer.Option(help="Calls of the training in the amortised track.")] = 10_000,
    systems: Annotated[
        int | None, typer.Option(help="Systems of each number of elements, by seed; default: all held out.")
    ] = None,
    out: Out = Path("runs/benchmark"),
    processes: Processes = 1,
) -> None:
    """Run methods over tasks and seeds; a file a run. The same command goes on after an interruption."""
    from matenv.benchmark import plans, read_results, sweep
    from matenv.benchmark.leaderboard import leaderboard
    from matenv.tasks import BENCHMARK

    asked = task or (BENCHMARK if track == "single" else [])
    wanted = plans(method or ["random"], track, asked, seeds, budget, training, systems)
    print(leaderboard(read_results(sweep(wanted, out, processes))))
    print(f"\nResults: {out}; more: matenv benchmark leaderboard {out}")


@app.command("list")
def list_all() -> None:
    """The tracks, the tasks and the methods that there are."""
    from matenv.benchmark.listing import listing

    print(listing())


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A result file, a task or a method.")],
) -> None:
    """What a result file holds, what a task asks for, or what a method is."""
    from matenv.benchmark.listing import describe

    print(describe(name))


@app.command()
def validate(files: Files) -> None:
    """Replay results: formulas are scored again, and altered scores or measures are named."""
    from matenv.benchmark.results import result_files
    from matenv.benchmark.validate import validate

    failed = 0
    for path in result_files(files):
        try:
            wrong = validate(path)
        except ValueError as error:  # not even a result; the others are looked at all the same
            wrong = [str(error)]
        failed += bool(wrong)
        print("\n  ".join([f"{path}: {'refused' if wrong else 'holds'}", *wrong]))
    if failed:
        raise typer.Exit(1)


@app.command()
def leaderboard(
    files: Files,
    out: Annotated[
        Path | None,
        file("Markdown file to write; of a page with prose, what stands below its marker. A picture goes beside it."),
    ] = None,
) -> None:
    """Rank methods from result files, whoever made them."""
    from matenv.benchmark import read_results
    from matenv.benchmark.board_page import page_with, prose_of
    from matenv.benchmark.leaderboard import leaderboard

    prose = None if out is None else prose_of(out)
    results = read_results(files)
    text = leaderboard(results)
    print(text)
    print("\nRanked as the files say; matenv benchmark validate replays them.")
    if out is not None and prose is not None:
        from matenv.atomic import write_whole
        from matenv.report.leaderboard import draw_leaderboard

        out.parent.mkdir(parents=True, exist_ok=True)
        picture = out.with_suffix(".png")
        draw_leaderboard(results, picture)
        write_whole(out, page_with(prose, text, picture.name))


def compare(
    out: Out = Path("runs/compare"),
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per agent.")] = 5,
    episodes: Annotated[int, typer.Option(min=1, help="Evaluation episodes per seed.")] = 256,
    task: TaskName = "superhard",
    env: Annotated[str, typer.Option(help="Registered environment id.")] = "MaterialLatent-v0",
    agent: Annotated[
        list[str] | None,
        typer.Option(help="random, or an algorithm that matenv train knows; several: --agent random --agent ppo."),
    ] = None,
    timesteps: Annotated[
        int | None, typer.Option(min=1, help="Training steps of each agent; default: its hyperparameter file's.")
    ] = None,
    budget: Annotated[int, typer.Option(min=1, help="Calls of each run of the benchmark's single track.")] = 1_000,
    systems: Annotated[
        int, typer.Option(min=1, help="Systems of each number of elements; agents of MaterialSystem-v0 run in them.")
    ] = 20,
    progress: Progress = True,
    processes: Processes = 1,
) -> None:
    """Train agents over several seeds: episodes beside chance, learning curves, and what they find in the benchmark."""
    from matenv.agents.compare import compare
    from matenv.agents.train import ALGORITHMS

    steps = None if timesteps is None else dict.fromkeys(ALGORITHMS, timesteps)
    compare(out, agent, seeds, steps, episodes, task, progress, env, budget, systems, processes)


def equal_budget(
    out: Out = Path("runs/equal-budget"),
    budget: Annotated[int, typer.Option(min=1, help="Distinct formulas that each run may assess.")] = 10_000,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per method.")] = 10,
    task: TaskNames = None,
    method: Method = None,
    processes: Processes = 1,
) -> None:
    """The benchmark's single track for all searches and agents, and what their moves were spent on."""
    from matenv.agents.equal_budget import equal_budget

    equal_budget(out, budget, seeds, task or ["superhard"], method, processes)


def gap(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="Tasks, or files of tasks; default: all that are registered.")
    ] = None,
    calls: Annotated[int, typer.Option(min=1, help="Distinct formulas per search.")] = 10_000,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every search.")] = 3,
    reward: Annotated[
        list[str] | None,
        typer.Option(help="Predictor or file, bare-NAME for one taken at its word; several: --reward A --reward B."),
    ] = None,
    out: Annotated[Path | None, folder("Folder for gap.json and gap.md; the same command goes on in it.")] = None,
) -> None:
    """Proxy, gold, truth: how far rewards can be trusted, by task."""
    from matenv.benchmark.gap import REWARDS, TASKS_WITH_TRUTH, report

    print(report(tasks or TASKS_WITH_TRUTH, calls, seeds, out, reward or REWARDS))
