"""Long searches behind the ceilings of the benchmark's tasks: the best formulas of each are kept in a file.

python -m tools.search_ceilings
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from matenv.atomic import write_whole
from matenv.benchmark import best_by_system, search
from matenv.benchmark.references import digest
from matenv.oracle import Oracle
from matenv.tasks import BENCHMARK, TASKS
from tools.command import run

FILE = Path("studies/results/ceilings.json")
KEPT = 300
METHODS = ("GA, table starts",)


def main(
    calls: Annotated[int, typer.Option(min=1, help="Calls of each search.")] = 500_000,
    only: Annotated[list[str] | None, typer.Option(help="Task; repeat.")] = None,
) -> None:
    """Search each task with each of `METHODS`, seed 0; what is in the file stays, of a task that is what it was."""
    found = json.loads(FILE.read_text()) if FILE.is_file() else {}
    for name in only or BENCHMARK:
        task = TASKS[name]
        for method in METHODS:
            settings = {"task": digest(task), "calls": calls}
            if found.get(name, {}).get(method, {}).get("settings") == settings:
                continue
            won = search(method, task, Oracle(budget=calls), 0)
            best = best_by_system(won.compositions, won.scores, KEPT)
            kept = {"settings": settings, "formulas": won.compositions[best].formulas()}
            found.setdefault(name, {})[method] = kept
            write_whole(FILE, json.dumps(found, indent=1) + "\n")
            typer.echo(f"{name}, {method}: {won.scores[best][:100].mean():.4f}")


if __name__ == "__main__":
    run(main)
