"""Where a batch of episodes stands, as records of arrays, and the trail that one episode leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.envs.campaigns import Best
from matenv.envs.improving import Origin
from matenv.envs.wishes import Wishes
from matenv.oracle import Assessment, Oracle
from matenv.tasks import Task, TaskScore


@dataclass
class Facts:
    """What oracle and task say about N formulas. ``facts["score"]`` is the same as ``facts.score``.

    Attributes:
        score: Score of the task (N,).
        success: Whether its target is met (N,) bool.
        valid: Whether its rules on compositions are obeyed (N,) bool.
        evaluated: Within the oracle's budget (N,) bool.
        known: In the reference table (N,) bool.
        rediscovered: In the embedded table but not in the reference: held out (N,) bool.
        novel: No near-copy of a known formula, and evaluated (N,) bool.
        p_stable: Probability that E_d <= 0 (N,).
        p_found: Probability of a stable phase, among all compositions of the system (N,).
        decomposition_energy: E_d (N,) [eV/atom], NaN where undefined.
        hull_energy: E_comp (N,) [eV/atom], NaN where undefined.
        members: What the formulas decompose into (N, 10), as numbers of the hull's phases.
        weights: Their atom fractions (N, 10).
        potentials: Chemical potentials of the formulas' elements (N, 10) [eV/atom].
        mean: Predicted mean of each property (N,), NaN where nothing was predicted.
        std: Predicted standard deviation of each property (N,).
        terms: Each part of the score (N,).
        guards: Value of each guard that is asked for (N,).
    """

    score: NDArray[np.float64]
    success: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    evaluated: NDArray[np.bool_]
    known: NDArray[np.bool_]
    rediscovered: NDArray[np.bool_]
    novel: NDArray[np.bool_]
    p_stable: NDArray[np.float64]
    p_found: NDArray[np.float64]
    decomposition_energy: NDArray[np.float64]
    hull_energy: NDArray[np.float64]
    members: NDArray[np.int32]
    weights: NDArray[np.float64]
    potentials: NDArray[np.float64]
    mean: Mapping[str, NDArray[np.float64]]
    std: Mapping[str, NDArray[np.float64]]
    terms: Mapping[str, NDArray[np.float64]]
    guards: Mapping[str, NDArray[np.float64]]

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


@dataclass
class Visits:
    """Where N episodes have been.

    Attributes:
        count: How often each has been at its current formula before (N,) int64.
        log: Keys of its formulas so far (N, horizon + 1) uint64, 0 where none yet.
    """

    count: NDArray[np.int64]
    log: NDArray[np.uint64]


@dataclass
class State:
    """Where N episodes stand.

    Attributes:
        place: What the moves act on, a row per episode: latent positions (N, n) float64, or atom counts (N, 90) int32.
        step: Steps taken in the episode (N,) int64.
        compositions: The formulas there.
        facts: What oracle and task say about them.
        start: Formulas the episodes started from: those asked for, or those decoded where none was.
        round_trip: Whether the start formula survived encoding and decoding (N,) bool.
        visits: Where the episodes have been; None if nobody asked.
        wishes: What each episode asks for beside the task; None without wishes.
        origin: What the start is worth and how far it is; None where there is none to improve on.
        best: The best systems proposed so far; None outside campaigns.
    """

    place: NDArray
    step: NDArray[np.int64]
    compositions: CompositionBatch
    facts: Facts
    start: CompositionBatch
    round_trip: NDArray[np.bool_]
    visits: Visits | None = None
    wishes: Wishes | None = None
    origin: Origin | None = None
    best: Best | None = None

    @property
    def z(self) -> NDArray[np.float64]:
        """The latent environment's name for `place`: latent positions (N, n), whitened."""
        return self.place

    @property
    def mean(self) -> Mapping[str, NDArray[np.float64]]:
        """Predicted mean of each property (N,); NaN where nothing was predicted."""
        return self.facts.mean

    @property
    def std(self) -> Mapping[str, NDArray[np.float64]]:
        """Predicted standard deviation of each property (N,)."""
        return self.facts.std


@dataclass
class Trail:
    """One episode so far.

    Attributes:
        places: Where the episode stood, one array per step: latent position or atom counts.
        infos: The info dictionary of each step.
    """

    places: list[NDArray] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)

    def add(self, state: State | None, info: dict[str, Any], row: int = 0) -> None:
        """Append where a row stands now."""
        assert state is not None
        self.places.append(state.place[row].copy())
        self.infos.append(info)


class Narrowing(NamedTuple):
    """What is asked of formulas beside the task.

    Attributes:
        wishes: A wish for each; None without.
        inside: Whether each keeps to its limits (N,) bool; None without.
    """

    wishes: Wishes | None
    inside: NDArray[np.bool_] | None

    def apply(self, scored: TaskScore, assessment: Assessment) -> TaskScore:
        """The score with what is asked besides: `utility` and `validity` are narrowed, ``without_wish`` is added."""
        ones = np.ones(len(scored.score))
        allowed = np.ones(len(ones), np.bool_)
        inside = allowed if self.inside is None else self.inside
        utility, fits, enough = ones, allowed, allowed
        if self.wishes is not None:
            utility, fits = self.wishes.utility(assessment.mean), self.wishes.fits(assessment.compositions)
            enough = utility >= self.wishes.success_utility()
        terms = dict(scored.terms)
        terms["without_wish"] = scored.score * inside
        if self.wishes is not None:
            terms["wish"] = utility
        terms["utility"] = terms["utility"] * utility
        terms["validity"] = terms["validity"] * inside * fits
        success = scored.success & inside & fits & enough
        return TaskScore(scored.score * utility * inside * fits, terms, success)


def facts_of(
    oracle: Oracle,
    task: Task,
    batch: CompositionBatch,
    guards: Callable[[Assessment], Mapping[str, NDArray[np.float64]]] | None = None,
    narrowing: Narrowing | None = None,
) -> Facts:
    """Assess and score a batch of formulas.

    Args:
        oracle: The oracle; distinct formulas count as calls, in row order.
        task: The task.
        batch: Compositions (B).
        guards: Values of the guards that are asked for, by name, from what was assessed.
        narrowing: What is asked beside the task.

    Returns:
        The facts, every array (B, ...).
    """
    assessment = oracle.assess(batch)
    scored = task.score(assessment)
    if narrowing is not None:
        scored = narrowing.apply(scored, assessment)
    return Facts(
        score=scored.score,
        success=scored.success,
        valid=scored.terms["validity"] > 0,
        evaluated=assessment.evaluated,
        known=assessment.known,
        rediscovered=assessment.rediscovered,
        novel=assessment.novel & assessment.evaluated,
        p_stable=assessment.p_stable,
        p_found=assessment.p_found,
        decomposition_energy=assessment.decomposition_energy,
        hull_energy=assessment.hull_energy,
        members=assessment.members,
        weights=assessment.weights,
        potentials=assessment.element_potentials,
        mean=assessment.mean,
        std=assessment.std,
        terms=scored.terms,
        guards={} if guards is None else guards(assessment),
    )


Record = TypeVar("Record")


def take(record: Record, rows: NDArray[np.int64]) -> Record:
    """Some rows of every array of a record."""
    return _by_array(lambda values: values[rows], record)


def replace_rows(record: Record, rows: NDArray[np.int64], part: Record) -> Record:
    """A copy of a record in which `rows` of every array are taken from `part`, which holds these rows only."""

    def merge(old: NDArray, new: NDArray) -> NDArray:
        merged = old.copy()
        merged[rows] = new
        return merged

    return _by_array(merge, record, part)


def _by_array(function: Callable[..., NDArray], *records: Any) -> Any:
    """A record whose every array is a function of the same array of other records."""
    first = records[0]
    if isinstance(first, np.ndarray):
        return function(*records)
    if isinstance(first, Mapping):
        return {key: _by_array(function, *(record[key] for record in records)) for key in first}
    if is_dataclass(first):
        parts = {f.name: _by_array(function, *(getattr(record, f.name) for record in records)) for f in fields(first)}
        return records[0].__class__(**parts)
    return first  # what is None in one is None in all
