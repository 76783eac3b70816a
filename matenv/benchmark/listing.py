"""What there is, in words: tracks, tasks, methods, and what a result file holds."""

from __future__ import annotations

import difflib
import inspect
import textwrap
from pathlib import Path

from matenv.benchmark.board import COLUMNS
from matenv.benchmark.method import METHODS, find, names
from matenv.benchmark.references import references
from matenv.benchmark.results import PROTOCOL_VERSION, Result
from matenv.benchmark.systems import PROPOSALS
from matenv.benchmark.tracks import BUDGETS, TRAINING_CALLS, WISHES
from matenv.benchmark.trivial import CALLS, trivial_runs
from matenv.tasks import BENCHMARK, TASKS, TRAINING_WHEELS, Task

TRACK_WORDS = {
    "single": f"one task; {' or '.join(f'{n:,}' for n in BUDGETS['single'])} calls",
    "amortised": f"{TRAINING_CALLS:,} calls of training on wishes, then {WISHES} unseen wishes with "
    f"{' or '.join(map(str, BUDGETS['amortised']))} calls each",
    "systems": f"held-out chemical systems of 2, 3, 4 elements, {PROPOSALS} proposals each, paid by DFT",
}

SHOWN = 10
"""Formulas of an answer that are shown, and answers of a result."""


def listing() -> str:
    """Tracks, tasks and methods."""
    lines = [f"Protocol {PROTOCOL_VERSION}", "", "Tracks"]
    lines += [f"  {name:12s}{words}" for name, words in TRACK_WORDS.items()]
    lines += ["", "Tasks of the single track"]
    lines += [f"  {name:30s}{TASKS[name].description}" for name in BENCHMARK]
    lines += [
        "",
        "Training wheels: tasks to learn the toolkit with, which rank no method",
    ]
    lines += [f"  {name:30s}{TASKS[name].description}" for name in TRAINING_WHEELS]
    lines += ["", "Methods"]
    known = [METHODS[name] for name in names()]
    lines += [f"  {each.name:30s}{', '.join(each.tracks)}{each.lacking and f'; {each.lacking}'}" for each in known]
    return "\n".join([*lines, "  module:Name or file.py:Name    one of your own (docs/benchmark.md)"])


def describe(name: str) -> str:
    """A result file, a task or a method in words.

    Args:
        name: Path of the file, or a name.

    Returns:
        The text.

    Raises:
        ValueError: None of them.
    """
    if name.endswith(".json"):
        return _result(name)
    if name in TASKS:
        return _task(TASKS[name])
    if ":" not in name and name not in names():
        close = difflib.get_close_matches(name, [*TASKS, *names()], 3)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ValueError(f"name={name!r} is no task, method or result file; matenv benchmark list has them all{hint}")
    method = find(name)
    made = type(method.factory(0))
    told = (inspect.getdoc(made) or "no description").partition("\nArgs:")[0].rstrip()
    words = textwrap.fill(method.about, 100) or told
    return f"{method.name}: tracks {', '.join(method.tracks)}; {made.__module__}:{made.__name__}\n\n{words}"


def _result(path: str) -> str:
    if not Path(path).is_file():
        raise ValueError(f"name={path!r}: there is no such file")
    result = Result.read(path)
    plan, reported = result.plan, {k: v for k, v in result.reported.items() if not isinstance(v, list)}
    lines = [
        f"{plan.method}, track {plan.track}, task {plan.task}, seed {plan.seed}, {plan.budget:,} calls"
        + (f" after {plan.training:,} of training" if plan.training else ""),
        f"protocol {result.protocol}, matenv {result.matenv}, {result.date}; not replayed: {reported}",
    ]
    for calls, measures in result.measures.items():
        lines += ["", f"At {calls} calls"]
        lines += [f"  {COLUMNS[plan.track].get(name, name):20s} {name:14s}{x:10.4g}" for name, x in measures.items()]
    for answer in result.answers[:SHOWN]:
        best = sorted(zip(answer.scores, answer.formulas, strict=False), reverse=True)[:SHOWN]
        lines += ["", f"{answer.name}: best of {len(answer.formulas):,}"]
        lines += [f"  {score:8.4f}  {formula}" for score, formula in best]
    more = len(result.answers) - SHOWN
    return "\n".join(lines + ([f"\n... and {more} more"] if more > 0 else []))


def _task(task: Task) -> str:
    free = ["rules on elements and counts"]
    free += [f"an element mover's distance of at most {task.within:g} from {task.start}"] if task.within else []
    free += ["filters that the composition alone decides"] if task.filters else []
    free += ["electronegativity balance"] if task.regime == "ionic" else []
    free += ["novelty against the whole table"] if task.novel else []
    free += ["novelty against the train part"] if task.unseen else []
    elements = "".join(f"  {line}\n" for line in rules_on_elements(task))
    return (
        f"{task.name}{', a training wheel' if task.name in TRAINING_WHEELS else ''}: {task.description}\n\n"
        f"  objectives: {', '.join(map(str, task.objectives)) or 'none'}; viability {task.viability}\n"
        f"  {task.min_elements}-{task.max_elements} elements, at most {task.max_atoms} atoms, counts of at most "
        f"{task.max_count}\n{elements}  success: utility of {task.success_utility:.3g}\n"
        f"  checks that cost no call: {'; '.join(free)}{''.join(_measured(task))}"
    )


def rules_on_elements(task: Task) -> list[str]:
    """Which elements a task allows, refuses and requires, a line each."""
    rules = {
        "only": ", ".join(sorted(task.elements)) if task.elements else "",
        "never": ", ".join(sorted(task.exclude)),
        "must hold": ", ".join(one if isinstance(one, str) else "|".join(one) for one in task.require),
    }
    return [f"{rule}: {symbols}" for rule, symbols in rules.items() if symbols]


def _measured(task: Task) -> list[str]:
    """What was measured on a task, a line each: what to hold a result against."""
    known, lines = references(task), []
    if known is not None:
        lines.append(
            f"best 100 by gold at {known.calls:,} calls: random {known.floor:.3f}, point {known.point:.3f}, retrieval "
            f"{known.retrieval:.3f}, {known.best_method} {known.best:.3f}; best known {known.ceiling:.3f}"
        )
        if known.start is not None:
            lines.append(
                f"the start {task.start} is worth {known.start:.3f} by gold, {known.start_proxy:.3f} by proxy; a gain "
                "is a level minus that, and ranks are those of levels"
            )
    elif found := trivial_runs(task, CALLS):
        beside = (
            f"{method} {each.mean('top10'):.3f} / {each.mean('top100'):.3f} / {each.mean('gold100'):.3f}"
            for method, each in found.items()
        )
        lines.append(
            f"beside any result, best 10 / best 100 / best 100 by gold at {CALLS:,} calls: {', '.join(beside)}"
        )
    return [f"\n  {line}" for line in lines]
