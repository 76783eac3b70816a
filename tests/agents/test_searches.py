"""Every shipped search: budget, free checks, seeds; and what each is known by."""

import gymnasium as gym
import numpy as np
import pytest
from matenv.agents import searches
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.searches.cma_es import CMAESSearch
from matenv.agents.searches.map_elites import MapElitesSearch
from matenv.agents.searches.point import PointSearch, ToPoint
from matenv.agents.searches.retrieval import RetrievalSearch
from matenv.agents.searches.screening import ScreeningSearch
from matenv.agents.searches.substitution import exchanged, within_reach
from matenv.agents.surrogate import Surrogate

import matenv
from matenv.benchmark import METHODS, Problem, find, play, search
from matenv.composition import CompositionBatch
from matenv.tasks import load_task

LATENT = "MaterialLatent-v0"
NAMES = [name for name, method in METHODS.items() if method.factory.__module__.startswith(searches.__name__)]
OXYGEN = matenv.elements.INDEX["O"]
SHARE = matenv.Property("oxygen_share", "1", lambda x: x[:, OXYGEN])
RICH = matenv.Task(
    "rich-in-oxygen", "Mostly oxygen, in few calls.", (matenv.maximise("oxygen_share", 0.0, 0.8),), viability="none",
    properties=(SHARE,), max_elements=3, max_atoms=9,
)  # fmt: skip


def batch(*formulas):
    return CompositionBatch.from_fractions(matenv.fractions(list(formulas)))


def fresh(task, budget, **kwargs):
    return Problem(task, matenv.Oracle("train", budget, properties=task.properties, **kwargs))


def test_all_searches_are_registered_for_the_single_track():
    assert {"retrieval", "point", "substitution", "walk", "CMA-ES", "MAP-Elites", "GP-EI", "TuRBO", "screening"} <= {
        *NAMES
    }
    assert all("single" in METHODS[name].tracks for name in NAMES)


def costly(names):
    """Those that train a model for every batch of formulas are tested with the slow tests."""
    models = ("GP-EI", "TuRBO", "screening")
    return [pytest.param(name, marks=pytest.mark.slow) if name in models else name for name in names]


@pytest.mark.parametrize("name", costly(NAMES))
def test_a_search_spends_its_budget_passes_the_free_checks_and_repeats_under_a_seed(name):
    if (needs := METHODS[name].needs) is not None:
        pytest.importorskip(needs[0])
    task = load_task("wide-gap-ionic-novel", exclude=["Os"], require=["F|Cl|Br"])
    one, two = (search(name, task, matenv.Oracle(budget=60), seed=2) for _ in range(2))
    assert len(one.formulas) == len(set(one.formulas)) == 60 and one.formulas == two.formulas
    assert np.array_equal(one.scores, two.scores) and task.screen(one.compositions).all()
    other = search(name, task, matenv.Oracle(budget=20), seed=3)
    assert other.formulas != one.formulas[:20]


@pytest.mark.slow
@pytest.mark.parametrize("name", costly(["point", "CMA-ES", "MAP-Elites", "GP-EI", "TuRBO", "screening"]))
def test_a_search_that_learns_beats_chance(name):
    if (needs := METHODS[name].needs) is not None:
        pytest.importorskip(needs[0])
    found = play(find(name).factory(0), fresh(RICH, 200))
    chance = search("prior", RICH, matenv.Oracle(budget=200, properties=RICH.properties)).scores.mean()
    assert found.scores[100:].mean() > chance + 0.1, chance


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(
        METHODS, "far", type(METHODS["random"])("far", METHODS["random"].factory, ("single",), ("no_such_module", "bo"))
    )
    assert METHODS["far"].lacking == "pip install 'matenv[bo]'" and not METHODS["random"].lacking
    with pytest.raises(ImportError, match=r"method='far' needs what is not installed: pip install 'matenv\[bo\]'"):
        find("far")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GP-EI", "screening"])
def test_a_search_with_a_model_asks_for_what_passes_and_repeats(name):
    if (needs := METHODS[name].needs) is not None:
        pytest.importorskip(needs[0])
    one, two = (play(find(name).factory(1), fresh(RICH, 15)) for _ in range(2))
    assert one.formulas == two.formulas and len(one.formulas) == 15 and RICH.screen(one.compositions).all()


def test_fresh_rows_are_distinct_allowed_and_not_asked():
    problem = fresh(RICH, 10)
    problem.assess(["MgO"])
    assert problem.fresh(["NaCl", "MgO", "Na2Cl2", "O2", "Li2O"]).tolist() == [0, 4]


def test_retrieval_asks_the_table_and_then_its_nearest_substitutes(data):
    task = load_task("stiff-stable", elements=["Ti", "N", "Hf"])
    found = play(RetrievalSearch(0), fresh(task, 60))
    known = data.compositions[data.part("train")]
    table = known[task.screen(known)]
    assert {*found.formulas[: len(table)]} == {*table.formulas()} and len(found.formulas) > len(table)
    novel = play(RetrievalSearch(0), fresh(load_task("stable-novel"), 50))
    assert (data.find(novel.compositions) < 0).all() and len(novel.formulas) == 50


def test_exchanges_bring_formulas_under_the_rules():
    task, rng = (
        load_task("stiff-stable", exclude=["Co"], require=["Li", "F|Cl|Br"], max_elements=3),
        np.random.default_rng(0),
    )
    children = exchanged(batch("LiCoO2"), task, rng, 200)
    with_both = children[task.allows(children)]
    assert len(with_both) == 200  # cobalt goes first, and a halogen stands in for it
    assert {"Li" in formula for formula in with_both.formulas()} == {True} and len({*with_both.formulas()}) > 15
    near = exchanged(batch("TiO2"), RICH, rng, 500, near=1, most=1)
    assert len({*near.formulas()}) == 4  # a neighbour on either side of Ti, and of O
    assert within_reach(batch("LiCoO2", "NaCl", "CsI", "BaTiO3"), task, 1).formulas() == ["LiCoO2", "NaCl"]
    assert len(within_reach(batch("BaTiO3"), load_task("stiff-stable", require=["Li", "Cl", "H"]), 1)) == 1


def test_map_elites_keeps_one_formula_of_each_system():
    method = MapElitesSearch(0)
    play(method, fresh(RICH, 150))
    assert len(method.elites) == len(method.elites.systems().distinct()) == len(method.points) > 20
    assert (np.diff(method.scores) <= 0).all() and method.scores.min() > 0
    assert method.space.decode_batch(method.points).formulas() == method.elites.formulas()


def test_cma_es_remembers_what_was_assessed_and_begins_anew():
    pytest.importorskip("cma")
    method = CMAESSearch(0)
    method.begin(fresh(RICH, 500))
    first = method.ask(500)
    method.tell(first, np.linspace(0.1, 0.9, len(first)))
    run = method.run
    assert [method.scores[key] for key in first.keys().tolist()] == np.linspace(0.1, 0.9, len(first)).tolist()
    for _ in range(40):
        asked = method.ask(500)
        method.tell(asked, np.zeros(len(asked)))
    assert method.run is not run  # restarted


@pytest.mark.slow
def test_the_ensemble_learns_what_it_is_told():
    formulas = fresh(RICH, 1).formulas[:400]
    share = formulas.fractions()[:, [OXYGEN]]
    model = Surrogate(1, seed=0)
    model.tell(formulas[:300], share[:300], 300)
    said = model.predict(formulas[300:])
    assert said.shape == (4, 100, 1) and np.abs(said.mean(axis=0) - share[300:]).mean() < 0.05
    method = ScreeningSearch(0)
    play(method, fresh(RICH, 60))
    assert len(method.model) == 60


def test_a_point_is_held_in_the_environment_whatever_it_starts_from():
    search = PointSearch(0)
    play(search, fresh(load_task("stiff-stable"), 200))
    result = evaluate_policy(ToPoint(search.point, gym.make(LATENT)), LATENT, 24, horizon=24)
    assert search.score > 0.3 and (np.abs(result.final_scores - search.score) < 1e-4).mean() > 0.8
