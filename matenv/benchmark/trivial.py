"""Runs of methods that need no search worth the name, shipped so that they stand beside every result.

Measured, not computed here: `python -m tools.build_references` stores them. What a trained agent reaches on a training
wheel says little without these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from matenv.benchmark.board import SHARE
from matenv.benchmark.references import references, runs_of
from matenv.tasks import TRAINING_WHEELS, Task

CALLS = 1_000
"""Budget at which they are quoted in a line."""


@dataclass(frozen=True)
class Stored:
    """Stored runs of a method on a task.

    Attributes:
        calls: Budget of the runs.
        runs: By seed, counted from 0, the measures that a leaderboard shows.
    """

    calls: int
    runs: Mapping[int, Mapping[str, float]]

    def mean(self, measure: str) -> float:
        """Mean of a measure over the seeds."""
        return float(np.mean([run[measure] for run in self.runs.values()]))


def trivial_runs(task: Task, calls: int) -> dict[str, Stored]:
    """Stored runs of the trivial methods on a task.

    Args:
        task: The task.
        calls: Budget of the runs to stand beside.

    Returns:
        By method, the runs of the smallest stored budget that is not below; of a training wheel, where there is none,
        those of the largest. Without methods that have none, and empty for a task that was not measured, or has
        changed since.
    """
    known = references(task)
    found: dict[str, Stored] = {}
    for method, by_calls in runs_of(task).items():
        enough = [number for number in by_calls if number >= calls]
        if not enough and task.name not in TRAINING_WHEELS:
            continue  # fewer calls would flatter what it stands beside
        number = min(enough) if enough else max(by_calls)
        measures = by_calls[number]
        runs = [dict(zip(measures, values, strict=True)) for values in zip(*measures.values(), strict=True)]
        if known is not None:
            runs = [run | {SHARE: known.share(run["gold100"])} for run in runs]
        found[method] = Stored(number, dict(enumerate(runs)))
    return found


def wheel_line(task: Task) -> str | None:
    """What to say beside any result on a training wheel; None for another task, and for a wheel that was altered.

    Examples:
        >>> from matenv import load_task
        >>> wheel_line(load_task("superhard")) is None
        True
    """
    found = trivial_runs(task, CALLS) if task.name in TRAINING_WHEELS else {}
    if not found:
        return None
    beside = " and ".join(
        f"{method} ({found[method].mean('top10'):.3f}, {found[method].mean('top100'):.3f})"
        for method in ("point", "retrieval")
    )
    return (
        f"{task.name} is a training wheel, no benchmark task: any result on it stands beside {beside}, the scores of "
        f"their best 10 and best 100 chemical systems with {CALLS:,} calls."
    )
