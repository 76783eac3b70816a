"""`Oracle`: everything known or predicted about a batch of compositions, and the count of what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.checks import check_device, check_flag, check_whole
from matenv.compiled.jit import njit
from matenv.compiled.threads import alongside
from matenv.composition import KNOWN_DISTANCE, TOLERANCE, CompositionBatch, check_packed, read_noisy
from matenv.data import Dataset, load_dataset
from matenv.data.neighbours import Neighbours
from matenv.data.novelty import known_formulas
from matenv.oracle.assessment import Assessment
from matenv.oracle.energies import check_energies
from matenv.oracle.found import FoundModel
from matenv.oracle.intervals import IntervalModel
from matenv.oracle.known import look_up
from matenv.oracle.ledger import Ledger
from matenv.oracle.stability import StabilityModel
from matenv.properties import load_predictor
from matenv.properties.element_properties import ELEMENT_PROPERTIES
from matenv.properties.learned import check_properties
from matenv.properties.own import Property
from matenv.thermo import ConvexHull

if TYPE_CHECKING:
    from matenv.properties import Prediction, Predictor
    from matenv.properties.distribution import Distribution

REFERENCES = ("train", "all")

DEFAULT_REFERENCE = "train"

DEFAULT_PREDICTOR = "default"

Screen = Callable[[CompositionBatch], NDArray[np.bool_]]
"""Checks that cost no call: compositions (B) to which pass (B,) bool, such as `matenv.tasks.Task.screen`."""


class Oracle:
    """Assesses compositions and counts distinct formulas asked.

    The energy rule: E_d is always the *predicted* formation energy minus the hull of the reference phases without the
    formula itself, for known and unknown formulas alike. A result depends on the composition only, never on what was
    asked before or by whom.

    Args:
        reference: Phases of the hull: ``"train"`` (train rows of the `system` split, for benchmarks), ``"all"`` (the
            whole embedded table, for design runs), or a `Dataset` of one's own: its energies must be those that the
            predictor learned. If it does not say which they are, they are compared with the embedded table's. What is
            novel is so to the whole embedded table for the first two, to the `Dataset` for the third.
        budget: Most distinct formulas evaluated; later ones are marked unevaluated. None for no limit.
        predictor: A loaded predictor, or the name or path of one, as `load_predictor` takes it. P(stable) is calibrated
            for the shipped ones, by name, and for each of the two hulls; for other predictors the calibration of
            ``"default"`` stands in, for a `Dataset` of one's own that of the hull ``"all"``, as if the table lacked no
            competitor (assign `stability` a `StabilityModel` of one's own).
        properties: Properties predicted beside the built-in ones: one's own (`Property`, or the path of a file as
            `load_property` takes it), or names out of `ELEMENT_PROPERTIES`.
        device: Where the predictor runs: ``"cpu"``, or ``"cuda"`` with the hull on the CPU at the same time.
        judge: This oracle scores candidates that were found otherwise and pays no reward; environments refuse it. Only
            a judge may have a predictor whose role is "gold": one that has seen the labels of held-out rows.

    Attributes:
        hull: The convex hull of the reference phases.
        stability: The calibrated map from predicted energies to P(E_d <= t).
        predictor: The predictor of the built-in properties.
        properties: Those of one's own.
        copied: Whether it is a deep copy, which counts for itself.

    Raises:
        ValueError: Unknown reference, properties that share a name, a budget below 1, energies of different schemes, or
            a gold predictor without ``judge=True``.

    Examples:
        >>> oracle = Oracle(reference="all")
        >>> a = oracle.assess(["LiFePO4", "NaCl"])
        >>> a.formulas, oracle.calls
        (['LiFePO4', 'NaCl'], 2)
    """

    copied = False
    _screen: Screen | None = None

    def __init__(
        self,
        reference: str | Dataset = DEFAULT_REFERENCE,
        budget: int | None = None,
        *,
        predictor: str | Path | Predictor = DEFAULT_PREDICTOR,
        properties: Iterable[Property | str | Path] = (),
        device: str = "cpu",
        judge: bool = False,
    ) -> None:
        if budget is not None:
            budget = check_whole("budget", budget, "formulas, or None for no limit")
        if not isinstance(reference, str | Dataset):
            raise ValueError(f"reference={reference!r} is unknown; choose 'train', 'all' or pass a Dataset")
        check_device(device)
        self._ledger = Ledger(budget)
        self._given = {"reference": reference, "predictor": predictor, "device": device, "judge": judge}
        self.reference = reference if isinstance(reference, str) else reference.name
        self.hull, self._known, self._has_element = (
            _embedded_reference(reference) if isinstance(reference, str) else _own_reference(reference)
        )
        self._found = cache(
            partial(FoundModel.load, reference)
            if isinstance(reference, str)
            else partial(FoundModel.of, reference, self.hull)
        )
        if not isinstance(predictor, str | Path) and not hasattr(predictor, "predict_batch"):
            raise ValueError(f"predictor={predictor!r} must be a name, a path, or what load_predictor returns")
        name = str(predictor) if isinstance(predictor, str | Path) else DEFAULT_PREDICTOR
        self.predictor = _shared_predictor(name, device) if isinstance(predictor, str | Path) else predictor
        self.properties = check_properties(_named(properties))
        self.judge = check_flag("judge", judge)
        if self.predictor.role == "gold" and not self.judge:
            raise ValueError(
                f"predictor={predictor!r} is a gold predictor: it has seen the labels of held-out rows, so it never "
                "pays a reward; choose 'default' or 'two-family'; pass judge=True to score candidates found otherwise"
            )
        if self.predictor.energy_scheme != self.hull.energy_scheme:
            check_energies(reference, self.predictor.energy_scheme)
        self._elsewhere = self.predictor.device.type != "cpu"
        self.stability = self._shipped_stability()
        self._intervals = IntervalModel.load(name, reference if isinstance(reference, str) else "all")

    def __deepcopy__(self, memo: dict[int, Any]) -> Oracle:
        """Its own count from here on, the same read-only tables: Gymnasium copies what an environment was made with."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        twin._ledger = self._ledger.copy()
        twin.copied = True
        return twin

    def anew(self, budget: int | None = None, properties: Iterable[Property | str | Path] | None = None) -> Oracle:
        """One with the same hull and predictor, which are shared, and nothing counted.

        Args:
            budget: As `Oracle`.
            properties: As `Oracle`; None for this one's.

        Returns:
            The oracle.

        Raises:
            ValueError: As `Oracle`.
        """
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        limit = None if budget is None else check_whole("budget", budget, "formulas, or None for no limit")
        twin._ledger, twin.copied, twin._screen = Ledger(limit), False, None
        if properties is not None:
            twin.properties = check_properties(_named(properties))
        return twin

    def screened(self, screen: Screen | None) -> Oracle:
        """This oracle behind checks that cost no call: what fails them is not evaluated, not counted, not predicted.

        Args:
            screen: The checks, in place of any that this oracle is behind; `Task.screen` has those of a task. None for
                none.

        Returns:
            The oracle, which counts in the same ledger.

        Raises:
            ValueError: Not a function.

        Examples:
            >>> from matenv import load_task
            >>> oracle = Oracle(budget=10).screened(load_task("wide-gap-ionic-novel").screen)
            >>> oracle.assess(["MgF2", "Li2MgF3", "Cs3Be2F7"]).evaluated.tolist(), oracle.calls
            ([False, False, True], 1)
        """
        if screen is not None and not callable(screen):
            raise ValueError(f"screen={screen!r} must be a function of compositions, such as Task.screen, or None")
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        twin._screen = screen
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """What it was made with and what it has counted: tables and shipped predictors are loaded again, not sent."""
        calibrated = None if self.stability is self._shipped_stability() else self.stability
        return _made_again, (self._given, self.properties, self._ledger, calibrated, self._screen)

    def arguments(self) -> dict[str, Any]:
        """The arguments that make such an oracle, names and numbers only, as JSON holds them.

        Returns:
            ``Oracle(**arguments)`` is one with the same budget, and nothing counted.

        Raises:
            ValueError: It was made with a table, a predictor or properties of one's own, which no name stands for.
        """
        own = [each.name for each in self.properties if ELEMENT_PROPERTIES.get(each.name) != each]
        objects = [name for name, value in self._given.items() if not isinstance(value, str | Path | bool)]
        objects += ["screen"] if self._screen is not None else []
        if own or objects or self.stability is not self._shipped_stability():
            what = ", ".join((*objects, *(f"property {name!r}" for name in own))) or "stability"
            raise ValueError(
                f"oracle holds objects that no name stands for ({what}); only names can be written as JSON"
            )
        given = self._given | {"predictor": str(self._given["predictor"]), "budget": self.budget}
        return given | {"properties": [each.name for each in self.properties]}

    def _shipped_stability(self) -> StabilityModel:
        """The map that its arguments choose."""
        reference, predictor = self._given["reference"], self._given["predictor"]
        name = str(predictor) if isinstance(predictor, str | Path) else DEFAULT_PREDICTOR
        return StabilityModel.load(name, reference if isinstance(reference, str) else "all")

    @property
    def found(self) -> FoundModel:
        """The model of p_found over the phases of the reference; made when first asked for."""
        return self._found()

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

    def recall(self, formulas: CompositionBatch) -> None:
        """Count these formulas as asked, in this order, in place of what has been counted so far.

        Args:
            formulas: What `history` returned, of this oracle or of the one whose work goes on.
        """
        check_packed("formulas", formulas)
        self._ledger = Ledger.of(formulas, self.budget)

    look_up = staticmethod(look_up)

    def assess(self, x: ArrayLike | str | Sequence[str] | CompositionBatch) -> Assessment:
        """Assess a batch.

        Args:
            x: Atom fractions (B, 89) or (89,), a formula, a list or array of formulas, or packed compositions.
                Fractions are first brought to canonical integer form (`matenv.composition.read_noisy`), which
                everything else is computed from; `Assessment.rounding` says what that changed. An empty list is an
                empty batch; an empty composition of a packed batch, such as a decoder gives, is invalid.

        Returns:
            The `Assessment`, in the given order.

        Raises:
            ValueError: As `listed`, `check_fractions` and `parse` of `matenv.composition`.
        """
        batch, rounding = read_noisy(x, "x")
        return self._assess(batch, self._register(batch), rounding)

    def _register(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """Enter what passes the free checks in the ledger; whether each row is evaluated (B,) bool."""
        if self._screen is None:
            return self._ledger.register(batch)
        evaluated = self._screen(batch)
        rows = np.flatnonzero(evaluated)
        evaluated[rows] = self._ledger.register(batch[rows])
        return evaluated

    def _assess(
        self, batch: CompositionBatch, evaluated: NDArray[np.bool_], rounding: NDArray[np.float64]
    ) -> Assessment:
        valid = _valid(batch.elements, batch.size, self._has_element)
        rows = np.flatnonzero(valid & evaluated)
        part = batch if len(rows) == len(batch) else batch[rows]
        # The hull is solved here meanwhile, if the predictor runs on another device.
        predict = alongside(partial(self._predict, part)) if self._elsewhere else partial(self._predict, part)
        distances, nearest_rows = self._known.neighbours.nearest(batch)
        distance, nearest = distances[:, 0], nearest_rows[:, 0]
        same, meant = distance < KNOWN_DISTANCE, rounding <= TOLERANCE
        competing = self.hull.decompose(part, exclude_self=True)
        prediction = predict()

        said: dict[str, Distribution] = {**prediction.by_name, **{own.name: own.of(part) for own in self.properties}}
        competitors = (competing.energy, competing.members, competing.weights)
        p_stable = self.stability.prob(said["formation_energy"], part, *competitors)

        def spread(values: NDArray, empty: float = np.nan) -> NDArray:
            if len(rows) == len(batch):
                return values
            full = np.full((len(batch), *values.shape[1:]), empty, values.dtype)
            full[rows] = values
            return full

        mean = {name: spread(each.mean) for name, each in said.items()}
        hull_energy = spread(competing.energy)
        return Assessment(
            compositions=batch,
            rounding=rounding,
            evaluated=evaluated,
            valid=valid,
            known=same & meant & self._known.referenced[nearest],
            rediscovered=same & meant & self._known.held_out[nearest],
            novelty_distance=distance,
            mean=mean,
            std={name: spread(each.std) for name, each in said.items()},
            hull_energy=hull_energy,
            decomposition_energy=mean["formation_energy"] - hull_energy,
            p_stable=spread(p_stable, 0.0),
            members=spread(competing.members, -1),
            weights=spread(competing.weights, 0.0),
            element_potentials=spread(competing.element_potentials),
            units=self.units,
            _rows=rows,
            _said=said,
            _hull=self.hull,
            _stability=self.stability,
            _found=self._found,
            _intervals=self._intervals,
            _others=lambda others: self._assess(others, np.ones(len(others), np.bool_), np.zeros(len(others))),
        )

    def _predict(self, batch: CompositionBatch) -> Prediction:
        return self.predictor.predict_batch(batch)


def _named(properties: Iterable[Property | str | Path]) -> Any:
    """Those that ship, given by name, in place of their names; `check_properties` judges the rest."""
    if isinstance(properties, Property | str | Path) or not isinstance(properties, Iterable):
        return properties
    return [ELEMENT_PROPERTIES.get(each, each) if isinstance(each, str) else each for each in properties]


def _made_again(
    given: dict[str, Any],
    properties: tuple[Property, ...],
    ledger: Ledger,
    stability: StabilityModel | None,
    screen: Screen | None,
) -> Oracle:
    """The oracle that `Oracle.__reduce__` describes."""
    oracle = Oracle(**given, properties=properties)
    oracle._ledger = ledger
    if stability is not None:
        oracle.stability = stability
    return oracle if screen is None else oracle.screened(screen)


@njit(cache=True, nogil=True)
def _valid(elements: NDArray[np.int16], size: NDArray[np.int16], has_element: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row (B,) has two or more elements, all of which the reference knows."""
    valid = size >= 2
    for row in range(len(size)):
        for k in range(size[row]):
            valid[row] &= has_element[elements[row, k]]
    return valid


class _Known(NamedTuple):
    """Known formulas, and for each row of them, and for pure elements last (N + 1,), what a match means."""

    neighbours: Neighbours
    referenced: NDArray[np.bool_]
    held_out: NDArray[np.bool_]


Reference = tuple[ConvexHull, _Known, NDArray[np.bool_]]
"""The hull of the reference, what is known, and which elements (89,) the reference has."""


def _own_reference(table: Dataset) -> Reference:
    everything = np.ones(len(table) + 1, np.bool_)
    return (
        ConvexHull.from_dataset(table),
        _Known(Neighbours(table.compositions), everything, ~everything),
        _present(table),
    )


@lru_cache(maxsize=len(REFERENCES))
def _embedded_reference(reference: str) -> Reference:
    if reference not in REFERENCES:
        raise ValueError(f"reference={reference!r} is unknown; choose 'train', 'all' or pass a Dataset")
    table, neighbours = load_dataset("mp-ground-states"), known_formulas()
    rows = np.arange(len(table)) if reference == "all" else table.split("system").train
    referenced, held_out = np.zeros((2, len(neighbours) + 1), np.bool_)
    held_out[: len(table)] = True
    referenced[rows], held_out[rows] = True, False
    referenced[-1] = True  # pure elements
    part = table.subset(rows)
    return ConvexHull.from_dataset(part), _Known(neighbours, referenced, held_out), _present(part)


def _present(table: Dataset) -> NDArray[np.bool_]:
    """Elements that occur in a table (89,) bool."""
    present = np.zeros(alphabet.NUM_ELEMENTS, np.bool_)
    present[table.compositions.elements[table.compositions.elements >= 0]] = True
    return present


@lru_cache(maxsize=4)
def _shared_predictor(name: str, device: str) -> Predictor:
    return load_predictor(name, device=device)
