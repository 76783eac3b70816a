"""What the embedded table knows of a formula by its own DFT values. Never part of a reward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.checks import check_choice
from matenv.composition import CompositionBatch
from matenv.data import load_dataset


def look_up(batch: CompositionBatch, name: str) -> NDArray[np.float64]:
    """DFT value of each composition in the full embedded table.

    Args:
        batch: Compositions (B).
        name: ``"formation_energy"`` or a label of the table.

    Returns:
        (B,) float64, NaN for formulas outside the table.

    Raises:
        ValueError: Something else than packed compositions, or a label that the table lacks.
    """
    table = load_dataset("mp-ground-states")
    columns = {"formation_energy": table.formation_energy, **table.labels}
    column = columns[check_choice("name", name, columns)]
    rows = table.find(batch)
    return np.where(rows >= 0, column[rows], np.nan)
