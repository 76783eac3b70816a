"""``matenv build my.csv --out my-bundle``: from a table to all that an environment needs, in one folder of plain files.

Each part is made in a folder of its own and kept when it is finished; the manifest comes last. So a build that was
stopped in whatever way goes on where it was, and ends with the same files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch

import matenv
from matenv.atomic import only_writer, write_whole
from matenv.bundle.bundle import TABLE, Bundle, load_bundle, stands_on
from matenv.bundle.card import card
from matenv.bundle.manifest import MANIFEST, WORK, read_manifest, write_manifest
from matenv.bundle.request import Learned, Request
from matenv.checks import check_choice, check_flag, check_listed, check_number, check_path, check_seed
from matenv.data import Dataset
from matenv.data.embedded import load_dataset_as
from matenv.data.user_table import HOLDOUTS
from matenv.latent.training.finetune import finetune
from matenv.properties.training.from_table import train_property
from matenv.training.settings import at_least_one

CARD, REQUEST = "card.md", "request.json"
LATENT, PROPERTIES = "latent", "properties"


def build(
    data: Any,
    out: str | Path,
    *,
    columns: Collection[str] | None = None,
    units: Mapping[str, str] | None = None,
    log10: Collection[str] = (),
    latent: str = "vae",
    epochs: int | None = None,
    replay: float = 1.0,
    holdout: str = "system",
    convert: bool = False,
    seed: int = 0,
    threads: int = 1,
    progress: bool = True,
    say: Callable[[str], None] = print,
    **options: Any,
) -> Bundle:
    """Build a bundle, or go on with one that was begun.

    Args:
        data: A `Dataset`, or a table or the folder of a snapshot, as `matenv.load_dataset` takes it.
        out: Folder of the bundle.
        columns: Columns to learn; by default all numbers with 30 values or more that no shipped predictor knows.
        units: Unit by column, where the table states none; ``"1"`` for a pure number.
        log10: Columns whose logarithm is learned.
        latent: Space that is fine-tuned: a shipped one, or a weights file.
        epochs: Passes of the fine-tuning over the table; by default as many as make 600 steps.
        replay: Original rows shown per row of the table.
        holdout: ``"system"`` or ``"formula"``: what the fine-tuning is measured on.
        convert: Fit a step to the predictor's energies, if the table's are of another scheme.
        seed: Seed of everything random.
        threads: PyTorch threads.
        progress: Whether to show progress bars.
        say: Is told what is done, line by line.
        **options: Of `matenv.load_dataset`, for a table.

    Returns:
        The bundle.

    Raises:
        ValueError: Something that cannot be used, or a folder that holds something else.
        FileNotFoundError: The table does not exist.
        OSError: Another process builds in that folder, or it cannot be written.
    """
    _check(out, columns, units, log10, replay, seed, progress, say)
    check_path("latent", latent, "a latent space: a name, or a weights file")
    check_choice("holdout", holdout, HOLDOUTS)
    at_least_one(epochs=epochs, threads=threads)
    if not isinstance(data, Dataset):
        is_folder = isinstance(data, str | Path) and Path(data).is_dir()
        data = load_dataset_as("data", data, **(options if is_folder else {"units": units, **options}))
    request = Request.of(
        data, columns=columns, units=dict(units or {}), log10=log10, latent=str(latent), epochs=epochs, replay=replay,
        holdout=holdout, convert=convert, seed=seed, threads=threads,
    )  # fmt: skip
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        if not _is_whole(folder, request):
            _begin(folder, request)
            say(f"{data!r}: {request.energies.said}")
            _build(folder, request, progress, say)
        shutil.rmtree(folder / WORK, ignore_errors=True)
    return load_bundle(folder)


def _check(out: Any, columns: Any, units: Any, log10: Any, replay: Any, seed: Any, progress: Any, say: Any) -> None:
    """Refuse what is of the wrong kind."""
    check_path("out", out, "the folder of the bundle")
    for name, given in (("columns", () if columns is None else columns), ("log10", log10)):
        check_listed(name, given, "columns of the table")
    if units is not None and not isinstance(units, Mapping):
        raise ValueError(f"units={str(units)[:60]!r} must be a dictionary such as {{'hardness': 'GPa'}}")
    if not isinstance(replay, Real) or replay != 0:
        check_number("replay", replay, 0, np.inf, "a number of rows, or 0 for none")
    if check_seed("seed", seed) is None:
        raise ValueError("seed=None must be a whole number of at least 0")
    check_flag("progress", progress)
    if not callable(say):
        raise ValueError(f"say={say!r} must be a function of a line, such as print")


def _is_whole(folder: Path, request: Request) -> bool:
    """Whether the folder holds this very bundle already; another one is refused."""
    if not (folder / MANIFEST).exists():
        return False
    _same(folder, read_manifest(folder)["request"], request)
    return True


def _begin(folder: Path, request: Request) -> None:
    """Note what is built, or see that it is what was begun."""
    work = folder / WORK
    note = work / REQUEST
    if note.exists():
        _same(folder, json.loads(note.read_bytes()), request)
        return
    if others := sorted(path.name for path in folder.iterdir() if path.name not in (WORK, ".lock")):
        raise ValueError(f"{folder} holds other files ({', '.join(others[:3])}); give --out a new folder")
    work.mkdir(exist_ok=True)
    write_whole(note, json.dumps(dict(request.identity), indent=1).encode())


def _same(folder: Path, theirs: Mapping[str, Any], request: Request) -> None:
    yours = json.loads(json.dumps(dict(request.identity)))
    if differ := sorted(key for key in theirs.keys() | yours.keys() if theirs.get(key) != yours.get(key)):
        raise ValueError(
            f"{folder} holds a bundle, whole or begun, of another {', '.join(differ)}; give another --out, or remove it"
        )


def _build(folder: Path, request: Request, progress: bool, say: Callable[[str], None]) -> None:
    files: dict[str, dict[str, Any]] = {}

    def part(name: str, make: Callable[[Path], Mapping[str, bytes]]) -> None:
        began = time.process_time()
        kept, done = _part(folder, name, make)
        files.update(done)
        say(f"{name}: {'kept' if kept else f'done, {time.process_time() - began:.0f} s of CPU'}")

    report = "" if request.data.report is None else str(request.data.report) + "\n"
    part(TABLE, lambda work: {**request.files, "report.txt": report.encode()})
    part(LATENT, lambda work: _latent(work, request, progress))
    for learned in request.learned:
        part(f"{PROPERTIES}/{learned.name}", partial(_property, request=request, learned=learned))
    (space,) = (name for name in files if name.startswith(f"{LATENT}/") and _is_space(name))
    content = {
        "name": folder.resolve().name,
        "request": dict(request.identity),
        "versions": {"matenv": matenv.__version__, "torch": torch.__version__, "numpy": np.__version__,
                     "scipy": scipy.__version__},
        "stands_on": stands_on(),
        "energies": request.energies.to_dict(),
        "latent": space,
        "properties": [f"{PROPERTIES}/{each.name}/{each.name}.safetensors" for each in request.learned],
    }  # fmt: skip
    files |= _put(folder, "", {CARD: card(request, content, files, folder).encode()})
    write_manifest(folder, {**content, "files": files})


def _is_space(name: str) -> bool:
    return name.endswith(".safetensors") and not name.endswith(".cloud.safetensors")


def _part(
    folder: Path, name: str, make: Callable[[Path], Mapping[str, bytes]]
) -> tuple[bool, dict[str, dict[str, Any]]]:
    """A part of the bundle, made unless it is there whole; whether it was, and its files with their hashes."""
    work = folder / WORK / name
    note = work / "done.json"
    if note.exists():
        done = json.loads(note.read_bytes())
        if all((folder / file).is_file() and _entry((folder / file).read_bytes()) == done[file] for file in done):
            return True, done
    work.mkdir(parents=True, exist_ok=True)
    done = _put(folder, name, make(work))
    write_whole(note, json.dumps(done).encode())
    return False, done


def _put(folder: Path, name: str, contents: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        write_whole(folder / name / file, content)
    return {f"{name}/{file}".lstrip("/"): _entry(content) for file, content in contents.items()}


def _entry(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _latent(work: Path, request: Request, progress: bool) -> dict[str, bytes]:
    path = finetune(
        request.latent, request.data.to_pandas(), work, epochs=request.epochs, seed=request.seed, replay=request.replay,
        holdout=request.holdout, threads=request.threads, progress=progress,
    )  # fmt: skip
    return _read(work.glob(f"{path.stem}.*"))


def _property(work: Path, request: Request, learned: Learned) -> dict[str, bytes]:
    path = train_property(
        work, request.data, learned.label, learned.unit, name=learned.name, log10=learned.log10, seed=request.seed
    )
    return _read(path.with_suffix(suffix) for suffix in (".safetensors", ".json", ".md"))


def _read(paths: Iterable[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(paths) if path.suffix != ".part"}
