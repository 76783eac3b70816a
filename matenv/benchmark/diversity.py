"""How different the formulas of a set are: the element mover's distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from matenv.composition import CompositionBatch
from matenv.composition.movers import along_scale


def pairwise_distances(batch: CompositionBatch) -> NDArray[np.float64]:
    """Element mover's distances (`matenv.composition.movers`) of all pairs.

    Args:
        batch: Compositions (B), none of them empty.

    Returns:
        Distances (B (B - 1) / 2,) in places of the scale, in the order of `scipy.spatial.distance.pdist`.

    Raises:
        ValueError: An empty composition.

    Examples:
        >>> import matenv
        >>> pairwise_distances(CompositionBatch.from_fractions(matenv.fractions(["NaCl", "KCl"]))).tolist()
        [0.5]
    """
    if (batch.size == 0).any():
        raise ValueError(f"row {int((batch.size == 0).argmax())} of the batch is an empty composition")
    return pdist(along_scale(batch), "cityblock")


def diversity(batch: CompositionBatch) -> float:
    """Mean element mover's distance over all pairs of a set of formulas, in places of the modified Pettifor scale.

    Args:
        batch: Compositions (B), none of them empty.

    Returns:
        The mean; 0 for fewer than two formulas.
    """
    return float(pairwise_distances(batch).mean()) if len(batch) > 1 else 0.0
