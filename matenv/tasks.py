"""Tasks: a `Task` turns an `Assessment` into a score in [0, 1] with named parts, and a success flag.

score = utility x viability x validity. A product, not a weighted sum: a sum lets a good property buy off viability.

May import: `matenv.oracle`, `matenv.data`, `matenv.composition`, `matenv.elements`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Protocol, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data.dataset import UNITS
from matenv.oracle import Assessment

TOO_GOOD: dict[int, float] = {3: -0.62, 4: -0.29, 5: -0.16, 6: -0.13}
"""0.1 % quantile of E_d over the table's stable rows by number of elements [eV/atom]: predictions below are suspect."""

TAPER_WIDTH = 0.05
"""eV/atom over which viability falls to zero below `TOO_GOOD`."""

PREDICTED = tuple(name for name in UNITS if name != "decomposition_energy")
"""Properties a wish may be about."""

Regime = Literal["any", "ionic"]
"""What chemistry a task is about; see `Task`."""

_TOO_GOOD = np.array([TOO_GOOD.get(n, -np.inf) if n <= 6 else TOO_GOOD[6] for n in range(11)])


class Objective(Protocol):
    """One wish about a property: a utility in [0, 1] per row."""

    @property
    def name(self) -> str:
        """Name of the part in `TaskScore.terms`."""

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,); 0 where nothing was predicted."""


@dataclass(frozen=True)
class Ramp:
    """More is better: utility rises linearly from 0 at `low` to 1 at `high` of the predicted mean.

    With `low` > `high` less is better.

    Attributes:
        property_name: Name of the predicted property.
        low: Value with utility 0, in the property's unit.
        high: Value with utility 1.
    """

    property_name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the property and the ends."""
        _check_property(self.property_name)
        if not (np.isfinite(self.low) and np.isfinite(self.high)) or self.low == self.high:
            raise ValueError(
                f"Ramp({self.property_name!r}): low={self.low}, high={self.high} must differ and be finite"
            )

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.property_name

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,)."""
        return _ramp(assessment.mean[self.property_name], float(self.low), float(self.high))


@dataclass(frozen=True)
class Window:
    """Inside a range: utility is the calibrated probability that the property lies there.

    A distribution, not a bare mean: the property's own error is usually wider than the window one would wish for.

    Attributes:
        property_name: Name of the predicted property.
        low: Lower end in the property's unit, or None.
        high: Upper end, or None.
    """

    property_name: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Check the property and the ends."""
        _check_property(self.property_name)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        if not low < high:
            raise ValueError(f"Window({self.property_name!r}): low={self.low} must lie below high={self.high}")

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.property_name

    def utility(self, assessment: Assessment) -> NDArray[np.float64]:
        """Utility of each row (B,)."""
        return assessment.prob(self.property_name, self.low, self.high)


@dataclass(frozen=True)
class TaskScore:
    """Scores of a batch.

    Attributes:
        score: utility x viability x validity, (B,) in [0, 1].
        terms: The factors and each objective's utility by name, (B,) each.
        success: Utility, viability and validity all reached, by the predictor in use, (B,) bool.
    """

    score: NDArray[np.float64]
    terms: dict[str, NDArray[np.float64]]
    success: NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """What is asked for.

    Attributes:
        name: Name in the registry.
        description: One sentence.
        objectives: Wishes, multiplied.
        novel: Only candidates that are no near-copy of a reference formula score.
        min_elements: Fewest elements (a pure element or a solid solution is a trivial optimum).
        max_elements: Most elements.
        max_atoms: Most atoms per reduced formula unit.
        max_count: Largest count of one element in it.
        elements: If given, the only elements allowed.
        exclude: Elements never allowed; by default the radioactive ones whose sparse hulls flatter a candidate.
        success_utility: Utility from which the target counts as met; P(stable) must be at least 0.5 besides.
        regime: ``"any"``: oxidation states do not matter. ``"ionic"``: a formula is valid only if it is
            electronegativity-balanced (`matenv.is_electronegativity_balanced`, metals not exempt, one oxidation state
            per element), so metals without an anion score 0.
    """

    name: str
    description: str
    objectives: tuple[Objective, ...]
    novel: bool = False
    min_elements: int = 2
    max_elements: int = 6
    max_atoms: int = 20
    max_count: int = 12
    elements: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = field(default=alphabet.MASKED_BY_DEFAULT)
    success_utility: float = 0.5
    regime: Regime = "any"

    def __post_init__(self) -> None:
        """Check the limits and the element lists."""
        if not 1 <= self.min_elements <= self.max_elements <= 10:
            raise ValueError(
                f"min_elements={self.min_elements}, max_elements={self.max_elements}: need 1 <= min <= max <= 10"
            )
        names = [objective.name for objective in self.objectives]
        if len(set(names)) < len(names):
            raise ValueError(
                f"objectives {names} must have distinct names; join two wishes on one property in a Window"
            )
        if not 0 <= self.success_utility <= 1:
            raise ValueError(f"success_utility={self.success_utility} must lie in [0, 1]")
        if self.regime not in get_args(Regime):
            raise ValueError(f"regime={self.regime!r} is unknown; choose one of {', '.join(get_args(Regime))}")
        for parameter in ("max_atoms", "max_count"):
            if not getattr(self, parameter) >= 1:
                raise ValueError(f"{parameter}={getattr(self, parameter)} must be at least 1")
        for parameter in ("elements", "exclude"):
            symbols = getattr(self, parameter)
            if symbols is None:
                continue
            alphabet.positions(symbols, parameter)
            absent = [symbol for symbol in symbols if symbol in alphabet.ABSENT]
            if absent and parameter == "elements":
                raise ValueError(f"elements holds {absent}: the embedded data know no compound of {', '.join(absent)}")
        if self.elements is not None and int(self.allowed.sum()) < self.min_elements:
            raise ValueError(
                f"elements={list(self.elements)} without exclude={list(self.exclude)} leaves fewer than "
                f"min_elements={self.min_elements} elements to use"
            )

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Which elements may be used (89,) bool in alphabet order."""
        mask = np.ones(alphabet.NUM_ELEMENTS, np.bool_)
        if self.elements is not None:
            mask[:] = False
            mask[alphabet.positions(self.elements)] = True
        mask[alphabet.positions((*self.exclude, *alphabet.ABSENT))] = False
        return mask

    def allows(self, batch: CompositionBatch) -> NDArray[np.bool_]:
        """Whether each composition obeys the task's rules on elements and counts (B,) bool."""
        return _obeys(
            batch.elements, batch.counts, batch.size, self.allowed,
            self.min_elements, self.max_elements, self.max_atoms, self.max_count,
        )  # fmt: skip

    def score(self, assessment: Assessment) -> TaskScore:
        """Score a batch.

        Args:
            assessment: What the oracle says about B compositions.

        Returns:
            The scores and their parts; rows beyond the oracle's budget score 0.
        """
        validity = self.allows(assessment.compositions) & assessment.valid & assessment.evaluated
        if self.regime == "ionic":
            validity = validity & assessment.electronegativity_balanced
        viability = viability_of(assessment)
        terms = {objective.name: objective.utility(assessment) for objective in self.objectives}
        utility = np.ones(len(assessment))
        for term in terms.values():
            utility = utility * term
        if self.novel:
            utility = utility * assessment.novel
        score = utility * viability * validity
        success = validity & (utility >= self.success_utility) & (assessment.p_stable >= 0.5)
        terms |= {"utility": utility, "viability": viability, "validity": validity.astype(np.float64)}
        return TaskScore(score, terms, success)


def _check_property(name: str) -> None:
    if name not in PREDICTED:
        raise ValueError(f"property_name={name!r} is not predicted; choose one of {', '.join(PREDICTED)}")


def viability_of(assessment: Assessment) -> NDArray[np.float64]:
    """Thermodynamic viability: calibrated P(stable), tapered where the prediction is too good to be true.

    Args:
        assessment: What the oracle says about B compositions.

    Returns:
        (B,) in [0, 1]; 0 where nothing was predicted.
    """
    return _viability(
        assessment.p_stable, assessment.decomposition_energy, assessment.compositions.size, _TOO_GOOD, TAPER_WIDTH
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _ramp(value: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """0 at `low`, 1 at `high`, linear between and flat beyond (B,); 0 for NaN."""
    share = np.zeros(len(value))
    for row in range(len(value)):
        if not math.isnan(value[row]):
            share[row] = min(max((value[row] - low) / (high - low), 0.0), 1.0)
    return share


@njit(cache=True, nogil=True)
def _obeys(
    elements: NDArray[np.int16],
    counts: NDArray[np.int32],
    size: NDArray[np.int16],
    allowed: NDArray[np.bool_],
    min_elements: int,
    max_elements: int,
    max_atoms: int,
    max_count: int,
) -> NDArray[np.bool_]:
    """Whether each packed composition (B, 10) obeys a task's rules (B,)."""
    obeys = (size >= min_elements) & (size <= max_elements)
    for row in range(len(size)):
        atoms = 0
        for k in range(size[row]):
            atoms += counts[row, k]
            obeys[row] &= allowed[elements[row, k]] and counts[row, k] <= max_count
        obeys[row] &= atoms <= max_atoms
    return obeys


@njit(cache=True, nogil=True, error_model="numpy")
def _viability(
    p_stable: NDArray[np.float64],
    decomposition_energy: NDArray[np.float64],
    size: NDArray[np.int16],
    too_good: NDArray[np.float64],
    width: float,
) -> NDArray[np.float64]:
    """P(stable) times a normal step of `width` at the limit for the number of elements (B,); 0 for NaN."""
    viability = np.zeros(len(size))
    for row in range(len(size)):
        t = (decomposition_energy[row] - too_good[size[row]]) / width
        if not math.isnan(t):
            viability[row] = p_stable[row] * 0.5 * math.erfc(-t / math.sqrt(2.0))
    return viability


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "stiff-stable",
            "Stiff and stable: predicted log10 bulk modulus from 1.2 (16 GPa) to 2.6 (398 GPa), times P(stable).",
            (Ramp("log10_bulk_modulus", 1.2, 2.6),),
            success_utility=(np.log10(200.0) - 1.2) / 1.4,  # 200 GPa
        ),
        Task(
            "wide-gap-novel",
            "A new wide-gap insulator: P(PBE gap >= 5 eV) times P(stable), no near-copy of a known formula.",
            (Window("band_gap_pbe", low=5.0),),
            novel=True,
        ),
        Task(
            "wide-gap-ionic-novel",
            "The same among ionic compounds: oxidation states must balance, cations less electronegative than anions.",
            (Window("band_gap_pbe", low=5.0),),
            novel=True,
            regime="ionic",
        ),
        Task(
            "stiff-semiconductor-novel",
            "A new stiff semiconductor: P(PBE gap 1-2 eV) times the bulk-modulus ramp 32-250 GPa, times P(stable).",
            (Window("band_gap_pbe", 1.0, 2.0), Ramp("log10_bulk_modulus", 1.5, 2.4)),
            novel=True,
            success_utility=0.25,
        ),
        Task(
            "stable-novel",
            "A new stable compound: P(stable) alone, no near-copy of a known formula.",
            (),
            novel=True,
        ),
    )
}
"""Registered tasks by name."""

DEFAULT_TASK = "stiff-stable"


def load_task(
    task: str | Task = DEFAULT_TASK, elements: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> Task:
    """A task by name, optionally restricted in its elements.

    Args:
        task: Name of a registered task, or a `Task`.
        elements: If given, the only elements allowed; one named here is allowed even if the task leaves it out.
        exclude: Elements never allowed, beside those the task leaves out.

    Returns:
        The task.

    Raises:
        ValueError: Unknown name or element, or an element both wanted and excluded.

    Examples:
        >>> load_task("stiff-stable", exclude=["Os", "Ir"]).exclude[-2:]
        ('Os', 'Ir')
    """
    if isinstance(task, str):
        if task not in TASKS:
            raise ValueError(f"task={task!r} is not registered; choose one of {', '.join(TASKS)} or pass a Task")
        task = TASKS[task]
    if not isinstance(task, Task):
        raise ValueError(f"task={task!r} must be the name of a task or a Task")
    for parameter, symbols in (("elements", elements), ("exclude", exclude)):
        if symbols is not None:
            alphabet.positions(symbols, parameter)
    both = sorted(set(elements or ()) & set(exclude or ()))
    if both:
        raise ValueError(f"elements and exclude both hold {both}; name each element in one of them")
    if elements is not None:
        task = replace(task, elements=tuple(elements), exclude=tuple(s for s in task.exclude if s not in elements))
    if exclude is not None:
        task = replace(task, exclude=tuple(dict.fromkeys((*task.exclude, *exclude))))
    return task
