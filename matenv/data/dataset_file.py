"""A `Dataset` as plain files: numbers as .npz without pickle, text as JSON. The same table makes the same bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import numpy as np

from matenv.composition import CompositionBatch
from matenv.data.dataset import Dataset

NUMBERS, TEXT = "table.npz", "table.json"

_GROUPS = ("labels", "spread", "std")


def dataset_files(data: Dataset) -> dict[str, bytes]:
    """What the files of a table hold.

    Args:
        data: The table; how it was read (`Dataset.report`) is not kept.

    Returns:
        Content by file name.
    """
    batch = data.compositions
    arrays = {
        "elements": batch.elements, "counts": batch.counts, "size": batch.size,
        "formation_energy": data.formation_energy, "system_part": data.system_part, "frontier": data.frontier,
        **{f"{group}.{name}": column for group in _GROUPS for name, column in getattr(data, group).items()},
    }  # fmt: skip
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    text = {
        "name": data.name, "energy_scheme": data.energy_scheme, "units": dict(data.units),
        "extra": {name: column.tolist() for name, column in data.extra.items()},
    }  # fmt: skip
    return {NUMBERS: buffer.getvalue(), TEXT: json.dumps(text, indent=0, ensure_ascii=False).encode()}


def dataset_of(contents: Mapping[str, bytes]) -> Dataset:
    """The table that `dataset_files` wrote.

    Args:
        contents: Content by file name.

    Returns:
        The table.
    """
    with np.load(io.BytesIO(contents[NUMBERS]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    text = json.loads(contents[TEXT])
    batch = CompositionBatch(arrays["elements"], arrays["counts"], arrays["size"])
    grouped: dict[str, dict] = {group: {} for group in _GROUPS}
    for key, column in arrays.items():
        group, _, name = key.partition(".")
        if name:
            grouped[group][name] = column
    return Dataset(
        name=text["name"],
        formulas=np.array(batch.formulas(), np.str_),
        compositions=batch,
        formation_energy=arrays["formation_energy"],
        energy_scheme=text["energy_scheme"],
        system_part=arrays["system_part"],
        frontier=arrays["frontier"],
        extra={name: np.array(column, np.str_) for name, column in text["extra"].items()},
        units=text["units"],
        labels=grouped["labels"],
        spread=grouped["spread"],
        std=grouped["std"],
    )
