"""`Oracle`: everything known or predicted about a batch of compositions, and the count of what was asked.

May import: `matenv.properties`, `matenv.stability`, `matenv.thermo`, `matenv.data`, `matenv.chemistry`,
`matenv.composition`, `matenv.ledger`, `matenv.parallel`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.chemistry import is_charge_neutral, is_electronegativity_balanced
from matenv.composition import CompositionBatch, integer_counts, listed
from matenv.data import Dataset, load_dataset
from matenv.data.neighbours import Neighbours
from matenv.ledger import Ledger
from matenv.parallel import alongside
from matenv.properties import load_predictor
from matenv.properties.own import Normal, Property, check_properties
from matenv.stability import StabilityModel
from matenv.thermo import ConvexHull

if TYPE_CHECKING:
    from matenv.properties import Prediction, Predictor

KNOWN_DISTANCE = 1e-9
"""L1 distance of atom fractions below which two compositions are the same formula (rounding noise only)."""

NOVEL_DISTANCE = 0.05
"""L1 distance within which a known formula on the same or fewer elements makes a candidate a near-copy."""

REFERENCES = ("train", "all")

DEFAULT_PREDICTOR = "default"


@dataclass(frozen=True)
class Assessment:
    """Everything the oracle knows or predicts about a batch of B compositions. Energies in eV/atom at 0 K.

    Attributes:
        compositions: The canonical integer formulas assessed.
        evaluated: Whether the row was within the budget (B,) bool; the rest are unknown, not bad.
        valid: At least two elements, all of which the reference table knows (B,) bool. Rows that are not valid or not
            evaluated hold NaN below, and `p_stable` 0.
        known: The formula is in the reference table (B,) bool.
        novelty_distance: L1 distance to the nearest reference formula on the same or fewer elements (B,).
        mean: Predicted mean of each property (B,), the oracle's own ones included; units in `Oracle.units`.
        std: Predicted standard deviation of each property (B,); 0 for a property of one's own that states none.
        hull_energy: Energy of the cheapest mixture of *other* reference phases, E_comp (B,) [eV/atom].
        decomposition_energy: Formation energy minus `hull_energy`, E_d (B,) [eV/atom]; <= 0 means stable.
        p_stable: Probability that E_d <= 0 (B,); calibrated for ``reference="train"``, conservative for ``"all"``.
        members: What it decomposes into, as numbers (B, 10) that `products` puts into words; -1 where there is none.
        weights: Their atom fractions (B, 10).
        element_potentials: Chemical potentials of `compositions.elements` (B, 10) [eV/atom], NaN where there is none;
            `potentials` spreads them over the alphabet.
    """

    compositions: CompositionBatch
    evaluated: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    known: NDArray[np.bool_]
    novelty_distance: NDArray[np.float64]
    mean: dict[str, NDArray[np.float64]]
    std: dict[str, NDArray[np.float64]]
    hull_energy: NDArray[np.float64]
    decomposition_energy: NDArray[np.float64]
    p_stable: NDArray[np.float64]
    members: NDArray[np.int32]
    weights: NDArray[np.float64]
    element_potentials: NDArray[np.float64]
    _rows: NDArray[np.int64] = field(repr=False)
    _prediction: Prediction | None = field(repr=False)
    _own: dict[str, Normal] = field(repr=False)
    _oracle: Oracle = field(repr=False)

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
    def units(self) -> dict[str, str]:
        """Unit of each property in `mean`."""
        return self._oracle.units

    @property
    def novel(self) -> NDArray[np.bool_]:
        """No reference formula on the same or fewer elements within `NOVEL_DISTANCE` (B,) bool."""
        return self.novelty_distance > NOVEL_DISTANCE

    def prob(self, name: str, low: float | None = None, high: float | None = None) -> NDArray[np.float64]:
        """Calibrated probability that a property lies in a range; 0 where nothing was predicted.

        Args:
            name: Property name, a key of `mean`.
            low: Lower end in the property's unit, or None for an open end.
            high: Upper end, or None.

        Returns:
            (B,) float64 in [0, 1].

        Raises:
            ValueError: A property that is not predicted, an end that is NaN, or low not below high.
        """
        self._check(name)
        result = np.zeros(len(self))
        if name in self._own:
            result[self._rows] = self._own[name].prob(low, high)
        elif self._prediction is not None:
            result[self._rows] = self._prediction.prob(name, low, high)
        return result

    def interval(self, name: str, coverage: float = 0.9) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Central interval that holds a property with a given probability; NaN where nothing was predicted.

        Args:
            name: Property name, a key of `mean`.
            coverage: Probability inside, between 0 and 1.

        Returns:
            Lower and upper ends (B,), in the property's unit.

        Raises:
            ValueError: A property that is not predicted, or a coverage outside (0, 1).
        """
        self._check(name)
        low, high = np.full(len(self), np.nan), np.full(len(self), np.nan)
        if name in self._own:
            low[self._rows], high[self._rows] = self._own[name].interval(coverage)
        elif self._prediction is not None:
            low[self._rows], high[self._rows] = self._prediction.interval(name, coverage)
        return low, high

    def disagreement(self, name: str) -> NDArray[np.float64]:
        """Standard deviation between the predictor's models (B,) in the property's unit; NaN without a prediction."""
        result = np.full(len(self), np.nan)
        if self._prediction is not None:
            result[self._rows] = self._prediction.disagreement(name)
        return result

    def _check(self, name: str) -> None:
        if name not in self.mean:
            raise ValueError(f"name={name!r} is not predicted; this oracle predicts {', '.join(self.mean)}")

    def prob_stable(self, threshold: float = 0.0) -> NDArray[np.float64]:
        """Probability that the decomposition energy is at most `threshold` (eV/atom); 0 where nothing was predicted."""
        result = np.zeros(len(self))
        if self._prediction is not None:
            result[self._rows] = self._oracle.stability.prob(
                self._prediction, self.hull_energy[self._rows], self.compositions.size[self._rows], threshold
            )
        return result

    def products(self, row: int) -> list[tuple[str, float]]:
        """What the composition decomposes into, itself excluded: (formula, atom fraction), largest first.

        Args:
            row: Row number.

        Returns:
            An empty list for rows that are not valid or not evaluated.
        """
        return self._oracle.hull.products(self.members[row], self.weights[row])

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
        """The same for `matenv.is_electronegativity_balanced` (B,) bool: what a task of the regime "ionic" asks."""
        return is_electronegativity_balanced(self.compositions)

    @cached_property
    def dft_formation_energy(self) -> NDArray[np.float64]:
        """The full table's own DFT formation energy (B,) [eV/atom]; NaN for formulas outside it. Never in a reward."""
        return self._oracle.look_up(self.compositions, "formation_energy")

    @cached_property
    def dft_decomposition_energy(self) -> NDArray[np.float64]:
        """The full table's own DFT decomposition energy (B,) [eV/atom]; NaN outside it. Never in a reward."""
        return self._oracle.look_up(self.compositions, "decomposition_energy")


class Oracle:
    """Assesses compositions and counts distinct formulas asked.

    The energy rule: E_d is always the *predicted* formation energy minus the hull of the reference phases without the
    formula itself, for known and unknown formulas alike. A result depends on the composition only, never on what was
    asked before or by whom.

    Args:
        reference: Phases of the hull and of novelty: ``"train"`` (train rows of the `system` split, for benchmarks),
            ``"all"`` (the whole embedded table, for design runs), or a `Dataset` of one's own.
        budget: Most distinct formulas evaluated; later ones are marked unevaluated. None for no limit.
        predictor: A loaded predictor, or the name of one. P(stable) is calibrated for the shipped ones, by name; for
            others the calibration of ``"default"`` stands in (assign `stability` a `StabilityModel` of one's own).
        properties: Properties of one's own (`Property`), predicted beside the built-in ones.
        device: Where the predictor runs: ``"cpu"``, or ``"cuda"`` with the hull on the CPU at the same time.
        judge: This oracle scores candidates that were found otherwise and pays no reward; environments refuse it. Only
            a judge may have a predictor whose role is "gold": one that has seen the labels of held-out rows.

    Attributes:
        hull: The convex hull of the reference phases.
        stability: The calibrated map from predicted energies to P(E_d <= t).
        predictor: The predictor of the built-in properties.
        properties: Those of one's own.

    Raises:
        ValueError: Unknown reference, properties that share a name, a budget below 1, energies of different schemes, or
            a gold predictor without ``judge=True``.

    Examples:
        >>> oracle = Oracle(reference="all")
        >>> a = oracle.assess(["LiFePO4", "NaCl"])
        >>> a.formulas, oracle.calls
        (['LiFePO4', 'NaCl'], 2)
    """

    def __init__(
        self,
        reference: str | Dataset = "train",
        budget: int | None = None,
        *,
        predictor: str | Predictor = DEFAULT_PREDICTOR,
        properties: Iterable[Property] = (),
        device: str = "cpu",
        judge: bool = False,
    ) -> None:
        if budget is not None and not isinstance(budget, int | np.integer):
            raise ValueError(f"budget={budget!r} must be a whole number of formulas, or None for no limit")
        self._ledger = Ledger(budget)
        self.reference = reference if isinstance(reference, str) else reference.name
        self.hull, self._neighbours, self._has_element = (
            _embedded_reference(reference) if isinstance(reference, str) else _index(reference)
        )
        self.predictor = _shared_predictor(predictor, device) if isinstance(predictor, str) else predictor
        self.properties = check_properties(properties)
        self.judge = bool(judge)
        if self.predictor.role == "gold" and not self.judge:
            raise ValueError(
                f"predictor={predictor!r} is a gold predictor: it has seen the labels of held-out rows, so it never "
                "pays a reward; choose 'default' or 'two-family'; pass judge=True to score candidates found otherwise"
            )
        if self.predictor.energy_scheme != self.hull.energy_scheme:
            raise ValueError(
                f"the predictor's energies are {self.predictor.energy_scheme!r} and the hull's "
                f"{self.hull.energy_scheme!r}; energies of different schemes cannot be compared"
            )
        self._elsewhere = self.predictor.device.type != "cpu"
        self.stability = StabilityModel.load(predictor if isinstance(predictor, str) else DEFAULT_PREDICTOR)

    def __deepcopy__(self, memo: dict[int, Any]) -> Oracle:
        """Its own count from here on, the same read-only tables: Gymnasium copies what an environment was made with."""
        twin = copy.copy(self)
        twin._ledger = self._ledger.copy()
        return twin

    @property
    def units(self) -> dict[str, str]:
        """Unit of every property that this oracle predicts, those of one's own last."""
        return {**self.predictor.units, **{own.name: own.unit for own in self.properties}}

    @property
    def calls(self) -> int:
        """Distinct formulas assessed so far."""
        return len(self._ledger)

    @property
    def budget(self) -> int | None:
        """Most distinct formulas this oracle evaluates."""
        return self._ledger.budget

    @property
    def exhausted(self) -> bool:
        """Whether the budget is spent."""
        return self.budget is not None and self.calls >= self.budget

    def history(self) -> CompositionBatch:
        """The distinct formulas assessed, in order of first assessment."""
        return self._ledger.history()

    def assess(self, x: ArrayLike | str | Sequence[str] | CompositionBatch) -> Assessment:
        """Assess a batch.

        Args:
            x: Atom fractions (B, 89) or (89,), a formula, a list or array of formulas, or packed compositions.
                Fractions are first brought to canonical integer form, which everything else is computed from. An empty
                list is an empty batch.

        Returns:
            The `Assessment`, in the given order.

        Raises:
            ValueError: As `listed`, `check_fractions` and `parse` of `matenv.composition`.
        """
        batch = x if isinstance(x, CompositionBatch) else _canonical(x)
        evaluated = self._ledger.register(batch)
        valid = _valid(batch.elements, batch.size, self._has_element)
        rows = np.flatnonzero(valid & evaluated)
        part = batch if len(rows) == len(batch) else batch[rows]
        # The hull is solved here meanwhile, if the predictor runs on another device.
        predict = alongside(partial(self._predict, part)) if self._elsewhere else partial(self._predict, part)
        distance = self._neighbours.nearest(batch)[0][:, 0]
        competing = self.hull.decompose(part, exclude_self=True)
        prediction = predict()

        def spread(values: NDArray | None, empty: float = np.nan) -> NDArray:
            if values is not None and len(rows) == len(batch):
                return values
            full = np.full((len(batch), *(() if values is None else values.shape[1:])), empty)
            if values is not None:
                full = full.astype(values.dtype)
                full[rows] = values
            return full

        mean: dict[str, NDArray[np.float64]] = {}
        std: dict[str, NDArray[np.float64]] = {}
        for name in self.predictor.units:
            mean[name] = spread(None if prediction is None else prediction.mean[name])
            std[name] = spread(None if prediction is None else prediction.std[name])
        own = {each.name: each.of(part) for each in self.properties} if len(part) else {}
        for each in self.properties:
            mean[each.name] = spread(own[each.name].mean if own else None)
            std[each.name] = spread(own[each.name].std if own else None)
        p_stable = None if prediction is None else self.stability.prob(prediction, competing.energy, part.size)
        hull_energy = spread(competing.energy)
        return Assessment(
            compositions=batch,
            evaluated=evaluated,
            valid=valid,
            known=distance < KNOWN_DISTANCE,
            novelty_distance=distance,
            mean=mean,
            std=std,
            hull_energy=hull_energy,
            decomposition_energy=mean["formation_energy"] - hull_energy,
            p_stable=spread(p_stable, 0.0),
            members=spread(competing.members, -1),
            weights=spread(competing.weights, 0.0),
            element_potentials=spread(competing.element_potentials),
            _rows=rows,
            _prediction=prediction,
            _own=own,
            _oracle=self,
        )

    def _predict(self, batch: CompositionBatch) -> Prediction | None:
        return self.predictor.predict_batch(batch) if len(batch) else None

    def look_up(self, batch: CompositionBatch, name: str) -> NDArray[np.float64]:
        """DFT value of each composition in the full embedded table.

        Args:
            batch: Compositions (B).
            name: ``"formation_energy"`` or a label of the table.

        Returns:
            (B,) float64, NaN for formulas outside the table.
        """
        table = load_dataset("mp-ground-states")
        column = table.formation_energy if name == "formation_energy" else table.labels[name]
        distance, rows = _embedded_neighbours().nearest(batch)
        found = (distance[:, 0] < KNOWN_DISTANCE) & (rows[:, 0] >= 0)
        return np.where(found, column[rows[:, 0]], np.nan)


def unique_potentials(element_potentials: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether potentials are the only ones possible, from two arrays of an `Assessment` (B,) bool.

    Args:
        element_potentials: Potentials of a composition's elements (B, 10), NaN where there is none.
        weights: Atom fractions of what it decomposes into (B, 10).

    Returns:
        True where there are as many products as elements; False also where there are no potentials.
    """
    elements = np.isfinite(element_potentials).sum(axis=1)
    return (elements > 0) & ((weights > 0.0).sum(axis=1) == elements)


@njit(cache=True, nogil=True)
def _valid(elements: NDArray[np.int16], size: NDArray[np.int16], has_element: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row (B,) has two or more elements, all of which the reference knows."""
    valid = size >= 2
    for row in range(len(size)):
        for k in range(size[row]):
            valid[row] &= has_element[elements[row, k]]
    return valid


def _canonical(x: ArrayLike | str | Sequence[str]) -> CompositionBatch:
    given = listed(x, "x")
    if isinstance(given, list):
        # Text is exact, so it is not subject to the decoder's cap on atoms.
        return CompositionBatch.from_counts(integer_counts(given))
    return CompositionBatch.from_fractions(given)


def _index(table: Dataset) -> tuple[ConvexHull, Neighbours, NDArray[np.bool_]]:
    present = np.zeros(alphabet.NUM_ELEMENTS, np.bool_)
    present[table.compositions.elements[table.compositions.elements >= 0]] = True
    return ConvexHull.from_dataset(table), Neighbours(table.compositions), present


@lru_cache(maxsize=len(REFERENCES))
def _embedded_reference(reference: str) -> tuple[ConvexHull, Neighbours, NDArray[np.bool_]]:
    if reference not in REFERENCES:
        raise ValueError(f"reference={reference!r} is unknown; choose 'train', 'all' or pass a Dataset")
    table = load_dataset("mp-ground-states")
    return _index(table if reference == "all" else table.subset(table.split("system").train))


@lru_cache(maxsize=4)
def _shared_predictor(name: str, device: str) -> Predictor:
    return load_predictor(name, device=device)


@lru_cache(maxsize=1)
def _embedded_neighbours() -> Neighbours:
    return Neighbours(load_dataset("mp-ground-states").compositions)
