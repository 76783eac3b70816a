"""The page of a leaderboard: prose by hand above a marker, tables by `matenv benchmark leaderboard` below it."""

from __future__ import annotations

from pathlib import Path

MARKER = "<!-- generated below by matenv benchmark leaderboard -->"
"""A line of its own; what stands below it is replaced, what stands above it is kept."""

BEGIN = "Protocol "
"""First word of what is generated: a page that begins so has no prose."""


def prose_of(page: Path) -> str:
    """What is kept of a page that tables are to be written to: all down to the marker, the marker included.

    Args:
        page: The page; it need not exist.

    Returns:
        The prose and the marker; the marker alone of a page that does not exist, is empty, or holds tables alone.

    Raises:
        ValueError: A page that holds something else and has no marker: nobody knows what of it may be replaced.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    lines = text.splitlines()
    if MARKER in lines:
        return "\n".join(lines[: lines.index(MARKER) + 1])
    if text.strip() and not text.startswith(BEGIN):
        raise ValueError(
            f"out={str(page)!r} exists, and nothing says which part of it may be replaced; put the line {MARKER} above "
            "the tables in it, or choose another file"
        )
    return MARKER


def page_with(prose: str, tables: str, picture: str) -> str:
    """The page.

    Args:
        prose: What `prose_of` returned.
        tables: The leaderboard in Markdown.
        picture: File name of its picture.

    Returns:
        Markdown.
    """
    return f"{prose}\n\n{tables}\n\n![Leaderboard]({picture})\n"
