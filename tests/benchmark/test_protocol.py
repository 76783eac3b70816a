"""The protocol: methods from anywhere, budgets, tracks, metrics by hand."""

import numpy as np
import pytest

import matenv
from matenv import Oracle, load_task
from matenv.benchmark import (
    METHODS,
    AskTell,
    Found,
    Plan,
    Problem,
    Training,
    best_by_system,
    find,
    plans,
    play,
    register,
    run,
    search,
)
from matenv.benchmark.curve import area_under_curve, best_rows, best_so_far, values_at
from matenv.benchmark.listing import describe
from matenv.benchmark.measures import search_measures, system_measures, wish_measures
from matenv.benchmark.method import source_of
from matenv.benchmark.systems import SystemProblem, held_out, stable_phases
from matenv.benchmark.tracks import test_wishes as wishes_of_a_test
from matenv.composition import CompositionBatch
from matenv.tasks.wishes import Wish, draw, part_of

OWN = "tests.benchmark.own_method:Oxides"
TASK = load_task("stiff-stable")


def batch(*formulas):
    return CompositionBatch.from_fractions(matenv.fractions(list(formulas)))


class Listed(AskTell):
    """Proposes what it is given, a fixed number at a time."""

    def __init__(self, formulas, step=1):
        super().__init__()
        self.formulas, self.step, self.told = list(formulas), step, []

    def ask(self, n):
        now, self.formulas = self.formulas[: self.step], self.formulas[self.step :]
        return now

    def tell(self, compositions, scores):
        self.told += scores.tolist()


def test_best_so_far_and_area_by_hand():
    found, scores = batch("MgO", "MgO2", "NaCl", "LiF"), np.array([0.2, 0.4, 0.1, 0.3])
    calls, means = best_so_far(found, scores, k=2, every=1)
    assert calls.tolist() == [0, 1, 2, 3, 4]
    assert means == pytest.approx([0.0, 0.1, 0.2, 0.25, 0.35])  # MgO2 replaces MgO: one formula per chemical system
    area = 0.5 * (0 + 0.1) + 0.5 * (0.1 + 0.2) + 0.5 * (0.2 + 0.25) + 0.5 * (0.25 + 0.35) + 6 * 0.35
    assert area_under_curve(calls, means, 10) == pytest.approx(area / 10)
    assert best_so_far(found, scores, k=2, every=3)[0].tolist() == [0, 3, 4]
    rows = best_rows(found, scores)[1][-1]
    assert values_at(rows, scores)[:4].tolist() == [0.4, 0.3, 0.1, 0.0]
    assert rows[:4].tolist() == [*best_by_system(found, scores, 100).tolist(), -1]
    assert best_so_far(found[:0], scores[:0])[1].tolist() == [0.0]


def test_the_budget_is_enforced_repeats_are_free_and_order_is_kept():
    method = Listed(["NaCl", "Na2Cl2", "MgO", "NaCl", "LiF", "KF", "CsF"], step=1)
    problem = Problem(TASK, Oracle(budget=4))
    found = play(method, problem)
    assert found.formulas == ["NaCl", "MgO", "LiF", "KF"] and problem.remaining == 0
    assert len(method.told) == 6  # the repeats were told, too
    assert problem.asked(["NaCl", "CsF"]).tolist() == [True, False]
    assert problem.terms.keys() >= {"utility", "viability"} and np.isfinite(problem.predicted["log10_bulk_modulus"])
    assert play(Listed(["NaCl", "MgO"]), Problem(TASK, Oracle(budget=9))).formulas == ["NaCl", "MgO"]  # none ends it
    with pytest.raises(ValueError, match=r"Listed.ask\(2\) returned 3 formulas"):
        play(Listed(["NaCl", "MgO", "KF"], step=3), Problem(TASK, Oracle(budget=2)))


def test_a_method_that_repeats_itself_for_ever_ends():
    class Stuck(AskTell):
        def ask(self, n):
            return ["NaCl"] * min(n, 1000)

    assert play(Stuck(), Problem(TASK, Oracle(budget=1100))).formulas == ["NaCl"]


@pytest.mark.parametrize("name", ["random", "prior", "genetic"])
def test_a_search_spends_its_budget_passes_the_free_checks_and_repeats_under_a_seed(name):
    task = load_task("wide-gap-ionic-novel", exclude=["Os"])
    one, two = (search(name, task, Oracle(budget=60), seed=2) for _ in range(2))
    assert len(one.formulas) == len(set(one.formulas)) == 60 and one.formulas == two.formulas
    assert np.array_equal(one.scores, two.scores) and task.screen(one.compositions).all()
    spent = Oracle(budget=60)
    spent.assess("NaCl")
    for oracle in (Oracle(), spent):
        with pytest.raises(ValueError, match="oracle must be fresh and have a budget"):
            search(name, task, oracle)


def test_a_method_of_ones_own_runs_from_module_or_file(tmp_path):
    (plan,) = plans([OWN], "single", ["stiff-stable"], seeds=1, budget=50)
    result = run(plan)
    assert len(result.answers[0].formulas) == 50 and result.plan.method == OWN
    path = tmp_path / "mine.py"
    path.write_text("class Mine:\n    def __init__(self, seed): ...\n    def ask(self, n):\n        return ['HfN']\n")
    assert play(find(f"{path}:Mine").factory(0), Problem(TASK, Oracle(budget=2))).formulas == ["HfN"]
    with pytest.raises(ValueError, match="has no 'Luck'"):
        find("tests.benchmark.own_method:Luck")
    path.write_text("class Mine:\n    def ask(self, n):\n        return ['HfN']\n")
    with pytest.raises(ValueError, match="mine.py:Mine' must make the method from a seed and nothing else"):
        find(f"{path}:Mine")
    find("genetic")  # what is there already hides nothing of theirs
    path.write_text(
        "from matenv.benchmark import register\nclass genetic:\n    def __init__(self, seed): ...\n"
        "    def ask(self, n):\n        return []\n"
    )
    assert find(f"{path}:genetic").name == f"{path}:genetic" and source_of(f"{path}:genetic") is not None
    with path.open("a") as file:
        file.write("register('genetic of mine', genetic)\n")
    assert [find(f"{path}:genetic").name for _ in range(2)] == [f"{path}:genetic"] * 2
    assert METHODS.pop("genetic of mine").name == "genetic of mine"
    with pytest.raises(ValueError, match="method='luck' is no name of a method; choose from '"):
        find("luck")
    with pytest.raises(ImportError, match="nowhere"):
        find("nowhere:luck")
    with pytest.raises(ValueError, match="name='random' is taken"):
        register("random", METHODS["genetic"].factory)
    with pytest.raises(ValueError, match="does not serve track='amortised'"):
        plans(["prior"], "amortised")


def test_measures_by_another_route():
    found = search("random", TASK, Oracle(budget=150), 0)
    measured = search_measures(found, TASK, 100)
    again = TASK.score(Oracle().assess(found.compositions[:100]))
    assert measured["calls"] == 100 and measured["success"] == again.success.mean()
    assert measured["top1"] == again.score.max() >= measured["top10"] > measured["top100"] > 0
    assert measured["top100"] == pytest.approx(measured["gold100"] + measured["gap"])
    systems = {tuple(row) for row in found.compositions.elements[:100].tolist()}
    assert measured["systems"] == len(systems)
    hits = {tuple(row) for row in found.compositions.elements[:100][again.success].tolist()}
    assert measured["hits"] == len(hits) >= measured["gold_hits"]
    nothing = search_measures(Found(batch("NaCl")[:0], np.zeros(0)), TASK, 100)
    assert nothing["top100"] == nothing["gold100"] == nothing["hits"] == nothing["valid"] == 0


def test_rediscoveries_are_stable_and_held_out(data):
    test = data.part("test")
    stable = data.labels["decomposition_energy"][test] <= 0
    allowed = TASK.allows(data.compositions[test])
    rows = [test[stable & allowed][:3], test[~stable & allowed][:2], data.part("train")[:2]]
    some = data.compositions[np.concatenate(rows)]
    assert search_measures(Found(some, np.zeros(len(some))), TASK, 100)["rediscoveries"] == 3


def test_wishes_of_training_and_test_share_no_pair_and_can_be_asked_for():
    rng = np.random.default_rng(0)
    drawn = {part: [draw(rng, part) for _ in range(200)] for part in ("train", "test")}
    pairs = {part: {wish.required for wish in wishes} for part, wishes in drawn.items()}
    assert not pairs["train"] & pairs["test"] and all(part_of(pair) == "test" for pair in pairs["test"])
    for wish in drawn["test"][:20]:
        task = wish.task()
        assert not {*wish.required} & {*wish.excluded} and task.novel
        assert all(tolerance >= 0.1 for _, tolerance in wish.targets.values())
    assert len({len(wish.targets) for wish in drawn["train"]}) == 2
    assert wishes_of_a_test(7) == wishes_of_a_test(7) != wishes_of_a_test(8)
    with pytest.raises(ValueError, match="part='dev'"):
        draw(rng, "dev")


def test_a_wish_is_worth_most_at_its_target():
    oracle = Oracle()
    mean = float(oracle.assess("MgO").mean["band_gap_pbe"][0])
    for away, expected in ((0.0, 1.0), (0.45, np.exp(-0.5)), (0.9, np.exp(-2.0))):
        task = Wish({"band_gap_pbe": (mean + away, 0.45)}, ("Mg", "O"), novel=False).task()
        assert task.score(oracle.assess("MgO")).terms["utility"][0] == pytest.approx(expected)
        assert task.success_utility == pytest.approx(np.exp(-0.5))


def answer_to(wish):
    """Nobody's formula, with the elements that a wish requires."""
    return matenv.formula(matenv.fractions("".join(f"{e}{k}" for e, k in zip(wish.required, (7, 5), strict=True))))


class Learns(AskTell):
    """Remembers what its training met, and says in the test what it knew of before."""

    def train(self, training):
        wish = training.wish(self.rng)
        problem = training.problem(wish)
        problem.assess(batch("NaCl", "MgO", "KF"))
        assert training.remaining == training.budget - 3
        training.problem(training.wish(self.rng)).assess(["NaCl"])  # free under another wish
        assert training.remaining == training.budget - 3
        self.known, self.tests = ["NaCl", "MgO"], 0

    def begin(self, problem):
        super().begin(problem)
        self.tests += 1
        assert self.tests == 1  # no test learns from another
        self.left = [*self.known, answer_to(problem.wish)]

    def ask(self, n):
        now, self.left = self.left[:n], self.left[n:]
        return now


def test_the_amortised_track_trains_once_and_keeps_tests_apart(monkeypatch):
    monkeypatch.setitem(METHODS, "learns", type(METHODS["random"])("learns", Learns, ("amortised",)))
    (plan,) = plans(["learns"], "amortised", seeds=1, training=10)
    result = run(plan)
    assert result.trained_on == ["NaCl", "MgO", "KF"] and len(result.answers) == 20
    wishes = wishes_of_a_test(plan.seed)
    tasks = [wish.task() for wish in wishes]
    for wish, task, answer in zip(wishes, tasks, result.answers, strict=True):  # what no wish asks for costs nothing
        assert answer.formulas == [f for f in [answer_to(wish)] if task.screen(batch(f))[0]]
    assert sum(len(answer.formulas) for answer in result.answers) >= 5
    found = [Found(answer.compositions, np.array(answer.scores)) for answer in result.answers]
    assert result.measures["100"] == wish_measures(found, tasks) and 0 < result.measures["100"]["calls"] <= 1


def test_what_the_free_checks_refuse_costs_no_call_and_tells_nothing():
    task = load_task("wide-gap-ionic-novel")  # MgF2 is known, Li2MgF3 has no common oxidation states
    problem = Problem(task, Oracle(budget=2))
    method = Listed(["MgF2", "Li2MgF3", "Cs3Be2F7", "MgF2", "Rb3Be2F7", "K3Be2F7"])
    found = play(method, problem)
    assert found.formulas == ["Cs3Be2F7", "Rb3Be2F7"] and method.told[:2] == [0.0, 0.0] and problem.remaining == 0
    problem = Problem(task, Oracle(budget=5))
    problem.assess(["MgF2", "Cs3Be2F7"])
    assert np.isnan(problem.predicted["band_gap_pbe"]).tolist() == [True, False]
    assert problem.fresh(["MgF2", "Cs3Be2F7", "Rb3Be2F7"]).tolist() == [2]


def test_the_systems_track_pays_by_dft_once():
    system, phases = next((s, p) for s, p in stable_phases("test").items() if len(s) == 2 and len(p) > 1)
    first, second = phases[:2].formulas()
    element = system[0]
    problem = SystemProblem(system)
    method = Listed([first, first, second, "NaClO3", f"{element}13{system[1]}"])
    found = play(method, problem)
    assert found.scores.tolist() == method.told == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert problem.remaining == 5 and problem.revealed.keys() == {first, second}
    assert problem.screen([first, "NaClO3"]).tolist() == [True, False]
    measured = system_measures([found], [system], [len(phases)])
    assert measured["first"] == 1 and measured["hits"] == 2 and measured["recall"] == 2 / len(phases)


def test_measures_of_systems_by_hand():
    def found(*scores):
        return Found(batch(*["NaCl", "Na2Cl", "Na3Cl"][: len(scores)]), np.array(scores))

    two = [("Cl", "Na"), ("Cl", "K")]
    measured = system_measures([found(1.0, 0.0, 1.0), found(0.0, 1.0)], two, [2, 3])
    assert measured["first.2"] == 0.5 and measured["hits.2"] == 1.5 and measured["recall.2"] == 3 / 5
    # named after 1, 2, ... 10 proposals: 1, 2, 3, 3, ... of five
    assert measured["auc"] == measured["auc.2"] == pytest.approx((1 + 2 + 8 * 3) / 10 / 5)


def test_held_out_systems_are_none_of_training(data):
    training = Training("systems", 0)
    assert not {*training.systems} & {*held_out(None, 0)}
    some, other = held_out(5, 1), held_out(5, 2)
    assert [len(system) for system in some] == [2] * 5 + [3] * 5 + [4] * 5 and some != other
    known = training.problem(("O", "Ti"))
    assert known.assess(["TiO2"]).tolist() == [1.0] and "TiO2" in known.revealed
    held = data.compositions[data.part("test")]
    binary = held[np.flatnonzero(held.size == 2)[:1]]
    system = tuple(matenv.elements.SYMBOLS[k] for k in binary.elements[0, :2])
    with pytest.raises(ValueError, match="is no system of the train part"):  # nothing of the test is told
        training.problem(system)


def test_what_would_be_ignored_or_misread_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"tasks=\['superhard'\] belong to track='single'"):
        plans(["random"], "amortised", ["superhard"])
    with pytest.raises(ValueError, match="'superhrad' is no task, method or result file; .*did you mean 'superhard'"):
        describe("superhrad")
    with pytest.raises(ValueError, match="method='mine.py' is a file; say what in it is the method: mine.py:Name"):
        find("mine.py")
    with pytest.raises(ValueError, match="content: task='superhard' is a registered task"):
        Plan("random", "single", "superhard", 1000, 50, content={"name": "superhard"})


def test_nothing_is_predicted_of_what_is_refused():
    problem = Problem(load_task("stable-novel"), Oracle(budget=5))
    problem.assess(["NaCl", "Cs2TiBr5"])
    for name, said in problem.predicted.items():
        assert np.isnan(said[0]) and np.isfinite(said[1]), name
