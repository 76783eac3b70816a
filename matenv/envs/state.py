"""The state of a batch of episodes: a small record of arrays, and the facts about its formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.oracle import Assessment, Oracle
from matenv.tasks import Task

Facts = dict[str, NDArray]
"""Arrays over the batch: ``score``, ``success``, ``valid``, ``evaluated``, ``known``, ``novel``, ``p_stable``,
``decomposition_energy`` and ``hull_energy`` (NaN where undefined), ``members`` and ``weights`` of what it decomposes
into (N, 10), ``potentials`` of its elements (N, 10), ``mean.NAME`` and ``std.NAME`` of each predicted
property, ``term.NAME`` of each part of the score; ``guard.NAME`` of each guard that is asked for, and ``visits`` and
``visited`` where visits are counted."""


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
    """

    place: NDArray
    step: NDArray[np.int64]
    compositions: CompositionBatch
    facts: Facts
    start: CompositionBatch
    round_trip: NDArray[np.bool_]

    @property
    def z(self) -> NDArray[np.float64]:
        """The latent environment's name for `place`: latent positions (N, n), whitened."""
        return self.place

    @property
    def mean(self) -> dict[str, NDArray[np.float64]]:
        """Predicted mean of each property (N,); NaN where nothing was predicted."""
        return self._by_property("mean.")

    @property
    def std(self) -> dict[str, NDArray[np.float64]]:
        """Predicted standard deviation of each property (N,)."""
        return self._by_property("std.")

    def __getitem__(self, rows: NDArray[np.int64]) -> State:
        """Some rows."""
        return State(
            self.place[rows],
            self.step[rows],
            self.compositions[rows],
            {key: values[rows] for key, values in self.facts.items()},
            self.start[rows],
            self.round_trip[rows],
        )

    def _by_property(self, prefix: str) -> dict[str, NDArray[np.float64]]:
        return {key.removeprefix(prefix): values for key, values in self.facts.items() if key.startswith(prefix)}


def judge(
    oracle: Oracle, task: Task, batch: CompositionBatch, further: Callable[[Assessment], Facts] | None = None
) -> Facts:
    """Assess and score a batch of formulas.

    Args:
        oracle: The oracle; distinct formulas count as calls, in row order.
        task: The task.
        batch: Compositions (B).
        further: What else is to be known about them.

    Returns:
        The facts, every array (B, ...).
    """
    assessment = oracle.assess(batch)
    scored = task.score(assessment)
    facts = {
        "score": scored.score,
        "success": scored.success,
        "valid": scored.terms["validity"] > 0,
        "evaluated": assessment.evaluated,
        "known": assessment.known,
        "novel": assessment.novel & assessment.evaluated,
        "p_stable": assessment.p_stable,
        "decomposition_energy": assessment.decomposition_energy,
        "hull_energy": assessment.hull_energy,
        "members": assessment.members,
        "weights": assessment.weights,
        "potentials": assessment.element_potentials,
        **{f"mean.{name}": values for name, values in assessment.mean.items()},
        **{f"std.{name}": values for name, values in assessment.std.items()},
        **{f"term.{name}": values for name, values in scored.terms.items()},
    }
    return facts if further is None else facts | further(assessment)


def replace_rows(state: State, rows: NDArray[np.int64], part: State) -> State:
    """A copy of `state` in which `rows` are taken from `part`."""

    def merge(old: NDArray, new: NDArray) -> NDArray:
        merged = old.copy()
        merged[rows] = new[: len(rows)]
        return merged

    def merge_batch(old: CompositionBatch, new: CompositionBatch) -> CompositionBatch:
        return CompositionBatch(
            merge(old.elements, new.elements), merge(old.counts, new.counts), merge(old.size, new.size)
        )

    return State(
        merge(state.place, part.place),
        merge(state.step, part.step),
        merge_batch(state.compositions, part.compositions),
        {key: merge(values, part.facts[key]) for key, values in state.facts.items()},
        merge_batch(state.start, part.start),
        merge(state.round_trip, part.round_trip),
    )
