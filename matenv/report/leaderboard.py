"""Pictures of results: who leads, how the best grows with the calls, and what moves were spent on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matenv.benchmark.board import COLUMNS, PROXY, SHARE
from matenv.benchmark.curve import best_so_far
from matenv.benchmark.leaderboard import boards
from matenv.benchmark.results import Result
from matenv.report.saving import save

SHARES = {
    "changed": "formula changed",
    "valid": "valid by the task's rules",
    "useful": "valid, P(stable) at least 0.5, changed",
    "success": "success",
}
"""Shares of moves that are drawn, and what they are."""


def draw_leaderboard(results: Sequence[Result], out: Path) -> None:
    """What ranks the methods with its interval, and the proxy beside it, a panel for each track and number of calls.

    Args:
        results: The results.
        out: PNG to write.
    """
    shown = boards(results)
    heights = [max(len(board.runs), 2) for board in shown]
    figure = Figure(figsize=(8, 0.9 * len(shown) + 0.32 * sum(heights)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, board in zip(panels, shown, strict=True):
        ranked = board.complete()
        methods = [*ranked, *(method for method in board.runs if method not in ranked)][::-1]
        measure = board.ranked_by
        proxy = None if measure == SHARE else PROXY.get(board.track)
        for place, method in enumerate(methods):
            colour = "tab:gray" if method in board.references else "tab:blue"
            found = board.estimate(method, measure)
            axes.plot([found.low, found.high], [place, place], color=colour, linewidth=2)
            axes.plot(found.value, place, "o", color=colour, label="_" if place else COLUMNS[board.track][measure])
            if proxy:
                beside = board.estimate(method, proxy).value
                axes.plot(beside, place, "|", color=colour, markersize=12, label="_" if place else "by proxy")
        partly = {each: f"{each}\n{len(board.runs[each])} of {len(board.tasks)} tasks" for each in methods}
        axes.set_yticks(
            range(len(methods)), [each if each in ranked else partly[each] for each in methods], fontsize=9
        )  # fmt: skip
        axes.set_title(f"{board.track}, {board.calls}", fontsize=10)
        axes.set_xlim(left=min(0.0, 1.5 * axes.dataLim.x0))
        axes.set_ylim(-0.6, len(methods) - 0.4)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="best")
    save(figure, out)


def draw_curves(results: Sequence[Result], out: Path) -> None:
    """Mean of the best hundred scores against calls in the single track, a panel per task.

    Args:
        results: Results, some of the single track.
        out: PNG to write.
    """
    grouped = _by_task(results)
    figure = Figure(figsize=(4.6 * len(grouped) + 2.6, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(grouped), squeeze=False)[0]
    for axes, (task, by_method) in zip(panels, grouped.items(), strict=True):
        for method, runs in by_method.items():
            curves = [best_so_far(run.answers[0].compositions, np.array(run.answers[0].scores)) for run in runs]
            calls = max((calls for calls, _ in curves), key=len)  # shorter ones carry their last value forward
            mean = np.mean([np.interp(calls, own, values) for own, values in curves], axis=0)
            axes.plot(calls, mean, label=method, linewidth=1.5, color=_colour(results, method))
        axes.set_title(task, fontsize=10)
        axes.set_xlabel("oracle calls (distinct formulas)")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("mean of the best 100 scores so far,\none per chemical system (mean over seeds)")
    _legend(figure, panels)
    save(figure, out)


def draw_moves(results: Sequence[Result], out: Path) -> bool:
    """Shares of moves against calls, a row per task.

    Args:
        results: Results; those without recorded moves are left out.
        out: PNG to write.

    Returns:
        Whether there was anything to draw.
    """
    grouped = _by_task([result for result in results if "windows" in result.reported])
    if not grouped:
        return False
    figure = Figure(figsize=(3.1 * len(SHARES) + 2.4, 2.9 * len(grouped) + 0.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(grouped), len(SHARES), squeeze=False, sharex=True)
    for row, (task, by_method) in zip(panels, grouped.items(), strict=True):
        for axes, (share, meaning) in zip(row, SHARES.items(), strict=True):
            for method, runs in by_method.items():
                parts = [part for run in runs for part in run.reported["windows"]]
                ends = sorted({part["calls"] for part in parts})
                middles = [(a + b) / 2 for a, b in zip([0, *ends], ends, strict=False)]
                means = [np.mean([part[share] for part in parts if part["calls"] == end]) for end in ends]
                axes.plot(middles, means, label=method, marker=".", linewidth=1.3, color=_colour(results, method))
            axes.set_ylim(0, None if share == "success" else 1.03)
            axes.set_xlim(left=0)
            axes.grid(alpha=0.3)
            axes.set_title(meaning, fontsize=9)
        row[0].set_ylabel(f"{task}\nshare of moves", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("oracle calls")
    _legend(figure, panels.ravel())
    save(figure, out)
    return True


def _by_task(results: Sequence[Result]) -> dict[str, dict[str, list[Result]]]:
    """Results of the single track by task, then method; of several budgets the largest."""
    single = [result for result in results if result.plan.track == "single"]
    most = max((result.plan.budget for result in single), default=0)
    grouped: dict[str, dict[str, list[Result]]] = {}
    for result in single:
        if result.plan.budget == most:
            grouped.setdefault(result.plan.task, {}).setdefault(result.plan.method, []).append(result)
    return grouped


def _colour(results: Sequence[Result], method: str) -> Any:
    names = list(dict.fromkeys(result.plan.method for result in results))
    return "black" if method == "random" else f"C{names.index(method) % 10}"


def _legend(figure: Figure, panels: Any) -> None:
    """One legend for all panels, beside them."""
    entries: dict[str, Any] = {}
    axes: Axes
    for axes in panels:
        entries |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(list(entries.values()), list(entries), loc="outside right center", fontsize=8)
