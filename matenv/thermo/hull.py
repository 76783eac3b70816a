"""`ConvexHull`: exact decomposition of any composition into competing phases, batched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_choice, check_flag, check_real, check_text, check_whole
from matenv.compiled.threads import available_threads
from matenv.composition import EXACT_TOLERANCE, CompositionBatch, Compositions
from matenv.data import Dataset
from matenv.data.table import read_table_as
from matenv.elements import INDEX, NUM_ELEMENTS
from matenv.thermo import solver, window
from matenv.thermo.decomposition import Decomposition, largest_first
from matenv.thermo.open_hull import OpenDecomposition, OpenHull, check_potentials
from matenv.thermo.own_formula import route
from matenv.thermo.phase_diagram import from_phase_diagram, to_phase_diagram
from matenv.thermo.phases import PhaseTable
from matenv.thermo.queries import ROUND_OFF, Queries
from matenv.thermo.simplex import ABSENT, OWN_SYSTEM, PhaseIndex
from matenv.thermo.solver import Solution

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

STABLE = 1e-7
"""eV/atom; phases up to this far above the hull are kept. Dropping the others cannot change any energy."""

OPEN_KEPT = 16
"""Hulls at fixed potentials that a hull keeps (about 10 MB each); a scan of more voltages begins anew."""


class ConvexHull:
    """The lower convex hull of formation energies over composition.

    References are the compounds of a dataset and always the 89 pure elements at zero energy. For a composition x the
    hull answers with the cheapest mixture of references:

    - ``exclude_self=False``: E_hull(x), every reference included;
    - ``exclude_self=True``: E_comp(x), without x's own reduced formula. The decomposition energy of a phase is
      E_d = E_f - E_comp (<= 0: stable).

    Energies are eV per atom, at 0 K, in the dataset's energy scheme. Answers are exact up to 1e-9 eV/atom and depend
    neither on the order or size of the batch nor on the order of the table. The object never changes after it is
    built: threads may share it.

    Args:
        phases: The compounds.
        energy_scheme: Which energies these are; do not compare with energies of another scheme.
        name: Name of the source table.
        threads: Most threads for a large batch; by default the processors this process may use.

    Examples:
        >>> import matenv
        >>> hull = matenv.ConvexHull.from_dataset(matenv.load_dataset("mp-ground-states"))
        >>> without_itself = hull.decompose("LiFePO4", exclude_self=True)
        >>> [(formula, round(fraction, 3)) for formula, fraction in without_itself.products(0)]
        [('Fe3(PO4)2', 0.619), ('Li3PO4', 0.381)]
        >>> without_itself.reaction(0)
        'LiFePO4 -> 1/3 Fe3(PO4)2 + 1/3 Li3PO4'
    """

    def __init__(self, phases: PhaseTable, energy_scheme: str, name: str = "user", threads: int | None = None) -> None:
        if threads is not None:
            threads = check_whole("threads", threads, "threads, or None for all")
        self.name = name
        self.energy_scheme = energy_scheme
        self.threads = threads or available_threads()
        self._phases = phases
        self._everything: PhaseIndex = phases.index(np.arange(len(phases)))
        above = phases.energy - self._solve(self._everything, Queries.of(phases.compositions), None, False).energy
        self._stable_rows = np.flatnonzero(above <= STABLE)
        self._index = phases.index(self._stable_rows)
        self._open: dict[tuple[tuple[str, float], ...], OpenHull] = {}
        # Position of each phase among the stable ones, -1 for an unstable one.
        self._stable_position = np.full(len(phases), -1)
        self._stable_position[self._stable_rows] = np.arange(len(self._stable_rows))

    @classmethod
    def from_dataset(cls, data: Dataset, rows: ArrayLike | None = None, *, threads: int | None = None) -> ConvexHull:
        """Build the hull of a dataset's formation energies.

        Args:
            data: The table; rows without a formation energy are left out, of polymorphs the lowest counts.
            rows: Row numbers or a boolean mask (N,), for example ``data.split("system").train``.
            threads: Most threads for a large batch; by default the processors this process may use.

        Returns:
            The hull.

        Raises:
            ValueError: No usable formation energy, `rows` out of range, or a pure element below zero energy.
        """
        return cls(PhaseTable.from_dataset(data, rows), data.energy_scheme, data.name, threads)

    def __len__(self) -> int:
        """Number of stable compounds (the pure elements not counted)."""
        return len(self._stable_rows)

    def __repr__(self) -> str:
        return (
            f"ConvexHull({self.name!r}, {len(self):,} stable of {len(self._phases):,} compounds, "
            f"energy_scheme={self.energy_scheme!r})"
        )

    def add(self, entries: Any, energy_scheme: str | None = None) -> ConvexHull:
        """The hull with more phases; this one stays as it is.

        Args:
            entries: A `Dataset`; or what `matenv.data.read_table` takes, such as a frame with formulas and formation
                energies, or pymatgen entries with those of the pure elements among them.
            energy_scheme: Which energies these are, unless `entries` says so; they must be the hull's.

        Returns:
            The new hull; of a formula that was there the lower energy counts.

        Raises:
            ValueError: Energies of another scheme or of none that is stated, or as `read_table` with ``strict``.

        Examples:
            >>> import matenv
            >>> hull = matenv.ConvexHull.from_dataset(matenv.load_dataset("mp-ground-states"))
            >>> mine = {"formula": ["Na3Cl5"], "formation_energy": [-1.8]}
            >>> "Na3Cl5" in hull.add(mine, hull.energy_scheme).formulas
            True
        """
        data = entries
        if energy_scheme is not None:
            check_text("energy_scheme", energy_scheme, "the scheme's name, such as 'mp-legacy-pbe-u'")
        if not isinstance(entries, Dataset):
            data = read_table_as("entries", entries, energy_scheme=energy_scheme, strict=True).dataset()
        if (energy_scheme or data.energy_scheme) != self.energy_scheme:
            raise ValueError(
                f"the hull's energies are {self.energy_scheme!r} and those of entries ({data.name}) "
                f"{data.energy_scheme!r}, which do not mix; name them by "
                f"energy_scheme={self.energy_scheme!r} if they are the same, or convert "
                "them (matenv.data.fit_conversion)"
            )
        phases = self._phases.with_more(PhaseTable.from_dataset(data))
        return ConvexHull(phases, self.energy_scheme, f"{self.name}+{data.name}", self.threads)

    @classmethod
    def from_phase_diagram(cls, diagram: Any, energy_scheme: str, *, threads: int | None = None) -> ConvexHull:
        """The hull of a pymatgen `PhaseDiagram`.

        Args:
            diagram: The diagram; its entries' formation energies are taken, against its own elements.
            energy_scheme: Which energies these are.
            threads: As `from_dataset`.

        Returns:
            The hull.

        Raises:
            ValueError: No compound in it, or as `from_dataset`.
        """
        return cls.from_dataset(from_phase_diagram(diagram, energy_scheme), threads=threads)

    def to_phase_diagram(self, elements: Iterable[str]) -> PhaseDiagram:
        """A chemical system of the hull as a pymatgen `PhaseDiagram`, for its plots and its other tools.

        Args:
            elements: Symbols of the system, such as ``["Li", "Fe", "O"]``; subsystems are included.

        Returns:
            The diagram of every phase, unstable ones too; energies are formation energies, pure elements at zero.

        Raises:
            ValueError: An unknown element.
        """
        return to_phase_diagram(self._phases.compositions, self._phases.energy, elements)

    @cached_property
    def formulas(self) -> NDArray[np.str_]:
        """Reduced formulas of the stable compounds (len(self),), alphabetically."""
        return np.sort(np.array(self._phases.compositions[self._stable_rows].formulas(), dtype=np.str_))

    @cached_property
    def references(self) -> CompositionBatch:
        """Compositions (R,) that reference numbers stand for: the 89 pure elements, then every compound."""
        return self._phases.references(list(range(NUM_ELEMENTS + len(self._phases))))

    def energy(
        self,
        X: Compositions,
        exclude_self: bool = False,
    ) -> NDArray[np.float64]:
        """Energies of the cheapest mixtures; the fast path, nothing else is computed.

        Args:
            X: As in `decompose`; a `CompositionBatch` is fastest.
            exclude_self: As in `decompose`.

        Returns:
            E_hull or E_comp (B,) float64, eV/atom; NaN for an empty composition of a `CompositionBatch`, and for a
            pure element without itself.

        Raises:
            ValueError: As `decompose`.
        """
        check_flag("exclude_self", exclude_self)
        return self._answer(Queries.of(X), exclude_self, detailed=False).energy

    @overload
    def decompose(self, X: Compositions, exclude_self: bool = False, *, potentials: None = None) -> Decomposition: ...

    @overload
    def decompose(self, X: Compositions, *, potentials: Mapping[str, float]) -> OpenDecomposition: ...

    def decompose(
        self, X: Compositions, exclude_self: bool = False, *, potentials: Mapping[str, float] | None = None
    ) -> Decomposition | OpenDecomposition:
        """Decompose compositions into their cheapest mixtures of references.

        Args:
            X: Amounts (B, 89) or (89,) of any scale, decomposed exactly as given; a `CompositionBatch`; a formula or a
                list of formulas. At most 10 elements each.
            exclude_self: Leave the composition's own reduced formula out. A float vector's own formula is the one of
                at most 1000 atoms, or of the table, within 2e-7 of its fractions, if any.
            potentials: Chemical potentials [eV/atom against the pure elements] of elements that are exchanged with
                reservoirs: ``{"Li": 0.0}`` in contact with lithium metal. The mixture is then the one of lowest grand
                potential.

        Returns:
            Energies, products, reactions, potentials and status of the B compositions; with `potentials` an
            `OpenDecomposition`.

        Raises:
            ValueError: Wrong width; NaN, infinite or negative amount; zero sum; more than 10 elements (the row is
                named); a formula that cannot be read; as `open_to`; or `exclude_self` with `potentials`.

        Examples:
            >>> import matenv
            >>> hull = matenv.ConvexHull.from_dataset(matenv.load_dataset("mp-ground-states"))
            >>> hull.decompose("Li3PS4", potentials={"Li": 0.0}).reaction(0)
            'Li3PS4 + 8 Li -> 4 Li2S + Li3P'
        """
        check_flag("exclude_self", exclude_self)
        if potentials is not None:
            if exclude_self:
                raise ValueError("exclude_self=True and potentials: give one; at fixed potentials every phase counts")
            return self.open_to(potentials).decompose(X)
        queries = Queries.of(X)
        solution = self._answer(queries, exclude_self, detailed=True)
        return Decomposition(solution.energy, solution.status, solution, queries, self._phases)

    def decompose_into_subsystems(
        self,
        X: Compositions,
    ) -> Decomposition:
        """As `decompose`, but into phases that lack at least one of the composition's elements.

        What is known of every other chemical system, and nothing of its own: the hull that a composition of a
        system without any known phase sees.

        Args:
            X: As in `decompose`.

        Returns:
            As `decompose`; a pure element is itself.

        Raises:
            ValueError: As `decompose`.
        """
        queries = Queries.of(X)
        # Every stable phase is needed, but no other: what an unstable one decomposes into lies in its own system.
        excluded = np.full(len(queries), OWN_SYSTEM, np.int32)
        solution = self._solve(self._index, queries, excluded, detailed=True)
        return Decomposition(solution.energy, solution.status, solution, queries, self._phases)

    def open_to(self, potentials: Mapping[str, float]) -> OpenHull:
        """The hull in contact with reservoirs; built once for each set of potentials.

        Args:
            potentials: Chemical potential of each element that is exchanged, eV/atom against the pure element.

        Returns:
            The open hull.

        Raises:
            ValueError: No potential given, an unknown element, a potential that is not finite, or reservoirs from which
                a phase would form without limit; element or phase is named.
        """
        key = tuple(check_potentials(potentials).items())
        if key not in self._open:
            if len(self._open) >= OPEN_KEPT:
                self._open.clear()
            stable = self._phases.compositions[self._stable_rows], self._phases.energy[self._stable_rows]
            numbers = (NUM_ELEMENTS + self._stable_rows).astype(np.int32)
            built = OpenHull(stable, numbers, self._phases, potentials, self.threads)
            self._open[key] = built
            return built
        return self._open[key]

    def window(
        self, X: Compositions, ion: str = "Li", formation_energy: ArrayLike | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Electrochemical stability window against a metal: where a composition neither takes up nor gives off the ion.

        Between the two voltages the phases in equilibrium at the composition (itself, if it is stable) hold as much of
        the ion as it does. Thermodynamic onsets, as in Zhu, He & Mo, ACS Appl. Mater. Interfaces 7, 23685 (2015):
        kinetics and passivating layers widen real windows.

        Args:
            X: As in `decompose`; at most 10 elements each, the ion included.
            ion: The element, one of `matenv.thermo.window.CHARGES`.
            formation_energy: Of the compositions (B,) [eV/atom], used for those that are no reference phase. Without
                it, or where NaN, what such a composition decomposes into stands in its place.

        Returns:
            Reduction and oxidation onset (B,), V against the metal. A metastable composition whose decomposition
            products coexist at but one voltage gets that one twice. Oxidation is infinite without the ion in the
            composition: there is none to give off.

        Raises:
            ValueError: An unknown ion, or as `decompose`.

        Examples:
            >>> import matenv
            >>> hull = matenv.ConvexHull.from_dataset(matenv.load_dataset("mp-ground-states"))
            >>> reduction, oxidation = hull.window(["LiF", "Li3PS4"])
            >>> reduction.round(2).tolist(), oxidation.round(2).tolist()
            ([0.0, 1.72], [6.36, 2.36])
        """
        check_choice("ion", ion, window.CHARGES)
        queries, element, charge = Queries.of(X), INDEX[ion], window.CHARGES[ion]
        amounts = queries.scatter(queries.amounts, 0.0)
        amounts /= np.maximum(amounts.sum(axis=1, keepdims=True), ABSENT)
        energy = self.known_energy(X)
        if formation_energy is not None:
            given = check_real("formation_energy", formation_energy, f"energies ({len(queries)},) in eV/atom")
            if given.shape not in ((), (len(queries),)):
                raise ValueError(f"formation_energy has shape {given.shape}; expected ({len(queries)},)")
            energy = np.where(np.isfinite(energy), energy, given)

        def voltage(step: NDArray[np.float64]) -> NDArray[np.float64]:
            beside = amounts.copy()
            beside[:, element] += step
            slope = window.slopes(self._index, Queries.of(beside), amounts, energy, element, self.threads)
            return -slope / charge + 0.0

        holds = amounts[:, element] > window.STEP
        step = np.full(len(queries), window.STEP)
        oxidation = voltage(np.where(holds, -step, step))
        return voltage(step), np.where(holds, oxidation, np.inf)

    def known_energy(self, X: Compositions) -> NDArray[np.float64]:
        """The table's own formation energies.

        Args:
            X: As in `decompose`.

        Returns:
            Lowest formation energy of each formula among the reference phases (B,) eV/atom; 0 for a pure element, NaN
            for a formula that is none of them.
        """
        queries = Queries.of(X)
        row, pure = self._phases.find_own(queries)[0], queries.formulas.size == 1
        return np.where(row >= 0, self._phases.energy[row], np.where(pure, 0.0, np.nan))

    def products(self, members: NDArray[np.int32], weights: NDArray[np.float64]) -> list[tuple[str, float]]:
        """Put one row of a decomposition into words.

        Args:
            members: Reference numbers (10,), a row of `Decomposition.members`.
            weights: Atom fractions (10,), the same row of `Decomposition.weights`.

        Returns:
            Formulas and atom fractions, largest fraction first.

        Raises:
            ValueError: Something else than such rows.
        """
        for name, given in (("members", members), ("weights", weights)):
            if not isinstance(given, np.ndarray) or given.ndim != 1:
                raise ValueError(f"{name}={str(given)[:60]!r} must be a row of Decomposition.{name}")
        known = NUM_ELEMENTS + len(self._phases)
        if not np.issubdtype(members.dtype, np.integer) or members.max(initial=0) >= known:
            raise ValueError(f"members={str(members)[:60]!r} must be reference numbers below {known:,}")
        return [(name, weight) for _, weight, name in largest_first(members, weights, self._phases) if weight > 0]

    def _answer(self, queries: Queries, exclude_self: bool, detailed: bool) -> Solution:
        if not exclude_self:
            return self._solve(self._index, queries, None, detailed)
        own, deviation = self._phases.find_own(queries)
        size = np.maximum(queries.formulas.size, 2 * (own >= 0)).astype(np.int16)
        # Only a stable phase is missed when it is taken away; what replaces it was computed once, or is solved here.
        excluded, position, exact, stored, nearly = route(
            own, size, deviation, self._stable_position, EXACT_TOLERANCE, ROUND_OFF
        )
        solution = self._solve(self._index, queries, excluded, detailed)
        if stored:
            rows = np.flatnonzero(exact)
            solution.put(rows, self._without_itself, position[rows])
        if nearly:
            rows = np.flatnonzero((position >= 0) & ~exact)
            phases = (NUM_ELEMENTS + own[rows]).astype(np.int32)
            solution.put(rows, self._solve(self._everything, queries[rows], phases, detailed))
        return solution

    @cached_property
    def _without_itself(self) -> Solution:
        """Each stable phase decomposed without itself, against the whole table: its neighbours need not be stable."""
        queries = Queries.of(self._phases.compositions[self._stable_rows])
        excluded = (NUM_ELEMENTS + self._stable_rows).astype(np.int32)
        return self._solve(self._everything, queries, excluded, True)

    def _solve(
        self, index: PhaseIndex, queries: Queries, excluded: NDArray[np.int32] | None, detailed: bool
    ) -> Solution:
        return solver.solve(index, queries, excluded, detailed=detailed, threads=self.threads)
