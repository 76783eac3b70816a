"""Every method at an equal number of calls: the single track, with what moves were spent on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matenv.atomic import write_whole
from matenv.benchmark import METHODS, Result, plans, sweep
from matenv.benchmark.burden import burden
from matenv.benchmark.leaderboard import leaderboard
from matenv.benchmark.method import names
from matenv.report.leaderboard import draw_curves, draw_leaderboard, draw_moves


def equal_budget(
    out: str | Path = "runs/equal-budget",
    budget: int = 10_000,
    seeds: int = 10,
    tasks: Sequence[str] = ("superhard",),
    methods: Sequence[str] | None = None,
    processes: int = 1,
) -> list[Result]:
    """The single track, and what moves were spent on: a leaderboard, ``summary.md`` and pictures.

    Args:
        out: Folder of the results: a file per run, ``summary.md``, ``leaderboard.png``, ``best.png``, ``moves.png``.
        budget: Distinct formulas each run may assess.
        seeds: Number of seeds.
        tasks: Task names.
        methods: Names of methods; None for all that ship and are installed.
        processes: Runs at once.

    Returns:
        The results.

    Raises:
        ValueError: As `matenv.benchmark.plans`.
    """
    installed = [name for name in names() if not METHODS[name].lacking and "single" in METHODS[name].tracks]
    wanted = plans(methods or installed, "single", tasks, seeds, budget)
    folder = Path(out) / "runs"
    results = [Result.read(path) for path in sweep(wanted, folder, processes)]
    text = leaderboard(results) + "\n" + burden(results)
    write_whole(Path(out, "summary.md"), text + "\n")
    draw_leaderboard(results, Path(out, "leaderboard.png"))
    draw_curves(results, Path(out, "best.png"))
    draw_moves(results, Path(out, "moves.png"))
    print(text)
    return results
