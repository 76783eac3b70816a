"""Fixed orders of a chemical system's compositions: what the systems track takes without learning from proposals."""

from __future__ import annotations

import numpy as np
import torch
from matenv.agents.formula_policy import FormulaRules, Sequences, load_prior
from numpy.typing import NDArray

from matenv import Oracle
from matenv import elements as alphabet
from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch, FormulaIndex
from matenv.oracle.found import FoundModel
from matenv.oracle.found_features import QUICK_NAMES
from matenv.oracle.rivals import compositions, rank_system

_CHUNK = 4096  # formulas whose likelihood is worked out at once


class Ranking:
    """The compositions of a system in a fixed order: one to inherit from, with `rank` of one's own.

    Args:
        seed: Not used: nothing is random.

    Attributes:
        compositions: Those of the system (N).
        value: How promising each is (N,).
    """

    compositions: CompositionBatch
    value: NDArray[np.float64]

    def __init__(self, seed: int = 0) -> None:
        self.oracle = Oracle("train")

    def begin(self, problem: Problem) -> None:
        """Rank a system."""
        if problem.system is None:
            raise ValueError("problem.system is None; this method serves the systems track only")
        self.problem = problem
        self.compositions, self.value = self.rank(problem.system)
        self.proposed: list[int] = []

    def rank(self, system: tuple[str, ...]) -> tuple[CompositionBatch, NDArray[np.float64]]:
        """Compositions of a system (N), and how promising each is (N,)."""
        raise NotImplementedError

    def ask(self, n: int) -> CompositionBatch:
        """The best that was not proposed yet."""
        score = self.score()
        score[self.proposed] = -np.inf
        best = np.argsort(-score, kind="stable")[:n]
        return self.compositions[best[np.isfinite(score[best])]]

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Remember what was proposed."""
        self.proposed += FormulaIndex(self.compositions).find(compositions).tolist()

    def score(self) -> NDArray[np.float64]:
        """How promising each composition is now (N,)."""
        return self.value.copy()


class StaticRanking(Ranking):
    """By p_found, thorough: the most probable phase among all compositions of the system first."""

    def rank(self, system: tuple[str, ...]) -> tuple[CompositionBatch, NDArray[np.float64]]:
        """As `rank_system`."""
        self.ranked = rank_system(self.oracle, system)
        return self.ranked.compositions, self.ranked.p_found


class StabilityRanking(Ranking):
    """By P(stable), which asks of a formula that somebody had a reason to compute."""

    def rank(self, system: tuple[str, ...]) -> tuple[CompositionBatch, NDArray[np.float64]]:
        """As the oracle has it."""
        batch = _all_of(system)
        return batch, self.oracle.assess(batch).p_stable


class StoichiometryRanking(Ranking):
    """By how many stable train phases have these counts by rising electronegativity; then in any order."""

    def rank(self, system: tuple[str, ...]) -> tuple[CompositionBatch, NDArray[np.float64]]:
        """Counts of the train part."""
        batch = _all_of(system)
        features = FoundModel.load().tables.quick(batch).astype(np.float64)
        ordered, anonymous = (QUICK_NAMES.index(f"stable {word}stoichiometry") for word in ("", "anonymous "))
        return batch, features[:, ordered] + 1e-3 * features[:, anonymous]


class LikelihoodRanking(Ranking):
    """By the likelihood of the formula under the formula prior, which knows train formulas and no label."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        torch.set_num_threads(1)  # more gain nothing for networks this small
        self.prior = load_prior()

    @torch.no_grad()
    def rank(self, system: tuple[str, ...]) -> tuple[CompositionBatch, NDArray[np.float64]]:
        """As the prior has it, under the rules of the system."""
        batch, rules = _all_of(system), FormulaRules.of(self.problem.task)
        parts = [batch[at : at + _CHUNK] for at in range(0, len(batch), _CHUNK)]
        log_p = torch.cat([self.prior.log_prob(Sequences.of(part), rules) for part in parts])
        return batch, log_p.double().numpy()


def _all_of(system: tuple[str, ...]) -> CompositionBatch:
    return compositions(np.unique(alphabet.positions(system, "system")).tolist())


register("p_found ranking", StaticRanking, ("systems",))
register("P(stable) ranking", StabilityRanking, ("systems",))
register("stoichiometry ranking", StoichiometryRanking, ("systems",))
register("likelihood ranking", LikelihoodRanking, ("systems",))
