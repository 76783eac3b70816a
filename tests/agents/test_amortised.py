"""Agents that learn on many wishes: what they remember, and that it pays on wishes they never saw."""

import numpy as np
import pytest
from matenv.agents import amortised, conditioned
from matenv.agents.amortised import MemoryGenetic, MemorySearch, ModelAlone, PriorModel
from matenv.agents.conditioned import CONTEXT, ConditionedModel, ConditionedPolicy
from matenv.agents.memory import OUTPUTS, Memory, worth

from matenv import CompositionBatch, Oracle, fractions
from matenv.benchmark import Problem, Training, play
from matenv.benchmark.tracks import test_wishes as unseen_wishes
from matenv.tasks.wishes import TOLERANCES, Wish


def batch(*formulas):
    return CompositionBatch.from_fractions(fractions(formulas))


def test_a_formula_is_worth_most_where_it_hits_the_wish():
    wish = Wish({"band_gap_pbe": (2.0, 0.45)}, required=("Zn", "O"))
    names = list(TOLERANCES)
    told = np.full((4, OUTPUTS), 1.0)
    told[:, names.index("band_gap_pbe")] = np.array([2.0, 2.45, 2.0, np.nan]) / TOLERANCES["band_gap_pbe"]
    told[2, -1] = 0.5
    value = worth(told, wish.task())
    assert value == pytest.approx([1.0, np.exp(-0.5), 0.5, 0.0])
    assert worth(told, Wish(windows={"band_gap_pbe": (None, 2.2)}).task()) == pytest.approx(
        [1.0, np.exp(-0.5 * (0.25 / 0.45) ** 2), 0.5, 0.0]
    )


def test_memory_answers_with_what_obeys_the_wish():
    memory = Memory()
    memory.add(batch("Zn3O2", "Zn5S4", "ZnNa3O"), np.ones((3, OUTPUTS)))
    task = Wish({"band_gap_pbe": (0.45, 0.45)}, required=("Zn", "O"), novel=False).task()
    assert memory.best(Problem(task, Oracle("train", 10))).formulas() == ["Zn3O2", "Na3ZnO"]


@pytest.fixture
def quick(monkeypatch):
    """Models that hardly learn: fast, and everything is there."""
    monkeypatch.setattr(amortised, "STEPS", 5)
    for name, value in {"ROUNDS": 1, "RULES": 10, "EACH": 5, "STEPS": 3, "BATCH": 32}.items():
        monkeypatch.setattr(conditioned, name, value)


KINDS = [MemorySearch, MemoryGenetic, ModelAlone, PriorModel, ConditionedPolicy, ConditionedModel]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", KINDS)
def test_agents_keep_to_their_calls_and_to_the_wish(kind):
    agent, training = kind(0), Training("amortised", 60)
    agent.train(training)
    assert training.remaining == 0
    wish = unseen_wishes(0)[0]
    problem = Problem(wish.task(), Oracle("train", 30))
    found = play(agent, problem)
    assert len(found.compositions) == 30
    assert problem.screen(found.compositions).all()


@pytest.mark.usefixtures("quick")
def test_a_conditioned_policy_is_told_targets_in_standard_units():
    agent = ConditionedPolicy(0)
    agent.train(Training("amortised", 60))
    names = list(TOLERANCES)
    place = names.index("band_gap_pbe")
    middle = float(agent.middle[place] * TOLERANCES["band_gap_pbe"])
    context = agent.context(Wish({"band_gap_pbe": (middle, 0.45)}, required=("Zn", "O")).task())
    wanted = np.zeros(CONTEXT)
    wanted[len(names) + place] = 1.0
    assert context == pytest.approx(wanted)
    for window in ((middle - 0.5, middle + 0.5), (middle - 0.45, None), (None, middle + 0.45)):
        told = agent.context(Wish(windows={"band_gap_pbe": window}, required=("Zn", "O")).task())
        assert told == pytest.approx(wanted)
