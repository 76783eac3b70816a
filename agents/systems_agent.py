"""Agents of the systems track: a chemical system is given, ten proposals name its stable phases.

`StaticRanking` proposes the compositions in the order of p_found (thorough); it knows nothing of what its proposals
revealed. `RevealingRanking` also weighs the energies of the most accurate predictor, and looks near what it proposed in
vain: where one stoichiometry of a family is not a phase, its neighbours more often are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import Oracle
from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch, FormulaIndex
from matenv.oracle.rivals import RankedSystem, rank_system
from matenv.properties import load_predictor

CONSIDERED = 40
"""Compositions of a system that `RevealingRanking` weighs: the most probable before anything was revealed."""

WEIGHTS = {"p_found": 0.81, "accurate": -1.08, "default": -0.83, "missed": 0.99}
"""Of logit p_found, of E_d by two predictors [1/(eV/atom), E_d clipped to 0.4], and of nearness to a miss.

A conditional logit, fitted on the proposals of the static ranking in the 1,378 validation systems of two to four
elements with a stable phase: ``python -m tools.fit_systems_ranking``. Cross-validated there, first is stable .755 by
it and .750 by the static ranking, recall@10 .926 and .925: hardly more. The energies of the phases revealed (a hull
with them in it, the predictor's error in this system), nearness to hits, and related systems with the same phases were
weighed, too, and added nothing.
"""

NEAR = 0.15
"""L1 distance of atom fractions over which nearness falls to 1/e."""

_MOST_ENERGY = 0.4


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


class RevealingRanking(StaticRanking):
    """The ranking that what proposals revealed moves.

    Args:
        seed: Not used: nothing is random.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.accurate = load_predictor("accurate")

    def begin(self, problem: Problem) -> None:
        """Rank a system."""
        super().begin(problem)
        batch = self.ranked.compositions[:CONSIDERED]
        energy = self.accurate.predict_batch(batch).by_name["formation_energy"].mean
        p = np.clip(self.ranked.p_found[:CONSIDERED], 1e-12, 1 - 1e-12)
        by_default = self.ranked.decomposition_energy[:CONSIDERED]
        by_accurate = energy - self.oracle.hull.energy(batch, exclude_self=True)
        self.base = WEIGHTS["p_found"] * np.log(p / (1 - p))
        for name, e_d in (("accurate", by_accurate), ("default", by_default)):
            self.base += WEIGHTS[name] * np.clip(e_d, -_MOST_ENERGY, _MOST_ENERGY)
        self.fractions = batch.fractions()
        self.missed: list[int] = []

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Remember what was proposed, and what of it is no phase."""
        super().tell(compositions, scores)
        self.missed += [row for row, score in zip(self.proposed[-len(scores) :], scores, strict=True) if not score]

    def score(self) -> NDArray[np.float64]:
        """The order of the static ranking beyond the compositions that are weighed."""
        score = np.full(len(self.ranked.p_found), -1e6) + self.ranked.p_found
        score[: len(self.base)] = self.base
        if self.missed:
            away = np.abs(self.fractions[:, None] - self.fractions[self.missed]).sum(axis=2).min(axis=1)
            score[: len(self.base)] += WEIGHTS["missed"] * np.exp(-away / NEAR)
        return score


register("revealing ranking", RevealingRanking, ("systems",))
register("p_found ranking", StaticRanking, ("systems",))
