"""Many runs: in parallel processes, each written as it ends; the same call goes on from there."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from matenv.benchmark.method import Method
from matenv.benchmark.results import Plan, Result
from matenv.benchmark.tracks import run
from matenv.checks import check_made, check_path, check_whole


def sweep(
    plans: Sequence[Plan],
    folder: str | Path,
    processes: int = 1,
    makers: Mapping[str, Callable[[int], Method]] | None = None,
) -> list[Path]:
    """Run plans, or leave those alone whose file is there.

    Args:
        plans: The runs.
        folder: Where to, a file per run.
        processes: Runs at once.
        makers: What makes the methods that no name finds, by their names in the plans.

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
            _check_same(plan, _plan_in(file), file)
    if len(todo) < len(plans):
        print(f"{len(plans) - len(todo)} of {len(plans)} runs are there already", file=sys.stderr, flush=True)
    made = makers or {}
    for said in in_processes(run_to_file, [(*each, made.get(each[0].method)) for each in todo], processes):
        print(said, file=sys.stderr, flush=True)
    return files


def in_processes(function: Callable[..., Any], given: Sequence[tuple[Any, ...]], processes: int) -> Iterator[Any]:
    """What a function returns for each of several lists of arguments, as it ends; in this process if one is enough.

    Args:
        function: A function of a module.
        given: Its arguments, call by call.
        processes: Calls at once.
    """
    if processes == 1 or len(given) < 2:
        for each in given:
            yield function(*each)
        return
    # Spawned, not forked: torch and compiled code keep threads that a fork would copy half of.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(given)), mp_context=context) as pool:
        futures = [pool.submit(function, *each) for each in given]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_to_file(plan: Plan, file: Path, maker: Callable[[int], Method] | None = None) -> str:
    """Run a plan, write its file, and say so in a line."""
    result = run(plan, maker)
    result.write(file)
    found = result.measures[str(plan.budget)]
    said = ", ".join(f"{name} {found[name]:.3f}" for name in list(found)[-3:])
    if plan.track == "single":
        said = f"gold100 {found['gold100']:.3f}, top100 {found['top100']:.3f}, gold hits {found['gold_hits']:.0f}"
    elif plan.track == "amortised":
        said = f"gold10 {found['gold10']:.3f}, top10 {found['top10']:.3f}"
    return f"{plan.method}, {plan.task}, seed {plan.seed}: {said}, {result.reported['cpu_seconds']:.0f} s"


def _plan_in(file: Path) -> Plan:
    """The plan of the run that a file holds."""
    try:
        return Result.read(file).plan
    except ValueError as error:
        raise ValueError(f"{error}; remove the file, and its run is made again") from error


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
