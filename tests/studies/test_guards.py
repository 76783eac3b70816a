"""The measurements behind docs/guards.md."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from studies.guards import errors as guards
from studies.guards.draw import main as draw
from studies.honesty import cheats


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-1, 1)), min_size=3, max_size=40))
def test_rank_correlation_is_scipys(pairs):
    a, b = np.array(pairs).T
    expected = 0.0 if min(np.ptp(a), np.ptp(b)) == 0 else spearmanr(a, b)[0]
    assert guards.spearman(a, b) == pytest.approx(expected, abs=1e-9)


def test_a_guard_that_knows_and_one_that_does_not():
    random = np.random.default_rng(0)
    error, size = random.exponential(size=4000), random.integers(2, 5, 4000)
    knows = guards._judged(error + 0.1 * random.normal(size=4000), error, size)
    does_not = guards._judged(random.normal(size=4000), error, size)
    assert knows[0] > 0.9 and knows[1] > 0.9 and knows[2] > 3 * knows[3]
    assert set(knows[4]) == {"2 elements", "3 elements", "4 elements"} and knows[5][-1] == pytest.approx(knows[2])
    assert list(knows[5]) == sorted(knows[5])
    assert abs(does_not[0]) < 0.06 and does_not[2] == pytest.approx(does_not[3], rel=0.2)
    only_size = guards._judged(size.astype(float), error * size, size)
    assert only_size[0] > 0.2 and only_size[1] == 0.0  # nothing is left among rows with equally many elements


@pytest.mark.parametrize(
    "rule",
    [
        "viability factor",
        "the same, dilute binaries, no viability",
        "novelty",
        "ionic regime",
        "minimum fraction 0.1, dilute binaries",
        "guard uncertainty, 90 % quantile",
    ],
)
def test_a_rule_stops_its_cheat(rule):
    case = next(case for case in [*cheats.rules(), *cheats.guard_cases()] if case.rule == rule)
    off, on = cheats.measure(case, 1500)
    assert (off.setting, on.setting) == ("off", "on") and off.rule == rule
    assert off.cheats > on.cheats and len(off.examples) == 3
    if rule != "viability factor":  # gold and proxy differ, so a few of what the proxy calls stable are not
        assert on.cheats == 0
    if not rule.startswith("guard"):  # which stops its cheat, and the best candidates with it
        assert off.paid - off.gold > on.paid - on.gold


def test_an_altered_task_scores_as_it_is_told(oracle):
    bare = cheats.load_task("stiff-stable")
    assessment = oracle.assess(["WC", "NaCl", "WN"])
    half = cheats.alter(bare, lambda a, s: 0.5 * s.score).score(assessment)
    np.testing.assert_array_equal(half.score, 0.5 * bare.score(assessment).score)
    closed = cheats._chance(oracle.assess(["WC", "NaCl", "WN"] * 2))
    assert closed.tolist()[:3] == closed.tolist()[3:]


@pytest.mark.slow
def test_everything_is_written_drawn_and_resumed(tmp_path, capsys):
    guards.main(sources=["frontier"], predictors=["default"], out=tmp_path)
    found = [guards.Verdict(**v) for v in json.loads((tmp_path / "guards.json").read_text())["verdicts"]]
    best = {v.guard: v.spearman for v in found if v.property_name == "band_gap_pbe"}
    assert max(best, key=lambda guard: best[guard]) in ("uncertainty", "disagreement")
    assert (tmp_path / "guards.md").read_text().strip() == capsys.readouterr().out.strip()
    draw(tmp_path / "guards.json", tmp_path / "guards.png")
    assert (tmp_path / "guards.png").stat().st_size > 20_000
    for _ in range(2):
        cheats.main(calls=600, seeds=1, out=tmp_path / "cheats.json")
    written = json.loads((tmp_path / "cheats.json").read_text())
    assert len(written["outcomes"]) == 2 * len([*cheats.rules(), *cheats.guard_cases()])
    with pytest.raises(ValueError, match="another --out"):
        cheats.main(calls=700, out=tmp_path / "cheats.json")
    with pytest.raises(ValueError, match="source='nowhere'"):
        guards.gather("nowhere", guards.load_latent("vae"))
