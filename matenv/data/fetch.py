"""Fetch a snapshot: one writer, parts that are kept, and nothing that passes as whole before it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matenv.atomic import only_writer
from matenv.data.download import PARTS, Documents, Request, download
from matenv.data.ground_states import Materials, gather
from matenv.data.materials_project import THERMO_TYPES, MaterialsProject
from matenv.data.snapshot import MANIFEST, read_manifest, write_snapshot


@dataclass
class Fetched:
    """What has been downloaded, to be compared and then finished.

    Attributes:
        out: Folder of the snapshot.
        request: What was asked for.
        done: Of a snapshot that was whole before: what it is, in words; else None, and the rest is there.
    """

    out: Path
    request: Request
    done: str | None = None
    _documents: Documents | None = None
    _materials: Materials | None = None

    @property
    def documents(self) -> Documents:
        """What came."""
        assert self._documents is not None
        return self._documents

    @property
    def materials(self) -> Materials:
        """What was made of it."""
        assert self._materials is not None
        return self._materials

    @property
    def scheme(self) -> str:
        """Energy scheme of the table."""
        return THERMO_TYPES[self.request.thermo_type]

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"{self.request.thermo_type}, database {self.documents.version}"

    def finish(self, hull: Mapping[str, Any], page: str) -> str:
        """Write the snapshot.

        Args:
            hull: As `matenv.thermo.agreement.compare` returns.
            page: The same in words.

        Returns:
            What was written, in words.
        """
        return _described(write_snapshot(self.out, self.request, self.documents, self.materials, hull, page))


@contextmanager
def begin(
    out: Path,
    request: Request,
    *,
    size: int,
    progress: bool,
    say: Callable[[str], None],
    **connection: Any,
) -> Iterator[Fetched]:
    """Download what is asked for; the folder is this process's until the block is left.

    Args:
        out: Folder of the snapshot, made if need be.
        request: What is asked for.
        size: Materials per part.
        progress: Whether to show a progress bar.
        say: Called with a line for each failed attempt.
        **connection: Of `MaterialsProject`.

    Yields:
        What has been downloaded, or the word that it was there before.

    Raises:
        ValueError: The folder holds another snapshot or download, or as `MaterialsProject`.
        ConnectionError: No whole download.
        OSError: The folder cannot be written, or another process writes it.
    """
    if _whole(out, request) is None:
        if out.is_dir() and any(path.name != PARTS for path in out.iterdir()) and not (out / PARTS).exists():
            raise ValueError(f"{out} is a folder of something else; give a new one")
        source = MaterialsProject(say=say, **connection)
        (out / PARTS).mkdir(parents=True, exist_ok=True)
        with only_writer(out / PARTS):
            if _whole(out, request) is None:
                documents = download(out, request, source, size=size, progress=progress)
                yield Fetched(out, request, None, documents, gather(documents, request))
                return
    yield Fetched(out, request, _whole(out, request))


def _whole(out: Path, request: Request) -> str | None:
    """What a finished snapshot in the folder is; None if there is none."""
    if not (out / MANIFEST).exists():
        return None
    manifest = read_manifest(out)
    same = {
        "thermo_type": request.thermo_type,
        "systems": list(request.systems) if request.systems else None,
        "licences": ["BY-C", "BY-NC"] if request.gnome else ["BY-C"],
    }
    for key, value in same.items():
        if manifest[key] != value:
            raise ValueError(
                f"{out} is a snapshot of other data ({key}: {manifest[key]}, now {value}); give a new folder"
            )
    return _described(manifest)


def _described(manifest: Mapping[str, Any]) -> str:
    counts = manifest["counts"]
    return (
        f"{counts['formulas']:,} formulas of {counts['materials']:,} materials, {manifest['thermo_type']}, database "
        f"{manifest['database_version']}, {manifest['date']}; {counts['left_out']:,} of "
        f"{counts['materials_of_the_api']:,} materials left out"
    )
