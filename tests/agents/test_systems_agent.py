"""Rankings of a chemical system's compositions, proposal by proposal."""

import numpy as np
import pytest
from matenv.agents.systems_agent import RevealingRanking
from matenv.agents.systems_rankings import LikelihoodRanking, StabilityRanking, StaticRanking, StoichiometryRanking

from matenv import load_task
from matenv.benchmark import Problem, play
from matenv.benchmark.systems import SystemProblem
from matenv.oracle import Oracle
from matenv.oracle.rivals import rank_system

SYSTEM = ("Dy", "Fe")


def test_the_static_ranking_is_that_of_p_found():
    problem = SystemProblem(SYSTEM)
    found = play(StaticRanking(), problem)
    ranked = rank_system(Oracle("train"), SYSTEM)
    assert found.formulas == ranked.compositions[:10].formulas()
    assert found.scores.sum() >= 1


def test_ten_proposals_are_ten_compositions_of_the_system():
    found = play(RevealingRanking(), SystemProblem(SYSTEM))
    assert len(set(found.formulas)) == 10
    assert SystemProblem(SYSTEM).task.allows(found.compositions).all()


def test_a_miss_raises_its_neighbours_and_a_hit_nobody():
    agent = RevealingRanking()
    agent.begin(SystemProblem(SYSTEM))
    before = agent.score()
    first = agent.ask(1)
    agent.tell(first, np.array([1.0]))
    assert np.array_equal(agent.score(), before)
    second = agent.ask(1)
    agent.tell(second, np.array([0.0]))
    gain = agent.score()[:40] - before[:40]
    near = np.abs(agent.fractions - second.fractions()).sum(axis=1)
    assert gain.argmax() == near.argmin()
    assert np.array_equal(np.argsort(near.round(9), kind="stable"), np.argsort(-gain.round(9), kind="stable"))


@pytest.mark.parametrize("ranking", [StabilityRanking, StoichiometryRanking, LikelihoodRanking])
def test_other_orders_propose_each_composition_once_and_best_first(ranking):
    agent = ranking()
    found = play(agent, SystemProblem(SYSTEM))
    assert len(set(found.formulas)) == 10
    assert SystemProblem(SYSTEM).task.allows(found.compositions).all()
    assert agent.value[agent.proposed].min() >= np.delete(agent.value, agent.proposed).max()


def test_it_serves_the_systems_track_only():
    with pytest.raises(ValueError, match="systems track only"):
        StaticRanking().begin(Problem(load_task("stable-novel"), Oracle("train", 10)))
