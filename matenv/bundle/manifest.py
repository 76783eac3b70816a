"""The manifest of a bundle: what it holds, with the SHA-256 of every file. It is written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from matenv.atomic import write_whole

FORMAT, VERSION = "matenv-bundle", 1
MANIFEST, WORK = "manifest.json", ".build"
"""The manifest, and the folder of what a build has begun; the latter goes when the bundle is whole."""

KEYS = {"format", "version", "files", "latent", "properties", "energies", "stands_on", "request", "seal"}

AGAIN = "remove the folder and build it again: matenv build DATA --out FOLDER"


def write_manifest(folder: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write a manifest with its seal, the hash of all that it says.

    Args:
        folder: The bundle.
        content: All of it but format, version and seal.

    Returns:
        The manifest.

    Raises:
        OSError: It cannot be written.
    """
    manifest = json.loads(json.dumps({"format": FORMAT, "version": VERSION, **content}))
    manifest["seal"] = _seal(manifest)
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check a manifest, but no other file.

    Args:
        folder: The bundle.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: Not a bundle, an unfinished one, one of another version, or a manifest that was changed.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"path={str(folder)!r}: there is no such bundle; make one: matenv build DATA --out {folder}"
        )
    path = folder / MANIFEST
    if not path.exists():
        if (folder / WORK).is_dir():
            raise ValueError(f"{folder} is an unfinished bundle; go on with the command that began it: matenv build")
        raise ValueError(f"{folder} is no bundle, it has no {MANIFEST}; make one: matenv build DATA --out FOLDER")
    try:
        manifest = json.loads(path.read_bytes())
        kind, version = manifest["format"], manifest["version"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged; {AGAIN}") from None
    if kind != FORMAT:
        raise ValueError(f"{folder} is no bundle but {kind!r}; load a snapshot by matenv.load_dataset")
    if version != VERSION:
        raise ValueError(f"{folder} is a bundle of version {version!r}, this matenv reads version {VERSION}; {AGAIN}")
    if manifest.get("seal") != _seal(manifest) or not set(manifest) >= KEYS:
        raise ValueError(f"{path} is not what was written: damaged or changed; {AGAIN}")
    for name in manifest["files"]:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{path} names {name!r}, which lies outside the bundle; {AGAIN}")
    return manifest


def read_files(folder: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """Content of every file of a bundle, each as it was written.

    Args:
        folder: The bundle.
        manifest: Its manifest.

    Returns:
        Content by name.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is truncated or changed.
    """
    contents = {}
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; {AGAIN}")
        content = contents[name] = path.read_bytes()
        if len(content) < entry["bytes"]:
            raise ValueError(f"{path} is truncated: {len(content):,} of {entry['bytes']:,} bytes; {AGAIN}")
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise ValueError(f"{path} is not the file that was written: damaged or changed; {AGAIN}")
    return contents


def _seal(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
