"""The leaderboard: tables in Markdown, made from result files, ours and others' alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from matenv.benchmark.board import COLUMNS, COUNTED, RANKED_BY, SHARE, Board
from matenv.benchmark.references import references
from matenv.benchmark.results import PROTOCOL_VERSION, TRACKS, Result
from matenv.benchmark.statistics import Estimate, estimate, interquartile_mean
from matenv.benchmark.systems_board import SystemsBoard
from matenv.benchmark.trivial import trivial_runs, wheel_line
from matenv.tasks import TASKS, Task, load_task

TRAINED = (
    "Calls of training were spent before the run, in which the track's rule is to have learned nothing: such methods "
    "have no place among the others."
)
"""What is said below a board of the single track on which a method was trained before."""


def boards(results: Sequence[Result]) -> list[Board]:
    """Results that may be compared, together: of one track, number of calls, training and choice of systems.

    Raises:
        ValueError: Two results of the same run.
    """
    runs: dict[tuple[str, str], dict[str, dict[str, dict[int, dict[str, float]]]]] = {}
    seconds: dict[tuple[str, str], dict[str, list[float]]] = {}
    training: dict[tuple[str, str], dict[str, list[int]]] = {}
    of_systems: dict[tuple[str, str], list[Result]] = {}
    for result in sorted(results, key=lambda each: each.plan.budget):
        plan = result.plan
        if plan.track == "systems":
            of_systems.setdefault((plan.track, _calls(result, plan.budget)), []).append(result)
        for calls, measures in result.measures.items():
            key = plan.track, _calls(result, int(calls))
            by_task = runs.setdefault(key, {}).setdefault(plan.method, {}).setdefault(plan.task, {})
            if plan.track == "single" and plan.training:
                training.setdefault(key, {}).setdefault(plan.method, []).append(plan.training)
            measures = _with_share(result, measures)
            if int(calls) == plan.budget and by_task.setdefault(plan.seed, measures) != measures:
                raise ValueError(f"two results of {plan.method!r}, task {plan.task!r}, seed {plan.seed}, differ")
            by_task.setdefault(plan.seed, measures)  # a longer run, read off here, stands in where there is no own one
            if int(calls) == plan.budget:
                seconds.setdefault(key, {}).setdefault(plan.method, []).append(
                    float(result.reported.get("cpu_seconds", np.nan))
                )
    found: list[Board] = []
    for key, by_method in sorted(runs.items(), key=lambda item: (TRACKS.index(item[0][0]), len(item[0][1]), item)):
        took = {name: float(np.median(all_)) for name, all_ in seconds.get(key, {}).items()}
        before = {name: float(np.median(all_)) for name, all_ in training.get(key, {}).items()}
        if key in of_systems:
            found.append(SystemsBoard.of(*key, by_method, took, of_systems[key]))
        else:
            found.append(Board(*key, by_method, took, training=before))
    return found


def leaderboard(results: Sequence[Result]) -> str:
    """The leaderboard in Markdown: for each track and number of calls who leads, by how much, over whom.

    Args:
        results: Results of one or several tracks.

    Returns:
        The text.
    """
    lines = [f"Protocol {PROTOCOL_VERSION}; value [95 % interval]."]
    asked = {each.plan.task: task for each in results if (task := _task(each)) is not None}
    for board in boards(results):
        tasks = {name: asked[name] for name in board.tasks if board.track == "single"}
        wheels = {name: line for name, task in tasks.items() if (line := wheel_line(task)) is not None}
        lines += [
            "",
            f"## {board.track}, {board.calls}",
            "",
            f"{board.said}.",
            *(f"\n{line}" for line in wheels.values()),
            "",
            *_ranking(board, tasks),
            *(["", TRAINED] if board.training else []),
            *(["", _ended(board)] if board.ended else []),
            "",
            *_improvements(board),
        ]
        if len(board.tasks) > 1:
            lines += [
                "",
                f"{COLUMNS[board.track][RANKED_BY[board.track]].capitalize()}, by task:",
                "",
                *_tasks(board, wheels),
            ]
    return "\n".join(lines)


def _with_share(result: Result, measures: dict[str, float]) -> dict[str, float]:
    """The measures and, of a task with reference values, the share of the way from random to the best known."""
    task = _task(result)
    known = references(task) if task is not None else None
    return measures if known is None else measures | {SHARE: known.share(measures["gold100"])}


def _task(result: Result) -> Task | None:
    """The task of a result of the single track."""
    plan = result.plan
    if plan.track != "single":
        return None
    return TASKS[plan.task] if plan.content is None else load_task(plan.content)


def _calls(result: Result, calls: int) -> str:
    plan = result.plan
    if plan.track == "systems":
        return f"{calls} proposals, " + (f"{plan.systems} of each size" if plan.systems else "all held-out systems")
    trained = f" after {plan.training:,} of training" if plan.track == "amortised" else ""
    return f"{calls:,} calls{trained}"


def _ranking(board: Board, tasks: Mapping[str, Task]) -> list[str]:
    columns = COLUMNS[board.track]
    ranked = board.complete()
    shown = {name: title for name, title in columns.items() if any(_has(board, method, name) for method in board.runs)}
    if not any(board.estimate(m, "rediscoveries").high for m in board.runs if _has(board, m, "rediscoveries")):
        shown.pop("rediscoveries", None)  # tasks that ask for the new refuse the known
    more = ["calls of training"] if board.training else []
    titles = ["", "method", *shown.values(), *more, "seeds", "CPU s"]
    lines = ["| " + " | ".join(titles).lstrip() + " |", "|---" * len(titles) + "|"]
    competing = [method for method in ranked if method not in board.references and method not in board.training]
    values = [board.estimate(method, board.ranked_by).value for method in competing]
    places = {
        method: str(1 + sum(other > value for other in values)) for method, value in zip(competing, values, strict=True)
    }
    for method in [*ranked, *(m for m in board.runs if m not in ranked)]:
        seeds = min(len(runs) for runs in board.runs[method].values())
        partly = "" if method in ranked else f" ({len(board.runs[method])} of {len(board.tasks)} tasks)"
        label = f"*{method}*" if method in board.references else method
        cells = [_cell(board.estimate(method, name), name) if _has(board, method, name) else "" for name in shown]
        seconds = board.seconds.get(method)
        cells += [f"{board.training.get(method, 0):,.0f}"] if more else []
        cells += [str(seeds), "" if seconds is None else f"{seconds:.0f}"]
        lines.append(f"| {places.get(method, '')} | {label}{partly} | " + " | ".join(cells) + " |")
    for name in board.references:
        if (row := _stored(board, name, tasks, list(shown))) is not None:
            lines.append(row)
        elif name not in board.runs:
            lines.append(f"| | *{name}*, not run |" + " |" * (len(titles) - 2))
    return lines


def _ended(board: Board) -> str:
    """Who left calls unspent, and what that means."""
    said = ", ".join(f"{method} {number} of {runs}" for method, (number, runs) in board.ended.items())
    return f"Runs that ended with calls left; what they did not ask counts 0 among the best 100: {said}."


def _stored(board: Board, method: str, tasks: Mapping[str, Task], shown: Sequence[str]) -> str | None:
    """A trivial method's row from runs that ship, where it was not run; None where there are no such runs."""
    own = board.runs.get(method, {})
    beside = {name: trivial_runs(task, board.budget) for name, task in tasks.items() if name not in own}
    if not beside or not all(method in found for found in beside.values()):
        return None
    filled = {name: found[method].runs for name, found in beside.items()}
    whole = replace(board, runs={method: {**own, **filled}})
    cells = [_cell(whole.estimate(method, name), name) for name in shown] + (["0"] if board.training else [])
    seeds = min(len(runs) for runs in whole.runs[method].values())
    more = sorted({found[method].calls for found in beside.values()} - {board.budget})
    words = "stored" + "".join(f", with {calls:,} calls" for calls in more)
    return f"| | *{method}*, {words} | " + " | ".join([*cells, str(seeds), ""]) + " |"


def _improvements(board: Board) -> list[str]:
    """Probability that a run of the row's method beats one of the column's."""
    others = [name for name in (*board.references, *board.complete()) if name in board.runs]
    others = list(dict.fromkeys(others))
    lines = ["Probability of improvement of the row over the column:", ""]
    lines += ["| method | " + " | ".join(others) + " |", "|---" * (len(others) + 1) + "|"]
    for method in [m for m in board.complete() if m not in board.references] + [
        m for m in board.references if m in board.runs
    ]:
        found = [None if method == other else board.improvement(method, other) for other in others]
        lines.append(f"| {method} | " + " | ".join("" if f is None else _cell(f, "", 2) for f in found) + " |")
    return lines


def _tasks(board: Board, wheels: Collection[str]) -> list[str]:
    lines = ["| task | " + " | ".join(board.runs) + " |", "|---" * (len(board.runs) + 1) + "|"]
    for task in board.tasks:
        cells = []
        for method, by_task in board.runs.items():
            if task not in by_task:
                cells.append("")
                continue
            cells.append(
                _cell(estimate(interquartile_mean, board.table(method, RANKED_BY[board.track], [task])), "")
            )  # fmt: skip
        label = f"{task} (training wheel)" if task in wheels else task
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def _has(board: Board, method: str, measure: str) -> bool:
    return all(measure in run for runs in board.runs[method].values() for run in runs.values())


def _cell(found: Estimate, measure: str, digits: int = 3) -> str:
    """A value and its interval: whole numbers for large counts, `digits` otherwise."""
    digits = 0 if measure in COUNTED and found.high >= 10 else 1 if measure in (*COUNTED, "diversity") else digits
    value, low, high = (f"{number:,.{digits}f}" for number in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"
