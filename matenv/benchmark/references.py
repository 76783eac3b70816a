"""What to hold a result against, task by task: chance, a point, the table's neighbours, the best known.

Measured, not computed here: `python -m tools.build_references` makes the file from results.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from matenv.checks import check_made, check_number
from matenv.tasks import Task
from matenv.tasks.as_data import task_to_data


@dataclass(frozen=True)
class References:
    """Reference values of a task of the single track; means over seeds at `calls`, by gold (`gold100`) unless said.

    Attributes:
        calls: Budget of the runs.
        floor: Uniformly random formulas that pass the free checks.
        point: Hill climbing to the best point of the latent space, all formulas on the way counted; a policy that goes
            to that point from anywhere has but one of them.
        retrieval: Neighbours of the table's formulas, nothing learned.
        best: The best method.
        best_method: Its name.
        ceiling: The best 100 chemical systems by proxy of all formulas that any run has met, by gold; or those of one
            run where gold likes them better.
        ceiling_proxy: The same by proxy (`top100`).
        met: Distinct formulas met.
        genetic: What `GA, table starts` reaches with ten times the calls, by proxy.
        retrieval_many: Share of the best method's gain over chance that retrieval has with ten times the calls.
        separation: Share of pairs of methods of which one is better over seeds (Mann and Whitney, two-sided, 5 %).
        hits: Most chemical systems that one run with ten times the calls has a success of which gold confirms.
        digest: Of the task that was run.
        start: What the formula is worth that the task asks to improve on: its utility x viability, by gold. A level
            minus it is a gain; it is one number, and ranks are those of the levels. None without such a formula.
        start_proxy: The same by proxy, which is what the reward of an environment subtracts.
    """

    calls: int
    floor: float
    point: float
    retrieval: float
    best: float
    best_method: str
    ceiling: float
    ceiling_proxy: float
    met: int
    genetic: float
    retrieval_many: float
    separation: float
    hits: float
    digest: str
    start: float | None = None
    start_proxy: float | None = None

    def gain(self, value: float) -> float:
        """Share of the best method's gain over chance.

        Raises:
            ValueError: The value is no finite number.
        """
        value = check_number("value", value, -math.inf, math.inf, "a mean score, a finite number")
        return (value - self.floor) / (self.best - self.floor)

    def share(self, value: float) -> float:
        """Share of the way from chance to the ceiling.

        Raises:
            ValueError: The value is no finite number.
        """
        value = check_number("value", value, -math.inf, math.inf, "a mean score, a finite number")
        return (value - self.floor) / (self.ceiling - self.floor)


def references(task: Task) -> References | None:
    """Reference values of a task; None for one that was not measured, or has changed since.

    Args:
        task: The task.

    Returns:
        The values.

    Raises:
        ValueError: Not a `Task`.
    """
    values = _entry(task).get("values")
    return None if values is None else References(**values, digest=_entry(task)["digest"])


def runs_of(task: Task) -> dict[str, dict[int, dict[str, list[float]]]]:
    """Stored measures of trivial methods by method, calls and name, a value for each seed; see `trivial_runs`.

    Args:
        task: The task.

    Returns:
        The measures; empty for a task that was not measured, or has changed since.

    Raises:
        ValueError: Not a `Task`.
    """
    stored = _entry(task).get("runs", {})
    return {method: {int(calls): each for calls, each in by_calls.items()} for method, by_calls in stored.items()}


def digest(task: Task) -> str:
    """Sixteen hexadecimal digits that change with anything a task asks; not with its description."""
    asked = {name: value for name, value in task_to_data(task).items() if name != "description"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _entry(task: Task) -> Mapping[str, Any]:
    """What is stored of a task as it is now; empty if nothing is."""
    check_made("task", task, Task, "load_task")
    found = _measured().get(task.name, {})
    return found if found.get("digest") == digest(task) else {}


@lru_cache
def _measured() -> dict[str, dict[str, Any]]:
    return json.loads(files("matenv.benchmark").joinpath("references.json").read_text(encoding="utf-8"))
