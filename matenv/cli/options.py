"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer


def _checked(parameter: typer.CallbackParam, place: Path | None, is_folder: bool) -> Path | None:
    """A place that can be written, refused before anything is worked out and lost."""
    if place is None:
        return None
    named = f"{parameter.opts[0]}={str(place)!r}"
    if place.exists() and place.is_dir() != is_folder:
        raise ValueError(
            f"{named} is a {'file' if is_folder else 'folder'}; give a {'folder' if is_folder else 'file'}"
        )
    stands = next(each for each in (place, *place.absolute().parents) if each.exists())
    if stands != place and not stands.is_dir():
        raise ValueError(f"{named}: {stands} is a file, and nothing can be written below it; give another place")
    if not os.access(stands, os.W_OK):
        raise PermissionError(f"{named}: {stands} may not be written; give another place")
    return place


def folder_to_write(context: typer.Context, parameter: typer.CallbackParam, place: Path | None) -> Path | None:
    """Callback of an option that names a folder to write into."""
    return _checked(parameter, place, is_folder=True)


def file_to_write(context: typer.Context, parameter: typer.CallbackParam, place: Path | None) -> Path | None:
    """Callback of an option that names a file to write."""
    return _checked(parameter, place, is_folder=False)


def folder(words: str) -> Any:
    """An option that names a folder to write into; `words` is its help."""
    return typer.Option(help=words, callback=folder_to_write)


def file(words: str) -> Any:
    """An option that names a file to write."""
    return typer.Option(help=words, callback=file_to_write)


Out = Annotated[Path, folder("Output folder; an interrupted run in it is resumed.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed.")]
TaskName = Annotated[
    str, typer.Option(help="Task name, such as stiff-stable or wide-gap-novel, or a task's file: my-task.yml.")
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        "--require", "--contains", help="Element that a formula must hold, or one of several: 'F|Cl|Br'; repeat."
    ),
]
Progress = Annotated[bool, typer.Option(help="Show progress bars.")]
Threads = Annotated[
    int, typer.Option(min=1, help="Threads of torch; results repeat to the last bit for the same number.")
]
