"""`Assessment`: what the oracle says about a batch of compositions, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_flag, check_number, check_real, check_row
from matenv.chemistry import is_charge_neutral, is_electronegativity_balanced
from matenv.composition import CompositionBatch, check_packed
from matenv.data.novelty import NOVEL_DISTANCE
from matenv.oracle.intervals import IntervalModel
from matenv.oracle.known import look_up
from matenv.oracle.reactions import ROUND_OFF, onset, reaction_energy
from matenv.oracle.stability import StabilityModel
from matenv.properties.learned import check_properties
from matenv.properties.own import Property

if TYPE_CHECKING:
    from matenv.oracle.found import FoundModel
    from matenv.properties.distribution import Distribution, Hurdle
    from matenv.thermo import ConvexHull


MEASURED_GAP = "band_gap_expt"
"""The band gap whose intervals know nothing of a committee's caution."""


@dataclass(frozen=True)
class Assessment:
    """Everything the oracle knows or predicts about a batch of B compositions. Energies in eV/atom at 0 K.

    Attributes:
        compositions: The canonical integer formulas assessed.
        rounding: Largest difference (B,) between their atom fractions and those given; above
            `matenv.composition.TOLERANCE` another composition was assessed than the one given, and it does not count as
            known or rediscovered.
        evaluated: Whether the row was within the budget (B,) bool; the rest are unknown, not bad.
        valid: At least two elements, all of which the reference table knows (B,) bool. Rows that are not valid or not
            evaluated hold NaN below, and `p_stable` 0.
        known: The formula is in the reference table (B,) bool.
        rediscovered: It is in the whole embedded table, but not in the reference: held out (B,) bool.
        novelty_distance: L1 distance to the nearest known formula on the same or fewer elements (B,); known are all
            Materials Project formulas that ship, whatever part of them the reference is.
        mean: Predicted mean of each property (B,), the oracle's own ones included.
        std: Predicted standard deviation of each property (B,); 0 for a property of one's own that states none.
        hull_energy: Energy of the cheapest mixture of *other* reference phases, E_comp (B,) [eV/atom].
        decomposition_energy: Formation energy minus `hull_energy`, E_d (B,) [eV/atom]; <= 0 means stable.
        p_stable: Probability that E_d <= 0 (B,), calibrated for the hull of the reference.
        members: What it decomposes into, as numbers (B, 10) that `products` puts into words; -1 where there is none.
        weights: Their atom fractions (B, 10).
        element_potentials: Chemical potentials of `compositions.elements` (B, 10) [eV/atom], NaN where there is none;
            `potentials` spreads them over the alphabet.
        units: Unit of each property in `mean`.
    """

    compositions: CompositionBatch
    rounding: NDArray[np.float64]
    evaluated: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    known: NDArray[np.bool_]
    rediscovered: NDArray[np.bool_]
    novelty_distance: NDArray[np.float64]
    mean: dict[str, NDArray[np.float64]]
    std: dict[str, NDArray[np.float64]]
    hull_energy: NDArray[np.float64]
    decomposition_energy: NDArray[np.float64]
    p_stable: NDArray[np.float64]
    members: NDArray[np.int32]
    weights: NDArray[np.float64]
    element_potentials: NDArray[np.float64]
    units: dict[str, str]
    # Rows that are valid and evaluated (R,), and what is said of them.
    _rows: NDArray[np.int64] = field(repr=False)
    _said: Mapping[str, Distribution] = field(repr=False)
    _hull: ConvexHull = field(repr=False)
    _stability: StabilityModel = field(repr=False)
    _found: Callable[[], FoundModel] = field(repr=False)
    _intervals: IntervalModel = field(repr=False)
    _others: Callable[[CompositionBatch], Assessment] = field(repr=False)

    def __len__(self) -> int:
        return len(self.valid)

    @cached_property
    def formulas(self) -> list[str]:
        """Reduced formulas (B,)."""
        return self.compositions.formulas()

    @cached_property
    def fractions(self) -> NDArray[np.float64]:
        """Atom fractions (B, 89)."""
        return self.compositions.fractions()

    @property
    def novel(self) -> NDArray[np.bool_]:
        """No known formula on the same or fewer elements within `NOVEL_DISTANCE` (B,) bool."""
        return self.novelty_distance > NOVEL_DISTANCE

    def prob(self, name: str, low: ArrayLike | None = None, high: ArrayLike | None = None) -> NDArray[np.float64]:
        """Calibrated probability that a property lies in a range; 0 where nothing was predicted.

        Args:
            name: Property name, a key of `mean`.
            low: Lower end in the property's unit, one for all rows or one each (B,), or None for an open end.
            high: Upper end likewise.

        Returns:
            (B,) float64 in [0, 1].

        Raises:
            ValueError: A property that is not predicted, an end that is NaN, or low not below high.
        """
        result = np.zeros(len(self))
        ends = (self._end("low", low), self._end("high", high))
        result[self._rows] = self._of(name).prob(*ends)
        return result

    def interval(self, name: str, coverage: float = 0.9) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Central interval that holds a property with a given probability; NaN where nothing was predicted.

        Those of both energies are also told the predicted E_d, which the predictor does not know, and a measured gap's
        leaves out the caution of a committee, which is for searches (`oracle.intervals`).

        Args:
            name: Property name, a key of `mean`, or ``"decomposition_energy"``.
            coverage: Probability inside, between 0 and 1.

        Returns:
            Lower and upper ends (B,), in the property's unit.

        Raises:
            ValueError: A property that is not predicted, or a coverage outside (0, 1).
        """
        low, high, rows = np.full(len(self), np.nan), np.full(len(self), np.nan), self._rows
        if not isinstance(name, str) or name not in ("formation_energy", "decomposition_energy"):
            said = self._gap(name) if isinstance(name, str) and name == MEASURED_GAP else self._of(name)
            low[rows], high[rows] = said.interval(coverage)
            return low, high
        energy, size = self._of("formation_energy"), self.compositions.size[rows]
        below, above = self._intervals.factors(self.decomposition_energy[rows], energy.disagreement(), size)
        lower, upper = energy.interval(coverage)
        centre = energy.mean - (self.hull_energy[rows] if name == "decomposition_energy" else 0.0)
        low[rows], high[rows] = centre - below * (energy.mean - lower), centre + above * (upper - energy.mean)
        return low, high

    def p_metal(self, name: str = "band_gap_expt") -> NDArray[np.float64]:
        """Probability that a band gap is exactly 0 (B,); NaN where nothing was predicted.

        Args:
            name: ``"band_gap_expt"`` or ``"band_gap_pbe"``.

        Raises:
            ValueError: No band gap, or one that is not predicted.
        """
        result = np.full(len(self), np.nan)
        result[self._rows] = self._gap(name).p_metal
        return result

    def gap_if_no_metal(
        self, name: str = "band_gap_expt", coverage: float = 0.9
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """A band gap given that there is one, beside `p_metal`; NaN where nothing was predicted.

        Args:
            name: As `p_metal`.
            coverage: Probability inside the interval, between 0 and 1.

        Returns:
            Median, lower and upper end (B,) [eV].

        Raises:
            ValueError: As `p_metal`, or a coverage outside (0, 1).
        """
        result = np.full((3, len(self)), np.nan)
        result[:, self._rows] = self._gap(name).if_no_metal(coverage)
        return result[0], result[1], result[2]

    def disagreement(self, name: str) -> NDArray[np.float64]:
        """Standard deviation between the predictor's models (B,) in the property's unit.

        NaN without a prediction, and for a property of one's own, which has but one model.
        """
        result = np.full(len(self), np.nan)
        result[self._rows] = self._of(name).disagreement()
        return result

    def prob_stable(self, threshold: float = 0.0) -> NDArray[np.float64]:
        """Probability that the decomposition energy is at most `threshold` (eV/atom); 0 where nothing was predicted.

        Raises:
            ValueError: A threshold that is no finite number.
        """
        check_number("threshold", threshold, -np.inf, np.inf, "a number of eV/atom, such as 0.05")
        result, rows = np.zeros(len(self)), self._rows
        competitors = (self.hull_energy[rows], self.members[rows], self.weights[rows])
        result[rows] = self._stability.prob(
            self._said["formation_energy"], self.compositions[rows], *competitors, threshold
        )
        return result

    def reaction_energy(self, environment: str | Mapping[str, float]) -> NDArray[np.float64]:
        """Energy of the reaction with a reservoir: negative for a formula that reacts.

        Args:
            environment: A name as `matenv.thermo.reservoirs.potentials_of` takes it, such as ``"Li"``, ``"water"`` or
                ``"air"``; or chemical potentials by element [eV/atom].

        Returns:
            (B,) eV per atom of the formula; 0 for a formula that is a product itself, positive for one predicted to lie
            below the hull. By DFT energies for formulas of the reference table, else by predicted means; NaN where
            nothing was predicted, and for a formula of the reservoir's elements only.

        Raises:
            ValueError: As `ConvexHull.open_to` or `potentials_of`.
        """
        result = np.full(len(self), np.nan)
        part, rows = self.compositions[self._rows], self._rows
        result[rows] = reaction_energy(self._hull, part, self.mean["formation_energy"][rows], environment)
        return result

    def prob_no_reaction(self, environment: str | Mapping[str, float], tolerance: float = 0.0) -> NDArray[np.float64]:
        """Probability that the reaction with a reservoir gains no more than a tolerance.

        Args:
            environment: As `reaction_energy`.
            tolerance: eV per atom of the formula.

        Returns:
            (B,): 0 or 1 for formulas of the reference table, by DFT; 0 where nothing was predicted.

        Raises:
            ValueError: As `reaction_energy`.
        """
        check_number("tolerance", tolerance, -np.inf, np.inf, "a number of eV/atom, such as 0.05")
        result = np.zeros(len(self))
        part = self.compositions[self._rows]
        highest = onset(self._hull, part, environment) + tolerance + ROUND_OFF
        known = self._hull.known_energy(part)
        predicted = self._said["formation_energy"].cdf(np.nan_to_num(highest, nan=-np.inf))
        result[self._rows] = np.where(np.isnan(known), predicted, known <= highest)
        return result

    def window(self, ion: str = "Li") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Electrochemical window against a metal, as `ConvexHull.window`, by the predicted formation energies.

        Args:
            ion: The element.

        Returns:
            Reduction and oxidation onset (B,) [V]; NaN where nothing was predicted.

        Raises:
            ValueError: As `ConvexHull.window`.
        """
        ends, rows = np.full((2, len(self)), np.nan), self._rows
        if len(rows):
            ends[:, rows] = self._hull.window(self.compositions[rows], ion, self.mean["formation_energy"][rows])
        return ends[0], ends[1]

    def others(self, batch: CompositionBatch) -> Assessment:
        """What the same oracle says about other compositions that an objective needs, such as a delithiated host.

        They are no proposals, so they do not count as calls.

        Args:
            batch: Compositions of one's choice.

        Returns:
            Their assessment.

        Raises:
            ValueError: Something else than packed compositions.
        """
        check_packed("batch", batch)
        return self._others(batch)

    def also(self, properties: Iterable[Property]) -> Assessment:
        """The same with properties of one's own that the oracle was not made with; those it has are left alone.

        Args:
            properties: The properties.

        Returns:
            A new assessment.
        """
        added = [each for each in check_properties(properties) if each.name not in self._said]
        said = {each.name: each.of(self.compositions[self._rows]) for each in added}
        mean, std = dict(self.mean), dict(self.std)
        for name, distribution in said.items():
            for column, values in ((mean, distribution.mean), (std, distribution.std)):
                column[name] = np.full(len(self), np.nan)
                column[name][self._rows] = values
        units = self.units | {each.name: each.unit for each in added}
        return replace(self, mean=mean, std=std, units=units, _said={**self._said, **said})

    def _end(self, name: str, end: ArrayLike | None) -> ArrayLike | None:
        """An end of a range for the rows that something is said of."""
        if end is None:
            return None
        given = check_real(name, end, f"a number, one for each of the {len(self)} rows, or None for an open end")
        if given.shape not in ((), (len(self),)):
            raise ValueError(f"{name} has shape {given.shape}; expected a number or ({len(self)},), one per row")
        return given if given.ndim == 0 else given[self._rows]

    def _of(self, name: str) -> Distribution:
        if not isinstance(name, str) or name not in self._said:
            raise ValueError(f"name={name!r} is not predicted; this oracle predicts {', '.join(self._said)}")
        return self._said[name]

    def _gap(self, name: str) -> Hurdle:
        from matenv.properties.distribution import Hurdle  # needs torch

        found = self._of(name)
        if not isinstance(found, Hurdle):
            raise ValueError(f"name={name!r} is no band gap; choose 'band_gap_expt' or 'band_gap_pbe'")
        caution = self._intervals.caution
        return found.without_caution(caution) if name == MEASURED_GAP and caution != 1.0 else found

    @cached_property
    def p_found(self) -> NDArray[np.float64]:
        """P(a stable phase | one of all compositions of its chemical system) (B,); 0 where nothing was predicted.

        What P(stable) leaves open: of thousands of compositions of a system a handful are stable, and hardly any has
        been computed by chance. It rests on chemical relatives, stoichiometry, valences and P(stable);
        `matenv.oracle.found` says how. Worked out when asked.
        """
        return self.prob_found()

    def prob_found(self, thorough: bool = False) -> NDArray[np.float64]:
        """As `p_found`.

        Args:
            thorough: Weigh compounds with any number of elements exchanged: better, and a thousand times as slow; for
                tables of candidates and explanations.

        Returns:
            (B,) float64 in [0, 1).

        Raises:
            ValueError: `thorough` is neither True nor False.
        """
        check_flag("thorough", thorough)
        result = np.zeros(len(self))
        if len(self._rows):
            result[self._rows] = self._found().prob(self.compositions[self._rows], self.p_stable[self._rows], thorough)
        return result

    def products(self, row: int) -> list[tuple[str, float]]:
        """What the composition decomposes into, itself excluded: (formula, atom fraction), largest first.

        Args:
            row: Row number.

        Returns:
            An empty list for rows that are not valid or not evaluated.
        """
        check_row("row", row, len(self))
        return self._hull.products(self.members[row], self.weights[row])

    @cached_property
    def potentials(self) -> NDArray[np.float64]:
        """Chemical potentials (B, 89) [eV/atom, against the elements] where each composition's competitors meet.

        Their sum, weighted by the atom fractions, is `hull_energy`: the composition is stable if its energy lies below.
        NaN for elements not in the composition, and in rows that are not valid or not evaluated.
        """
        return self.compositions.scatter(self.element_potentials, np.nan)

    @cached_property
    def potentials_unique(self) -> NDArray[np.bool_]:
        """Whether there is but one choice of `potentials` (B,) bool: as many products as elements; else one of many."""
        return unique_potentials(self.element_potentials, self.weights)

    @cached_property
    def charge_neutral(self) -> NDArray[np.bool_]:
        """Neutral by the rules of `matenv.is_charge_neutral`, metals not exempt (B,) bool; worked out when asked."""
        return is_charge_neutral(self.compositions)

    @cached_property
    def electronegativity_balanced(self) -> NDArray[np.bool_]:
        """The same for `matenv.is_electronegativity_balanced` (B,) bool; ionic tasks ask for common states besides."""
        return is_electronegativity_balanced(self.compositions)

    @cached_property
    def dft_formation_energy(self) -> NDArray[np.float64]:
        """The full table's own DFT formation energy (B,) [eV/atom]; NaN for formulas outside it. Never in a reward."""
        return look_up(self.compositions, "formation_energy")

    @cached_property
    def dft_decomposition_energy(self) -> NDArray[np.float64]:
        """The full table's own DFT decomposition energy (B,) [eV/atom]; NaN outside it. Never in a reward."""
        return look_up(self.compositions, "decomposition_energy")


def unique_potentials(element_potentials: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether potentials are the only ones possible, from two arrays of an `Assessment` (B,) bool.

    Args:
        element_potentials: Potentials of a composition's elements (B, 10), NaN where there is none.
        weights: Atom fractions of what it decomposes into (B, 10).

    Returns:
        True where there are as many products as elements; False also where there are no potentials.

    Raises:
        ValueError: Arrays that do not fit each other.
    """
    for name, given in (("weights", weights), ("element_potentials", element_potentials)):
        fits = isinstance(given, np.ndarray) and given.dtype.kind == "f" and given.ndim == 2
        if not fits or given.shape != weights.shape:
            raise ValueError(f"{name}={str(given)[:60]!r} must be the numbers (B, 10) of an Assessment's {name}")
    elements = np.isfinite(element_potentials).sum(axis=1)
    return (elements > 0) & ((weights > 0.0).sum(axis=1) == elements)
