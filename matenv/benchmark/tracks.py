"""The three tracks: which problems a run consists of, what comes before them, and how it is measured.

*single*: one benchmark task. *amortised*: training on wishes within a number of calls, then `WISHES` unseen wishes.
*systems*: held-out chemical systems, ten proposals each, paid by DFT.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matenv.benchmark.found import Found
from matenv.benchmark.fresh import fresh
from matenv.benchmark.measures import search_measures, system_measures, wish_measures
from matenv.benchmark.method import Method, find, source_of
from matenv.benchmark.moves import shares, windows
from matenv.benchmark.play import play
from matenv.benchmark.problem import Problem
from matenv.benchmark.results import DIGITS, TRACKS, Answer, Plan, Result
from matenv.benchmark.systems import PROPOSALS, SystemProblem, held_out, stable_phases
from matenv.benchmark.training import Training
from matenv.checks import check_choice, check_listed, check_made, check_whole
from matenv.oracle import Oracle
from matenv.tasks.registry import task_for_storage
from matenv.tasks.wishes import Wish, draw

FIRST_SEED = 1_000
"""Seeds begin here; whatever was chosen for the shipped methods was chosen on lower ones."""

BUDGETS = {"single": (1_000, 10_000), "amortised": (100, 500), "systems": (PROPOSALS,)}
"""Calls per problem of the protocol; the first is the default."""

TASKS_OF = {"amortised": "wishes", "systems": "phases"}
"""What stands for the task in the other tracks."""

FEW = 1_000
"""Calls at which every longer run of the single track is read off too."""

WISHES = 20
"""Unseen wishes of a run of the amortised track."""

TRAINING_CALLS = 10_000
"""Calls of the training in the amortised track."""


def plans(
    methods: Sequence[str],
    track: str = "single",
    tasks: Sequence[str] = (),
    seeds: int = 10,
    budget: int | None = None,
    training: int = TRAINING_CALLS,
    systems: int | None = None,
) -> list[Plan]:
    """The runs of methods over tasks and seeds.

    Args:
        methods: Names, as `find` takes them.
        track: Name of the track.
        tasks: Task names, or paths of tasks' files, in the single track only.
        seeds: Number of seeds, from `FIRST_SEED` on.
        budget: Calls per problem; None for the protocol's first.
        training: Calls of the training, in the amortised track.
        systems: Systems of each number of elements, in the systems track; None for all.

    Returns:
        The plans.

    Raises:
        ValueError: An unknown track, task or method, a method that does not serve the track, or numbers below 1.
        ImportError: A method of a module that cannot be imported.
    """
    check_choice("track", track, TRACKS)
    check_listed("methods", methods, "methods, such as ['random']")
    if isinstance(tasks, str) or not isinstance(tasks, Sequence):
        raise ValueError(f"tasks={tasks!r} must be a list of tasks, such as ['stiff-stable']")
    if tasks and track != "single":
        raise ValueError(f"tasks={list(tasks)!r} belong to track='single'; track={track!r} brings its own problems")
    for name in methods:
        if track not in (entry := find(name)).tracks:
            raise ValueError(f"method={name!r} does not serve track={track!r}, only {', '.join(entry.tracks)}")
    budget = BUDGETS[track][0] if budget is None else budget
    if track == "systems" and budget != PROPOSALS:
        raise ValueError(f"budget={budget}: in the systems track it is {PROPOSALS} proposals")
    numbers = {"seeds": seeds, "budget": budget, "training": training, "systems": 1 if systems is None else systems}
    for name, number in numbers.items():
        check_whole(name, number, "at least 1")
    contents = {str(task): _content(task) for task in tasks}
    names = contents if track == "single" else {TASKS_OF[track]: None}
    return [
        Plan(method, track, task, seed, budget, training if track == "amortised" else 0,
             systems if track == "systems" else None, content, source_of(method))
        for method in methods for task, content in names.items() for seed in range(FIRST_SEED, FIRST_SEED + seeds)
    ]  # fmt: skip


def _content(task: str | Path) -> Mapping[str, Any] | None:
    """What the file of a task says; None for a registered task."""
    try:
        stored = task_for_storage(task)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"tasks: {error}") from None
    return None if isinstance(stored, str) else stored


def problems_of(plan: Plan) -> list[tuple[str, Problem]]:
    """The problems of a run, fresh, by name."""
    if plan.track == "single":
        task = plan.wanted
        return [(plan.task, Problem(task, Oracle("train", plan.budget, properties=task.properties)))]
    if plan.track == "systems":
        return [("-".join(system), SystemProblem(system)) for system in held_out(plan.systems, plan.seed)]
    return [(str(wish), Problem(wish.task(), Oracle("train", plan.budget), wish)) for wish in test_wishes(plan.seed)]


def test_wishes(seed: int) -> list[Wish]:
    """The unseen wishes of a run, all different."""
    rng = np.random.default_rng([seed, WISHES])
    wishes: dict[str, Wish] = {}
    while len(wishes) < WISHES:
        wish = draw(rng, "test")
        wishes[str(wish)] = wish
    return list(wishes.values())


def run(plan: Plan, maker: Callable[[int], Method] | None = None) -> Result:
    """Run a method.

    Args:
        plan: What to run.
        maker: Makes the method from the seed; None for the one that the plan names.

    Returns:
        The result.

    Raises:
        ValueError: Something else than a plan.
    """
    check_made("plan", plan, Plan, "matenv.benchmark.plans")
    began = time.process_time()
    method = (maker or find(plan.method).factory)(plan.seed)
    training = Training(plan.track, plan.training)
    if plan.track != "single" and hasattr(method, "train"):
        method.train(training)
    searches = []
    problems = problems_of(plan)
    for number, (_, problem) in enumerate(problems):
        # Problems of a run have each their own chance, and none that of another run.
        seed = plan.seed if len(problems) == 1 else int(np.random.default_rng([plan.seed, number]).integers(2**31))
        searches.append(play(_untouched(method, plan, len(problems)), problem, seed))
    seconds = time.process_time() - began
    reported: dict[str, Any] = {"cpu_seconds": round(seconds, 2)}
    if (moves := searches[0].moves) is not None and plan.track == "single":
        reported |= {"moves": shares(moves), "windows": windows(moves, plan.budget)}
    answers = [
        Answer(name, found.formulas, np.round(found.scores, DIGITS).tolist())
        for (name, _), found in zip(problems, searches, strict=True)
    ]
    return Result(plan, answers, measure(plan, answers), training.history().formulas(), reported)


def measure(plan: Plan, answers: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """Measures of a run, from what its file holds.

    Args:
        plan: What was run.
        answers: The formulas and scores.

    Returns:
        By number of calls (as text), then by name.
    """
    found = [Found(answer.compositions, np.array(answer.scores, np.float64)) for answer in answers]
    if plan.track == "single":
        task = plan.wanted
        return {str(n): search_measures(found[0], task, n) for n in sorted({min(FEW, plan.budget), plan.budget})}
    if plan.track == "amortised":
        tasks = [wish.task() for wish in test_wishes(plan.seed)]
        return {str(plan.budget): wish_measures(found, tasks)}
    systems, truth = held_out(plan.systems, plan.seed), stable_phases("test")
    return {str(plan.budget): system_measures(found, systems, [len(truth[system]) for system in systems])}


def _untouched(method: Method, plan: Plan, problems: int) -> Method:
    """What the training left behind: of a test with several problems none may learn from another."""
    if problems == 1:
        return method
    why = f"every problem of track={plan.track!r} begins where training ended"
    return fresh(method, f"method={plan.method!r}", why)
