"""Download from the Materials Project in parts that are kept, so that it goes on where it was interrupted."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matenv import elements as alphabet
from matenv.atomic import write_whole
from matenv.data.materials_project import THERMO_TYPES, MaterialsProject

PARTS = "parts"
"""Folder of what has arrived, within that of the snapshot; gone once the snapshot is whole."""

PAGE = 1000
"""Materials per part; an interruption costs at most one part."""

SYSTEMS_AT_ONCE = 200
"""Chemical systems asked for in one request."""

MOST_ELEMENTS = 10
"""Elements of a system whose subsystems are listed: 1,023 of them."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        thermo_type: A key of `matenv.data.materials_project.THERMO_TYPES`; one, never several.
        systems: Chemical systems, all subsystems included; None for every one.
        gnome: Whether to take GNoME's materials, whose licence forbids commercial use.
    """

    thermo_type: str
    systems: tuple[str, ...] | None = None
    gnome: bool = False

    @classmethod
    def of(
        cls,
        thermo_type: str,
        chemsys: Sequence[str] = (),
        elements: Sequence[str] = (),
        gnome: bool = False,
    ) -> Request:
        """Check what is asked for.

        Args:
            thermo_type: As the attribute.
            chemsys: Systems such as ``"Li-Fe-P-O"``; every subsystem comes along, a hull needs them.
            elements: Elements; every formula that holds no other.
            gnome: As the attribute.

        Raises:
            ValueError: Unknown thermo type or element, too many elements, or both `chemsys` and `elements`.
        """
        if thermo_type not in THERMO_TYPES:
            raise ValueError(f"thermo_type={thermo_type!r} is unknown; choose one of {', '.join(THERMO_TYPES)}")
        if chemsys and elements:
            raise ValueError("chemsys and elements say the same in two ways; give one of them")
        asked = [("chemsys", system.split("-")) for system in chemsys] + ([("elements", elements)] if elements else [])
        systems: set[str] = set()
        for name, symbols in asked:
            if unknown := [symbol for symbol in symbols if symbol not in alphabet.INDEX]:
                raise ValueError(
                    f"{name} holds {unknown[0]!r}, which is none of the 89 elements (in {'-'.join(symbols)}); write "
                    "such as Li-Fe-P-O"
                )
            distinct = sorted(set(symbols))
            if len(distinct) > MOST_ELEMENTS:
                raise ValueError(
                    f"{name} holds {len(distinct)} elements and may hold {MOST_ELEMENTS}; leave it out for everything"
                )
            systems |= {"-".join(s) for n in range(len(distinct)) for s in itertools.combinations(distinct, n + 1)}
        return cls(thermo_type, tuple(sorted(systems)) or None, gnome)

    def blocks(self) -> list[list[str] | None]:
        """The systems of each question."""
        if self.systems is None:
            return [None]
        return [list(self.systems[k : k + SYSTEMS_AT_ONCE]) for k in range(0, len(self.systems), SYSTEMS_AT_ONCE)]


@dataclass(frozen=True)
class Documents:
    """All that was asked for.

    Attributes:
        version: Version of the database.
        expected: Materials that the API counts; as many are in `summary`.
        summary: Summaries, one per material.
        thermo: Thermodynamics, of the materials that have energies of this type.
    """

    version: str
    expected: int
    summary: list[dict]
    thermo: list[dict]


def download(
    out: Path, request: Request, source: MaterialsProject, *, size: int = PAGE, progress: bool = True
) -> Documents:
    """Download what is asked for into the folder's `PARTS`, going on with what is there.

    Args:
        out: Folder of the snapshot.
        request: What is asked for.
        source: The API.
        size: Materials per part.
        progress: Whether to show a progress bar.

    Returns:
        The documents, all of them.

    Raises:
        ValueError: The folder holds parts of another request or of an older database.
        ConnectionError: The API does not answer, or its count does not hold.
    """
    parts = out / PARTS
    counts = [source.count(block, request.gnome) for block in request.blocks()]
    if not sum(counts):
        raise ValueError("the Materials Project has no material like this; is the chemical system right?")
    asked = {
        "thermo_type": request.thermo_type, "systems": list(request.systems or []) or None, "gnome": request.gnome,
        "size": size, "database_version": source.version, "counts": counts,
    }  # fmt: skip
    _same(parts / "request.json", asked)
    pages = [(k, block, page) for k, block in enumerate(request.blocks()) for page in range(-(-counts[k] // size))]
    summary: list[dict] = []
    thermo: list[dict] = []
    bar = _bar(sum(counts), progress)
    try:
        for k, block, page in pages:
            path, rows = parts / f"{k:03d}-{page:05d}.json.gz", min(size, counts[k] - page * size)
            part = _kept(path, rows)
            if part is None:
                found = source.summaries(block, request.gnome, page + 1, size, rows)
                part = {
                    "summary": found,
                    "thermo": source.thermo([doc["material_id"] for doc in found], request.thermo_type),
                }
                write_whole(path, gzip.compress(json.dumps(part).encode(), 5, mtime=0))
            summary += part["summary"]
            thermo += part["thermo"]
            bar.update(rows)
    finally:
        bar.close()
    _check_whole(source, request, counts, summary, parts)
    return Documents(source.version, sum(counts), summary, thermo)


def _same(path: Path, asked: dict[str, Any]) -> None:
    """Write down what is asked for, or see that it is what was asked for before."""
    if not path.exists():
        write_whole(path, json.dumps(asked, indent=1).encode())
        return
    try:
        before = json.loads(path.read_bytes())
    except ValueError:
        raise ValueError(f"{path} is damaged; remove the folder {path.parent} and begin anew") from None
    for key, value in asked.items():
        if before.get(key) != value:
            raise ValueError(
                f"{path.parent} holds another download ({key}: {_short(before.get(key))}, now {_short(value)}) "
                "and they must not be mixed; give another folder, or remove that one and begin anew"
            )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else text[:57] + "..."


def _kept(path: Path, rows: int) -> dict[str, list[dict]] | None:
    """A part that has arrived; None where it has not, or cannot be read."""
    try:
        part = json.loads(gzip.decompress(path.read_bytes()))
        return part if len(part["summary"]) == rows and isinstance(part["thermo"], list) else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def _check_whole(
    source: MaterialsProject, request: Request, counts: list[int], summary: Iterable[dict], parts: Path
) -> None:
    distinct = len({document["material_id"] for document in summary})
    again = [source.count(block, request.gnome) for block in request.blocks()]
    version = source.heartbeat()
    if version == source.version and again == counts and distinct == sum(counts):
        return
    raise ConnectionError(
        f"{distinct:,} distinct materials arrived of {sum(counts):,}; the API now counts {sum(again):,} in version "
        f"{version} of its database ({source.version} before): this is no whole download; remove {parts} and begin anew"
    )


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit=" materials", disable=not progress)
