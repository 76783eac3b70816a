"""`Training`: what a method may learn from before it is tested, in the tracks that have a training."""

from __future__ import annotations

from typing import Any

import numpy as np

from matenv.benchmark.problem import Problem, train_formulas
from matenv.benchmark.systems import System, SystemProblem, stable_phases
from matenv.checks import check_choice, check_made, check_whole
from matenv.composition import CompositionBatch
from matenv.oracle import Oracle
from matenv.tasks.wishes import Wish, draw


class Training:
    """What `Search.train` is given.

    In the amortised track all wishes of the training share one count of calls; a formula assessed for one wish is free
    for every other. So all that is assessed is predicted and counts, whether or not it answers the wish at hand. In the
    systems track nothing is counted: the labels of the train part are free to learn from.

    Args:
        track: ``"amortised"`` or ``"systems"``.
        calls: Calls of the training in all.

    Attributes:
        track: As above.
        budget: Calls in all.
    """

    def __init__(self, track: str, calls: int) -> None:
        check_choice("track", track, ("single", "amortised", "systems"))
        if not isinstance(calls, int) or calls != 0:
            check_whole("calls", calls, "formulas, or 0")
        self.track, self.budget = track, calls
        self._oracle = Oracle("train", max(calls, 1))

    @property
    def remaining(self) -> int:
        """Calls left."""
        return self.budget - self._oracle.calls

    @property
    def formulas(self) -> CompositionBatch:
        """The formulas of the table's train part."""
        return train_formulas()

    @property
    def systems(self) -> list[System]:
        """Chemical systems of the train part that have a stable phase, by symbols."""
        return list(stable_phases("train"))

    def stable(self, system: System) -> CompositionBatch:
        """The DFT-stable phases of a system of the train part.

        Raises:
            ValueError: A system that is not in `systems`.
        """
        self._check_system("system", system)
        return stable_phases("train")[system]

    def wish(self, rng: np.random.Generator) -> Wish:
        """A training wish by chance."""
        check_made("rng", rng, np.random.Generator, "np.random.default_rng")
        return draw(rng, "train")

    def problem(self, asked: Wish | System) -> Problem:
        """A wish or a train system as a problem; `Problem.assess` scores proposals and counts their calls."""
        if isinstance(asked, Wish):
            return Problem(asked.task(), self._oracle, asked, screened=False)
        self._check_system("asked", asked)
        return SystemProblem(asked, "train")

    def _check_system(self, name: str, system: Any) -> None:
        if not isinstance(system, tuple) or system not in self.systems:
            raise ValueError(f"{name}={system!r} is no system of the train part, such as {self.systems[0]!r}")

    def history(self) -> CompositionBatch:
        """The distinct formulas assessed, in order."""
        return self._oracle.history()
