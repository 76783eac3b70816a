"""`RevealingRanking`: a ranking of a chemical system's compositions that learns from what its proposals revealed.

Beside p_found it weighs the energies of the most accurate predictor, and looks near what it proposed in vain: where one
stoichiometry of a family is not a phase, its neighbours more often are.
"""

from __future__ import annotations

import numpy as np
from matenv.agents.systems_rankings import StaticRanking
from numpy.typing import NDArray

from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch
from matenv.properties import load_predictor

CONSIDERED = 40
"""Compositions of a system that `RevealingRanking` weighs: the most probable before anything was revealed."""

WEIGHTS = {"p_found": 0.81, "accurate": -1.08, "default": -0.83, "missed": 0.99}
"""Of logit p_found, of E_d by two predictors [1/(eV/atom), E_d clipped to 0.4], and of nearness to a miss.

A conditional logit, fitted on the proposals of the static ranking in the 1,378 validation systems of two to four
elements with a stable phase: ``python -m tools.fit_systems_ranking``. Cross-validated there, first is stable .755 by
it and .750 by the static ranking, recall@10 .926 and .925: hardly more, and system by system no better than even. The
energies of the phases revealed (a hull with them in it, the predictor's error in this system), nearness to hits, which
stoichiometries occur together in train systems, related systems with the same phases, the likelihoods of formula prior
and VAE, all features of p_found, by a conditional logit and by small networks, were weighed too and added nothing.
"""

NEAR = 0.15
"""L1 distance of atom fractions over which nearness falls to 1/e."""

_MOST_ENERGY = 0.4


class RevealingRanking(StaticRanking):
    """By p_found and the energies of two predictors, away from what was proposed in vain.

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
