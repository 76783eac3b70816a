"""`load_dataset`: the tables shipped with the package, and a user's own."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.composition import MAX_ELEMENTS, CompositionBatch
from matenv.data.dataset import Dataset
from matenv.data.snapshot import load_snapshot
from matenv.data.table import read_table_as, warn
from matenv.data.table_file import SUFFIXES

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


def load_dataset(name: Any = "mp-ground-states", **options: Any) -> Dataset:
    """Load a table: a shipped one by name, or one's own.

    Args:
        name: A key of `EMBEDDED`; or a table of one's own as `read_table` takes it: the path of a .csv, .json or
            .parquet file, a pandas object, or a list of pymatgen entries; or the folder of a snapshot
            (``matenv data fetch``).
        **options: Of `read_table`: ``column``, ``energy``, ``labels``, ``units``, ``energy_scheme``, ``tolerance``,
            ``strict``.

    Returns:
        The table, distinct formulas. Embedded tables are cached and shared: treat their arrays as read-only. Of a table
        of one's own `Dataset.report` says how it was read; what was left out is warned of.

    Raises:
        ValueError: Unknown name, options for an embedded table, or as `read_table`.
        FileNotFoundError: A path that does not exist.
        ImportError: As `read_table`.

    Examples:
        >>> data = load_dataset("mp-ground-states")
        >>> len(data), data.fractions.shape
        (85014, (85014, 89))
    """
    return load_dataset_as("name", name, **options)


def load_dataset_as(parameter: str, source: Any, **options: Any) -> Dataset:
    """As `load_dataset`, for a caller whose own parameter has another name, which errors quote."""
    if isinstance(source, str) and not source:
        raise ValueError(f"{parameter}='' is not a dataset; choose one of {', '.join(EMBEDDED)} or give a file")
    if isinstance(source, str) and source in EMBEDDED:
        if options:
            raise ValueError(f"{', '.join(options)}: options are for a table of one's own, not for {source!r}")
        return _load_embedded(source)
    if isinstance(source, str | Path) and Path(source).is_dir():
        return load_snapshot(Path(source))
    if isinstance(source, str) and Path(source).suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{parameter}={source!r} is not a dataset; choose one of {', '.join(EMBEDDED)} or give a file that ends in "
            f"{', '.join(SUFFIXES)}"
        )
    data = read_table_as(parameter, source, **options).dataset()
    if data.report is not None:
        warn(data.report)
    return data


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
