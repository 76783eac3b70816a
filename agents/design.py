"""Design in one call: from what is wanted to a list of candidates, found by the formula policy, with their cards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matenv.agents.candidates import Candidate, rank_candidates
from matenv.agents.reinvent import SCREENED, Reinvent

from matenv import Oracle, Task, Window, explain, load_task
from matenv import elements as alphabet
from matenv.benchmark import Problem, play
from matenv.properties.element_properties import ELEMENT_PROPERTIES
from matenv.tasks.task import check_require

CALLS = 1_500
"""Formulas assessed: 10 to 20 s of one core."""

ALIKE = 2
"""Candidates of one family, such as the selenides of two lanthanides and copper."""

LOGARITHMIC = {"bulk_modulus": "log10_bulk_modulus", "shear_modulus": "log10_shear_modulus"}
"""Names in GPa of properties that are predicted as logarithms."""


def parse_want(text: str) -> Window:
    """A range in words.

    Args:
        text: ``"band_gap_expt=1.1..1.6"``, or with one end: ``"bulk_modulus=200.."`` [GPa], ``"price=..50"``.

    Returns:
        The objective.

    Raises:
        ValueError: Text of another form.

    Examples:
        >>> parse_want("band_gap_expt=1.1..1.6")
        Window(property_name='band_gap_expt', low=1.1, high=1.6)
        >>> parse_want("bulk_modulus=100..")
        Window(property_name='log10_bulk_modulus', low=2.0, high=None)
    """
    name, given, ends = text.partition("=")
    low, dots, high = ends.partition("..")
    name = name.strip()
    try:
        if not (given and dots and name and (low.strip() or high.strip())):
            raise ValueError
        values = [float(end) if end.strip() else None for end in (low, high)]
        if name in LOGARITHMIC:
            values = [None if value is None else math.log10(value) for value in values]
    except ValueError:
        raise ValueError(
            f"want={text!r} is no range such as 'band_gap_expt=1.1..1.6', 'bulk_modulus=200..' or 'price=..50'"
        ) from None
    return Window(LOGARITHMIC.get(name, name), *values)


def design_task(
    want: Sequence[str] = (),
    contains: Sequence[str] = (),
    without: Sequence[str] = (),
    ionic: bool = False,
    novel: bool = True,
    max_elements: int | None = None,
) -> Task:
    """What is wanted as a task; viability is part of its score.

    Args:
        want: Ranges, as `parse_want` takes them; each counts with the probability of lying inside.
        contains: Elements that must occur; ``"F|Cl|Br"`` for one of several.
        without: Elements that must not.
        ionic: Oxidation states must balance.
        novel: Only what is no near-copy of a formula of the embedded table.
        max_elements: Most elements; 6 by default.

    Returns:
        The task.

    Raises:
        ValueError: As `parse_want`, `Task` and `load_task`.
    """
    check_require(contains, "contains")
    alphabet.positions(without, "without")
    task = Task(
        "design",
        "; ".join(want) or "A stable compound.",
        tuple(parse_want(text) for text in want),
        novel=novel,
        regime="ionic" if ionic else "any",
        success_utility=0.5 ** max(len(want), 1),
    )
    return load_task(task, require=contains, exclude=without, max_elements=max_elements)


def design(task: Task, top: int = 20, calls: int = CALLS, seed: int = 0) -> list[Candidate]:
    """Search with the formula policy, and rank what it found.

    A surrogate picks among its proposals, as in `REINVENT, screened`; docs/agents.md sets other searches beside it.

    Args:
        task: What is wanted, as `design_task` makes it.
        top: Candidates.
        calls: Formulas assessed on the way.
        seed: Of the search.

    Returns:
        At most `top` candidates, one per chemical system and `ALIKE` per family, best first by the hull of the whole
        table.

    Raises:
        ValueError: `calls` below 1, or a task about what is not predicted.
    """
    oracle = Oracle("all", calls, properties=task.properties)
    _check_predicted(task, [*oracle.units])
    task.check(oracle.units)
    found = play(Reinvent(seed, SCREENED), Problem(task, oracle), seed)
    return rank_candidates(found.formulas, task, Oracle("all", properties=task.properties), top, ALIKE)


def _check_predicted(task: Task, predicted: list[str]) -> None:
    """Refuse wishes about what nothing predicts, in the words that `parse_want` takes."""
    in_gpa = {logarithm: name for name, logarithm in LOGARITHMIC.items()}
    known = sorted({*(in_gpa.get(name, name) for name in predicted), *ELEMENT_PROPERTIES})
    for objective in task.objectives:
        if objective.name not in {*predicted, *ELEMENT_PROPERTIES}:
            raise ValueError(f"want={objective.name!r} is not predicted; choose from {', '.join(known)}")


def verdict(candidates: Sequence[Candidate], task: Task) -> str:
    """How many of the candidates meet the wish, in a sentence.

    Args:
        candidates: As `design` returns them.
        task: What is wanted.
    """
    if not candidates:
        return "Nothing was found that is viable and has any of what is wanted."
    met = sum(candidate.utility >= task.success_utility for candidate in candidates)
    if met == len(candidates):
        return ""
    few = f"Only {met} of {len(candidates)} candidates meet" if met else "No candidate meets"
    return f"{few} what is wanted with a chance of {task.success_utility:.0%} or more; the others are the nearest."


def cards(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """The candidate card of each, as plain data."""
    return [explain(candidate.formula).to_dict() for candidate in candidates]
