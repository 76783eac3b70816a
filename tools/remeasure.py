"""Measures stored runs of a task anew: after its threshold of success, or a measure, has changed.

Formulas and scores stay as they are and are not replayed; `matenv benchmark validate` does that.

Command: python -m tools.remeasure studies/results/benchmark --task cheap-hard-ternary
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from matenv.benchmark.results import Result
from matenv.benchmark.tracks import measure
from tools.command import run


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of result files.")],
    task: Annotated[str, typer.Option(help="Task whose runs are measured.")],
) -> None:
    """Rewrite the measures of every run of the task that have changed."""
    files = sorted(folder.glob(f"single-*-{task}-*.json"))
    if not files:
        raise ValueError(f"folder={str(folder)!r} holds no run of task={task!r}")
    changed = 0
    for file in files:
        result = Result.read(file)
        if result.plan.task == task and (measures := measure(result.plan, result.answers)) != result.measures:
            replace(result, measures=measures).write(file)
            changed += 1
    print(f"{changed} of {len(files)} files have other measures now")


if __name__ == "__main__":
    run(main)
