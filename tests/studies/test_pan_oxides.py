"""Oxides in five steps: the paper's rules written anew, and the page."""

import json
from typing import Any

import numpy as np
import pytest
from matenv.agents.edit_dqn import EditDQN
from matenv.agents.train import create

import matenv
from matenv.composition import CompositionBatch
from matenv.elements import INDEX
from studies.papers.pan_oxides import __main__ as study
from studies.papers.pan_oxides import page, paper, rows


def test_the_papers_random_formulas():
    counts = paper.random_counts(4000, 0)
    np.testing.assert_array_equal(counts, paper.random_counts(4000, 0))
    others = np.delete(counts, INDEX["O"], axis=1)
    assert len(paper.ELEMENTS) == 80 and counts[:, INDEX["O"]].min() == 1 and counts.sum(axis=1).max() <= 45
    assert others.any(axis=0).sum() == 78 and (others > 9).any()  # Am is unknown here; what comes twice adds up
    assert (others > 0).sum(axis=1).mean() == pytest.approx(78 * (1 - (1 - 0.9 / 79) ** 4), abs=0.05)
    batch = CompositionBatch.from_counts(counts)
    checked = paper.shares_as_checked(counts)
    lost = np.gcd.reduce(counts, axis=1) > 1
    neutral = matenv.is_charge_neutral(batch)
    assert checked["neutral_if_reduced"] == pytest.approx((neutral & (~lost | (batch.size == 1))).mean())
    assert 0.5 < checked["neutral_if_reduced"] < neutral.mean() < 0.6


def test_oxidation_states_of_another_file(tmp_path):
    states = tmp_path / "states.txt"
    states.write_text("# a comment\nO -2\nMg +2\nHe\n\nAm +3\n")
    counts = np.zeros((4, 89), np.int64)
    for row, (magnesium, oxygen) in enumerate([(1, 1), (2, 2), (1, 2), (0, 1)]):
        counts[row, [INDEX["Mg"], INDEX["O"]]] = magnesium, oxygen
    assert paper.shares_as_checked(counts, states) == {"neutral_if_reduced": 0.5, "balanced_if_reduced": 0.5}
    assert paper.shares_as_checked(counts) == {"neutral_if_reduced": 0.75, "balanced_if_reduced": 0.75}  # MgO2


def test_the_best_fifth_is_chosen_among_what_is_allowed():
    agent, envs = create("dqn", rows.ENV_ID, overrides={"n_envs": 4})
    assert isinstance(agent, EditDQN)
    observation: Any = envs.reset()
    masks = np.stack(envs.env_method("action_masks"))
    policy = rows.BestShare(agent, 0)
    values = agent.q_net(agent.policy.obs_to_tensor(observation)[0]).detach().numpy()
    for _ in range(5):
        actions, _ = policy.predict(observation, action_masks=masks)
        for row, action in enumerate(actions):
            assert masks[row, action] and (values[row][masks[row]] > values[row, action]).sum() < 150
    only = np.zeros_like(masks)
    only[:, 7] = True
    assert (policy.predict(observation, action_masks=only)[0] == 7).all()
    envs.close()


def test_a_tiny_run_is_kept_and_goes_on(tmp_path, monkeypatch, oracle, capsys):
    monkeypatch.setattr(rows, "judges", lambda: {"proxy": oracle, "gold": oracle})
    study.main(out=tmp_path, quick=True)
    printed = capsys.readouterr().out
    assert printed.count("MaskablePPO") == 2 and "| *the paper's DQN* | -2.21 |" in printed
    kept = {path.name: path.read_text() for path in tmp_path.glob("*.json")}
    assert len(kept) == len(rows.BASE) + len(rows.AIMED)
    first = json.loads(kept["table-0.json"])
    assert first["in_table"] == 1 and len(first["first"]) == 5 and first["gold_stable"] == first["stable"]
    monkeypatch.setattr(study, "base_row", None)  # nothing is measured twice
    monkeypatch.setattr(study, "aimed_row", None)
    study.main(out=tmp_path, quick=True)
    assert capsys.readouterr().out == printed
    with pytest.raises(ValueError, match="objective='price' is unknown; choose from formation_energy"):
        study.main(out=tmp_path, objective=["price"])


def test_the_committed_page_is_what_the_stored_results_say():
    found = json.loads(study.RESULT.read_text())
    text = page.PAGE.read_text()
    assert text[text.index(page.BEGIN) + len(page.BEGIN) : text.index(page.END)].strip() == page.tables(found)


def test_a_page_without_marks_is_refused(tmp_path):
    (tmp_path / "pan.md").write_text("# My own page\n")
    with pytest.raises(ValueError, match="lacks the marks"):
        page.write_page({}, tmp_path / "pan.md")
