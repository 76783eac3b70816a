"""What a build is asked for, checked before anything is trained."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import matenv
from matenv.bundle.energies import Energies, judge_energies
from matenv.checks import check_flag
from matenv.data import Dataset
from matenv.data.dataset import UNITS
from matenv.data.dataset_file import dataset_files
from matenv.data.user_table import split_table
from matenv.latent import load_latent
from matenv.latent.networks.counts_vae import MAX_COUNT
from matenv.latent.training.finetune import recipe_for
from matenv.properties.own import Property
from matenv.properties.training.from_table import LEAST_ROWS
from matenv.training.checkpoint import fingerprint

NOT_LEARNED = ("energy_above_hull", "theoretical")
"""Columns of snapshots that are learned only if named: the hull gives the one, nobody predicts the other."""


@dataclass(frozen=True)
class Learned:
    """A property to learn.

    Attributes:
        label: Label of the table.
        name: Name of the property.
        unit: Unit of the label.
        log10: Whether its logarithm is learned.
    """

    label: str
    name: str
    unit: str
    log10: bool


@dataclass(frozen=True)
class Request:
    """What a bundle is built from; see `matenv.bundle.building.build` for the arguments.

    Attributes:
        data: The table.
        files: The table as it will be stored, by name.
        learned: The properties.
        energies: What becomes of the energies.
        identity: All that the result depends on, as plain values.
    """

    data: Dataset
    files: Mapping[str, bytes]
    learned: tuple[Learned, ...]
    energies: Energies
    latent: str
    epochs: int | None
    replay: float
    holdout: str
    seed: int
    threads: int
    identity: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        data: Dataset,
        *,
        columns: Collection[str] | None,
        units: Mapping[str, str],
        log10: Collection[str],
        latent: str,
        epochs: int | None,
        replay: float,
        holdout: str,
        convert: bool,
        seed: int,
        threads: int,
    ) -> Request:
        """Check everything.

        Raises:
            ValueError: Whatever would stop the build later on.
            ImportError: scikit-learn is not installed and there is something to learn.
        """
        learned = _learned(data, columns, units, log10)
        if learned:
            try:
                import sklearn  # noqa: F401
            except ImportError:
                raise ImportError(
                    "learning a property needs the extra 'tables': pip install 'matenv[tables]'"
                ) from None
        space = load_latent(latent)
        split_table(data.to_pandas(), max_count=MAX_COUNT, holdout=holdout, labels=recipe_for(space).labels)
        energies = judge_energies(data, check_flag("convert", convert))
        files = dataset_files(data)
        identity = {
            "table": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            "columns": [vars(each) for each in learned], "energies": energies.kind, "latent": space.name,
            "source": fingerprint(space.network), "epochs": epochs, "replay": replay, "holdout": holdout, "seed": seed,
            "threads": threads, "matenv": matenv.__version__,
        }  # fmt: skip
        return cls(
            data, files, learned, energies, latent, epochs, replay, holdout, seed, threads, identity,
        )  # fmt: skip


def _learned(
    data: Dataset, columns: Collection[str] | None, units: Mapping[str, str], log10: Collection[str]
) -> tuple[Learned, ...]:
    """The properties to learn: of the columns named, or of all that have values enough and are not built in."""
    counts = {name: int(np.isfinite(values).sum()) for name, values in data.labels.items()}
    if columns is None:
        columns = [
            name for name, n in counts.items()
            if n >= LEAST_ROWS and np.nanstd(data.labels[name]) > 0 and name not in (*UNITS, *NOT_LEARNED)
        ]  # fmt: skip
    having = ", ".join(f"{name} ({n:,})" for name, n in counts.items()) or "none"
    for option, named in (("columns", columns), ("unit", units), ("log10", log10)):
        if unknown := [name for name in named if name not in counts]:
            raise ValueError(f"{option}: {data.name} has no column of numbers {unknown[0]!r}; it has {having}")
    learned = []
    for label in dict.fromkeys(columns):
        unit = units.get(label) or data.units.get(label) or UNITS.get(label)
        if unit is None:
            raise ValueError(f"column {label!r} states no unit; give one: --unit {label}=GPa, or {label}=1 for none")
        values = data.labels[label][np.isfinite(data.labels[label])]
        if len(values) < LEAST_ROWS or values.std() == 0:
            raise ValueError(f"{data.name} has {len(values)} values of {label!r}; {LEAST_ROWS} that differ are due")
        if label in log10 and (values <= 0).any():
            raise ValueError(f"log10: {(values <= 0).sum()} values of {label!r} are not above zero")
        name = re.sub(r"\W+", "_", label).strip("_")
        name = f"log10_{name}" if label in log10 else name
        name = f"own_{name}" if name in UNITS else name  # beside the built-in one
        Property(name, unit, lambda x: x)  # refuses a name that is no word
        learned.append(Learned(label, name, unit, label in log10))
    if idle := [name for name in (*units, *log10) if name not in columns]:
        raise ValueError(f"column {idle[0]!r} is given a unit or a logarithm, but is not learned; name it in columns")
    return tuple(learned)
