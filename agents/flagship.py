"""`Flagship`: what won each track, under one name."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from matenv.benchmark import Problem, Training, find, register
from matenv.benchmark.problem import Proposals
from matenv.composition import CompositionBatch

FLAGSHIPS = {"single": "REINVENT, screened", "amortised": "memory + policy + model", "systems": "revealing ranking"}
"""Name of the method that is shipped for each track; docs/agents.md says what it was measured against."""


class Flagship:
    """What is shipped for each track, under one name; `FLAGSHIPS` says what that is.

    Args:
        seed: Of everything random.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.method: Any = None
        self.trained = False

    def train(self, training: Training) -> None:
        """Train what serves the training's track."""
        self._choose(FLAGSHIPS[training.track])
        self.trained = True
        if hasattr(self.method, "train"):
            self.method.train(training)

    def begin(self, problem: Problem) -> None:
        """A new problem; what was not trained is of the single or the systems track."""
        if not self.trained:
            self._choose(FLAGSHIPS["single" if problem.system is None else "systems"])
        self.method.begin(problem)

    def ask(self, n: int) -> Proposals:
        """As the method has it."""
        return self.method.ask(n)

    def tell(self, compositions: CompositionBatch, scores: NDArray) -> None:
        """Hand on what proposals scored."""
        self.method.tell(compositions, scores)

    def _choose(self, name: str) -> None:
        self.method = find(name).factory(self.seed)


_CHOICE = "; ".join(f"{track}: {name}" for track, name in FLAGSHIPS.items())

register("flagship", Flagship, tuple(FLAGSHIPS), about=f"What is shipped for each track. {_CHOICE}.")
