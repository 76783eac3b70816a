"""Every option and argument of every command, given wrong values: one line that names it and the value."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import matenv
from matenv.cli.main import main
from tests.bundle.small import columns
from tests.cli.commands import commands

NUMBERS = ["-1", "x", "1.5e400", "nan", ""]
TEXT = ["no-such-thing", "", "é/\x7f", "[]"]
PLACES = ["", "table.csv/x"]
"""A name that is none, and a folder that cannot be: the second is a file."""

TABLE, RUN = "table.csv", "a-run"
SPACE = str(Path(matenv.__file__).parent / "latent" / "weights" / "vae.safetensors")

RIGHT: dict[str, dict[str, list[str]]] = {
    "train": {"algorithm": ["ppo"]},
    "tune": {"algorithm": ["ppo"]},
    "evaluate": {"run_folder": [RUN]},
    "build": {"data": [TABLE]},
    "explain": {"formulas": ["NaCl"]},
    "benchmark run": {"method": ["random"], "task": ["stiff-stable"]},
    "benchmark leaderboard": {"files": ["result.json"]},
    "data check": {"table": [TABLE]},
    "data fetch": {"out": ["snapshot"], "endpoint": ["http://127.0.0.1:9"], "attempts": ["1"], "wait": ["0"]},
    "latent train": {"name": ["vae"]},
    "latent distil": {"source": [SPACE], "data": [TABLE]},
    "latent interpolate": {"first": ["NaCl"], "last": ["LiF"]},
    "predictor committee": {"parts": ["default=0.5", "statistics=0.5"]},
}
"""What a command is given besides the parameter under test, by the parameter's name."""

_FINETUNE = {"source": ["vae"], "data": [TABLE]}
_OWN = {"data": [TABLE], "column": ["heaviness"]}
INSTEAD: dict[tuple[str, str], dict[str, list[str]]] = {
    **{("latent train", each): _FINETUNE for each in ("source", "replay", "holdout", "tolerance", "column")},
    **{("predictor train", each): _OWN for each in ("data", "column", "unit", "name", "formulas")},
    ("predictor train", "calibrated_on"): {"rows": ["all"], "keep": ["last"]},
}
"""The same for parameters that go with others."""

PLACE = {"out", "page", "csv", "tensorboard"}
"""Parameters that say where to write: any name is right but those of `PLACES`."""

OWN_WORDS = {"energy_scheme", "unit"}
"""Parameters that take any words of the user's own, but not none."""

FORMULAS = {"first", "last"}
"""Arguments that are formulas: one that cannot be read is quoted as such."""

PATIENCE = 20
"""Seconds of the processor after which a wrong value must have been refused."""

WAITING = 300
"""Seconds by the clock, for a command that does not work but waits."""

COMMANDS = {" ".join(words): command for words, command in commands()}


class Accepted(BaseException):
    """The command went to work on a wrong value."""


def _late(*_: Any) -> None:
    raise Accepted


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A table, a result of a benchmark and a trained agent, to be used by commands."""
    import pandas as pd
    from matenv.agents.train import train

    from matenv.benchmark import Plan
    from matenv.benchmark.sweep import run_to_file

    made = tmp_path_factory.mktemp("files")
    pd.DataFrame(columns()).to_csv(made / TABLE, index=False)
    run_to_file(Plan("random", "single", "stiff-stable", 1000, 10), made / "result.json")
    train("ppo", made / RUN, 1, progress=False)
    return made


def _answer(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """How the command line ends ("" for success), and what it says."""
    sys.argv = ["matenv", *words]
    signal.signal(signal.SIGPROF, _late)
    signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    signal.alarm(WAITING)
    try:
        main()
        end = ""
    except SystemExit as error:
        end = str(error.code) if error.code else ""
    except Accepted:
        end = "accepted"
    except BaseException as error:
        end = f"raw {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    return end, end + capsys.readouterr().err


def _words(parameter: Any, values: list[str]) -> list[str]:
    """The words that give a parameter its values."""
    if not parameter.opts[0].startswith("-"):
        return values
    return [word for value in values for word in (parameter.opts[0], value)]


def _values(parameter: Any, hint: str) -> list[str]:
    if parameter.name in PLACE:
        return PLACES
    if parameter.name in OWN_WORDS:
        return [""]
    return NUMBERS if "int" in hint or "float" in hint else TEXT


def _is_named(parameter: Any, value: str, said: str) -> bool:
    """Whether a message names the parameter and, if there is one, the value; one of several by the singular."""
    names = {parameter.name, parameter.name.replace("_", "-"), *(each.lstrip("-") for each in parameter.opts)}
    names |= {name.removesuffix("s") for name in names}
    if parameter.name in FORMULAS:
        names.add("formula")
    if not value:  # said once for all, with the word before
        names.add("is empty")
    shown = {value, repr(value), repr(value)[1:-1], str(float(value)) if value == "1.5e400" else value}
    return any(name in said.lower() for name in names) and any(each in said for each in shown)


def _complaints(command: str, only_numbers: bool, out: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    hints = get_type_hints(COMMANDS[command].callback)
    parameters = COMMANDS[command].params
    for parameter in parameters:
        hint = str(hints.get(parameter.name, ""))
        if "bool" in hint or (only_numbers and "int" not in hint and "float" not in hint):
            continue
        besides = INSTEAD.get((command, parameter.name), RIGHT.get(command, {}))
        besides = {"out": [str(out / command.replace(" ", "-"))]} | besides
        for value in _values(parameter, hint):
            given = command.split()
            for each in parameters:
                given += _words(each, [value] if each is parameter else besides.get(each.name, []))
            if not parameter.opts[0].startswith("-") and value.startswith("-"):
                continue  # an option, to whoever reads the line
            end, said = _answer(given, capsys)
            if not end or end.startswith(("raw", "accepted")) or not _is_named(parameter, value, said):
                yield f"{command} {parameter.opts[0]} {value!r}: {end or 'success'} {said[-250:]!r}"


@pytest.mark.parametrize("command", ["gap", "compare", "explain"])
def test_numbers_of_some_commands(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    assert not list(_complaints(command, True, tmp_path, capsys))


@pytest.mark.slow
@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_parameter_of_every_command(command, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setenv("MP_API_KEY", "x" * 32)
    monkeypatch.chdir(folder)
    assert not list(_complaints(command, False, tmp_path, capsys))
