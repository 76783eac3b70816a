"""Rows to fit and test the predictor on: compositions with their labels, by part of the frozen split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.data.dataset import PARTS
from matenv.properties import heads

ALL = "all"
"""Every row, whatever its part."""


def labelled_rows(part: str, max_rows: int = 0) -> tuple[CompositionBatch, NDArray[np.float64]]:
    """Compositions and labels of one part of the `system` split, over both embedded tables.

    What is trained on also holds the pure elements, whose formation energy is zero by definition.

    Args:
        part: "train", "validation", "test", or "all" for the three together.
        max_rows: Keep a spread-out subset of so many rows; 0 for all.

    Returns:
        The compositions (N) and labels (N, 5) in the order of `heads.NAMES`, NaN where absent.
    """
    batches, labels = [], []
    for name in ("mp-ground-states", "mp-properties"):
        data = load_dataset(name)
        rows = np.arange(len(data)) if part == ALL else data.part(part)
        batches.append(data.compositions[rows])
        labels.append(np.column_stack([data.formation_energy, *(data.labels[key] for key in heads.NAMES[1:])])[rows])
    if part in (PARTS[0], ALL):
        present = [k for k, symbol in enumerate(alphabet.SYMBOLS) if symbol not in alphabet.ABSENT]
        pure = np.full((len(present), len(heads.NAMES)), np.nan)
        pure[:, 0] = 0.0
        batches.append(CompositionBatch.from_counts(np.eye(alphabet.NUM_ELEMENTS)[present]))
        labels.append(pure)
    batch = CompositionBatch(
        *(np.concatenate([getattr(b, key) for b in batches]) for key in ("elements", "counts", "size"))
    )
    targets = np.concatenate(labels)
    if max_rows and max_rows < len(batch):
        rows = np.linspace(0, len(batch) - 1, max_rows).astype(np.int64)
        return batch[rows], targets[rows]
    return batch, targets
