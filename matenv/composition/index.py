"""`FormulaIndex`: finds formulas in a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition import keys
from matenv.composition.batch import CompositionBatch


class FormulaIndex:
    """Finds formulas in a table, exactly.

    Args:
        table: The formulas (N); some may be listed more than once.
    """

    def __init__(self, table: CompositionBatch) -> None:
        self._table = table.arrays
        self._slots = keys.fill_slots(self._table, len(table), len(table))

    def find(self, batch: CompositionBatch) -> NDArray[np.int64]:
        """Row of each formula in the table.

        Args:
            batch: Compositions (B).

        Returns:
            Rows (B,) int64, of a formula listed more than once the first; -1 where the table lacks it.
        """
        return keys.find(batch.arrays, self._table, self._slots)
