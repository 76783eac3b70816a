"""Timing and reporting shared by the benchmarks: repeated timings, one table, one file."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import ArrayLike, NDArray

from benchmarks.machine import machine

Quick = Annotated[bool, typer.Option("--quick", help="Few repeats; not for quoting.")]
"""Option of the benchmarks."""


@dataclass(frozen=True)
class Measurement:
    """One measured quantity.

    Attributes:
        group: Benchmark it belongs to.
        name: What was measured.
        unit: Its unit.
        median: Median over the repeats.
        smallest: Smallest value.
        largest: Largest value.
        repeats: Number of values.
        at_least: Target from below, or None.
        at_most: Target from above, or None.
        detail: Whether it is left out of the table, and stands in the JSON file and a picture only.
    """

    group: str
    name: str
    unit: str
    median: float
    smallest: float
    largest: float
    repeats: int
    at_least: float | None = None
    at_most: float | None = None
    detail: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the median meets the target; None without one."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or self.median >= self.at_least) and (
            self.at_most is None or self.median <= self.at_most
        )

    @property
    def target(self) -> str:
        """The target in words, "" without one."""
        limits = ((">=", self.at_least), ("<=", self.at_most))
        return ", ".join(f"{sign} {shown(value)}" for sign, value in limits if value is not None)


class Report:
    """Collects measurements, prints each as it comes (to the error stream) and writes them all at the end.

    Args:
        quick: Whether repeats were cut short; such a report is marked.

    Attributes:
        machine: What it ran on, as `machine` says.
        measurements: In order.
        notes: Sentences to print beneath the table.
    """

    def __init__(self, quick: bool = False) -> None:
        self.quick = quick
        self.machine = machine()
        self.measurements: list[Measurement] = []
        self.notes: list[str] = []

    def add(
        self, group: str, name: str, unit: str, values: ArrayLike, *,
        at_least: float | None = None, at_most: float | None = None, spread: tuple[float, float] = (0, 100),
        detail: bool = False,
    ) -> Measurement:  # fmt: skip
        """Record repeated values of one quantity.

        Args:
            group: Benchmark it belongs to.
            name: What was measured.
            unit: Its unit.
            values: A value, or one per repeat.
            at_least: Target from below.
            at_most: Target from above.
            spread: Percentiles that stand for smallest and largest; say so in the name if they are not the extremes.
            detail: Leave it out of the table; for the many points of a curve.

        Returns:
            The measurement.
        """
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
        smallest, largest = np.percentile(array, spread).tolist()
        median, count = float(np.median(array)), len(array)
        return self._keep(Measurement(group, name, unit, median, smallest, largest, count, at_least, at_most, detail))

    def ratio(
        self, group: str, name: str, above: Measurement, below: Measurement, at_least: float | None = None
    ) -> Measurement:
        """Record the ratio of two medians; its spread pairs the worst of one with the best of the other.

        Args:
            group: Benchmark it belongs to.
            name: What the ratio says.
            above: Numerator.
            below: Denominator, in the same unit.
            at_least: Target from below.

        Returns:
            The measurement.

        Raises:
            ValueError: The units differ.
        """
        if above.unit != below.unit:
            raise ValueError(f"{above.name!r} is in {above.unit} and {below.name!r} in {below.unit}")
        return self._keep(
            Measurement(
                group,
                name,
                "times",
                above.median / below.median,
                above.smallest / below.largest,
                above.largest / below.smallest,
                min(above.repeats, below.repeats),
                at_least,
            )  # fmt: skip
        )

    def _keep(self, measurement: Measurement) -> Measurement:
        self.measurements.append(measurement)
        print(" | ".join(row(measurement)), file=sys.stderr, flush=True)
        return measurement

    def table(self) -> str:
        """All measurements but details as one aligned Markdown table."""
        return table([measurement for measurement in self.measurements if not measurement.detail])

    def markdown(self) -> str:
        """Machine, versions, table and notes."""
        versions = ", ".join(f"{name} {version}" for name, version in self.machine["versions"].items())
        short = "Cut short (--quick): not for quoting.\n\n" if self.quick else ""
        lines = [
            f"# Measured {self.machine['date']} on {self.machine['processor']}",
            "",
            f"{short}Command: `{self.machine['command']}`. {self.machine['cores']} of "
            f"{self.machine['cores_present']} processors used, {self.machine['memory_gib']} GiB; load when it began "
            f"{', '.join(map(str, self.machine['load']))}. {self.machine['system']}, Python {self.machine['python']}, "
            f"{versions}.",
            "",
            "Medians over repeats with the smallest and largest value. A ratio's smallest and largest pair the worst "
            "of one side with the best of the other.",
            "",
            self.table(),
            *(f"- {note}" for note in self.notes),
        ]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> Path:
        """Write ``<date>-<machine>.json`` and the same as Markdown.

        Args:
            folder: Where to; made if absent.

        Returns:
            Path of the JSON file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        words = f"{self.machine['processor']} {self.machine['cores']} cores{' quick' if self.quick else ''}"
        stem = f"{self.machine['date'][:10]}-" + re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
        record = {
            "quick": self.quick,
            "machine": self.machine,
            "notes": self.notes,
            "measurements": [asdict(measurement) for measurement in self.measurements],
        }
        path = folder / f"{stem}.json"
        path.write_text(json.dumps(record, indent=1) + "\n")
        path.with_suffix(".md").write_text(self.markdown())
        return path

    @classmethod
    def read(cls, path: Path) -> Report:
        """A report from the JSON file that `write` made."""
        record = json.loads(path.read_text())
        report = cls(record["quick"])
        report.machine, report.notes = record["machine"], record["notes"]
        report.measurements = [Measurement(**measurement) for measurement in record["measurements"]]
        return report


def timed(
    function: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> NDArray[np.float64]:
    """Seconds of each of `repeats` calls, after one that does not count.

    Args:
        function: What to time.
        repeats: Number of timed calls.
        clock: ``time.perf_counter`` for wall-clock time, ``time.process_time`` for processor time of all threads.

    Returns:
        Seconds (repeats,).
    """
    seconds = np.empty(repeats + 1)
    for i in range(repeats + 1):
        start = clock()
        function()
        seconds[i] = clock() - start
    return seconds[1:]


class Stopwatch:
    """Adds up the time spent inside functions.

    Args:
        clock: As for `timed`.

    Attributes:
        seconds: Time spent so far; set it to 0 to start again.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, watched."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            start = self.clock()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += self.clock() - start

        return watched


def table(measurements: Sequence[Measurement]) -> str:
    """Measurements as an aligned Markdown table."""
    head = ("benchmark", "what", "unit", "median", "smallest", "largest", "target", "met")
    rows = [head, *(row(measurement) for measurement in measurements)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(head))]
    right = {3, 4, 5, 6}

    def line(cells: Iterable[str]) -> str:
        padded = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = [("-" * (width - 1) + ":") if column in right else "-" * width for column, width in enumerate(widths)]
    return "\n".join([line(head), line(rule), *(line(cells) for cells in rows[1:])]) + "\n"


def row(measurement: Measurement) -> tuple[str, ...]:
    """The cells of a measurement's row."""
    m = measurement
    met = {None: "", True: "yes", False: "NO"}[m.met]
    return (m.group, m.name, m.unit, *map(shown, (m.median, m.smallest, m.largest)), m.target, met)


def shown(value: float) -> str:
    """Three significant digits, thousands separated; whole above 100."""
    if not np.isfinite(value):
        return str(value)
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.{max(0, 2 - int(np.floor(np.log10(abs(value)))))}f}"
