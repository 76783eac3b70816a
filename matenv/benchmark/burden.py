"""Tables of what moves were spent on, from results of methods that move in an environment."""

from __future__ import annotations

from collections.abc import Sequence

from matenv.benchmark.results import Result
from matenv.benchmark.statistics import estimate, interquartile_mean

SHARES = {
    "changed": "changed", "out_of_bounds": "out of bounds", "valid": "valid", "neutral": "neutral",
    "p_stable": "mean P(stable)", "viable": "viable", "near_hull_100": "E_d <= 0.1",
    "valid_viable": "valid and viable", "useful": "... and changed", "success": "success",
}  # fmt: skip
"""Columns: shares of the moves."""

PACE = {"moves": "moves", "formulas": "formulas per 1,000", "systems": "systems per 1,000"}
"""Columns: numbers."""


def burden(results: Sequence[Result]) -> str:
    """What became of moves, a table per task of the single track.

    Args:
        results: Results; those without recorded moves are left out.

    Returns:
        Markdown; empty if no moves were recorded.
    """
    runs: dict[tuple[str, int], dict[str, list[dict[str, float]]]] = {}
    for result in results:
        if "moves" in result.reported:
            key = result.plan.task, result.plan.budget
            runs.setdefault(key, {}).setdefault(result.plan.method, []).append(result.reported["moves"])
    lines: list[str] = []
    columns = SHARES | PACE
    for (task, budget), by_method in runs.items():
        lines += ["", f"## Moves, {task}, {budget:,} calls", "", "| method | " + " | ".join(columns.values()) + " |"]
        lines += ["|---" * (len(columns) + 1) + "|"]
        for method, moves in by_method.items():
            cells = []
            for name in columns:
                found = estimate(interquartile_mean, [[run[name] for run in moves]])
                digits = 0 if name in PACE else 3
                cells.append(f"{found.value:,.{digits}f} [{found.low:,.{digits}f}, {found.high:,.{digits}f}]")
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
