"""The benchmarks' straightforward rival computes what matenv computes, and results survive writing. No timings."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import breakdown, device, hull_growth, measure, quote
from benchmarks.environment import moves, single_episode, watching
from benchmarks.measure import Report, Stopwatch, timed
from benchmarks.naive import CompetingPhases, NaiveEnv, NaiveReward
from benchmarks.processes import peak_memory, resident_memory
from matenv.composition import CompositionBatch
from matenv.tasks import TASKS, viability_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def few(data):
    """Twenty formulas of 2-4 elements that the task allows, and the table without all other chemical systems."""
    train = data.subset(data.split("system").train)
    rows = np.flatnonzero((data.compositions.size <= 4) & TASKS["stiff-stable"].allows(data.compositions))
    rows = np.random.default_rng(0).choice(rows, 20, replace=False)
    wanted = [set(system.split("-")) for system in data.systems[rows]]
    inside = [any(set(system.split("-")) <= system_of for system_of in wanted) for system in train.systems]
    return data.formulas[rows].tolist(), train.subset(np.array(inside))


class KnownProperties:
    """Stands in for the forests: properties given beforehand."""

    def __init__(self, predicted):
        self.predicted = predicted

    def predict(self, fractions):
        return self.predicted


@pytest.mark.parametrize("keep", [True, False])
def test_competing_phases_are_those_of_the_hull(oracle, few, keep):
    formulas, phases = few
    competing = CompetingPhases(phases, keep)
    assessed = oracle.assess(formulas)
    for row, formula in enumerate(formulas):
        for _ in range(1 + keep):  # the second time from the diagram kept
            energy, products = competing.decompose(formula)
            assert energy == pytest.approx(assessed.hull_energy[row], abs=1e-6)
            assert formula not in dict(products)
            assert sum(dict(products).values()) == pytest.approx(1)
    assert bool(competing._diagrams) == keep


def test_straightforward_score_has_the_same_form(oracle, few):
    formulas, phases = few
    assessed = oracle.assess(formulas)
    task = TASKS["stiff-stable"]
    scored = task.score(assessed)
    competing = CompetingPhases(phases)
    for row, formula in enumerate(formulas):
        known = {name: (assessed.mean[name][row], assessed.std[name][row]) for name in assessed.mean}
        reward = NaiveReward(phases, competing, KnownProperties(known), smact=False)
        verdict = reward(formula, assessed.fractions[row])
        assert verdict.score == pytest.approx(verdict.utility * verdict.viability * verdict.validity)
        assert 0 <= verdict.score <= 1 and verdict.validity == scored.terms["validity"][row] == 1
        assert verdict.utility == pytest.approx(scored.terms["utility"][row])
        assert verdict.decomposition_energy == pytest.approx(assessed.decomposition_energy[row], abs=1e-6)
        # The same taper; P(stable) itself is calibrated in matenv and a bare normal distribution here.
        if assessed.p_stable[row] > 1e-3 and verdict.p_stable > 1e-3:
            taper = viability_of(assessed, "p_stable")[row] / assessed.p_stable[row]
            assert verdict.viability / verdict.p_stable == pytest.approx(taper, abs=1e-6)
        assert (verdict.p_stable > 0.5) == (verdict.decomposition_energy < 0)


def test_straightforward_rules_are_the_tasks(few):
    _, phases = few
    reward = NaiveReward(phases, CompetingPhases(phases), KnownProperties({}), smact=False)
    batch = CompositionBatch.from_counts(np.eye(89, dtype=int)[:3])
    formulas = ["MgO", "Mg", "MgO13", "Mg11O10", "TcO2", *batch.formulas()]
    from pymatgen.core import Composition

    from matenv.composition import integer_counts

    allowed = TASKS["stiff-stable"].allows(CompositionBatch.from_counts(integer_counts(formulas)))
    assert [reward.is_valid(Composition(formula)) for formula in formulas] == allowed.tolist()
    assert allowed.tolist()[:2] == [True, False]


def test_smact_takes_part_in_the_validity(few):
    pytest.importorskip("smact", reason="comes with the extra 'bench'")
    from pymatgen.core import Composition

    reward = NaiveReward(few[1], CompetingPhases(few[1]), KnownProperties({}), smact=True)
    assert reward.is_valid(Composition("MgO")) and not reward.is_valid(Composition("MgO4"))


def test_forests_learn_and_the_environment_walks(data):
    pytest.importorskip("sklearn", reason="comes with the extra 'bench'")
    from benchmarks.naive import Forests

    train = data.subset(data.split("system").train)
    forests = Forests(train, rows=300, trees=8)
    rows = np.random.default_rng(1).choice(data.split("system").test, 60, replace=False)
    predicted = np.array([forests.predict(x)["formation_energy"][0] for x in data.fractions[rows]])
    assert np.corrcoef(predicted, data.formation_energy[rows])[0, 1] > 0.6

    env = NaiveEnv(
        NaiveReward(train, CompetingPhases(train.subset(np.arange(0, len(train), 40))), forests, smact=False)
    )
    observation, info = env.reset()
    assert observation.shape == (env.space.dim + 89,) and {"formula", "score"} <= set(info)
    for step, action in enumerate(moves(1, env.space.dim)[:, 0], start=1):
        observation, reward, terminated, truncated, info = env.step(action)
        assert 0 <= info["score"] <= 1 and reward in (0.0, info["score"])
        assert not terminated and truncated == (step == env.horizon)
        assert np.linalg.norm(observation[: env.space.dim]) <= 1 + 1e-6


def test_report_round_trips(tmp_path):
    report = Report(quick=True)
    fast = report.add("hull", "ours", "queries/s", [4.0, 1.0, 3.0], at_least=2)
    slow = report.add("hull", "theirs", "queries/s", 0.5)
    ratio = report.ratio("hull", "ours over theirs", fast, slow, at_least=100)
    report.add("hull", "point of a curve", "us", [1.0], detail=True)
    report.add("environment", "memory", "MiB", 2048.0, at_most=1024)
    report.notes.append("A note.")
    assert (fast.median, fast.smallest, fast.largest, fast.met) == (3, 1, 4, True)
    assert (ratio.median, ratio.smallest, ratio.largest, ratio.met) == (6, 2, 8, False)
    assert slow.met is None and report.measurements[-1].met is False
    with pytest.raises(ValueError, match="queries/s"):
        report.ratio("hull", "nonsense", fast, report.measurements[-1])

    path = report.write(tmp_path)
    again = Report.read(path)
    assert again.measurements == report.measurements and again.machine == report.machine
    assert again.markdown() == report.markdown() == path.with_suffix(".md").read_text()
    assert json.loads(path.read_text())["machine"]["versions"]["numpy"] == np.__version__
    lines = report.table().splitlines()
    assert len({len(line) for line in lines}) == 1 and len(lines) == 2 + 4
    assert "point of a curve" not in report.table() and "not for quoting" in report.markdown()


def test_readme_quotes_the_newest_results():
    text = (ROOT / "README.md").read_text()
    assert text[text.index(quote.BEGIN) + len(quote.BEGIN) : text.index(quote.END)] == quote.block(quote.newest())


def test_quoting_needs_a_complete_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="make bench"):
        quote.newest(tmp_path)
    path = Report().write(tmp_path)
    assert quote.newest(tmp_path) == path
    Report(quick=True).write(tmp_path)
    assert quote.newest(tmp_path) == path
    with pytest.raises(ValueError, match="without OPTIONS"):
        quote.block(path)


def test_parts_of_a_step_are_drawn_largest_first(tmp_path):
    report = Report()
    for label in ("N = 1,024", "single"):
        for part, value in (("whole step", 6.0), ("hull", 2.0), ("decode", 4.0)):
            report.add("environment", f"{label}: {part}", breakdown.UNIT, value)
    assert list(breakdown.parts(report, "single").items()) == [("decode", 4.0), ("hull", 2.0)]
    breakdown.draw(report, tmp_path / breakdown.PICTURE)
    assert (tmp_path / breakdown.PICTURE).read_bytes()[:4] == b"\x89PNG"


def test_device_benchmark_compares_with_the_cpu():
    report = Report()
    device.agreement(report, "cpu", rows=4)
    assert [m.median for m in report.measurements] == [100, 0]
    if not torch.cuda.is_available():
        device.measure(report, quick=True)
        assert "No GPU here" in report.notes[-1]


def test_spread_can_leave_out_the_extremes():
    kept = Report().add("hull", "latency", "us", np.arange(101.0), spread=(1, 99))
    assert (kept.median, kept.smallest, kept.largest) == (50, 1, 99)


def test_timings_count_every_call_but_the_first():
    now = iter(range(100))
    assert timed(lambda: next(now), 3, clock=lambda: float(next(now))).tolist() == [2, 2, 2]

    class Machine:
        def work(self):
            return "done"

    machine, ticks = Machine(), iter(range(100))
    with watching({"work": (machine, "work")}, clock=lambda: float(next(ticks))) as watches:
        assert machine.work() == machine.work() == "done"
    assert watches["work"].seconds == 2 and machine.work() == "done" and watches["work"].seconds == 2
    watch = Stopwatch(lambda: float(next(ticks)))
    with pytest.raises(ZeroDivisionError):
        watch.around(lambda: 1 / 0)()
    assert watch.seconds == 1


def test_single_episodes_reset_once_and_step_through_the_moves():
    calls = []

    class Env:
        def reset(self):
            calls.append("reset")

        def step(self, action):
            calls.append(action.shape)

    single_episode(Env(), moves(1, 4)[:, 0])()
    assert calls == ["reset"] + [(4,)] * 16
    assert 0 < resident_memory() <= peak_memory()


def test_synthetic_tables_are_what_they_claim(data):
    from matenv import ConvexHull

    part = data.subset(np.arange(0, len(data), 400))
    batch = hull_growth.neighbouring_formulas(part, 2 * len(part), np.random.default_rng(0))
    assert len(batch) == 2 * len(part)
    table = hull_growth.above_the_hull(part, batch, np.random.default_rng(0))
    assert set(ConvexHull.from_dataset(table).formulas) == set(ConvexHull.from_dataset(part).formulas)
    convex = ConvexHull.from_dataset(hull_growth.strictly_convex(batch))
    assert len(convex) == len(set(batch.formulas()))
    queries = hull_growth.random_queries(data, 5, 10, np.random.default_rng(0))
    assert ((queries > 0).sum(axis=1) == 5).all() and queries.sum(axis=1) == pytest.approx(1)


def test_cost_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "new" / hull_growth.PICTURE
    hull_growth.draw({1000: {2: 1.0, 4: 2.0}, 5000: {2: 3.0, 4: 9.0}}, path)
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_numbers_in_tables_are_short():
    shown = [
        measure.row(measure.Measurement("", "", "", value, 0, 0, 1))[3]
        for value in (0, 1234567.8, 5.026, 0.0391, 2e-14)
    ]
    assert shown == ["0", "1,234,568", "5.03", "0.0391", "2.0e-14"]
