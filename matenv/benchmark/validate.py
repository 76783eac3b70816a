"""Is a result what it says? Its formulas are replayed, and what differs is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matenv.benchmark.results import Result
from matenv.benchmark.systems import SystemProblem
from matenv.benchmark.tracks import TASKS_OF, measure, problems_of

SCORE_TOLERANCE = 2e-5
"""Largest difference of a score from its replay: rounding, and another machine's."""

MEASURE_TOLERANCE = 1e-4
"""Likewise of a measure; counts must be equal."""


def validate(path: str | Path) -> list[str]:
    """Check a result by replaying it.

    Args:
        path: The file.

    Returns:
        What is wrong with it, a sentence each; empty for a result that holds. CPU seconds and shares of moves cannot be
        replayed and are not looked at.

    Raises:
        ValueError: A file that is no result of this version of the protocol.
    """
    result = Result.read(path)
    plan, wrong = result.plan, []
    if plan.task != TASKS_OF.get(plan.track, plan.task):
        wrong.append(f"task={plan.task!r} is not one of track {plan.track!r}")
        return wrong
    if len(set(result.trained_on)) > plan.training:
        wrong.append(f"training assessed {len(set(result.trained_on))} formulas, {plan.training} were allowed")
    problems = problems_of(plan)
    if [name for name, _ in problems] != [answer.name for answer in result.answers]:
        wrong.append(f"its problems are not those of track {plan.track!r} with seed {plan.seed}")
        return wrong
    for (name, problem), answer in zip(problems, result.answers, strict=True):
        try:
            batch = answer.compositions
        except ValueError as error:
            wrong.append(f"{name}: {error}")
            continue
        if batch.formulas() != answer.formulas:
            wrong.append(f"{name}: formulas are not written as reduced formulas")
        if len(batch) != len(answer.scores):
            wrong.append(f"{name}: {len(batch)} formulas and {len(answer.scores)} scores")
            continue
        if len(batch) > plan.budget:
            wrong.append(f"{name}: {len(batch)} calls, {plan.budget} were allowed")
            continue
        if not isinstance(problem, SystemProblem) and len(batch.distinct()) < len(batch):
            wrong.append(f"{name}: a formula occurs twice")
        scores = problem.assess(batch) if len(batch) else np.zeros(0)
        differ = np.flatnonzero(np.abs(scores - np.array(answer.scores)) > SCORE_TOLERANCE)
        if len(differ):
            row = int(differ[0])
            wrong.append(
                f"{name}: {len(differ)} scores differ; first {answer.formulas[row]}, "
                f"{answer.scores[row]:.6f} in the file, {scores[row]:.6f} replayed"
            )
    if not wrong:
        wrong += _compare(result, measure(plan, result.answers))
    return wrong


def _compare(result: Result, replayed: dict[str, dict[str, float]]) -> list[str]:
    if result.measures.keys() != replayed.keys():
        return [f"measures are given at {', '.join(result.measures)} calls; expected {', '.join(replayed)}"]
    wrong = []
    for calls, expected in replayed.items():
        given = result.measures[calls]
        for name in sorted(expected.keys() | given.keys()):
            a, b = given.get(name, np.nan), expected.get(name, np.nan)
            if not abs(a - b) <= MEASURE_TOLERANCE:
                wrong.append(f"{name} at {calls} calls: {a:g} in the file, {b:g} replayed")
    return wrong
