"""Proxy, gold, truth: what an adversary makes of a bare proxy, and what is left of it under the guarded reward."""

import json

import numpy as np
import pytest

import matenv
from matenv.benchmark import best_by_system, gap, search
from matenv.benchmark.bare import bare_oracle
from matenv.benchmark.truth import error_correlations, truth_check
from matenv.composition import CompositionBatch
from matenv.tasks import load_task


def batch(*formulas):
    return CompositionBatch.from_fractions(matenv.fractions(list(formulas)))


def test_one_formula_per_chemical_system_is_kept():
    some = batch("FeO", "Fe2O3", "NaCl", "Fe3O4", "KCl")
    assert best_by_system(some, np.array([0.1, 0.5, 0.5, 0.4, 0.9]), 10).tolist() == [4, 1, 2]
    assert best_by_system(some, np.array([0.1, 0.5, 0.5, 0.4, 0.9]), 2).tolist() == [4, 1]
    assert batch("FeO", "NaCl", "FeO").distinct().tolist() == [0, 1]


def test_the_adversary_spends_its_budget_obeys_the_rules_and_repeats():
    task = load_task("stiff-stable", exclude=["Os"])
    first, again = (search("genetic", task, matenv.Oracle(budget=1500), seed=3) for _ in range(2))
    assert len(first.scores) == 1500 == len(first.compositions.distinct())
    assert task.allows(first.compositions).all()
    assert (first.compositions.counts == again.compositions.counts).all() and (first.scores == again.scores).all()
    assert first.scores[-500:].mean() > 1.5 * first.scores[:500].mean()
    with pytest.raises(ValueError, match="budget"):
        search("genetic", task, matenv.Oracle())


def test_the_adversary_beats_prior_samples_at_its_own_game():
    task = load_task("stiff-stable")
    means = []
    for source in ("prior", "genetic"):
        found = search(source, task, matenv.Oracle(budget=5000), 0)
        assert len(found.scores) == 5000
        means.append(found.scores[best_by_system(found.compositions, found.scores, 100)].mean())
    assert means[1] > means[0]


def test_a_bare_oracle_promises_more_than_comes_true(data):
    held_out = data.subset(data.part("test"))
    bare, usual = (o.assess(held_out.compositions) for o in (bare_oracle("default"), matenv.Oracle()))
    np.testing.assert_allclose(bare.decomposition_energy, usual.decomposition_energy, rtol=1e-12)
    sure = bare.p_stable > 0.9
    stable = held_out.labels["decomposition_energy"] <= 0
    assert sure.sum() > 1000 and bare.p_stable[sure].mean() > 0.95
    assert stable[sure].mean() < 0.7
    assert usual.p_stable[sure].mean() == pytest.approx(stable[sure].mean(), abs=0.06)


def test_truth_check_and_correlations():
    result = truth_check(load_task("stiff-stable"), "default")
    assert result.top == 100 < result.rows
    assert result.truth > 1.3 * result.any_row  # the predictor knows something
    novel = truth_check(load_task("wide-gap-novel"), "default")  # rows of the table are not novel, and still judged
    assert novel.truth > 5 * novel.any_row > 0 < novel.proxy
    with pytest.raises(ValueError, match="never pays a reward"):
        truth_check(load_task("stable-novel"), "gold")
    (energy, *others) = error_correlations(("default", "ensemble"))
    assert energy.property_name == "formation_energy" and energy.rows == 16468 and len(others) == 4
    assert 0.7 < energy.pearson <= 1 and 0.6 < energy.spearman <= 1


@pytest.mark.slow
def test_a_network_taken_at_its_word_pays_for_what_an_adversary_finds_and_a_calibrated_reward_does_not():
    tasks = [load_task(name) for name in ("stiff-stable", "stable-novel")]
    bare, calibrated = (
        [gap.measure(task, reward, "adversary", 3_000, seed=0) for task in tasks]
        for reward in ("bare-default", "default")
    )
    for at_its_word, honest in zip(bare, calibrated, strict=True):
        assert at_its_word.proxy - at_its_word.calibrated > 0.2  # what is paid, and what gold, calibrated, gives
        assert abs(honest.gap) < 0.05
        assert honest.calibrated > 0.9 * at_its_word.calibrated  # not bought with worse candidates


def test_unknown_rewards_are_refused():
    for reward in ("gold", "bare-gold"):
        with pytest.raises(ValueError, match="never pays a reward"):
            gap.measure(load_task("stable-novel"), reward, "adversary", 10)
    with pytest.raises(ValueError, match="source='dice' is unknown"):
        gap.measure(load_task("stable-novel"), "default", "dice", 10)


@pytest.mark.slow
def test_properties_of_ones_own_are_judged_but_have_no_truth(tmp_path):
    oxygen = matenv.elements.INDEX["O"]
    share = matenv.Property("oxygen_share", "1", lambda x: x[:, oxygen])
    task = matenv.Task("oxygen-rich", "Mostly oxygen.", (matenv.maximise("oxygen_share", 0.0, 0.8),), viability="none",
                       properties=(share,))  # fmt: skip
    for reward in ("default", "bare-default"):
        found = gap.measure(task, reward, "prior samples", 150)
        assert found.gap == pytest.approx(0.0, abs=1e-12) and found.proxy > 0.1
    path = tmp_path / "phase.toml"
    path.write_text('properties = ["p_single_phase"]\n[[objectives]]\nkind = "maximise"\n'
                    'property = "p_single_phase"\nlow = 0\nhigh = 1\n')  # fmt: skip
    text = gap.report([str(path)], 150, 1, tmp_path, ["default"])
    assert "No truth of phase" in text and json.loads((tmp_path / "gap.json").read_text())["truth"] == []


@pytest.mark.slow
def test_report_is_written(tmp_path):
    text = gap.report(["stable-novel"], 600, 2, tmp_path)
    assert "two-family" in text and "gold-train" in text
    content = json.loads((tmp_path / "gap.json").read_text())
    assert len(content["gaps"]) == len(gap.SOURCES) * len(gap.REWARDS)
    assert gap.markdown(content) == text


@pytest.mark.slow
def test_a_report_goes_on_with_what_was_measured(tmp_path, monkeypatch):
    text = gap.report(["stiff-stable"], 20, 1, tmp_path, ["default"])
    monkeypatch.setattr(gap, "measure", lambda *_: pytest.fail("measured again"))
    assert gap.report(["stiff-stable"], 20, 1, tmp_path, ["default"]) == text
    part = next((tmp_path / "parts").glob("*.json"))
    part.write_text(part.read_text().replace('"calls": 20', '"calls": 21'))
    with pytest.raises(ValueError, match="another calls"):
        gap.report(["stiff-stable"], 20, 1, tmp_path, ["default"])
    with pytest.raises(ValueError, match="reward='nobody'"):
        gap.report(["stiff-stable"], 20, 1, None, ["nobody"])
