"""Files that are whole or absent, whatever happens while they are written; and one writer at a time for a folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such lock: there, two writers are not told apart
    fcntl = None  # type: ignore[assignment]


def write_whole(path: Path, content: bytes | str) -> str:
    """Write a file beside its place, and put it there once it is on the disk.

    Args:
        path: The file; its folder is made if need be, and an older file stays until the new one is whole.
        content: What it holds; text becomes UTF-8.

    Returns:
        SHA-256 of the content, hexadecimal.

    Raises:
        OSError: It cannot be written (no room, no permission); nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")  # two processes may write the same file
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too
        temporary.unlink(missing_ok=True)
        raise
    return hashlib.sha256(content).hexdigest()


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: It is damaged; the file is named.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:  # of JSON or of its encoding
        raise ValueError(f"{path} is damaged ({error}); delete it, and what it held is worked out again") from None


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder for writing; the lock goes with the process, however that ends.

    Args:
        folder: A folder that exists.

    Raises:
        OSError: Another process holds it.
    """
    with (folder / ".lock").open("ab") as stream:
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(f"{folder} is being written by another process; wait for it, or give another") from None
        yield
