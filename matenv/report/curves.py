"""The report of an equal-budget comparison: tables, what was found call by call, and what the moves were spent on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matenv.benchmark.summary import Runs, as_json, markdown

REFERENCES = ("uniform random formulas", "prior sampling", "PPO, latent")
"""Methods that the others are compared with."""

STYLES: dict[str, tuple[str, str]] = {
    "uniform random formulas": ("black", ":"),
    "prior sampling": ("tab:gray", ":"),
    "evolutionary search": ("tab:gray", "-"),
    "random, latent": ("tab:blue", "--"),
    "random, edits by kind": ("tab:orange", "--"),
    "PPO, latent": ("tab:blue", "-"),
    "SAC, latent": ("tab:cyan", "-"),
    "PPO, edits unmasked": ("tab:olive", "-"),
    "MaskablePPO, edits": ("tab:orange", "-"),
    "MaskablePPO, edits reachable": ("tab:red", "-"),
    "DQN, edits": ("tab:brown", "-"),
}
"""Colour and line of the methods that are drawn: blue moves in the latent space, warm colours edit formulas."""

NOT_DRAWN = ("random, latent small steps", "random, edits unmasked", "random, edits", "random, edits reachable")
"""Methods that stand in the tables only; what is in neither list, a method of one's own, is drawn dash-dotted."""

SHARES = {
    "changed": "formula changed",
    "valid": "valid by the task's rules",
    "useful": "valid, P(stable) at least 0.5, changed",
    "success": "success",
}
"""Shares of moves that are drawn, and what they are."""


def write_report(runs: Runs, folder: Path) -> dict[str, Any]:
    """Write ``summary.json``, ``summary.md`` and the pictures ``best.png`` and ``moves.png``; print the tables.

    Args:
        runs: The runs.
        folder: Where to.

    Returns:
        What `matenv.benchmark.summary.as_json` says, as the file holds it.
    """
    summary = json.loads(json.dumps(as_json(runs, REFERENCES)))
    (folder / "summary.json").write_text(json.dumps(summary) + "\n")
    (folder / "summary.md").write_text(markdown(summary) + "\n")
    draw_curves(summary, folder / "best.png")
    draw_moves(summary, folder / "moves.png")
    print(markdown(summary))
    return summary


def draw_curves(summary: Mapping[str, Any], out: Path) -> None:
    """Mean of the ten best scores against calls, a panel per task.

    Args:
        summary: What `matenv.benchmark.summary.as_json` made.
        out: PNG to write.
    """
    tasks, styles = summary["tasks"], _styles(summary)
    figure = Figure(figsize=(4.6 * len(tasks) + 2.6, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        for method, (colour, line) in styles.items():
            if curve := summary["curves"].get(method, {}).get(task):
                axes.plot(curve["calls"], curve["top10"], line, color=colour, label=method, linewidth=1.5)
        axes.set_title(task, fontsize=10)
        axes.set_xlabel("oracle calls (distinct formulas)")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"mean of the ten best scores so far\n(mean over {summary['seeds']} seeds)")
    _legend(figure, panels, styles)
    figure.savefig(out)


def draw_moves(summary: Mapping[str, Any], out: Path) -> None:
    """Shares of moves against calls, a row per task.

    Args:
        summary: What `matenv.benchmark.summary.as_json` made.
        out: PNG to write.
    """
    tasks, styles = summary["tasks"], _styles(summary)
    figure = Figure(figsize=(3.1 * len(SHARES) + 2.4, 2.9 * len(tasks) + 0.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(tasks), len(SHARES), squeeze=False, sharex=True)
    for row, task in zip(panels, tasks, strict=True):
        for axes, (share, meaning) in zip(row, SHARES.items(), strict=True):
            for method, (colour, line) in styles.items():
                if found := summary["windows"].get(method, {}).get(task):
                    calls = found["calls"]
                    middles = [(a + b) / 2 for a, b in zip([0, *calls], calls, strict=False)]
                    axes.plot(middles, found[share], line, color=colour, label=method, marker=".", linewidth=1.3)
            axes.set_ylim(0, None if share == "success" else 1.03)
            axes.set_xlim(left=0)
            axes.grid(alpha=0.3)
            axes.set_title(meaning, fontsize=9)
        row[0].set_ylabel(f"{task}\nshare of moves", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("oracle calls")
    _legend(figure, panels.ravel(), styles)
    figure.savefig(out)


def _styles(summary: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    others = [method for method in summary["curves"] if method not in STYLES and method not in NOT_DRAWN]
    return STYLES | {method: (f"C{number}", "-.") for number, method in enumerate(others)}


def _legend(figure: Figure, panels: Any, styles: Iterable[str]) -> None:
    """One legend for all panels, beside them."""
    entries: dict[str, Any] = {}
    axes: Axes
    for axes in panels:
        entries |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    ordered = [name for name in styles if name in entries]
    figure.legend([entries[name] for name in ordered], ordered, loc="outside right center", fontsize=8)
