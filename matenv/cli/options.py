"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Output folder; an interrupted run in it is resumed.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed.")]
TaskName = Annotated[
    str, typer.Option(help="Task name, such as stiff-stable or wide-gap-novel, or a task's file: my-task.yml.")
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        "--require", "--contains", help="Element that a formula must hold, or one of several: 'F|Cl|Br'; repeat."
    ),
]
Progress = Annotated[bool, typer.Option(help="Show progress bars.")]
Threads = Annotated[
    int, typer.Option(min=1, help="Threads of torch; results repeat to the last bit for the same number.")
]
