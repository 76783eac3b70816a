"""Many runs: in parallel processes, each written as it ends; the same call goes on from there."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from matenv.benchmark.results import Plan, Result
from matenv.benchmark.tracks import run
from matenv.checks import check_made, check_path, check_whole


def sweep(plans: Sequence[Plan], folder: str | Path, processes: int = 1) -> list[Path]:
    """Run plans, or leave those alone whose file is there.

    Args:
        plans: The runs.
        folder: Where to, a file per run.
        processes: Runs at once.

    Returns:
        The files, in the order of the plans.

    Raises:
        ValueError: Fewer than one process, or a file that is there and holds another run.
    """
    check_whole("processes", processes, "processes")
    if not isinstance(plans, Sequence) or isinstance(plans, str | bytes):
        raise ValueError(f"plans={str(plans)[:60]!r} must be a list of plans, as matenv.benchmark.plans makes them")
    for plan in plans:
        check_made("plans", plan, Plan, "matenv.benchmark.plans")
    folder = Path(check_path("folder", folder, "a folder for the results"))
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / plan.file for plan in plans]
    todo: list[tuple[Plan, Path]] = []
    taken: dict[Path, Plan] = {}
    for plan, file in zip(plans, files, strict=True):
        if taken.setdefault(file, plan) != plan:
            raise ValueError(
                f"plans: {taken[file].method!r} on {taken[file].task!r} and {plan.method!r} on {plan.task!r} would "
                f"both be written to {file.name}; rename one, or run them into two folders"
            )
        if not file.is_file():
            todo.append((plan, file))
        else:
            _check_same(plan, Result.read(file).plan, file)
    if len(todo) < len(plans):
        print(f"{len(plans) - len(todo)} of {len(plans)} runs are there already", file=sys.stderr, flush=True)
    if processes == 1 or len(todo) < 2:
        for plan, file in todo:
            print(run_to_file(plan, file), file=sys.stderr, flush=True)
        return files
    # Spawned, not forked: torch and compiled code keep threads that a fork would copy half of.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(todo)), mp_context=context) as pool:
        futures = [pool.submit(run_to_file, plan, file) for plan, file in todo]
        try:
            for future in as_completed(futures):
                print(future.result(), file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return files


def run_to_file(plan: Plan, file: Path) -> str:
    """Run a plan, write its file, and say so in a line."""
    result = run(plan)
    result.write(file)
    found = result.measures[str(plan.budget)]
    said = ", ".join(f"{name} {found[name]:.3f}" for name in list(found)[-3:])
    if plan.track == "single":
        said = f"gold100 {found['gold100']:.3f}, top100 {found['top100']:.3f}, gold hits {found['gold_hits']:.0f}"
    elif plan.track == "amortised":
        said = f"gold10 {found['gold10']:.3f}, top10 {found['top10']:.3f}"
    return f"{plan.method}, {plan.task}, seed {plan.seed}: {said}, {result.reported['cpu_seconds']:.0f} s"


def _check_same(plan: Plan, there: Plan, file: Path) -> None:
    """Refuse a file that holds another run than the one that is wanted."""
    if there == plan:
        return
    if replace(there, source=plan.source) == plan:
        raise ValueError(
            f"{file} was made by {plan.method!r} before its file was changed; remove the results of the old one, or "
            "choose another folder"
        )
    raise ValueError(f"{file} holds another run, {there}; choose another folder")
