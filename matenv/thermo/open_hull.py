"""`OpenHull`: the hull of a system that exchanges some elements with reservoirs at fixed chemical potentials.

Which mixture of phases has the lowest grand potential, sum_j a_j (E_j - sum_o mu_o y_jo), if the amounts of the
elements that are not exchanged (*closed*) are given? Divide each phase by its closed atoms and measure from the best
phases that hold one closed element only: the same linear program as the closed hull's, over the closed elements, so
the same compiled simplex solves it. (Ong, Wang, Kang & Ceder, Chem. Mater. 20, 1798, 2008.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.checks import check_real, check_row
from matenv.composition import CompositionBatch, Compositions
from matenv.elements import NUM_ELEMENTS
from matenv.thermo import solver
from matenv.thermo.phases import PhaseTable
from matenv.thermo.queries import Queries
from matenv.thermo.reaction import balance_open, write_open
from matenv.thermo.simplex import ABSENT, KEEP_ALL, SKIP, UNDEFINED

SLACK = 1e-6
"""eV/atom; a phase of open elements only may lie this far below the reservoirs: it is one of them, to round-off."""


def check_potentials(potentials: Mapping[str, float], name: str = "potentials") -> dict[str, float]:
    """Chemical potentials by element, checked.

    Args:
        potentials: Chemical potential of each open element [eV/atom against the pure element].
        name: Parameter name.

    Returns:
        The same as floats, in alphabet order.

    Raises:
        ValueError: None given, an unknown element, or an element without a finite potential; it is named.
    """
    if not isinstance(potentials, Mapping) or not potentials:
        raise ValueError(f"{name}={potentials!r} must name an element or more, such as {{'Li': 0.0}} in eV/atom")
    alphabet.positions(list(potentials), name)
    for symbol, value in potentials.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise ValueError(f"{name}: {symbol} has the potential {value!r}; expected a finite number in eV/atom")
    return {symbol: float(potentials[symbol]) for symbol in sorted(potentials)}


@dataclass(frozen=True)
class OpenDecomposition:
    """Mixtures of lowest grand potential for B compositions, as ``ConvexHull.decompose(X, potentials=...)`` finds them.

    Attributes:
        energy: Grand potential of the mixture (B,), eV per atom of the composition asked about, that is of all its
            atoms, those of open elements included; NaN for a composition of open elements only.
        potentials: Chemical potential of each open element, eV/atom.
        status: (B,) int8, as `Decomposition.status`.
        closed_share: Share of the composition's atoms that are not of open elements (B,).
        exchanged: Atoms of each open element taken up from its reservoir (B, k), in the order of `potentials`, per atom
            of the composition; negative where they are given off.
        members: Reference numbers of the products (B, 10), as `ConvexHull.products` takes them, padded with -1.
        amounts: Atoms of each product per atom of the composition (B, 10), open elements included: they need not sum
            to 1.
    """

    energy: NDArray[np.float64]
    potentials: dict[str, float]
    status: NDArray[np.int8]
    closed_share: NDArray[np.float64]
    exchanged: NDArray[np.float64]
    members: NDArray[np.int32]
    amounts: NDArray[np.float64]
    _queries: Queries = field(repr=False)
    _phases: PhaseTable = field(repr=False)

    def __len__(self) -> int:
        return len(self.energy)

    def products(self, i: int) -> list[tuple[str, float]]:
        """What composition `i` turns into.

        Args:
            i: Row.

        Returns:
            Formulas and atoms of each per atom of the composition, largest first; empty where undefined.

        Raises:
            ValueError: No such row.
        """
        check_row("i", i, len(self))
        kept = np.flatnonzero(self.amounts[i] > 0)
        names = self._phases.names(self.members[i, kept].tolist())
        listed = zip(names, self.amounts[i, kept].tolist(), strict=True)
        return sorted(listed, key=lambda entry: (-round(entry[1], 12), entry[0]))

    def reaction(self, i: int) -> str:
        """The balanced reaction of one formula unit with the reservoirs, such as ``"Li3PS4 + 8 Li -> 4 Li2S + Li3P"``.

        Args:
            i: Row.

        Returns:
            Coefficients are exact; products in the order of `products`, what is given off last; "" where undefined.

        Raises:
            ValueError: If the composition is not that of a formula of at most 1000 atoms, or there is no such row.
        """
        check_row("i", i, len(self))
        if self.status[i] == UNDEFINED:
            return ""
        row = self._queries[i : i + 1] if i != -1 else self._queries[i:]
        kept = [k for k in np.argsort(-self.amounts[i].round(12), kind="stable") if self.members[i, k] >= 0]
        products = self._phases.references(self.members[i, kept].tolist())
        open_elements = alphabet.positions(list(self.potentials))
        coefficients = balance_open(row.formulas, products, open_elements)
        if coefficients is None:
            raise ValueError(
                f"composition {i} is no integer formula; a reaction needs one: decompose matenv.formula(x)"
            )
        return write_open(row.formulas, products, coefficients, open_elements)

    def reaction_energy(self, formation_energy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Energy of the reaction with the reservoirs, from a composition's own energy to the mixture.

        Args:
            formation_energy: Of the B compositions [eV/atom against the elements].

        Returns:
            (B,) eV per atom of the composition (divide by `closed_share` for eV per atom that is not of an open
            element). Negative: it reacts. 0: it is a product itself. Positive: it lies below the hull and is stable.

        Raises:
            ValueError: Something else than B numbers.
        """
        own = check_real("formation_energy", formation_energy, f"energies ({len(self)},) in eV/atom")
        if own.shape not in ((), (len(self),)):
            raise ValueError(f"formation_energy has shape {own.shape}; expected ({len(self)},)")
        brought = np.zeros(len(self))
        amounts = self._queries.amounts / np.maximum(self._queries.amounts.sum(axis=1, keepdims=True), ABSENT)
        for symbol, potential in self.potentials.items():
            brought += potential * np.where(self._queries.elements == alphabet.INDEX[symbol], amounts, 0.0).sum(axis=1)
        return self.energy - (own - brought)


class OpenHull:
    """A hull at fixed chemical potentials; `ConvexHull.open_to` makes it and keeps it.

    Args:
        phases: Phases that are stable in the closed hull: no other one can be a product.
        numbers: Their reference numbers (P,).
        table: The table those numbers are about.
        potentials: Chemical potential of each open element, eV/atom.
        threads: Most threads for a large batch.

    Raises:
        ValueError: As `check_potentials`, or reservoirs that are not stable themselves: the phase that would form from
            them without limit is named.
    """

    def __init__(
        self,
        phases: tuple[CompositionBatch, NDArray[np.float64]],
        numbers: NDArray[np.int32],
        table: PhaseTable,
        potentials: Mapping[str, float],
        threads: int,
    ) -> None:
        self.potentials = check_potentials(potentials)
        self.threads = threads
        self._table = table
        mu = np.zeros(NUM_ELEMENTS)
        self._open = np.zeros(NUM_ELEMENTS, np.bool_)
        for symbol, value in self.potentials.items():
            mu[alphabet.INDEX[symbol]], self._open[alphabet.INDEX[symbol]] = value, True
        compositions, energy = phases
        pure = table.references(list(range(NUM_ELEMENTS)))
        compositions = CompositionBatch.concatenate([pure, compositions])
        numbers = np.concatenate([np.arange(NUM_ELEMENTS, dtype=np.int32), numbers])
        energy = np.concatenate([np.zeros(NUM_ELEMENTS), energy])

        is_open = self._is_open(compositions.elements)
        fractions = compositions.amounts
        closed = np.where(is_open, 0.0, fractions).sum(axis=1)
        shifted = energy - np.where(is_open, fractions * mu[compositions.elements], 0.0).sum(axis=1)
        inside = closed <= 0.0
        if (shifted[inside] < -SLACK).any():
            row = int(np.flatnonzero(inside)[shifted[inside].argmin()])
            given = ", ".join(f"{symbol} {value:g}" for symbol, value in self.potentials.items())
            raise ValueError(
                f"potentials ({given} eV/atom): {compositions[row : row + 1].formulas()[0]} would form from the "
                f"reservoirs without limit, gaining {-shifted[row]:.3g} eV/atom; lower a potential"
            )
        compositions, numbers = compositions[~inside], numbers[~inside]
        fractions, is_open = fractions[~inside], is_open[~inside]
        closed, energy = closed[~inside], shifted[~inside] / closed[~inside]
        projected = _without(compositions, is_open)
        # The best phase with one closed element only stands for that element.
        lone = np.flatnonzero(projected.size == 1)
        lone = lone[np.lexsort((numbers[lone], energy[lone]))]
        kinds, first = np.unique(projected.elements[lone, 0], return_index=True)
        self._zero = np.zeros(NUM_ELEMENTS)
        self._zero[kinds] = energy[lone[first]]
        standing = np.arange(NUM_ELEMENTS)
        standing[kinds] = lone[first]
        several = np.flatnonzero(projected.size > 1)
        energy -= (projected.amounts * self._zero[projected.elements] * (projected.elements >= 0)).sum(axis=1)
        self._phases, kept = PhaseTable.distinct(projected[several], energy[several])
        self._index = self._phases.index(np.arange(len(self._phases)))
        # Of every reference number of the projected hull: the phase it stands for, and what one closed atom holds.
        stands_for = np.concatenate([standing, several[kept]])
        self._numbers = numbers[stands_for].astype(np.int32)
        self._atoms = 1.0 / closed[stands_for]
        held = np.stack(
            [
                np.where(compositions.elements == alphabet.INDEX[symbol], fractions, 0.0).sum(axis=1)
                for symbol in self.potentials
            ],
            axis=1,
        )
        self._held = held[stands_for]

    def energy(self, X: Compositions) -> NDArray[np.float64]:
        """As `decompose`, only the grand potentials (B,) eV per atom of the composition."""
        queries = Queries.of(X)
        fractions, is_open, closed, excluded = self._project(queries)
        solution = self._solve(queries, is_open, excluded, detailed=False)
        return self._total(solution.energy, queries, fractions, is_open, closed)

    def decompose(self, X: Compositions) -> OpenDecomposition:
        """Mixtures of lowest grand potential.

        Args:
            X: As `ConvexHull.decompose`.

        Returns:
            Energies, products and what is exchanged.

        Raises:
            ValueError: As `ConvexHull.decompose`.
        """
        queries = Queries.of(X)
        fractions, is_open, closed, excluded = self._project(queries)
        solution = self._solve(queries, is_open, excluded, detailed=True)
        used = solution.weights > 0
        place = np.where(solution.members >= 0, solution.members, 0)
        amounts = np.where(used, solution.weights * self._atoms[place], 0.0) * closed[:, None]
        held = (amounts[:, :, None] * self._held[place]).sum(axis=1)
        brought = np.stack(
            [
                np.where(queries.elements == alphabet.INDEX[symbol], fractions, 0.0).sum(axis=1)
                for symbol in self.potentials
            ],
            axis=1,
        )
        return OpenDecomposition(
            energy=self._total(solution.energy, queries, fractions, is_open, closed),
            potentials=self.potentials,
            status=solution.status,
            closed_share=closed,
            exchanged=np.where((closed > 0)[:, None], held - brought, np.nan),
            members=np.where(solution.members >= 0, self._numbers[place], -1).astype(np.int32),
            amounts=amounts,
            _queries=queries,
            _phases=self._table,
        )

    def _is_open(self, elements: NDArray[np.int16]) -> NDArray[np.bool_]:
        return self._open[elements] & (elements >= 0)

    def _project(
        self, queries: Queries
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.int32]]:
        """Atom fractions (B, 10), which are of open elements, the share of the others (B,), and rows to skip."""
        fractions = queries.amounts / np.maximum(queries.amounts.sum(axis=1, keepdims=True), ABSENT)
        is_open = self._is_open(queries.elements)
        closed = np.where(is_open, 0.0, fractions).sum(axis=1)
        closed[closed <= ABSENT] = 0.0
        return fractions, is_open, closed, np.where(closed > 0, KEEP_ALL, SKIP).astype(np.int32)

    def _solve(
        self, queries: Queries, is_open: NDArray[np.bool_], excluded: NDArray[np.int32], detailed: bool
    ) -> solver.Solution:
        closed_only = Queries(queries.elements, np.where(is_open, 0.0, queries.amounts), queries.size)
        return solver.solve(self._index, closed_only, excluded, detailed=detailed, threads=self.threads)

    def _total(
        self,
        relative: NDArray[np.float64],
        queries: Queries,
        fractions: NDArray[np.float64],
        is_open: NDArray[np.bool_],
        closed: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Grand potentials (B,) per atom of the composition, from energies per closed atom above the references."""
        listed = np.where(is_open | (queries.elements < 0), 0.0, fractions * self._zero[queries.elements])
        return closed * relative + listed.sum(axis=1)


def _without(compositions: CompositionBatch, left_out: NDArray[np.bool_]) -> CompositionBatch:
    """Reduced compositions without some of their entries (B, 10)."""
    counts = np.where(left_out, 0, compositions.counts)
    order = np.argsort(counts == 0, axis=1, kind="stable")
    counts = np.take_along_axis(counts, order, axis=1)
    divisor = np.maximum(np.gcd.reduce(counts, axis=1), 1)
    elements = np.where(counts > 0, np.take_along_axis(compositions.elements, order, axis=1), -1)
    return CompositionBatch(
        elements.astype(np.int16),
        (counts // divisor[:, None]).astype(np.int32),
        (counts > 0).sum(axis=1).astype(np.int16),
    )
