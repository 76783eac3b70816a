"""Commands that compare methods, and say how far scores can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matenv.cli.options import Out, Progress, TaskName


def compare(
    out: Out = Path("runs/compare"),
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per agent.")] = 5,
    episodes: Annotated[int, typer.Option(min=1, help="Evaluation episodes per seed.")] = 256,
    task: TaskName = "stiff-stable",
    env: Annotated[str, typer.Option(help="Registered environment id.")] = "MaterialLatent-v0",
    progress: Progress = True,
) -> None:
    """Learning agents beside a random policy and a search that never learns, over several seeds."""
    from matenv.agents.compare import compare

    compare(out, seeds=seeds, episodes=episodes, task=task, progress=progress, env_id=env)


def equal_budget(
    out: Out = Path("runs/equal-budget"),
    budget: Annotated[int, typer.Option(min=1, help="Distinct formulas that each run may assess.")] = 10_000,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per method.")] = 10,
    task: Annotated[list[str] | None, typer.Option(help="Task name; several: --task A --task B.")] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method; several: --method A ...; one of your own: module:name; default: all."),
    ] = None,
) -> None:
    """What searches and agents, trained from nothing, find with equally many oracle calls, and what it costs them."""
    from matenv.agents.methods import equal_budget

    equal_budget(out, budget, seeds, task or ["stiff-stable"], method)


def gap(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks; default: all that are registered.")] = None,
    calls: Annotated[int, typer.Option(min=1, help="Distinct formulas per search.")] = 10_000,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every search.")] = 3,
    reward: Annotated[
        list[str] | None,
        typer.Option(help="Predictor or file, bare-NAME for one taken at its word; several: --reward A --reward B."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for gap.json and gap.md.")] = None,
) -> None:
    """Proxy, gold, truth: how far rewards can be trusted, by task."""
    from matenv.benchmark.gap import REWARDS, TASKS_WITH_TRUTH, report

    print(report(tasks or TASKS_WITH_TRUTH, calls, seeds, out, reward or REWARDS))
