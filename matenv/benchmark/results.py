"""Results: one JSON file a run, complete or absent, with everything that is needed to check it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import matenv
from matenv.atomic import read_json, write_whole
from matenv.benchmark.result_file import check_content, check_label
from matenv.checks import check_choice, check_path, check_seed, check_text, check_whole
from matenv.composition import MAX_ATOMS, TOLERANCE, CompositionBatch, read
from matenv.tasks import TASKS, Task, load_task

TRACKS = ("single", "amortised", "systems")
"""Names of the tracks."""

PROTOCOL_VERSION = 2
"""Version of tracks, tasks' budgets, metrics and files. Results of different versions are not compared.

In version 1 a formula that a task's free checks refuse cost a call of whoever asked for it: of all policies in
environments, that is, and of no search, which look first. In version 2 it costs nobody any.
"""

DIGITS = 6
"""Decimals of a stored score."""


@dataclass(frozen=True)
class Plan:
    """What identifies a run.

    Attributes:
        method: Name of the method, or ``"module:Name"``.
        track: ``"single"``, ``"amortised"`` or ``"systems"``.
        task: Name of the task; ``"wishes"`` and ``"phases"`` in the other two tracks.
        seed: Of everything random.
        budget: Calls per problem; proposals in the systems track.
        training: Calls of the training in the amortised track; in the single track those that a policy had been
            trained with before, none by the track's rules.
        systems: Systems of each number of elements in the systems track; None for all that are held out.
        content: What the file of the task said, as plain data, where `task` is the path of one.
        source: Digest of the file that a method ``"module:Name"`` is from, or of a trained agent; None for what is
            registered.

    Raises:
        ValueError: A field of the wrong kind.
    """

    method: str
    track: str
    task: str
    seed: int
    budget: int
    training: int = 0
    systems: int | None = None
    content: Mapping[str, Any] | None = field(default=None, hash=False)
    source: str | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("method", "track", "task"):
            check_label(name, check_text(name, getattr(self, name), "a name"))
        check_choice("track", self.track, TRACKS)
        for name in ("seed", "training"):
            if check_seed(name, getattr(self, name)) is None:
                raise ValueError(f"{name}=None must be a whole number of at least 0")
        check_whole("budget", self.budget, "calls")
        if self.systems is not None:
            check_whole("systems", self.systems, "systems, or None for all")
            if self.track != "systems":
                raise ValueError(f"systems={self.systems!r} belongs to track 'systems', not to {self.track!r}")
        if self.content is not None and not isinstance(self.content, Mapping):
            raise ValueError(f"content={self.content!r} must be a task as plain data, or None")
        if self.content is not None and self.task in TASKS:
            raise ValueError(f"content: task={self.task!r} is a registered task; give a task of your own another name")
        if self.source is not None:
            check_text("source", self.source, "a digest, or None")

    @property
    def wanted(self) -> Task:
        """The task of the single track."""
        return load_task(self.task if self.content is None else self.content)

    @property
    def file(self) -> str:
        """Name of the run's file."""
        size = [str(self.training)] if self.track == "amortised" else [str(self.systems)] if self.systems else []
        words = [self.track, self.method, self.task, str(self.budget), *size, str(self.seed)]
        return file_name(words)


@dataclass(frozen=True)
class Answer:
    """What was proposed for one problem.

    Attributes:
        name: The task, the wish in words, or the chemical system.
        formulas: Reduced formulas in order.
        scores: Score of each.
    """

    name: str
    formulas: list[str]
    scores: list[float]

    @cached_property
    def compositions(self) -> CompositionBatch:
        """The formulas, packed."""
        return read(self.formulas, "formulas", MAX_ATOMS, TOLERANCE, whole=True)


@dataclass(frozen=True)
class Result:
    """A run.

    Attributes:
        plan: What was run.
        answers: One for each problem: one in the single track.
        measures: By number of calls (as text), then by name.
        trained_on: Distinct formulas assessed in training, in order.
        reported: What a replay cannot check: CPU seconds, shares of moves.
        protocol: Version of the protocol.
        matenv: Version of the package.
        date: Day of the run.
    """

    plan: Plan
    answers: list[Answer]
    measures: dict[str, dict[str, float]]
    trained_on: list[str] = field(default_factory=list)
    reported: dict[str, Any] = field(default_factory=dict)
    protocol: int = PROTOCOL_VERSION
    matenv: str = matenv.__version__
    date: str = field(default_factory=lambda: date.today().isoformat())

    def write(self, path: Path) -> None:
        """Write the file; it appears when it is complete."""
        path = Path(check_path("path", path, "the file to write"))
        write_whole(path, json.dumps(asdict(self), separators=(",", ":")) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> Result:
        """Read a file.

        Raises:
            ValueError: A file that is not a result of this version of the protocol.
            FileNotFoundError: No such file.
        """
        if not Path(check_path("path", path, "the file of a result")).is_file():
            raise FileNotFoundError(f"path={str(path)!r} is no file; `matenv benchmark run` makes results")
        try:
            content = json.loads(Path(path).read_bytes())  # whose encoding json finds, a byte order mark included
            check_content(content, PROTOCOL_VERSION)
            plan, answers = Plan(**content.pop("plan")), [Answer(**each) for each in content.pop("answers")]
            return cls(plan=plan, answers=answers, **content)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not a result of `matenv benchmark run`: {error}") from None


def read_results(paths: Iterable[str | Path]) -> list[Result]:
    """Results from files, and from all files of folders.

    Raises:
        ValueError: No file at all, one that is no result, or results of tasks of one name that differ.
    """
    files = result_files(paths)
    results = [Result.read(path) for path in files]
    said: dict[str, Any] = {}
    for path, result in zip(files, results, strict=True):
        task, content = result.plan.task, result.plan.content
        if result.plan.track == "single" and content is None and task not in TASKS:
            raise ValueError(f"{path}: task={task!r} is unknown here; choose from {', '.join(TASKS)}")
        if str(result.plan.budget) not in result.measures:
            raise ValueError(f"{path}: measures lack those at {result.plan.budget} calls; was the file altered?")
        if said.setdefault(task, content) != content:
            raise ValueError(f"task={task!r} is not the same in all of these results; its file was changed in between")
    return results


def result_files(paths: Iterable[str | Path]) -> list[Path]:
    """Files, and all JSON files of folders.

    Raises:
        ValueError: None at all.
        FileNotFoundError: A path that does not exist.
    """
    if isinstance(paths, str | bytes | os.PathLike) or not isinstance(paths, Iterable):
        raise ValueError(f"paths={paths!r} must be a list of files or folders")
    files: list[Path] = []
    for path in (Path(check_path("paths", each, "a list of files or folders")) for each in paths):
        if not path.exists():
            raise FileNotFoundError(
                f"paths hold {str(path)!r}: no such file or folder; `matenv benchmark run` makes results"
            )
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"paths={paths!r}: there are no result files; make some with `matenv benchmark run`")
    return files


def stored(path: Path, measure: Callable[[], Any]) -> Any:
    """What a JSON file holds, or what `measure` returns, which is then written to it.

    Args:
        path: The file; it appears when it is complete.
        measure: Makes something that JSON can hold.

    Returns:
        The file's contents.

    Raises:
        ValueError: The file is damaged.
    """
    if not path.is_file():
        write_whole(path, json.dumps(measure(), indent=1) + "\n")
    return read_json(path)


def stored_with(path: Path, settings: Mapping[str, Any], measure: Callable[[], Any]) -> Any:
    """As `stored`, of the same settings; what was stored with others is refused.

    Args:
        path: The file.
        settings: All that the result depends on, as JSON holds it.
        measure: Makes something that JSON can hold.

    Returns:
        The result.

    Raises:
        ValueError: The file holds a result of other settings.
    """
    settings = json.loads(json.dumps(settings))
    found = stored(path, lambda: {"settings": settings, "result": measure()})
    before = found.get("settings") if isinstance(found, dict) else None
    if before != settings:
        before = before if isinstance(before, dict) else {}
        changed = sorted(key for key in {*settings, *before} if before.get(key) != settings.get(key))
        raise ValueError(f"{path} holds a result with another {', '.join(changed)}; choose another folder")
    return found["result"]


def file_name(words: Iterable[str]) -> str:
    """Name of a JSON file from words of any kind."""
    return "-".join(re.sub("[^a-z0-9]+", "-", word.lower()).strip("-") for word in words) + ".json"
