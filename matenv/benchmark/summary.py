"""Tables of an equal-budget comparison: interquartile means over seeds with 95 % intervals, who improves on whom."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import date
from typing import Any

import numpy as np

from matenv.benchmark.statistics import Estimate, estimate, interquartile_mean, probability_of_improvement

Runs = dict[tuple[str, str], list[dict[str, Any]]]
"""By method and task one record per seed: ``measures`` by number of calls, ``windows``, ``curve``, ``seconds``."""

Table = dict[str, dict[str, dict[str, Estimate]]]
"""By method, then task, then measure."""

ALL = "all tasks"
"""Stands for all tasks together, where there are several and a method ran on each."""

COMPARED = ("top10", "auc")
"""Measures for which the probability of improvement is worked out."""

FOUND = {
    "top10": "top-10", "auc": "AUC", "successes": "successes", "systems": "systems", "top.systems": "systems, top 100",
    "top.diversity": "diversity, top 100", "top.proxy": "proxy, top 100", "top.gold": "gold, top 100",
}  # fmt: skip
"""Columns of the table of what was found."""

BURDEN = {
    "moves.changed": "changed", "moves.out_of_bounds": "out of bounds", "moves.valid": "valid",
    "moves.neutral": "neutral", "moves.p_stable": "mean P(stable)", "moves.viable": "viable",
    "moves.near_hull_100": "E_d <= 0.1", "moves.valid_viable": "valid and viable", "moves.useful": "... and changed",
    "moves.success": "success",
}  # fmt: skip
"""Columns of the table of moves: shares."""

PACE = {"moves.moves": "moves", "moves.formulas": "formulas per 1,000", "moves.systems": "systems per 1,000"}
"""Columns of the table of moves: numbers."""


def summarise(runs: Runs, calls: int) -> Table:
    """Estimates of every measure.

    Args:
        runs: The runs.
        calls: Number of calls at which runs were measured.

    Returns:
        Interquartile means with intervals.
    """
    table: Table = {}
    for method, by_task in _by_method(runs, calls).items():
        table[method] = {task: _estimates([measured]) for task, measured in by_task.items()}
        if 1 < len(by_task) == len(_tasks(runs)):
            table[method][ALL] = _estimates(list(by_task.values()))
    return table


def improvements(runs: Runs, calls: int, references: Sequence[str]) -> dict[str, dict[str, dict[str, Estimate]]]:
    """How likely a run of each method beats one of a reference on the same task, over the tasks both ran on.

    Args:
        runs: The runs.
        calls: Number of calls at which runs were measured.
        references: Names of methods.

    Returns:
        By measure of `COMPARED`, method and reference.
    """
    measured = _by_method(runs, calls)
    result: dict[str, dict[str, dict[str, Estimate]]] = {}
    for measure in COMPARED:
        columns = {
            method: {task: [run[measure] for run in found] for task, found in by_task.items()}
            for method, by_task in measured.items()
        }
        result[measure] = {
            method: {
                other: estimate(
                    probability_of_improvement,
                    *([side[task] for task in own if task in columns[other]] for side in (own, columns[other])),
                )
                for other in references
                if other in columns and other != method
            }
            for method, own in columns.items()
        }
    return result


def as_json(runs: Runs, references: Sequence[str]) -> dict[str, Any]:
    """Everything about the runs that a page or a picture needs, as plain numbers; estimates are [value, low, high]."""
    budgets = sorted({int(calls) for found in runs.values() for calls in found[0]["measures"]})
    return {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, one thread",
        "seeds": len(next(iter(runs.values()))),
        "tasks": _tasks(runs),
        "estimates": {calls: _plain(summarise(runs, calls)) for calls in budgets},
        "improvements": {calls: _plain(improvements(runs, calls, references)) for calls in budgets},
        "windows": _nested({key: _mean_windows([run["windows"] for run in found]) for key, found in runs.items()}),
        "curves": _nested({key: _mean_curve([run["curve"] for run in found]) for key, found in runs.items()}),
        "seconds": _nested({key: float(np.median([run["seconds"] for run in found])) for key, found in runs.items()}),
    }


def markdown(summary: Mapping[str, Any]) -> str:
    """Tables in Markdown.

    Args:
        summary: What `as_json` made.

    Returns:
        For each number of calls and each task a table of what was found and a table of moves.
    """
    lines = [f"{summary['seeds']} seeds; interquartile means [95 % interval]."]
    for calls, table in summary["estimates"].items():
        for task in [*summary["tasks"], ALL]:
            rows = {method: by_task[task] for method, by_task in table.items() if task in by_task}
            if rows:
                lines += ["", f"## {task}, {int(calls):,} calls", "", *_table(rows, FOUND)]
                movers = {method: row for method, row in rows.items() if "moves.moves" in row}
                lines += ["", *_table(movers, BURDEN | PACE)] if movers else []
        for measure, by_method in summary["improvements"][calls].items():
            others = list(dict.fromkeys(other for row in by_method.values() for other in row))
            lines += ["", f"## Probability of improvement in {measure}, {int(calls):,} calls, over ...", ""]
            lines += ["| method | " + " | ".join(others) + " |", "|---" * (len(others) + 1) + "|"]
            lines += [
                f"| {method} | " + " | ".join(_cell("", row[other]) if other in row else "" for other in others) + " |"
                for method, row in by_method.items()
            ]
    lines += ["", "## CPU seconds, median", "", "| method | " + " | ".join(summary["tasks"]) + " |"]
    lines += ["|---" * (len(summary["tasks"]) + 1) + "|"]
    for method, by_task in summary["seconds"].items():
        cells = [f"{by_task[task]:.1f}" if task in by_task else "" for task in summary["tasks"]]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _table(rows: Mapping[str, Mapping[str, Any]], columns: Mapping[str, str]) -> list[str]:
    lines = ["| method | " + " | ".join(columns.values()) + " |", "|---" * (len(columns) + 1) + "|"]
    return lines + [
        f"| {method} | " + " | ".join(_cell(name, row[name]) for name in columns) + " |" for method, row in rows.items()
    ]


def _cell(name: str, found: Sequence[float]) -> str:
    """A value and its interval: whole numbers for what is counted, three digits for shares and scores."""
    counted = name in PACE or name in ("successes", "systems", "top.systems")
    value, low, high = (
        f"{x:,.0f}" if counted else f"{x:.1f}" if name == "top.diversity" else f"{x:.3f}" for x in found
    )
    return f"{value} [{low}, {high}]"


def _tasks(runs: Runs) -> list[str]:
    return list(dict.fromkeys(task for _, task in runs))


def _by_method(runs: Runs, calls: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    return _nested({key: [run["measures"][str(calls)] for run in found] for key, found in runs.items()})


def _estimates(measured: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, Estimate]:
    """Estimate of every measure of some runs (tasks, seeds)."""
    return {
        name: estimate(interquartile_mean, [[run[name] for run in found] for found in measured])
        for name in measured[0][0]
    }


def _nested(flat: Mapping[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for (method, task), value in flat.items():
        nested.setdefault(method, {})[task] = value
    return nested


def _mean_windows(runs: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, list[float]]:
    """Means over seeds of each share, window by window; windows that a run did not reach are left out of the mean."""
    ends = sorted({window["calls"] for run in runs for window in run})
    grouped = [[w for run in runs for w in run if w["calls"] == end] for end in ends]
    names = list(grouped[0][0]) if grouped else []
    return {name: [round(float(np.mean([w[name] for w in group])), 4) for group in grouped] for name in names}


def _mean_curve(runs: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """The mean curve on the calls of the longest; shorter ones carry their last value forward."""
    calls = max((run["calls"] for run in runs), key=len)
    means = np.mean([np.interp(calls, run["calls"], run["top10"]) for run in runs], axis=0)
    return {"calls": list(calls), "top10": [round(float(mean), 4) for mean in means]}


def _plain(table: Any) -> Any:
    if isinstance(table, Estimate):
        return [round(number, 5) for number in astuple(table)]
    return {key: _plain(value) for key, value in table.items()}
