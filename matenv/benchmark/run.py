"""Methods x tasks x seeds at an equal budget. Each run is written as it ends; the same call goes on from there."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matenv.benchmark.curve import best_so_far
from matenv.benchmark.measures import measures, windows
from matenv.benchmark.method import METHODS, registered
from matenv.benchmark.summary import Runs
from matenv.oracle import Oracle
from matenv.tasks import load_task

FIRST_SEED = 1_000
"""Seeds begin here; whatever was chosen for the shipped methods was chosen on lower ones."""

FEW = 1_000
"""Calls at which every longer run is read off too."""


def run(methods: Sequence[str], tasks: Sequence[str], budget: int, seeds: int, folder: Path) -> Runs:
    """Run methods over tasks and seeds, or read what is stored of them.

    Args:
        methods: Names as `registered` takes them.
        tasks: Task names.
        budget: Distinct formulas each run may assess; if it is more than `FEW`, runs are read off there too.
        seeds: Number of seeds S.
        folder: Where to, a file per run.

    Returns:
        The runs.

    Raises:
        ValueError: An unknown method or task, or fewer than one seed or call.
        ImportError: A method of a module that cannot be imported.
    """
    names = [registered(method) for method in methods]
    if seeds < 1 or budget < 1:
        raise ValueError(f"seeds={seeds} and budget={budget} must be at least 1")
    for task in tasks:
        load_task(task)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(FIRST_SEED, FIRST_SEED + seeds)
    return {
        (name, task): [_run(folder, name, task, budget, seed) for seed in numbers] for name in names for task in tasks
    }


def stored(path: Path, measure: Callable[[], Any]) -> Any:
    """What a JSON file holds, or what `measure` returns, which is then written to it.

    Args:
        path: The file; it appears when it is complete.
        measure: Makes something that JSON can hold.

    Returns:
        The file's contents.
    """
    if not path.is_file():
        write_whole(path, json.dumps(measure(), indent=1) + "\n")
    return json.loads(path.read_text())


def stored_with(path: Path, settings: Mapping[str, Any], measure: Callable[[], Any]) -> Any:
    """As `stored`, of the same settings; what was stored with others is refused.

    Args:
        path: The file.
        settings: All that the result depends on, as JSON holds it.
        measure: Makes something that JSON can hold.

    Returns:
        The result.

    Raises:
        ValueError: The file holds a result of other settings.
    """
    settings = json.loads(json.dumps(settings))
    found = stored(path, lambda: {"settings": settings, "result": measure()})
    before = found.get("settings") if isinstance(found, dict) else None
    if before != settings:
        before = before if isinstance(before, dict) else {}
        changed = sorted(key for key in {*settings, *before} if before.get(key) != settings.get(key))
        raise ValueError(f"{path} holds a result with another {', '.join(changed)}; choose another folder")
    return found["result"]


def write_whole(path: Path, text: str) -> None:
    """Write a text file that is there whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)


def _run(folder: Path, method: str, task: str, budget: int, seed: int) -> dict[str, Any]:
    def measure() -> dict[str, Any]:
        wanted, began = load_task(task), time.process_time()
        search = METHODS[method](wanted, Oracle("train", budget, properties=wanted.properties), seed)
        seconds = time.process_time() - began
        calls, means = best_so_far(search.compositions, search.scores)
        print(f"{method}, {task}, seed {seed}: top-10 {means[-1]:.3f}, {seconds:.0f} s", file=sys.stderr, flush=True)
        return {
            "method": method,
            "task": task,
            "seed": seed,
            "seconds": round(seconds, 2),
            "measures": {n: measures(search, wanted, n) for n in sorted({min(FEW, budget), budget})},
            "windows": windows(search, budget),
            "curve": {"calls": calls.tolist(), "top10": means.tolist()},
        }

    return stored(folder / f"{re.sub('[^a-z0-9]+', '-', method.lower())}-{task}-{budget}-{seed}.json", measure)
