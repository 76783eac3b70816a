"""A command that kills itself just before it changes a file for the Nth time; run by `tools.kill_campaign`.

Command: python -m tools.dying FOLDER N SIGNAL -- train ppo --out FOLDER/run
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
"""Audit events, besides opening for writing, by which Python changes files (docs.python.org, "Audit events table")."""


def watch(folder: str, at: int, number: int) -> list[int]:
    """Count changes of files inside a folder, and send this process a signal just before one of them.

    Args:
        folder: Where changes count.
        at: Which change, from 1 on; 0 for none.
        number: The signal.

    Returns:
        A list whose single entry is the number of changes so far.
    """
    seen = [0]

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event not in CHANGES and event != "open":
            return
        if event == "open" and not given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        if not isinstance(given[0], str | os.PathLike) or not str(Path(given[0]).absolute()).startswith(folder):
            return
        seen[0] += 1
        if seen[0] == at:
            os.kill(os.getpid(), number)

    sys.addaudithook(hook)
    return seen


def main() -> None:
    """Run the command line of matenv under watch."""
    folder, at, number, _, *words = sys.argv[1:]
    seen = watch(str(Path(folder).absolute()), int(at), int(number))
    from matenv.cli.main import main

    sys.argv = ["matenv", *words]
    try:
        main()
    finally:
        if not int(at):
            print(f"changes: {seen[0]}", file=sys.stderr)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell leaves it ignored
    main()
