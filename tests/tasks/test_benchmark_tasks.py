"""The registered benchmark tasks: what is free to check is what scores, and what they ask for can be reached."""

from dataclasses import replace

import numpy as np
import pytest

import matenv
from matenv import Oracle, load_task
from matenv.data.novelty import is_novel, train_formulas
from matenv.tasks import BENCHMARK, TASKS, TRAINING_WHEELS
from matenv.tasks.benchmark_tasks import ABUNDANT
from matenv.tasks.sampling import random_formulas


def test_every_task_is_one_or_the_other():
    assert set(BENCHMARK) | set(TRAINING_WHEELS) == set(TASKS) and not set(BENCHMARK) & set(TRAINING_WHEELS)
    assert len(BENCHMARK) >= 12
    assert {"Fe", "O", "Si"} <= set(ABUNDANT) and not {"Pb", "Cd", "As", "Be", "Au", "U"} & set(ABUNDANT)


def near(task):
    """Formulas of elements like those of the start that a task is to improve on, if it has one."""
    like = {"LiCoO2": ("Li", "Ni", "Mn", "O"), "CsPbI3": ("Cs", "Rb", "Sn", "I", "Br")}
    if not task.start:
        return []
    require = ("Li", ("Ni", "Mn")) if "Li" in like[task.start] else ()
    return [random_formulas(replace(task, elements=like[task.start], require=require), 1500, 0)]


@pytest.mark.parametrize("name", BENCHMARK)
def test_only_what_passes_the_screen_scores(name):
    task = load_task(name)
    data = matenv.load_dataset("mp-ground-states")
    rows = data.compositions[np.random.default_rng(0).permutation(len(data))[:1500]]
    batch = matenv.CompositionBatch.concatenate([random_formulas(task, 1500, 0), rows, *near(task)])
    screened = task.screen(batch)
    scored = task.score(Oracle("train").assess(batch))
    assert not scored.score[~screened].any()
    passed = batch[np.flatnonzero(screened)]
    if task.novel:
        assert is_novel(passed).all()
    if task.unseen:
        assert (train_formulas().find(passed) < 0).all()
    assert not scored.score[scored.terms["validity"] == 0].any()
    assert screened.any() and np.isfinite(scored.score).all()


def test_known_compounds_are_never_new():
    a = Oracle("train").assess(["CsF", "CeO2", "BN", "NaCl"])
    assert not a.novel.any()
    assert a.known.tolist()[-1] and not a.rediscovered[-1]
    assert a.rediscovered.tolist()[2] and not a.known[2]  # held out
