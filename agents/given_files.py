"""What the files hold that an environment's arguments name, so that a run is not gone on with on other ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE_ARGUMENTS = ("latent", "predictor", "bundle")
"""Arguments of an environment, or of its oracle, that may name a file or a folder."""

_SUFFIXES = (".safetensors", ".json")


def digests(env_kwargs: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the files that an environment's arguments name.

    Args:
        env_kwargs: Arguments by name; an oracle as plain data is looked into.

    Returns:
        Hexadecimal digest by path; of a folder, over the names and contents of its files. Names of what ships with the
        package have none.
    """
    return {str(path): _digest(path) for path in _paths(env_kwargs) if path.exists()}


def _paths(arguments: Mapping[str, Any]) -> Iterator[Path]:
    for name in FILE_ARGUMENTS:
        value = arguments.get(name)
        if isinstance(value, str | Path) and (name == "bundle" or Path(value).suffix in _SUFFIXES):
            yield Path(value)
    if isinstance(oracle := arguments.get("oracle"), Mapping):
        yield from _paths(oracle)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
        if file.name == ".lock":
            continue
        found.update(str(file.relative_to(path)).encode() + b"\0")
        found.update(file.read_bytes())
    return found.hexdigest()
