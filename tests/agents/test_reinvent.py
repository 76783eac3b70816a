"""The formula policy as a search, and the genetic search it must beat, on a problem small enough to know the answer."""

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from matenv.agents.archive import Archive
from matenv.agents.reinvent import Options, Reinvent
from matenv.agents.searches.children import children
from matenv.agents.searches.genetic_table import GeneticTableSearch

from matenv import CompositionBatch, fractions, load_dataset, load_task
from matenv.benchmark import Problem
from matenv.elements import INDEX


@lru_cache
def train_formulas():
    table = load_dataset("mp-ground-states")
    return table.compositions[table.split("system").train]


class OxygenProblem:
    """Score: the share of oxygen, of formulas that hold titanium. What a `matenv.benchmark.problem.Problem` offers."""

    def __init__(self, budget=300):
        self.task = load_task("stable-novel", require=["Ti"])
        self.budget, self.seen, self.terms, self.scores = budget, {}, {}, []

    @property
    def remaining(self):
        return self.budget - len(self.seen)

    @property
    def formulas(self):
        return train_formulas()

    def screen(self, batch):
        return self.task.allows(batch)

    def asked(self, batch):
        return np.array([key in self.seen for key in batch.keys().tolist()], bool)

    fresh = Problem.fresh

    def assess(self, batch):
        score = batch.fractions()[:, INDEX["O"]]
        self.seen.update(zip(batch.keys().tolist(), score.tolist(), strict=True))
        self.scores += score.tolist()
        return score


def run(search, problem):
    search.begin(problem)
    asked = []
    while problem.remaining > 0:
        batch = search.ask(problem.remaining)
        assert 0 < len(batch) <= problem.remaining
        assert problem.screen(batch).all()
        assert not problem.asked(batch).any()
        assert len(batch.distinct()) == len(batch)
        search.tell(batch, problem.assess(batch))
        asked += batch.formulas()
    return asked


def batch(*formulas):
    return CompositionBatch.from_fractions(fractions(formulas))


def test_an_archive_keeps_the_best_of_each_system():
    archive = Archive(kept=2)
    archive.add(batch("NaCl", "Na2Cl", "KCl", "LiCl"), np.array([0.2, 0.6, 0.3, 0.0]))
    archive.add(batch("Na3Cl", "KBr"), np.array([0.1, 0.9]))
    assert archive.compositions.formulas() == ["KBr", "Na2Cl"]
    assert archive.scores.tolist() == [0.9, 0.6]


def test_children_differ_and_hold_allowed_elements():
    parents, task = batch("TiO2", "Al2O3", "MgAl2O4"), load_task("stable-novel")
    bred = children(parents[np.zeros(300, int)], parents, task, np.random.default_rng(0))
    assert len(bred.distinct()) > 50
    own = task.allowed.copy()
    assert own[bred.elements[bred.elements >= 0]].all()


@pytest.mark.parametrize(
    "options",
    [Options(batch=25), Options("balance", batch=50), Options("likelihood", batch=50, children=0.5)],
    ids=lambda options: options.update,
)
def test_learning_raises_the_score(options):
    problem = OxygenProblem()
    asked = run(Reinvent(0, options), problem)
    late, early = np.mean(problem.scores[-75:]), np.mean(problem.scores[:75])
    assert late > early + 0.03
    assert all("Ti" in formula for formula in asked)


def test_the_prior_does_not_learn_and_seeds_repeat():
    first, second = (run(Reinvent(3, Options("none")), OxygenProblem(60)) for _ in range(2))
    assert first == second
    assert first != run(Reinvent(4, Options("none")), OxygenProblem(60))


def test_a_surrogate_picks_better_than_chance():
    with_one, without = OxygenProblem(200), OxygenProblem(200)
    run(Reinvent(0, Options("none", batch=50, screen=10)), with_one)
    run(Reinvent(0, Options("none", batch=50)), without)
    assert np.mean(with_one.scores[100:]) > np.mean(without.scores[100:]) + 0.05


def test_the_genetic_search_raises_the_score():
    problem = OxygenProblem()
    run(GeneticTableSearch(0), problem)
    assert np.mean(problem.scores[-75:]) > np.mean(problem.scores[:75]) + 0.05


def test_options_are_checked():
    with pytest.raises(ValueError, match="update='ppo' is unknown"):
        Options(update="ppo")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"children=2 must lie in \[0, 1\]"):
        Options(children=2)


def test_a_policy_that_has_narrowed_draws_from_the_prior():
    problem: Any = OxygenProblem(60)
    search: Any = Reinvent(0)
    search.begin(problem)
    search._samples = lambda number: train_formulas()[:0]
    batch = search.ask(25)
    assert len(batch) == 25 and problem.screen(batch).all()
