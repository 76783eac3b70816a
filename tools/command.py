"""The command line of what runs by ``python -m`` here, in studies/ and in benchmarks/: the parameters of its `main`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

import typer


def command(main: Callable[..., None]) -> typer.Typer:
    """A command whose arguments and options are the parameters of a function, and whose help is its module's text."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=inspect.getdoc(inspect.getmodule(main)))(main)
    return app


def run(main: Callable[..., None]) -> None:
    """Call a function with the command line's arguments; a user's mistake is one line, not a traceback."""
    try:
        command(main)()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
