"""`load_dataset`: the tables shipped with the package, and a user's own CSV."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matenv.checks import check_path
from matenv.composition import MAX_ELEMENTS, CompositionBatch
from matenv.data.dataset import Dataset
from matenv.data.snapshot import load_snapshot

EMBEDDED = {
    "mp-ground-states": "85,014 Materials Project ground states with formation energies (Bartel et al. 2020)",
    "mp-properties": "formulas outside that table with a gap or modulus label; for training predictors only",
    "hea-phases": "1,706 alloys, no energies: single phase or not by Pei et al. 2020 and by Borg et al. 2020",
}
"""Names and one-line descriptions of the shipped tables."""

ENERGY_SCHEME = "mp-legacy-pbe-u"
"""Energies of the embedded table: 0 K, legacy Materials Project PBE/PBE+U, as compiled by Bartel et al. (2020)."""

NO_ENERGIES = "none"
"""Scheme of a table that holds no energies."""


def load_dataset(name: str | Path = "mp-ground-states") -> Dataset:
    """Load a table: a shipped one by name, a snapshot or a CSV file by path.

    Args:
        name: A key of `EMBEDDED`, or the path of a CSV with a ``formula`` column, optionally ``formation_energy``
            (eV/atom), and any further numeric label columns (empty cells are absent values); or the folder of a
            snapshot, as ``matenv data fetch`` makes them.

    Returns:
        The table. Embedded tables are cached and shared: treat their arrays as read-only.

    Raises:
        ValueError: Unknown name, a CSV without a formula column or with an unreadable value (line quoted), or a folder
            that is no whole snapshot.
        FileNotFoundError: A path ending in .csv that does not exist.

    Examples:
        >>> data = load_dataset("mp-ground-states")
        >>> len(data), data.fractions.shape
        (85014, (85014, 89))
    """
    check_path("name", name, f"a dataset: one of {', '.join(EMBEDDED)}, or a .csv path")
    if str(name) in EMBEDDED:
        return _load_embedded(str(name))
    path = Path(name)
    if path.is_dir():
        return load_snapshot(path)
    if path.suffix.lower() == ".csv":
        return _load_csv(path)
    raise ValueError(f"name={str(name)!r} is not a dataset; choose one of {', '.join(EMBEDDED)} or give a .csv path")


@lru_cache(maxsize=len(EMBEDDED))
def _load_embedded(name: str) -> Dataset:
    with (files("matenv.data") / "tables" / f"{name}.npz").open("rb") as stream:
        with np.load(stream, allow_pickle=False) as archive:
            table = {key: archive[key] for key in archive.files}
    formulas = np.array(table["formulas"].tobytes().decode("ascii").split("\n"))
    labels = {key[6:]: value.astype(np.float64) for key, value in table.items() if key.startswith("label.")}
    spread = {key[7:]: value.astype(np.float64) for key, value in table.items() if key.startswith("spread.")}
    energies = table.get("formation_energy", np.full(len(formulas), np.nan))
    dataset = Dataset(
        name=name,
        formulas=formulas,
        compositions=_unpack(table["size"], table["elements"], table["counts"]),
        formation_energy=energies,
        energy_scheme=NO_ENERGIES if name == "hea-phases" else ENERGY_SCHEME,
        labels=labels,
        spread=spread,
        system_part=table["system_part"],
        frontier=table["frontier"].astype(np.bool_),
    )
    for array in (formulas, energies, *labels.values(), *spread.values()):
        array.flags.writeable = False
    return dataset


def _unpack(size: NDArray, elements: NDArray, counts: NDArray) -> CompositionBatch:
    listed = np.arange(MAX_ELEMENTS) < size[:, None]
    packed_elements = np.full(listed.shape, -1, np.int16)
    packed_counts = np.zeros(listed.shape, np.int32)
    packed_elements[listed] = elements
    packed_counts[listed] = counts
    return CompositionBatch(packed_elements, packed_counts, size.astype(np.int16))


def _load_csv(path: Path) -> Dataset:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        header = reader.fieldnames or []
        if "formula" not in header:
            raise ValueError(f"{path} has columns {header}; it needs one called 'formula'")
        rows = list(reader)
    if not rows:
        raise ValueError(f"{path} holds no rows")
    columns: dict[str, list[float]] = {key: [] for key in header if key != "formula"}
    for line, row in enumerate(rows, start=2):
        for key, column in columns.items():
            try:
                column.append(float(row[key]) if row[key] and row[key].strip() else np.nan)
            except ValueError:
                raise ValueError(f"{path} line {line}: {key}={row[key]!r} is not a number") from None
    energies = columns.pop("formation_energy", None)
    return Dataset.from_formulas(
        [row["formula"] for row in rows], energies, columns, name=path.stem, energy_scheme=f"file:{path.name}"
    )
