"""What counts as new: no near-copy of any formula of the embedded tables, whichever part of them a hull is made of."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch, FormulaIndex
from matenv.data.embedded import load_dataset
from matenv.data.neighbours import Neighbours

NOVEL_DISTANCE = 0.05
"""L1 distance of atom fractions beyond which a formula is no near-copy of another on the same or fewer elements."""


@lru_cache(maxsize=1)
def known_formulas() -> Neighbours:
    """An index of all Materials Project formulas that ship: the ground states, held-out ones included, come first.

    After them come the formulas of ``"mp-properties"``, for which only a gap or a modulus is known.
    """
    tables = (load_dataset(name).compositions for name in ("mp-ground-states", "mp-properties"))
    return Neighbours(CompositionBatch.concatenate(list(tables)))


@lru_cache(maxsize=1)
def train_formulas() -> FormulaIndex:
    """An index of the ground states of the train part: what a benchmark's reference holds."""
    table = load_dataset("mp-ground-states")
    return FormulaIndex(table.compositions[table.split("system").train])


def is_novel(batch: CompositionBatch) -> NDArray[np.bool_]:
    """Whether no formula of the embedded tables on the same or fewer elements lies within `NOVEL_DISTANCE`.

    Args:
        batch: Compositions (B).

    Returns:
        (B,) bool; False for pure elements.

    Examples:
        >>> import matenv
        >>> is_novel(CompositionBatch.from_fractions(matenv.fractions(["CsF", "NaCl", "Na5Cl3"]))).tolist()
        [False, False, True]
    """
    return known_formulas().nearest(batch)[0][:, 0] > NOVEL_DISTANCE
