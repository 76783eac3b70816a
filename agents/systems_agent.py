"""Agents of the systems track: a chemical system is given, ten proposals name its stable phases.

The static ranking proposes the compositions in the order of p_found (thorough). It knows nothing of what its proposals
revealed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import Oracle
from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch, FormulaIndex
from matenv.oracle.rivals import RankedSystem, rank_system

CONSIDERED = 40
"""Compositions of a system that are proposed at all: the most probable before anything was revealed."""


class StaticRanking:
    """The compositions of a system in the order of p_found, thorough.

    Args:
        seed: Not used: nothing is random.
    """

    ranked: RankedSystem

    def __init__(self, seed: int = 0) -> None:
        self.oracle = Oracle("train")

    def begin(self, problem: Problem) -> None:
        """Rank a system."""
        if problem.system is None:
            raise ValueError("problem.system is None; this method serves the systems track only")
        self.problem, self.ranked = problem, rank_system(self.oracle, problem.system)
        self.proposed: list[int] = []

    def ask(self, n: int) -> CompositionBatch:
        """The best that was not proposed yet."""
        score = self.score()
        score[self.proposed] = -np.inf
        best = np.argsort(-score, kind="stable")[:n]
        return self.ranked.compositions[best[np.isfinite(score[best])]]

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Remember what was proposed."""
        self.proposed += FormulaIndex(self.ranked.compositions).find(compositions).tolist()

    def score(self) -> NDArray[np.float64]:
        """How promising each composition of the system is (N,)."""
        return self.ranked.p_found.copy()


register("p_found ranking", StaticRanking, ("systems",))
