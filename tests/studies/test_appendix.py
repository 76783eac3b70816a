"""Tables of docs/honesty_tables.md, made from stored results."""

import json

import pytest

from studies.honesty import appendix, rediscovery, stored, viability
from studies.honesty.cheats import Altered


def test_the_committed_page_is_what_the_stored_results_say():
    assert appendix.PAGE.read_text(encoding="utf-8") == appendix.page()


def test_every_stored_result_has_its_section():
    files = sorted(path.name for path in stored.RESULTS.glob("*.json"))
    assert files == sorted(section.file for section in appendix.SECTIONS)


def test_results_keep_six_digits_and_tables_have_a_line_for_each_row(tmp_path):
    stored.store(tmp_path / "new" / "x.json", {"2": [1 / 3, (True, 7, "a", None)]})
    assert json.loads((tmp_path / "new" / "x.json").read_text()) == {"2": [0.333333, [True, 7, "a", None]]}
    assert stored.markdown(("a", "b"), [("1", "2"), ("3", "4")]) == "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"


def test_the_interval_of_a_ratio_holds_it_and_shrinks_with_systems():
    said, true = rediscovery.np.array([1.0, 0.5, 0.2, 2.0]), rediscovery.np.array([1, 0, 1, 2])
    low, high = rediscovery.ratio_interval(said.repeat(5), true.repeat(5))
    less, more = rediscovery.ratio_interval(said.repeat(100), true.repeat(100))
    assert low < less < said.sum() / true.sum() < more < high


def test_the_form_that_is_paid_is_the_tasks_own(oracle):
    task = viability.load_task("stiff-stable")
    a = oracle.assess(["WC", "CaF2", "WN", "W9N", "Fe"])
    asked = viability.paid_by(task, viability.PAID)
    assert isinstance(asked, Altered)
    assert asked.score(a).score == pytest.approx(task.score(a).score)
    bare = viability.paid_by(task, "p_found").score(a)
    assert bare.score == pytest.approx(
        task.score(a).score * a.p_found ** (2 / 3) / viability.np.maximum(a.p_stable, 1e-9)
    )


def test_formulas_that_only_held_out_rows_have_are_asked_for():
    asked = viability.paid_by(viability.load_task("stable-novel"), viability.PAID)
    assert asked.unseen and not asked.novel
