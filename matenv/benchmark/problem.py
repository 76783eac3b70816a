"""`Problem`: what a method is asked to search, and the one place where proposals are counted, assessed and recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matenv.benchmark.found import Found
from matenv.checks import check_made
from matenv.composition import MAX_ATOMS, TOLERANCE, CompositionBatch, read
from matenv.data import load_dataset
from matenv.oracle import Oracle
from matenv.tasks import Task
from matenv.tasks.wishes import Wish

Proposals = CompositionBatch | Sequence[str]
"""Formulas as a method may hand them over: packed, or as strings."""


STEPS_PER_CALL = 20
"""Proposals or moves per call of the budget, and `SPARE_STEPS` besides, after which a run that only meets what it has
met, or what is refused, ends."""

SPARE_STEPS = 1_000


class Problem:
    """A task, or a wish as a task, to be searched with so many calls.

    A call is the first assessment of a distinct formula. Repeats are free, and useless. What the task's free checks
    (`Task.screen`) refuse costs no call, whoever asks for it: it scores 0, and nothing is predicted of it.

    Args:
        task: What the score is.
        oracle: What pays it, with a budget; several problems of a training may share one.
        wish: The wish that the task is made of, for policies that read it; None for another task.
        screened: Refuse what the free checks refuse; in training, what does not answer one wish may answer another.

    Attributes:
        task: What the score is; also says which formulas are allowed.
        oracle: The oracle that was given, behind the free checks if `screened`, for methods that drive themselves.
        budget: Calls in all.
        terms: Named parts of the scores of the last `assess`, (B,) each.
        predicted: Means that the oracle predicted there, by property, and ``p_stable``, (B,) each; NaN if unevaluated.
        wish: As above; None but in the amortised track.
        system: Elements of the chemical system to search; None but in the systems track.
        revealed: DFT formation energies [eV/atom] by formula of what was proposed and is in the table; empty but in the
            systems track.
    """

    system: tuple[str, ...] | None = None

    def __init__(self, task: Task, oracle: Oracle, wish: Wish | None = None, *, screened: bool = True) -> None:
        check_made("task", task, Task, "load_task")
        if wish is not None:
            check_made("wish", wish, Wish, "matenv.tasks.wishes.Wish")
            if wish.task() != task:
                raise ValueError(f"wish='{wish}' is not what task={task.name!r} asks for; give task=wish.task()")
        check_made("oracle", oracle, Oracle, "matenv.Oracle(budget=10_000)")
        if oracle.budget is None:
            raise ValueError("oracle has no budget, which is the length of the search; use Oracle(budget=10_000)")
        self.task, self.budget, self.wish = task, oracle.budget, wish
        self.oracle = oracle.screened(task.screen) if screened else oracle
        self.terms: Mapping[str, NDArray[np.float64]] = {}
        self.predicted: Mapping[str, NDArray[np.float64]] = {}
        self.revealed: dict[str, float] = {}
        self._seen: set[int] = set()
        self._parts: list[tuple[CompositionBatch, NDArray[np.float64]]] = []

    @property
    def remaining(self) -> int:
        """Calls left."""
        return self.budget - self.oracle.calls

    @property
    def formulas(self) -> CompositionBatch:
        """The formulas of the table's train part, without their labels."""
        return train_formulas()

    @property
    def patience(self) -> int:
        """Proposals, or moves in an environment, after which a run ends whatever calls are left."""
        return STEPS_PER_CALL * self.budget + SPARE_STEPS

    def screen(self, compositions: Proposals) -> NDArray[np.bool_]:
        """Which formulas pass every check that costs no call (B,): `Task.screen`."""
        return self.task.screen(packed(compositions))

    def asked(self, compositions: Proposals) -> NDArray[np.bool_]:
        """Which formulas were assessed here before (B,)."""
        return np.array([key in self._seen for key in packed(compositions).keys().tolist()], np.bool_)

    def fresh(self, compositions: Proposals) -> NDArray[np.int64]:
        """Rows worth a call, ascending: distinct formulas that pass `screen` and were not assessed here before."""
        batch = packed(compositions)
        rows = batch.distinct()
        rows = rows[self.screen(batch[rows])]
        return rows[~self.asked(batch[rows])]

    def assess(self, compositions: Proposals) -> NDArray[np.float64]:
        """Score formulas; what is new among them counts, in row order.

        Args:
            compositions: Formulas (B).

        Returns:
            Scores (B,); 0 for what lies beyond the budget.
        """
        batch = packed(compositions)
        assessment = self.oracle.assess(batch)
        scored = self.task.score(assessment)
        self.terms = scored.terms
        self.predicted = {**assessment.mean, "p_stable": np.where(assessment.evaluated, assessment.p_stable, np.nan)}
        self._record(batch, scored.score, ~self.asked(batch) & assessment.evaluated)
        return scored.score

    def found(self) -> Found:
        """What was assessed here: distinct formulas in the order of their assessment, and their scores."""
        batches, scores = zip(*self._parts, strict=True) if self._parts else ((packed([]),), (np.zeros(0),))
        return Found(CompositionBatch.concatenate(batches), np.concatenate(scores))

    def _record(self, batch: CompositionBatch, scores: NDArray[np.float64], new: NDArray[np.bool_]) -> None:
        first = np.zeros(len(batch), np.bool_)
        first[batch.distinct()] = True
        rows = np.flatnonzero(new & first & (batch.size > 0))
        self._seen.update(batch[rows].keys().tolist())
        self._parts.append((batch[rows], scores[rows]))


def packed(compositions: Proposals) -> CompositionBatch:
    """Proposals as packed compositions."""
    return read(compositions, "compositions", MAX_ATOMS, TOLERANCE, whole=True)


@lru_cache(maxsize=1)
def train_formulas() -> CompositionBatch:
    """Formulas of the train part of the embedded table."""
    data = load_dataset("mp-ground-states")
    return data.compositions[data.split("system").train]
