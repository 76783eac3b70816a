"""What a result file must hold, checked field by field before anything is used: it may come from anywhere."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

FIELDS = ("plan", "answers", "measures", "trained_on", "reported", "protocol", "matenv", "date")
"""Fields of a file."""

_UNFIT = re.compile(r"[|<>`\x00-\x1f]")  # what would break a table or a line of it


def check_content(content: Any, protocol: int) -> None:
    """Check the fields of a result but for the plan's, which checks itself.

    Args:
        content: What the file holds.
        protocol: Version that is understood.

    Raises:
        ValueError: A field that is missing, unknown or of the wrong kind; it is named.
    """
    _check(isinstance(content, Mapping), "the file", "holds no object")
    for name in FIELDS:
        _check(name in content, name, "is missing")
    _check(not (more := sorted(content.keys() - set(FIELDS))), ", ".join(more), "is no field of a result")
    said = content["protocol"]
    _check(type(said) is int and said == protocol, f"protocol={said!r}", f"is not {protocol}, which this package knows")
    _check(isinstance(content["plan"], Mapping), "plan", "must be an object")
    for name in ("matenv", "date"):
        _check(isinstance(content[name], str), f"{name}={content[name]!r}", "must be text")
    _check_texts("trained_on", content["trained_on"])
    _check_reported(content["reported"])
    _check_measures(content["measures"])
    answers = content["answers"]
    _check(isinstance(answers, list) and bool(answers), "answers", "must be a list with one entry for each problem")
    for row, answer in enumerate(answers):
        _check_answer(f"answers[{row}]", answer)


def check_label(name: str, value: str) -> None:
    """Refuse a name that would break the tables it is printed in.

    Raises:
        ValueError: It holds a character that Markdown gives a meaning to, or none that can be seen.
    """
    if found := _UNFIT.search(value):
        raise ValueError(f"{name}={value!r} holds {found[0]!r}, which would break tables; leave it out")


def _check_reported(reported: Any) -> None:
    _check(isinstance(reported, Mapping), f"reported={str(reported)[:60]!r}", "must be an object")
    if "cpu_seconds" in reported:
        _check_number("reported['cpu_seconds']", reported["cpu_seconds"])


def _check_measures(measures: Any) -> None:
    _check(isinstance(measures, Mapping), f"measures={str(measures)[:60]!r}", "must be an object")
    for calls, found in measures.items():
        _check(calls.isdecimal() and isinstance(found, Mapping), f"measures[{calls!r}]", "must be an object")
        for name, value in found.items():
            _check_number(f"measures[{calls!r}][{name!r}]", value, defined=False)


def _check_answer(name: str, answer: Any) -> None:
    fields = {"name", "formulas", "scores"}
    _check(isinstance(answer, Mapping) and answer.keys() == fields, name, "must hold name, formulas and scores")
    _check(isinstance(answer["name"], str), f"{name}: name", "must be text")
    _check_texts(f"{name}: formulas", answer["formulas"])
    scores = answer["scores"]
    _check(isinstance(scores, list), f"{name}: scores", "must be a list")
    for score in scores:
        _check_number(f"{name}: a score", score)


def _check_texts(name: str, value: Any) -> None:
    _check(isinstance(value, list) and all(isinstance(each, str) for each in value), name, "must be a list of formulas")


def _check_number(name: str, value: Any, defined: bool = True) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number and (math.isfinite(value) or (not defined and math.isnan(value)))
    _check(fits, f"{name}={value!r}", "must be a number")


def _check(holds: bool, what: str, wrong: str) -> None:
    if not holds:
        raise ValueError(f"{what} {wrong}")
