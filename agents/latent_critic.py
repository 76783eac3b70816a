"""`LatentCritic`: an agent of `MaterialLatent-v0` with a learnt critic, replay, and restarts from an archive.

A move is known before it is made: where it leads and what that decodes to costs no call. So each row weighs many moves
with a critic of the formulas they lead to (an ensemble, trained on all that was met) and makes the best, as QT-Opt
(Kalashnikov and co-workers, CoRL 2018) maximises its Q over sampled actions, here with nothing beyond the next step.
Rows that do not rise go back to the best formula of some chemical system, as Go-Explore does (Ecoffet and co-workers,
Nature 590, 580, 2021), or to a fresh one that the critic likes.
"""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from matenv.agents.archive import Archive
from matenv.agents.searches.point import towards
from matenv.agents.surrogate import Surrogate
from numpy.typing import NDArray

from matenv.benchmark import Problem, register
from matenv.benchmark.problem import STEPS_PER_CALL
from matenv.composition import CompositionBatch
from matenv.envs.latent_moves import moved, project

ENV_ID = "MaterialLatent-v0"


@dataclass(frozen=True)
class Settings:
    """What can be set.

    Attributes:
        rows: Episodes at once.
        moves: Moves that each row weighs.
        fresh: Share of restarts at a sample of the prior, the best of `moves` by the critic, not at an elite.
        elites: Chemical systems kept in the archive.
        steps: Training steps of the critic after each move of all rows.
        doubt: Weight of the ensemble's spread, in favour of what it knows less.
    """

    rows: int = 25
    moves: int = 32
    fresh: float = 0.3
    elites: int = 100
    steps: int = 25
    doubt: float = 0.5


class LatentCritic:
    """An agent of `MaterialLatent-v0` that learns within the budget, with restarts from an archive.

    A critic, an ensemble trained on all that was met, weighs many moves of each row by the formulas they lead to, and
    the best is made. Rows that do not rise begin again at the best of some chemical system.

    Args:
        seed: Of everything random.
        settings: What can be set.
    """

    def __init__(self, seed: int = 0, settings: Settings = Settings()) -> None:
        self.seed, self.settings = seed, settings

    def play(self, problem: Problem, seed: int) -> None:
        """Act until the budget is spent."""
        torch.set_num_threads(1)  # more gain nothing for networks this small
        self.problem, self.rng = problem, np.random.default_rng(self.seed)
        self.critic, self.archive = Surrogate(2, seed=self.seed), Archive(self.settings.elites)
        self.told = np.zeros(0, np.uint64)
        rows = min(self.settings.rows, problem.budget)
        envs = gym.make_vec(
            ENV_ID, rows, task=problem.task, oracle=problem.oracle, start="prior", horizon=10 * problem.budget
        )
        try:
            self.envs, self.core = envs, envs.unwrapped.core  # type: ignore[attr-defined]
            _, info = envs.reset(seed=seed)
            self.scores = self._learn(info["score"])
            for _ in range(STEPS_PER_CALL * problem.budget // rows + 50):
                if problem.oracle.exhausted:
                    return
                _, _, _, _, info = envs.step(self._moves())
                before, self.scores = self.scores, self._learn(info["score"])
                fallen = (self.scores <= 0) | (self.scores < before)
                if fallen.any() and not problem.oracle.exhausted:
                    self.scores = self._restart(fallen)
        finally:
            envs.close()

    def _moves(self) -> NDArray[np.float32]:
        """The best of many moves of each row (N, n), no two rows to the same system."""
        place, core = self.core.state.place, self.core
        rows, many, dim = len(place), self.settings.moves, place.shape[1]
        scale = self.rng.choice([0.3, 0.6, 1.0], (rows, many, 1))
        tried = scale * self.rng.uniform(-1.0, 1.0, (rows, many, dim))
        if len(self.archive) > 1:  # a third of them towards other elites
            third = many // 3
            elites = core.enter(self.archive.compositions[self.archive.draw(rows * third, self.rng)])
            way = towards(elites.reshape(rows, third, dim), place[:, None], core.step_size)
            tried[:, :third] = np.clip(self.rng.random((rows, third, 1)) * way + 0.3 * tried[:, :third], -1.0, 1.0)
        start = np.repeat(place, many, axis=0)
        actions = tried.reshape(-1, dim)
        there, _ = project(moved(start, actions, core.step_size, core.cloud, core.pull), core.radius)
        batch = core.latent.decode_batch(there)
        value = np.full(len(batch), -1.0)
        passing = self._passing(batch)
        value[passing] = self._value(batch[passing])
        chosen, taken = np.zeros(rows, np.int64), set()
        systems = batch.systems().keys()
        table = value.reshape(rows, many)
        for row in np.argsort(-table.max(axis=1)).tolist():
            order = np.argsort(-table[row])
            free = [k for k in order.tolist() if systems[row * many + k].item() not in taken]
            chosen[row] = free[0] if free else order[0]
            taken.add(systems[row * many + chosen[row]].item())
        return tried[np.arange(rows), chosen].astype(np.float32)

    def _restart(self, fallen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Rows go back to elites, or to what the critic likes best among fresh samples; scores of all rows (N,)."""
        number = int(fallen.sum())
        fresh = number if not len(self.archive) else int(self.rng.binomial(number, self.settings.fresh))
        starts: list[str] = []
        if fresh:
            drawn = self.core.latent.sample(fresh * self.settings.moves, int(self.rng.integers(2**31)))
            batch = self.core.latent.decode_batch(drawn)
            batch = batch[self._passing(batch)]
            best = np.argsort(-self._value(batch), kind="stable")
            starts = batch[best[batch[best].systems().distinct()[:fresh]]].formulas()
        if len(starts) < number and len(self.archive):
            starts += self.archive.compositions[self.archive.draw(number - len(starts), self.rng)].formulas()
        rows = np.flatnonzero(fallen)[: len(starts)]
        if not len(rows):  # nothing is worth going to
            return self.scores
        mask = np.isin(np.arange(len(fallen)), rows)
        _, info = self.envs.reset(options={"reset_mask": mask, "formula": starts})
        return self._learn(info["score"])

    def _learn(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Enter where the rows stand in archive and critic; their scores (N,)."""
        batch: CompositionBatch = self.core.state.compositions
        new = batch.distinct()
        new = new[~np.isin(batch.keys()[new], self.told) & self.problem.screen(batch[new])]
        if not len(new):
            return scores.copy()
        self.told = np.append(self.told, batch.keys()[new])
        batch, own = batch[new], scores[new]
        terms = self.problem.task.score(self.problem.oracle.assess(batch)).terms
        told = np.stack([terms["utility"], terms["viability"]], axis=1)
        self.critic.tell(batch, told, self.settings.steps)
        self.archive.add(batch, own)
        return scores.copy()

    def _passing(self, batch: CompositionBatch) -> NDArray[np.int64]:
        """Rows of the distinct formulas that the free checks pass, those met before included: ways lead there."""
        distinct = batch.distinct()
        return distinct[self.problem.screen(batch[distinct])]

    def _value(self, batch: CompositionBatch) -> NDArray[np.float64]:
        """What the critic hopes for formulas (B,)."""
        if not len(batch):
            return np.zeros(0)
        said = self.critic.predict(batch).prod(axis=2)
        return said.mean(axis=0) + self.settings.doubt * said.std(axis=0)


register("critic, latent", LatentCritic)
