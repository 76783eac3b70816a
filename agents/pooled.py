"""Pooled screening: an ensemble picks among what a policy, its prior and substitution propose.

A policy that learns narrows to the families that it met first, and an ensemble can only pick what is proposed: over
10,000 calls substitutes of the whole table, which no policy learnt, kept finding others. Here each fills the pool.
"""

from __future__ import annotations

import numpy as np
from matenv.agents.reinvent import Reinvent
from matenv.agents.searches.screening import ScreeningSearch
from numpy.typing import NDArray

from matenv.benchmark import Problem, register
from matenv.composition import CompositionBatch

LEAST = 50
"""Policy and prior are asked for half as many each as the other sources have, or half of this if they have few."""


class PooledScreening(ScreeningSearch):
    """Screening whose pool holds, beside substitutes, as many formulas of a policy and of its prior.

    The policy is moved as `REINVENT` moves it, by whatever was assessed.

    Args:
        seed: Of everything random.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.policy = Reinvent(seed)

    def begin(self, problem: Problem) -> None:
        """An ensemble that knows nothing, and a policy that is its prior."""
        super().begin(problem)
        self.policy.begin(problem)

    def tell(self, compositions: CompositionBatch, scores: NDArray[np.float64]) -> None:
        """Teach both."""
        super().tell(compositions, scores)
        self.policy.tell(compositions, scores)

    def proposals(self) -> list[CompositionBatch]:
        """Substitutes, decoded samples, and formulas of the policy and of its prior, half as many each."""
        made = super().proposals()
        return [*made, *self.policy.drawn(max(sum(map(len, made)), LEAST) // 2)]


register("pooled screening", PooledScreening)
