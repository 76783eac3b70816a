"""Lines of a card, at most `WIDTH` columns wide: a label, then numbers or words."""

from __future__ import annotations

import textwrap

from matenv.card.parts import Estimate

WIDTH = 100

LABEL = 26
"""Columns of what stands before a value."""

LOGARITHMIC = "log10(GPa)"
"""Unit of which logarithms are undone."""


def line(label: str, words: str) -> str:
    """A labelled line."""
    return f"  {label:{LABEL - 2}s}{words}"


def wrapped(label: str, words: str, indent: int = LABEL) -> list[str]:
    """The same, broken where it is too long."""
    return textwrap.wrap(
        line(label, words), WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def number(value: float, unit: str) -> str:
    """A number in `shown_unit`."""
    if unit == LOGARITHMIC:
        return f"{10**value:.{0 if value >= 2 else 1}f}"
    return f"{value:.3f}"


def shown_unit(unit: str) -> str:
    """The unit that a value is shown in."""
    return "GPa" if unit == LOGARITHMIC else unit


def interval(estimate: Estimate) -> str:
    """A predicted quantity with its 90 % interval."""
    mean, low, high = (number(each, estimate.unit) for each in (estimate.mean, estimate.low, estimate.high))
    return f"{mean:>8s}  ({low} .. {high})"
