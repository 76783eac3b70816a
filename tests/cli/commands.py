"""Every command of the command line with every option that it has, from typer itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from matenv.cli.main import app


def commands() -> Iterator[tuple[list[str], Any]]:
    """Words of each command, and the command as click has it."""

    def walk(group: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, [*words, name])
            else:
                yield [*words, name], command

    yield from walk(typer.main.get_command(app), [])
