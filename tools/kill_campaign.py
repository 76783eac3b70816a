"""Kills every command that writes, start-up included, repeats it, and compares with the uninterrupted result.

A third of the kills come within the first seconds, a third at any moment, a third just before a file is changed. What
was found is kept after every command: the same call goes on, also elsewhere, and a larger ``--kills`` adds to what is
there.

Command: python -m tools.kill_campaign --kills 15 --out runs/kills
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from matenv.atomic import write_whole
from tools.command import run as run_command
from tools.kill_commands import WRITERS, Writer, make_inputs

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
"""In turn."""

START_UP = 5.0
"""Seconds of a start, at most."""

DATED = ("date", "cpu_seconds", "core_microseconds")
"""Keys of results that say when and how fast; they are left out of the comparison."""

TIMED = b"Core-microseconds a row"
"""How a line of a card begins that says how fast; it is left out, too."""

LEFTOVERS = ".part"
"""How a file ends that a kill leaves behind."""


@dataclass
class Outcome:
    """What killing a command came to.

    Attributes:
        command: Its words.
        seconds: Of the uninterrupted run.
        changes: Changes of files in it.
        kills: Runs that a signal ended.
        signals: How many of each.
        endings: Runs that were let end after kills and compared.
        differing: Files that differed from those of the uninterrupted run.
        failures: What a repeated command said that did not end well.
        spent: Seconds of the campaign.
    """

    command: str
    seconds: float
    changes: int
    kills: int = 0
    signals: dict[str, int] = field(default_factory=dict)
    endings: int = 0
    differing: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    spent: float = 0.0


@cache
def server() -> str:
    """Address of a server that stands for the Materials Project."""
    from tests.data.materials_project.documents import documents
    from tests.data.materials_project.server import KEY, Server

    os.environ["MP_API_KEY"] = KEY
    return Server(*documents()).endpoint


def words(writer: Writer, out: Path, inputs: Path) -> list[str]:
    """The words of a command that writes into a folder."""
    address = server() if "{server}" in writer.words else ""
    return writer.words.format(out=out, inputs=inputs, server=address).split()


def start(given: list[str], out: Path, at: int = 0, number: int = 0, after: float | None = None) -> tuple[bool, str]:
    """Run a command, stopped by a signal after some seconds or before a change of files.

    Returns:
        Whether the signal ended it, and what it said on stderr.

    Raises:
        RuntimeError: It ended by itself with an error.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.dying", str(out), str(at), str(int(number)), "--", *given],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    killed = False
    try:
        _, errors = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        killed = True
        _, errors = process.communicate()
    if process.returncode and (killed or _is_stopped(process.returncode, number)):
        return True, errors
    if process.returncode:
        raise RuntimeError(" ".join(errors.split())[-500:])
    return False, errors  # also where the signal came after the work was done


def _is_stopped(code: int, number: int) -> bool:
    return bool(number) and code in (-number, 128 + number, 130)


def contents(folder: Path, writer: Writer) -> dict[str, Any]:
    """Every file of a folder by its path, but for leftovers, locks and what may differ."""
    found: dict[str, Any] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = str(path.relative_to(folder))
        if (
            name.endswith(LEFTOVERS)
            or path.name == ".lock"
            or any(fnmatch(path.name, each) for each, _ in writer.differing)
        ):
            continue
        if path.suffix == ".json":
            found[name] = _undated(json.loads(path.read_text()))
        else:
            found[name] = [line for line in path.read_bytes().splitlines(True) if not line.startswith(TIMED)]
    return found


def _undated(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _undated(value) for key, value in content.items() if key not in DATED}
    return [_undated(each) for each in content] if isinstance(content, list) else content


def uninterrupted(name: str, folder: Path, inputs: Path) -> Outcome:
    """Run a command once, into ``whole``, where it is moved to from where the killed ones run."""
    whole, out = folder / "whole", folder / "out"
    if other := WRITERS[name].from_another:
        source = folder.parent / other.replace(" ", "-")
        if not (source / "whole").is_dir():
            uninterrupted(other, source, inputs)
        shutil.copytree(source / "whole", inputs, dirs_exist_ok=True)
    for each in (whole, out):
        shutil.rmtree(each, ignore_errors=True)
    out.mkdir(parents=True)
    given = words(WRITERS[name], out, inputs)
    began = time.perf_counter()
    _, said = start(given, out)
    outcome = Outcome("matenv " + WRITERS[name].words, time.perf_counter() - began, int(said.rsplit("changes: ", 1)[1]))
    out.rename(whole)
    return outcome


def kill(name: str, outcome: Outcome, kills: int, folder: Path, inputs: Path) -> None:
    """Kill a command until it was killed so often, letting it end in between and after."""
    out, given, draws = folder / "out", words(WRITERS[name], folder / "out", inputs), random.Random(outcome.kills)
    whole = contents(folder / "whole", WRITERS[name])
    for _ in range(3 * kills):  # not for ever, should it end before every kill
        if outcome.kills >= kills:
            return
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        try:
            while outcome.kills < kills and _killed(given, out, outcome, draws):
                pass
            start(given, out)
        except RuntimeError as error:
            outcome.failures.append(f"after kill {outcome.kills}: {error}")
            continue
        outcome.endings += 1
        after = contents(out, WRITERS[name])
        outcome.differing += sorted(
            {key for key in whole.keys() | after.keys() if whole.get(key) != after.get(key)} - {*outcome.differing}
        )


def _killed(given: list[str], out: Path, outcome: Outcome, draws: random.Random) -> bool:
    """Run a command with a kill ahead; False if it ended before that."""
    number = SIGNALS[outcome.kills % len(SIGNALS)]
    kind = draws.randrange(3 if outcome.changes else 2)
    if kind == 2:
        killed, _ = start(given, out, draws.randint(1, outcome.changes), number)
    else:
        longest = min(START_UP, outcome.seconds) if kind == 0 else outcome.seconds
        killed, _ = start(given, out, 0, number, draws.uniform(0.2, longest))
    if killed:
        outcome.kills += 1
        outcome.signals[number.name] = outcome.signals.get(number.name, 0) + 1
    return killed


def table(outcomes: dict[str, Outcome]) -> str:
    """What was tried, as a Markdown table."""
    lines = ["| command | uninterrupted, s | changes of files | kills | endings | result |", "|---" * 6 + "|"]
    for name, each in outcomes.items():
        bad = [*each.failures, *(f"differs: {file}" for file in each.differing)]
        signals = ", ".join(f"{count} {signal}" for signal, count in each.signals.items())
        lines.append(
            f"| {name} | {each.seconds:.0f} | {each.changes} | {each.kills} ({signals}) | {each.endings} | "
            f"{'; '.join(bad) or 'as uninterrupted'} |"
        )
    minutes = sum(each.spent for each in outcomes.values()) / 60
    kills = sum(each.kills for each in outcomes.values())
    return "\n".join([*lines, "", f"{len(outcomes)} commands, {kills} kills, {minutes:.0f} minutes."])


def main(
    kills: Annotated[int, typer.Option(min=1, help="Kills of each command, those of earlier calls included.")] = 15,
    out: Annotated[Path, typer.Option(help="Folder where the commands write.")] = Path("runs/kills"),
    results: Annotated[Path, typer.Option(help="File of what was found.")] = Path("benchmarks/results/kills.json"),
    only: Annotated[list[str] | None, typer.Option(help="Command, by its name here; repeat.")] = None,
) -> None:
    """Run the campaign over every command, or those named."""
    if unknown := [name for name in only or () if name not in WRITERS]:
        raise ValueError(f"only={unknown[0]!r} is unknown; choose from {', '.join(WRITERS)}")
    out, inputs = out.absolute(), out.absolute() / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    make_inputs(inputs)
    kept = json.loads(results.read_text()) if results.is_file() else {}
    outcomes = {name: Outcome(**content) for name, content in kept.items()}
    for name in only or WRITERS:
        if name in outcomes and outcomes[name].kills >= kills:
            continue
        began, folder = time.perf_counter(), out / name.replace(" ", "-")
        if not (folder / "whole").is_dir() or name not in outcomes:
            outcomes[name] = uninterrupted(name, folder, inputs)
        kill(name, outcomes[name], kills, folder, inputs)
        outcomes[name].spent += time.perf_counter() - began
        write_whole(
            results, json.dumps({key: asdict(outcomes[key]) for key in WRITERS if key in outcomes}, indent=1) + "\n"
        )
        print(table({name: outcomes[name]}).splitlines()[2], flush=True)
    print(table(outcomes))


if __name__ == "__main__":
    run_command(main)
