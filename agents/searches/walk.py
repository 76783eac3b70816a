"""A random walk through the latent environment: what moving about there finds, without any learning."""

from __future__ import annotations

from matenv.agents.searches.latent import LatentSearch, Points

from matenv.benchmark import Problem, register
from matenv.envs.latent_moves import DEFAULT_PULL, moved, project

WALKERS = 64
"""Walks at once."""

HORIZON = 16
"""Steps after which a walk begins anew, as an episode does."""

STEP_SIZE = 0.75
"""Length of a full move along one dimension, as in `MaterialLatent-v0`."""


class WalkSearch(LatentSearch):
    """Uniformly random moves of the latent environment, from the prior; what passes the free checks is asked.

    The walks go on from where they are, whatever a point decodes to.
    """

    def begin(self, problem: Problem) -> None:
        """Walks that begin with the first proposal."""
        super().begin(problem)
        self.places, self.steps = self.sample(WALKERS), 0

    def propose(self) -> Points:
        """Where the next move leads."""
        if self.steps % HORIZON == 0:
            self.places = self.sample(WALKERS)
        self.steps += 1
        moves = self.rng.uniform(-1.0, 1.0, self.places.shape)
        pull = DEFAULT_PULL if self.space.cloud is not None else 0.0
        stepped = moved(self.places, moves, STEP_SIZE, self.space.cloud, pull)
        self.places, _ = project(stepped, self.space.radius)
        return self.places


register("walk", WalkSearch)
