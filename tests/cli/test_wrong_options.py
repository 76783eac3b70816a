"""Every option of every command, given wrong values: one line that names the option or the value, never a traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from matenv.cli.main import main
from tests.cli.commands import commands

NUMBERS = ["-1", "x", "1.5e400", "nan", ""]
TEXT = ["no-such-thing", "", "é/\x7f", "[]"]

RIGHT: dict[str, list[str]] = {
    "train": ["ppo"],
    "evaluate": ["no-such-folder"],
    "explain": ["NaCl"],
    "latent train": ["vae"],
    "latent distil": ["vae"],
    "latent interpolate": ["NaCl", "LiF"],
    "predictor committee": ["default=0.5", "statistics=0.5"],
}
"""What a command needs besides the option under test."""

FREE = {"out", "page", "reason"}
"""Options that take any text: where to write."""

PATIENCE = 20
"""Seconds after which a wrong value must have been refused."""

COMMANDS = {" ".join(words): command for words, command in commands()}


class Accepted(BaseException):
    """The command went to work on a wrong value."""


def _late(*_: Any) -> None:
    raise Accepted


def _answer(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """How the command line ends ("" for success), and what it says."""
    sys.argv = ["matenv", *words]
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(PATIENCE)
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
        signal.alarm(0)
    return end, end + capsys.readouterr().err


def _complaints(command: str, only_numbers: bool, out: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    hints = get_type_hints(COMMANDS[command].callback)
    for option in COMMANDS[command].params:
        kind = str(hints.get(option.name, ""))
        number = "int" in kind or "float" in kind
        if option.name in FREE or "bool" in kind or (only_numbers and not number) or not option.opts[0].startswith("-"):
            continue
        for value in NUMBERS if number else TEXT:
            given = [*command.split(), *RIGHT.get(command, []), option.opts[0], value]
            if any(each.name == "out" for each in COMMANDS[command].params):
                given += ["--out", str(out / command.replace(" ", "-"))]
            end, said = _answer(given, capsys)
            named = (
                option.opts[0] in said
                or option.name in said
                or (value and value in said)
                or "''" in said
                or "no-such" in said
            )
            if not end or end.startswith(("raw", "accepted")) or not named:
                yield f"{command} {option.opts[0]} {value!r}: {end or 'success'} {said[-150:]!r}"


@pytest.mark.parametrize("command", ["gap", "compare", "explain"])
def test_numbers_of_some_commands(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    assert not list(_complaints(command, True, tmp_path, capsys))


@pytest.mark.slow
@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_option_of_every_command(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.chdir(tmp_path)
    assert not list(_complaints(command, False, tmp_path, capsys))
