"""Statistics of the table, and what its materials decompose into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.data import Dataset
from matenv.thermo import ConvexHull, Decomposition
from studies.papers.elawady.samples import size_shares

CORRELATED = 0.2
"""Magnitude from which the paper calls a pair of elements correlated."""

CLASSES = 10
"""The paper's classes: 0 to 9 components."""

NEGLIGIBLE = 1e-9
"""Atom fraction up to which a product does not count."""

ABOVE_HULL = 1e-7
"""eV/atom above the hull from which a material decomposes; the same as the hull's own."""


@dataclass(frozen=True)
class Materials:
    """The table with the decomposition of each material.

    Attributes:
        data: The table.
        hull: The hull of the whole table.
        decomposition: Of every row.
        components: Number of components of each row (N,): 0 for a material on the hull, as the Materials Project lists
            no decomposition for it, else the number of phases.
        above_hull: Energy above the hull (N,), eV/atom.
    """

    data: Dataset
    hull: ConvexHull
    decomposition: Decomposition
    components: NDArray[np.int64]
    above_hull: NDArray[np.float64]

    @classmethod
    def of(cls, data: Dataset) -> Materials:
        """Decompose every row of a table."""
        hull = ConvexHull.from_dataset(data)
        decomposition = hull.decompose(data.compositions)
        above = data.formation_energy - decomposition.energy
        phases = (decomposition.weights > NEGLIGIBLE).sum(axis=1)
        return cls(data, hull, decomposition, np.where(above > ABOVE_HULL, phases, 0), above)


def statistics(materials: Materials) -> dict[str, Any]:
    """What the paper says of its dataset, of ours.

    Args:
        materials: The table.

    Returns:
        ``sizes``: share of materials by number of elements (11,); ``six_or_fewer``; ``elements``: how many occur;
        ``correlations``: by what is correlated, number of ``pairs``, of pairs beyond `CORRELATED`, and the largest;
        ``components``: number of materials by number of components; ``components_by_size``: the same by number of
        elements.
    """
    data = materials.data
    x, counts = data.fractions, data.compositions.dense_counts().astype(np.float64)
    by = {"presence": (x > 0).astype(np.float64), "atom fraction": x, "atoms in the formula": counts}
    sizes = data.compositions.size
    table = np.zeros((sizes.max() + 1, CLASSES), np.int64)
    np.add.at(table, (sizes, materials.components), 1)
    return {
        "rows": len(data),
        "sizes": size_shares(data.compositions),
        "six_or_fewer": float((sizes <= 6).mean()),
        "most_elements": int(sizes.max()),
        "elements": int(x.any(axis=0).sum()),
        "correlations": {name: correlations(values) for name, values in by.items()},
        "components": table.sum(axis=0).tolist(),
        "components_by_size": {str(size): table[size].tolist() for size in np.unique(sizes)},
    }


def correlations(values: NDArray[np.float64], largest: int = 5) -> dict[str, Any]:
    """Pearson correlations between elements that occur.

    Args:
        values: One column per element (N, 89).
        largest: Number of pairs to name.

    Returns:
        ``pairs``, ``beyond`` (magnitude above `CORRELATED`), ``largest``: (symbol, symbol, correlation) by magnitude,
        ``Nb-O``: the paper's largest pair.
    """
    occurs = np.flatnonzero(values.std(axis=0) > 0)
    first, second = np.triu_indices(len(occurs), 1)
    r = np.asarray(np.corrcoef(values[:, occurs].T))[first, second]
    order = np.argsort(-np.abs(r))[:largest]
    symbols = np.array(alphabet.SYMBOLS)[occurs]
    nb_o = (symbols[first] == "Nb") & (symbols[second] == "O")
    return {
        "pairs": len(r),
        "Nb-O": float(r[nb_o][0]) if nb_o.any() else None,
        "beyond": int((np.abs(r) > CORRELATED).sum()),
        "largest": [(str(symbols[first[k]]), str(symbols[second[k]]), float(r[k])) for k in order],
    }
