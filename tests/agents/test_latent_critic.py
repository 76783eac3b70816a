"""An agent of the latent environment that weighs its moves."""

from matenv.agents.latent_critic import LatentCritic, Settings

from matenv import Oracle, load_task
from matenv.benchmark import Problem, play

QUICK = Settings(rows=10, moves=6, steps=2)


def search(seed):
    problem = Problem(load_task("stiff-stable"), Oracle("train", 60))
    agent = LatentCritic(seed, QUICK)
    return agent, play(agent, problem, seed)


def test_it_spends_its_calls_on_different_formulas_and_keeps_the_best():
    agent, found = search(0)
    assert len(found.formulas) == len(set(found.formulas)) == 60
    assert len(agent.archive) == len(agent.archive.compositions.systems().distinct()) > 5
    assert agent.archive.scores[0] == found.scores.max()
    assert len(agent.critic) >= 50


def test_a_seed_decides_everything():
    assert search(3)[1].formulas == search(3)[1].formulas != search(4)[1].formulas
