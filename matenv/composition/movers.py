"""Element mover's distance: how far atoms must move along the modified Pettifor scale, on average.

The earth mover's distance of Hargreaves, Dyer, Gaultois, Kurlin and Rosseinsky, Chem. Mater. 32, 10610 (2020): on a
line it is the area between the two cumulative distributions of the atom fractions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition.batch import CompositionBatch
from matenv.elements import MODIFIED_PETTIFOR

_PLACES = np.array(MODIFIED_PETTIFOR)


def along_scale(batch: CompositionBatch) -> NDArray[np.float64]:
    """Share of the atoms up to each place of the scale (B, 104): L1 distances of these rows are mover's distances.

    Args:
        batch: Compositions (B).

    Returns:
        Cumulative atom fractions; a row of zeros for an empty composition.
    """
    on_scale = np.zeros((len(batch), _PLACES.max() + 1))
    on_scale[:, _PLACES] = batch.fractions()
    return on_scale.cumsum(axis=1)


def movers_distance(batch: CompositionBatch, other: CompositionBatch) -> NDArray[np.float64]:
    """Element mover's distance, row by row.

    Args:
        batch: Compositions (B).
        other: As many, or a single one.

    Returns:
        Distances (B,) in places of the modified Pettifor scale; infinite where a composition is empty.

    Examples:
        >>> import matenv
        >>> start, *others = (CompositionBatch.from_fractions(matenv.fractions([f])) for f in ("NaCl", "KCl", "NaCl"))
        >>> [movers_distance(other, start).item() for other in others]
        [0.5, 0.0]
    """
    distance = np.abs(along_scale(batch) - along_scale(other)).sum(axis=1)
    return np.where((batch.size == 0) | (other.size == 0), np.inf, distance)
