"""`Decomposition`: what a batch of compositions decomposes into.

May import: `matenv.composition`, `matenv.elements`, `matenv.thermo`'s queries, solver, phases and reaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.elements import NUM_ELEMENTS
from matenv.thermo import simplex
from matenv.thermo.phases import PhaseTable
from matenv.thermo.queries import EXACT_MAX_ATOMS, EXACT_TOLERANCE, Queries
from matenv.thermo.reaction import balance, write
from matenv.thermo.solver import Solution


@dataclass(frozen=True)
class Decomposition:
    """Cheapest mixtures of reference phases at B compositions, as `ConvexHull.decompose` returns them.

    Attributes:
        energy: Energy of the mixture (B,) float64, eV/atom against the elements; NaN where undefined.
        status: (B,) int8. `OK`; `FALLBACK`: solved by a general LP code, as exact, slower; `UNDEFINED`: a pure element
            without itself, or an empty composition: energy and potentials NaN, no products.
    """

    OK = simplex.OK
    FALLBACK = simplex.FALLBACK
    UNDEFINED = simplex.UNDEFINED

    energy: NDArray[np.float64]
    status: NDArray[np.int8]
    _solution: Solution = field(repr=False)
    _queries: Queries = field(repr=False)
    _phases: PhaseTable = field(repr=False)

    def __len__(self) -> int:
        return len(self.energy)

    def __repr__(self) -> str:
        return f"Decomposition({len(self)} compositions)"

    @cached_property
    def potentials(self) -> NDArray[np.float64]:
        """Chemical potentials (B, 89) eV/atom against the elements; NaN for elements not in the composition.

        Where `degenerate` is set they are one choice among many.
        """
        return self._queries.scatter(self._solution.potentials, np.nan)

    @cached_property
    def degenerate(self) -> NDArray[np.bool_]:
        """Whether the potentials are not unique (B,): fewer products than elements, as at a stable compound."""
        rank = np.isfinite(self._solution.potentials).sum(axis=1)
        return (self._solution.weights > 0).sum(axis=1) < rank

    def products(self, i: int) -> list[tuple[str, float]]:
        """What composition `i` decomposes into.

        Args:
            i: Row.

        Returns:
            Formulas and atom fractions, largest fraction first; empty where undefined. The fractions sum to 1.
        """
        _, weights, names = self._basis(i)
        return [(name, weight) for name, weight in zip(names, weights.tolist(), strict=True) if weight > 0]

    def reaction(self, i: int) -> str:
        """The decomposition of composition `i` as a balanced reaction of one formula unit.

        Coefficients are exact: integers or fractions in lowest terms.

        Args:
            i: Row.

        Returns:
            Such as ``"LiFePO4 -> 1/3 Li3PO4 + 1/3 Fe3(PO4)2"``, products in the order of `products`; "" where
            undefined.

        Raises:
            ValueError: If the composition is not that of a formula of at most 1000 atoms.
        """
        if self.status[i] == self.UNDEFINED:
            return ""
        row = self._queries[i : i + 1] if i != -1 else self._queries[i:]
        # The whole basis is balanced, members of weight zero included: they take up the rounding of a float vector.
        products = _references(self._basis(i)[0], self._phases)
        coefficients = balance(row.formulas, products)
        if row.deviation.max(initial=0.0) > EXACT_TOLERANCE or coefficients is None:
            raise ValueError(
                f"composition {i} is not an integer formula of at most {EXACT_MAX_ATOMS} atoms to {EXACT_TOLERANCE:g}; "
                "a reaction needs one: decompose matenv.formula(x) instead"
            )
        return write(row.formulas, products, coefficients)

    def _basis(self, i: int) -> tuple[NDArray[np.int32], NDArray[np.float64], list[str]]:
        """Members of row i's basis, their atom fractions and formulas: largest fraction first, then by formula."""
        members = self._solution.members[i]
        members, weights = members[members >= 0], self._solution.weights[i][members >= 0]
        names = _references(members, self._phases).formulas()
        # Equal fractions may differ by round-off; that must not decide the order.
        order = sorted(range(len(names)), key=lambda j: (-round(float(weights[j]), 12), names[j]))
        return members[order], weights[order], [names[j] for j in order]


def _references(members: NDArray[np.int32], phases: PhaseTable) -> CompositionBatch:
    """Compositions of reference numbers: pure elements first, then the phases."""
    known = phases.compositions
    element = members < NUM_ELEMENTS
    rows = np.where(element, 0, members - NUM_ELEMENTS)
    if not len(phases):
        known = CompositionBatch(np.full((1, 10), -1, np.int16), np.zeros((1, 10), np.int32), np.zeros(1, np.int16))
    chosen = known[rows]
    pure_elements = np.full_like(chosen.elements, -1)
    pure_counts = np.zeros_like(chosen.counts)
    pure_elements[:, 0], pure_counts[:, 0] = members, 1
    return CompositionBatch(
        np.where(element[:, None], pure_elements, chosen.elements),
        np.where(element[:, None], pure_counts, chosen.counts),
        np.where(element, 1, chosen.size).astype(np.int16),
    )
