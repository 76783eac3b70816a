"""`Decomposition`: what a batch of compositions decomposes into."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matenv.checks import check_row
from matenv.composition import EXACT_MAX_ATOMS, EXACT_TOLERANCE
from matenv.thermo import simplex
from matenv.thermo.phases import PhaseTable
from matenv.thermo.queries import Queries
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

    @property
    def element_potentials(self) -> NDArray[np.float64]:
        """The same for the elements of each composition in alphabet order (B, 10), padded with NaN."""
        return self._solution.potentials

    @cached_property
    def degenerate(self) -> NDArray[np.bool_]:
        """Whether the potentials are not unique (B,): fewer products than elements, as at a stable compound."""
        rank = np.isfinite(self._solution.potentials).sum(axis=1)
        return (self._solution.weights > 0).sum(axis=1) < rank

    @property
    def members(self) -> NDArray[np.int32]:
        """Reference numbers of each row's basis (B, 10), padded with -1, as `ConvexHull.products` takes them."""
        return self._solution.members

    @property
    def weights(self) -> NDArray[np.float64]:
        """Atom fractions of `members` (B, 10), 0 for one that takes no part."""
        return self._solution.weights

    def products(self, i: int) -> list[tuple[str, float]]:
        """What composition `i` decomposes into.

        Args:
            i: Row.

        Returns:
            Formulas and atom fractions, largest fraction first; empty where undefined. The fractions sum to 1.

        Raises:
            ValueError: No such row.
        """
        check_row("i", i, len(self))
        return [(name, weight) for _, weight, name in self._basis(i) if weight > 0]

    def reaction(self, i: int) -> str:
        """The decomposition of composition `i` as a balanced reaction of one formula unit.

        Coefficients are exact: integers or fractions in lowest terms.

        Args:
            i: Row.

        Returns:
            Such as ``"LiFePO4 -> 1/3 Li3PO4 + 1/3 Fe3(PO4)2"``, products in the order of `products`; "" where
            undefined.

        Raises:
            ValueError: If the composition is not that of a formula of at most 1000 atoms, or there is no such row.
        """
        check_row("i", i, len(self))
        if self.status[i] == self.UNDEFINED:
            return ""
        row = self._queries[i : i + 1] if i != -1 else self._queries[i:]
        # The whole basis is balanced, members of weight zero included: they take up the rounding of a float vector.
        products = self._phases.references([number for number, _, _ in self._basis(i)])
        coefficients = balance(row.formulas, products)
        if row.deviation.max(initial=0.0) > EXACT_TOLERANCE or coefficients is None:
            raise ValueError(
                f"composition {i} is not an integer formula of at most {EXACT_MAX_ATOMS} atoms to {EXACT_TOLERANCE:g}; "
                "a reaction needs one: decompose matenv.formula(x) instead"
            )
        return write(row.formulas, products, coefficients)

    def _basis(self, i: int) -> list[tuple[int, float, str]]:
        return largest_first(self._solution.members[i], self._solution.weights[i], self._phases)


def largest_first(
    members: NDArray[np.int32], weights: NDArray[np.float64], phases: PhaseTable
) -> list[tuple[int, float, str]]:
    """The members of one basis (10,) as (reference number, atom fraction, formula).

    Largest fraction first, then by formula; equal fractions may differ by round-off, which must not decide the order.
    """
    numbers = [number for number in members.tolist() if number >= 0]
    basis = zip(numbers, weights.tolist(), phases.names(numbers), strict=False)
    return sorted(basis, key=lambda member: (-round(member[1], 12), member[2]))
