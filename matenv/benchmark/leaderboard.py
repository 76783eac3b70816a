"""The leaderboard: tables in Markdown, made from result files, ours and others' alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matenv.benchmark.method import TRACKS
from matenv.benchmark.results import PROTOCOL_VERSION, Result
from matenv.benchmark.statistics import Estimate, estimate, interquartile_mean, probability_of_improvement

REFERENCES = ("random", "point", "retrieval")
"""Methods that every leaderboard shows: what needs no search worth the name."""

RANKED_BY = {"single": "gold100", "amortised": "gold10", "systems": "recall"}
"""Measure that ranks: gold or truth, never the proxy."""

PROXY = {"single": "top100", "amortised": "top10"}
"""The same formulas by the proxy; the systems track has none."""

COLUMNS: dict[str, dict[str, str]] = {
    "single": {
        "gold100": "best 100 by gold", "top100": "the same by proxy", "auc100": "AUC-100", "gold_hits": "hits, gold",
        "hits": "hits, proxy", "gap": "hacking gap", "top10": "best 10, proxy", "rediscoveries": "rediscoveries",
        "valid": "valid", "viable": "viable", "diversity": "diversity",
    },
    "amortised": {
        "gold10": "best 10 by gold", "top10": "the same by proxy", "answered": "wishes answered",
        "gold_hits": "hits, gold", "hits": "hits, proxy", "gap": "hacking gap",
    },
    "systems": {
        "recall": "recall@10", "first": "first is stable", "hits": "hits in 10", "recall.2": "recall, 2 elements",
        "recall.3": "3", "recall.4": "4", "first.2": "first, 2 elements", "first.3": "3", "first.4": "4",
    },
}  # fmt: skip
"""Columns of the table over all tasks, by track."""

COUNTED = {"gold_hits", "hits", "rediscoveries"}
"""Measures that are counts, and printed so where they are large."""


@dataclass(frozen=True)
class Board:
    """The runs of one track and number of calls.

    Attributes:
        track: The track.
        calls: Calls at which runs are compared, and further settings that must agree, in words.
        runs: By method and task the measures of each seed; of unequally many seeds a method counts the fewest.
        seconds: By method the median CPU seconds of a run.
    """

    track: str
    calls: str
    runs: Mapping[str, Mapping[str, Mapping[int, Mapping[str, float]]]]
    seconds: Mapping[str, float]

    @property
    def tasks(self) -> list[str]:
        """All tasks that somebody ran."""
        return list(dict.fromkeys(task for by_task in self.runs.values() for task in by_task))

    def table(self, method: str, measure: str, tasks: Sequence[str] | None = None) -> list[list[float]]:
        """One measure of a method (tasks, seeds)."""
        by_task = [self.runs[method][task] for task in (tasks or list(self.runs[method]))]
        seeds = min(len(runs) for runs in by_task)
        return [[runs[seed][measure] for seed in sorted(runs)[:seeds]] for runs in by_task]

    def estimate(self, method: str, measure: str) -> Estimate:
        """Interquartile mean over all tasks and seeds, with its interval."""
        return estimate(interquartile_mean, self.table(method, measure))

    def complete(self) -> list[str]:
        """Methods that ran on every task, best first."""
        whole = [method for method, by_task in self.runs.items() if len(by_task) == len(self.tasks)]
        return sorted(whole, key=lambda method: -self.estimate(method, RANKED_BY[self.track]).value)

    def improvement(self, method: str, other: str) -> Estimate | None:
        """How likely a run of a method beats one of another on the same task, in what ranks; None without a task."""
        both = [task for task in self.runs[method] if task in self.runs[other]]
        if not both:
            return None
        measure = RANKED_BY[self.track]
        return estimate(
            probability_of_improvement, self.table(method, measure, both), self.table(other, measure, both)
        )  # fmt: skip


def boards(results: Sequence[Result]) -> list[Board]:
    """Results that may be compared, together: of one track, number of calls, training and choice of systems.

    Raises:
        ValueError: Two results of the same run.
    """
    runs: dict[tuple[str, str], dict[str, dict[str, dict[int, dict[str, float]]]]] = {}
    seconds: dict[tuple[str, str], dict[str, list[float]]] = {}
    for result in results:
        plan = result.plan
        for calls, measures in result.measures.items():
            key = plan.track, _calls(result, int(calls))
            by_task = runs.setdefault(key, {}).setdefault(plan.method, {}).setdefault(plan.task, {})
            if plan.seed in by_task and by_task[plan.seed] != measures and int(calls) == plan.budget:
                raise ValueError(f"two results of {plan.method!r}, task {plan.task!r}, seed {plan.seed}, differ")
            by_task[plan.seed] = measures
            if int(calls) == plan.budget:
                seconds.setdefault(key, {}).setdefault(plan.method, []).append(
                    float(result.reported.get("cpu_seconds", np.nan))
                )
    return [
        Board(*key, by_method, {name: float(np.median(all_)) for name, all_ in seconds.get(key, {}).items()})
        for key, by_method in sorted(runs.items(), key=lambda item: (TRACKS.index(item[0][0]), len(item[0][1]), item))
    ]


def leaderboard(results: Sequence[Result]) -> str:
    """The leaderboard in Markdown: for each track and number of calls who leads, by how much, over whom.

    Args:
        results: Results of one or several tracks.

    Returns:
        The text.
    """
    lines = [f"Protocol {PROTOCOL_VERSION}; interquartile means over tasks and seeds [95 % interval]."]
    for board in boards(results):
        lines += ["", f"## {board.track}, {board.calls}", "", *_ranking(board), "", *_improvements(board)]
        if len(board.tasks) > 1:
            lines += ["", f"{COLUMNS[board.track][RANKED_BY[board.track]].capitalize()}, by task:", "", *_tasks(board)]
    return "\n".join(lines)


def _calls(result: Result, calls: int) -> str:
    plan = result.plan
    if plan.track == "systems":
        return f"{calls} proposals, " + (f"{plan.systems} of each size" if plan.systems else "all held-out systems")
    trained = f" after {plan.training:,} of training" if plan.track == "amortised" else ""
    return f"{calls:,} calls{trained}"


def _ranking(board: Board) -> list[str]:
    columns = COLUMNS[board.track]
    ranked = board.complete()
    shown = {name: title for name, title in columns.items() if any(_has(board, method, name) for method in board.runs)}
    lines = ["| | method | " + " | ".join(shown.values()) + " | seeds | CPU s |", "|---" * (len(shown) + 4) + "|"]
    places = {method: str(place) for place, method in enumerate([m for m in ranked if m not in REFERENCES], 1)}
    for method in [*ranked, *(m for m in board.runs if m not in ranked)]:
        seeds = min(len(runs) for runs in board.runs[method].values())
        partly = "" if method in ranked else f" ({len(board.runs[method])} of {len(board.tasks)} tasks)"
        label = f"*{method}*" if method in REFERENCES else method
        cells = [_cell(board.estimate(method, name), name) if _has(board, method, name) else "" for name in shown]
        seconds = board.seconds.get(method)
        cells += [str(seeds), "" if seconds is None else f"{seconds:.0f}"]
        lines.append(f"| {places.get(method, '')} | {label}{partly} | " + " | ".join(cells) + " |")
    missing = [name for name in REFERENCES if name not in board.runs]
    return lines + [f"| | *{name}*, not run |" + " |" * (len(shown) + 2) for name in missing]


def _improvements(board: Board) -> list[str]:
    """Probability that a run of the row's method beats one of the column's."""
    others = [name for name in (*REFERENCES, *board.complete()) if name in board.runs]
    others = list(dict.fromkeys(others))
    lines = ["Probability of improvement of the row over the column:", ""]
    lines += ["| method | " + " | ".join(others) + " |", "|---" * (len(others) + 1) + "|"]
    for method in [m for m in board.complete() if m not in REFERENCES] + [m for m in REFERENCES if m in board.runs]:
        found = [None if method == other else board.improvement(method, other) for other in others]
        lines.append(f"| {method} | " + " | ".join("" if f is None else _cell(f, "", 2) for f in found) + " |")
    return lines


def _tasks(board: Board) -> list[str]:
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
        lines.append(f"| {task} | " + " | ".join(cells) + " |")
    return lines


def _has(board: Board, method: str, measure: str) -> bool:
    return all(measure in run for runs in board.runs[method].values() for run in runs.values())


def _cell(found: Estimate, measure: str, digits: int = 3) -> str:
    """A value and its interval: whole numbers for large counts, `digits` otherwise."""
    digits = 0 if measure in COUNTED and found.high >= 10 else 1 if measure in (*COUNTED, "diversity") else digits
    value, low, high = (f"{number:,.{digits}f}" for number in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"
