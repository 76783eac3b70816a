"""The registry of benchmark tasks: each needs a search, none is exhausted; their reference values."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matenv.agents.flagship import FLAGSHIPS

from matenv import load_task
from matenv.benchmark import read_results
from matenv.benchmark.references import digest, references
from matenv.tasks import BENCHMARK, TASKS, TRAINING_WHEELS
from matenv.tasks.registry import task_for_storage
from tools.build_references import PAGE, page


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
