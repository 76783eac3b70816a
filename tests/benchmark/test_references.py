"""The registry of benchmark tasks: each needs a search, none is exhausted; their reference values."""

from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from matenv.agents.flagship import FLAGSHIPS

import matenv
from matenv import load_task
from matenv.benchmark import read_results
from matenv.benchmark.listing import describe
from matenv.benchmark.references import digest, references
from matenv.composition import CompositionBatch
from matenv.composition.movers import movers_distance
from matenv.tasks import BENCHMARK, TASKS, TRAINING_WHEELS
from matenv.tasks.registry import task_for_storage
from tools.build_references import worth
from tools.references_page import PAGE, page


def test_a_registered_task_is_stored_by_its_name():
    assert [task_for_storage(name) for name in TASKS] == list(TASKS)


@pytest.mark.parametrize("name", BENCHMARK)
def test_neither_a_point_nor_neighbours_of_the_table_answer_a_task(name):
    known = references(TASKS[name])
    assert known is not None, "the task has changed: run it again, then python -m tools.build_references"
    assert known.gain(known.point) <= 0.5
    assert known.gain(known.retrieval) <= 0.5


@pytest.mark.parametrize("name", BENCHMARK)
def test_tasks_can_be_reached_and_are_not_exhausted(name):
    known = references(TASKS[name])
    assert known is not None
    assert known.best > max(known.floor, 0.005)
    assert known.best_method not in ("random", "point", "retrieval")
    assert known.genetic <= 0.95 * known.ceiling_proxy
    assert known.best < known.ceiling
    assert known.separation >= 0.5


@pytest.mark.parametrize("name", BENCHMARK)
def test_no_task_is_beyond_reach(name):
    """Of the committed runs with 10,000 calls one at least has a success that gold confirms."""
    known = references(TASKS[name])
    assert known is not None and known.hits >= 1


def test_a_start_is_worth_one_number_and_every_word_about_it_says_the_same():
    starts = {name for name in BENCHMARK if TASKS[name].start is not None}
    assert starts == {"co-free-cathode", "pb-free-absorber"}
    for name in BENCHMARK:
        task, known = TASKS[name], references(TASKS[name])
        assert known is not None and (known.start is not None) == (known.start_proxy is not None) == (name in starts)
        if known.start is None:
            continue
        gold, proxy = f"{known.start:.3f}", f"{known.start_proxy:.3f}"
        assert f"minus what {task.start} is worth, {gold} by gold and {proxy} by proxy" in task.description
        assert f"| {name} | {task.start} | {gold} | {proxy} | {known.best - known.start:.3f} |" in page()
        assert f"the start {task.start} is worth {gold} by gold, {proxy} by proxy" in describe(name)
        assert f"element mover's distance of at most 8 from {task.start}" in describe(name)


@pytest.mark.parametrize("name", ["co-free-cathode", "pb-free-absorber"])
def test_what_a_start_is_worth_is_what_the_environment_subtracts(name):
    known = references(TASKS[name])
    _, info = gym.make("MaterialElements-v0", task=name).reset(seed=0)
    assert known is not None and info["start_worth"] == pytest.approx(known.start_proxy, abs=1e-5)
    assert worth(name, str(TASKS[name].start), "gold") == pytest.approx(known.start, abs=1e-5)


def test_eight_places_admit_what_the_page_says():
    some = CompositionBatch.from_fractions(matenv.fractions(["LiNiO2", "KLi4Cr2BrO8", "CsSnI3"]))
    starts = CompositionBatch.from_fractions(matenv.fractions(["LiCoO2", "LiCoO2", "CsPbI3"]))
    assert movers_distance(some, starts).tolist() == pytest.approx([0.25, 7.5, 0.2])
    assert TASKS["co-free-cathode"].screen(some[1:2]).all()


def test_reference_values_are_of_the_task_as_it_is():
    task = load_task("superhard")
    assert references(task) is not None
    assert references(replace(task, max_atoms=19)) is None
    assert digest(task) == digest(replace(task, description="other words")) != digest(replace(task, novel=False))
    assert all(references(TASKS[name]) is None for name in TRAINING_WHEELS)


def test_the_page_is_made_from_the_values():
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("track", ["amortised", "systems"])
def test_what_is_asked_for_decides_what_is_answered(track):
    """Of the flagship's stored runs: one answer for all would be one formula."""
    results = read_results([Path("studies/results") / f"benchmark_{track}"])
    runs = [each for each in results if each.plan.method == FLAGSHIPS[track]]
    assert runs
    for run in runs:
        best = {answer.formulas[int(np.argmax(answer.scores))] for answer in run.answers}
        assert len(best) >= 0.9 * len(run.answers) >= 18
