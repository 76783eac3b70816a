"""One name for what is shipped in each track."""

import pytest
from matenv.agents.amortised import PriorModel
from matenv.agents.flagship import FLAGSHIPS, Flagship
from matenv.agents.reinvent import Reinvent

from matenv import Oracle, load_task
from matenv.benchmark import METHODS, Problem, Training, find, play
from matenv.benchmark.method import TRACKS
from matenv.benchmark.systems import SystemProblem


def test_there_is_one_for_each_track():
    assert tuple(FLAGSHIPS) == TRACKS
    for track, name in FLAGSHIPS.items():
        assert track in find(name).tracks
    assert METHODS["flagship"].tracks == TRACKS


@pytest.mark.parametrize("train", [False, True])
def test_on_a_system_it_is_what_won_there(train):
    agent, system = Flagship(), ("Dy", "Fe")
    if train:
        agent.train(Training("systems", 0))
    found, winner = play(agent, SystemProblem(system)), find(FLAGSHIPS["systems"]).factory(0)
    assert found.formulas == play(winner, SystemProblem(system)).formulas


@pytest.mark.slow
def test_on_a_task_and_on_wishes_it_is_what_learns():
    agent = Flagship()
    agent.begin(Problem(load_task("stable-novel"), Oracle("train", 10)))
    assert isinstance(agent.method, Reinvent) and agent.method.options.screen
    agent = Flagship()
    agent.train(Training("amortised", 0))
    assert isinstance(agent.method, PriorModel)
