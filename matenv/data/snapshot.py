"""A snapshot of the Materials Project: its files, written whole, checked when they are read."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from matenv.atomic import write_whole
from matenv.composition import CompositionBatch
from matenv.data.dataset import Dataset
from matenv.data.download import PARTS, Documents, Request
from matenv.data.ground_states import LABELS, NAMED, Materials
from matenv.data.materials_project import THERMO_TYPES

FORMAT = "matenv-snapshot"
VERSION = 1
MANIFEST = "manifest.json"
"""Written last: a folder that has one is whole."""

TABLE, ENTRIES, REPORT, PAGE = "ground_states.npz", "entries.jsonl.gz", "report.json", "report.md"

ATTRIBUTION = "The Materials Project, CC BY 4.0; cite A. Jain et al., APL Materials 1, 011002 (2013)"
GNOME_ATTRIBUTION = "; materials of GNoME under CC BY-NC 4.0, not for commercial use (A. Merchant et al., Nature 2023)"


def write_snapshot(
    out: Path, request: Request, documents: Documents, materials: Materials, hull: Mapping[str, Any], page: str
) -> dict[str, Any]:
    """Write a snapshot; its parts are removed once it is whole.

    Args:
        out: Folder, with the parts in it.
        request: What was asked for.
        documents: What came.
        materials: What was made of it.
        hull: Comparison of the Materials Project's hull with ours, of plain values.
        page: The same in words, Markdown.

    Returns:
        The manifest.

    Raises:
        OSError: A file cannot be written; the parts are kept.
    """
    table = materials.table()
    lines = "".join(json.dumps(entry) + "\n" for entry in materials.entries)
    left_out = {why: {"materials": len(ids), "first": ids[:NAMED]} for why, ids in sorted(materials.left_out.items())}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **table)  # type: ignore[arg-type]
    report = {"left_out": left_out, "hull": hull}
    contents = {
        TABLE: buffer.getvalue(),
        ENTRIES: gzip.compress(lines.encode(), 6, mtime=0),
        REPORT: json.dumps(report, indent=1).encode(),
        PAGE: page.encode(),
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "source": "Materials Project",
        "database_version": documents.version,
        "thermo_type": request.thermo_type,
        "energy_scheme": THERMO_TYPES[request.thermo_type],
        "systems": list(request.systems) if request.systems else None,
        "licences": ["BY-C", "BY-NC"] if request.gnome else ["BY-C"],
        "attribution": ATTRIBUTION + (GNOME_ATTRIBUTION if request.gnome else ""),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "counts": {
            "materials_of_the_api": documents.expected,
            "materials": len(materials.entries),
            "left_out": documents.expected - len(materials.entries),
            "formulas": len(table["formation_energy"]),
        },
        "sha256": {name: write_whole(out / name, content) for name, content in contents.items()},
    }
    write_whole(out / MANIFEST, json.dumps(manifest, indent=1).encode())
    shutil.rmtree(out / PARTS, ignore_errors=True)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a snapshot.

    Args:
        folder: The snapshot.

    Raises:
        ValueError: Not a snapshot, an unfinished one, or one of another version.
        FileNotFoundError: No such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist; matenv data fetch makes a snapshot")
    if not (folder / MANIFEST).exists():
        if (folder / PARTS).is_dir():
            raise ValueError(f"{folder} is an unfinished download; go on with: matenv data fetch {folder}")
        raise ValueError(f"{folder} is no snapshot, it has no {MANIFEST}; matenv data fetch makes one")
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        kind, version, hashes = manifest["format"], manifest["version"], manifest["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{folder / MANIFEST} is damaged; fetch the snapshot again") from None
    if (kind, version) != (FORMAT, VERSION) or not {TABLE, ENTRIES} <= set(hashes):
        raise ValueError(
            f"{folder} is {kind!r} of version {version!r}, this matenv reads {FORMAT!r} of version {VERSION}"
        )
    return manifest


def load_snapshot(folder: str | Path) -> Dataset:
    """Read the ground states of a snapshot.

    Args:
        folder: The snapshot.

    Returns:
        A table as the embedded one, with material ids: ``data.material_id("Fe2O3")``.

    Raises:
        ValueError: Not a whole snapshot, or a file that is not what was written.
        FileNotFoundError: No such folder, or a file is missing.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    with np.load(io.BytesIO(_checked(folder, manifest, TABLE)), allow_pickle=False) as archive:
        columns = {name: archive[name] for name in archive.files}
    compositions = CompositionBatch(columns["elements"], columns["counts"], columns["size"])
    return Dataset(
        name=folder.resolve().name,
        formulas=np.array(compositions.formulas(), np.str_),
        compositions=compositions,
        formation_energy=columns["formation_energy"],
        energy_scheme=manifest["energy_scheme"],
        labels={name: columns[f"label.{name}"] for name in LABELS},
        spread={name: columns[f"spread.{name}"] for name in ("formation_energy", *LABELS)},
        extra={"material_id": columns["material_id"]},
        units=dict(LABELS),
    )


def load_entries(folder: str | Path) -> list[dict[str, Any]]:
    """Every material of a snapshot, polymorphs included, with what the Materials Project says it decomposes into.

    Args:
        folder: The snapshot.

    Returns:
        One record per material, by id.

    Raises:
        ValueError: As `load_snapshot`.
        FileNotFoundError: As `load_snapshot`.
    """
    folder = Path(folder)
    content = gzip.decompress(_checked(folder, read_manifest(folder), ENTRIES))
    return [json.loads(line) for line in content.splitlines()]


def _checked(folder: Path, manifest: dict[str, Any], name: str) -> bytes:
    """A file's content, if it is what was written."""
    path = folder / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; fetch the snapshot again")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest["sha256"][name]:
        raise ValueError(f"{path} is not the file that was written: damaged or changed; fetch the snapshot again")
    return content
