"""The command line, thin: a file per group of commands. What a command needs is imported when it runs."""

from matenv.cli.main import app, main

__all__ = ["app", "main"]
