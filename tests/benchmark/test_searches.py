"""Searches that never learn."""

import numpy as np
import pytest

from matenv import Oracle, load_task
from matenv.benchmark.searches import prior_search, uniform_search

TASK = load_task("stiff-stable")


@pytest.mark.parametrize("search", [prior_search, uniform_search])
def test_a_search_spends_its_budget_and_repeats_under_a_seed(search):
    one, two = (search(TASK, Oracle(budget=60), seed=2) for _ in range(2))
    assert len(one.formulas) == len(set(one.formulas)) == 60 and one.formulas == two.formulas
    assert np.array_equal(one.scores, two.scores) and ((one.scores >= 0) & (one.scores <= 1)).all()
    spent = Oracle(budget=60)
    spent.assess("NaCl")
    for oracle in (Oracle(), spent):
        with pytest.raises(ValueError, match="oracle must be fresh and have a budget"):
            search(TASK, oracle)
