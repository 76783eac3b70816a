"""`TableReport`: what was read of a table, how, what was left out and why, and what looks odd."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

SHOWN = 10
"""Problems that a printed report lists."""

NAMED = 3
"""Problems that an error or a warning names."""


@dataclass(frozen=True)
class Problem:
    """A row or a value that was left out.

    Attributes:
        line: Line of the file, the header being line 1; row number, from 0, of a table in memory.
        column: Column.
        value: The cell as written.
        reason: What is wrong with it.
        row: Whether the whole row was left out, not only the value.
    """

    line: int
    column: str
    value: str
    reason: str
    row: bool = True


@dataclass(frozen=True)
class TableReport:
    """What reading a table came to.

    Attributes:
        source: Name of the file or object.
        rows: Rows below the header.
        kept: Rows that are used.
        formulas: Distinct reduced formulas among them.
        said: How the table was read: encoding, columns, units, energies.
        problems: Rows and values left out.
        flags: What looks odd, but is kept.
        place: What `Problem.line` counts, "line" or "row".
    """

    source: str
    rows: int
    kept: int
    formulas: int
    said: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    flags: tuple[str, ...] = ()
    place: str = "line"

    @property
    def good(self) -> bool:
        """Whether nothing was left out."""
        return not self.problems

    def words(self, problem: Problem) -> str:
        """One problem in words, such as "my.csv line 3: hardness='hard' is not a number"."""
        cell = f"{problem.column}={problem.value!r}: " if problem.column else ""
        return f"{self.source} {self.place} {problem.line}: {cell}{problem.reason}"

    def summary(self) -> str:
        """How much was left out, with the first reasons, in one sentence; empty if nothing was."""
        if self.good:
            return ""
        rows = sum(problem.row for problem in self.problems)
        values = len(self.problems) - rows
        counted = [f"{n:,} {what}{'s' * (n != 1)}" for n, what in ((rows, "row"), (values, "value")) if n]
        named = "; ".join(map(self.words, self.problems[:NAMED]))
        return f"{' and '.join(counted)} left out: {named}{'; ...' * (len(self.problems) > NAMED)}"

    def refuse(self) -> None:
        """Raise a ValueError that names the problems, if there are any."""
        if not self.good:
            raise ValueError(f"{self.summary()}. Mend the table, or read it with strict=False to leave them out")

    def with_flags(self, *flags: str) -> TableReport:
        """The same with more that looks odd."""
        return replace(self, flags=(*self.flags, *flags))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.source}: {self.rows:,} rows, {self.kept:,} used, {self.formulas:,} distinct formulas"]
        lines += [f"  {note}" for note in self.said]
        if self.problems:
            lines.append(f"  left out ({len(self.problems):,}):")
            reasons = Counter((problem.column, problem.reason) for problem in self.problems)
            if len(self.problems) > SHOWN and len(reasons) < len(self.problems):
                lines += [f"    {n:6,} x {column}: {reason}" for (column, reason), n in reasons.most_common(SHOWN)]
            lines += [f"    {self.words(problem)}" for problem in self.problems[:SHOWN]]
            if (more := len(self.problems) - SHOWN) > 0:
                lines.append(f"    ... and {more:,} more (--json lists all)")
        if self.flags:
            lines += ["  look at:", *(f"    {flag}" for flag in self.flags)]
        return "\n".join(lines)
