"""Methods that move in an environment: their moves, and the command that compares them at an equal budget."""

import gymnasium as gym
import numpy as np
import pytest
from matenv.agents.equal_budget import equal_budget
from matenv.agents.methods import Walk
from matenv.agents.policies import RandomPolicy

import matenv
from matenv.benchmark import METHODS, Found, Problem, find, play
from matenv.benchmark.method import Registered
from matenv.benchmark.moves import WINDOWS, Moves, shares, windows
from matenv.composition import CompositionBatch
from matenv.tasks import load_task
from matenv.wrappers import RecordMoves, SB3VecEnv

ELEMENTS, LATENT = "MaterialElements-v0", "MaterialLatent-v0"


def batch(*formulas):
    return CompositionBatch.from_fractions(matenv.fractions(list(formulas)))


def test_shares_of_moves_by_hand():
    moves = Moves(
        compositions=batch("NaCl", "NaCl2", "NaCl", "KCl"),
        calls=np.arange(4),
        changed=np.array([True, True, True, False]),
        out_of_bounds=np.array([False, False, False, True]),
        valid=np.array([True, False, True, True]),
        success=np.array([True, False, False, False]),
        p_stable=np.array([0.5, 0.9, 0.2, 0.8]),
        decomposition_energy=np.array([0.0, 0.05, 0.08, np.nan]),
    )
    assert shares(moves) == pytest.approx(
        {
            "changed": 0.75, "out_of_bounds": 0.25, "valid": 0.75, "neutral": 0.75, "viable": 0.75,
            "valid_viable": 0.5, "useful": 0.25,
            "near_hull_50": 0.5, "near_hull_100": 0.75, "success": 0.25, "p_stable": 0.6,
            "formulas": 750.0, "systems": 500.0, "moves": 4,
        }
    )  # fmt: skip


@pytest.mark.parametrize("env_id", [ELEMENTS, LATENT])
def test_recorded_moves_are_what_single_environments_report(env_id):
    rows, horizon = 3, 4
    envs = RecordMoves(gym.make_vec(env_id, num_envs=rows, horizon=horizon, task="wide-gap-ionic-novel"))
    singles = [gym.make(env_id, horizon=horizon, task="wide-gap-ionic-novel") for _ in range(rows)]
    with pytest.raises(RuntimeError, match="before step"):
        envs.moves()
    envs.reset(seed=5)
    before = [env.reset(seed=5 + i)[1]["formula"] for i, env in enumerate(singles)]
    envs.action_space.seed(0)
    penalty = envs.unwrapped.core.PENALTY  # type: ignore[attr-defined]
    expected = []
    for _ in range(2 * horizon):
        actions = envs.action_space.sample()
        envs.step(actions)
        for i, env in enumerate(singles):
            _, _, terminated, truncated, info = env.step(actions[i])
            energy = info.get("decomposition_energy", np.nan)
            expected.append(
                (info["formula"], info["formula"] != before[i], info["terms"][penalty] < 0, info["valid"],
                 info["success"], info["p_stable"], energy)
            )  # fmt: skip
            before[i] = env.reset()[1]["formula"] if terminated or truncated else info["formula"]
    moves = envs.moves()
    assert len(moves) == rows * 2 * horizon and moves.compositions.formulas() == [row[0] for row in expected]
    flags = np.stack([moves.changed, moves.out_of_bounds, moves.valid, moves.success], axis=1)
    assert flags.tolist() == [list(row[1:5]) for row in expected]
    np.testing.assert_allclose(moves.p_stable, [row[5] for row in expected], atol=1e-5)
    np.testing.assert_allclose(moves.decomposition_energy, [row[6] for row in expected], atol=1e-5)
    assert (moves.calls[::rows] == moves.calls[rows - 1 :: rows]).all() and (np.diff(moves.calls) >= 0).all()


def test_moves_beyond_the_budget_are_left_out_and_the_wrapper_serves_sb3():
    oracle = matenv.Oracle(budget=40)
    envs = RecordMoves(gym.make_vec(ELEMENTS, num_envs=8, oracle=oracle))
    adapter = SB3VecEnv(envs)
    adapter.seed(0)
    adapter.reset()
    random = np.random.default_rng(0)
    for _ in range(30):
        masks = np.stack(adapter.env_method("action_masks"))
        adapter.step((random.random(masks.shape) * masks).argmax(axis=1))
    met = set(oracle.history().formulas())
    assert oracle.exhausted and set(envs.moves().compositions.formulas()) <= met
    assert len(envs.moves()) < 8 * 30


def test_moves_of_a_walk_are_recorded_and_cut_into_windows():
    problem = Problem(load_task("stable-novel"), matenv.Oracle(budget=150))
    search = play(Walk(RandomPolicy, ELEMENTS, 0, horizon=5), problem)
    assert len(search.scores) == 150 and search.moves is not None
    found = shares(search.moves)
    assert found["out_of_bounds"] == 0 and found["valid"] > 0.9  # masks
    parts = windows(search.moves, 150)
    assert 0 < len(parts) <= WINDOWS and sum(part["moves"] for part in parts) == len(search.moves)


def test_without_masks_most_edits_are_refused():
    problem = Problem(load_task("stiff-stable"), matenv.Oracle(budget=200))
    search = play(find("random, edits unmasked").factory(0), problem)
    assert search.moves is not None and search.moves.out_of_bounds.mean() > 0.5


def test_a_search_is_scored_as_it_was():
    oracle, task = matenv.Oracle(), load_task("stiff-stable")
    assert len(Found.of(oracle, task).scores) == 0
    scores = task.score(oracle.assess(["OsB2", "NaCl", "OsB2"])).score
    found = Found.of(oracle, "stiff-stable")
    assert found.formulas == ["B2Os", "NaCl"] and found.scores.tolist() == scores[:2].tolist() and oracle.calls == 2


def test_equal_budget_is_the_single_track_with_moves(tmp_path, monkeypatch, capsys):
    names, tasks = ["random", "random, latent", "MaskablePPO, edits"], ["stiff-stable", "stable-novel"]
    results = equal_budget(tmp_path, 200, 2, tasks, names)
    assert len(results) == 12 and {result.measures["200"]["calls"] for result in results} == {200}
    assert {result.plan.method for result in results if "moves" in result.reported} == set(names[1:])
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("leaderboard.png", "best.png", "moves.png"))
    text = capsys.readouterr().out
    assert "## single, 200 calls" in text and "## Moves, stable-novel, 200 calls" in text
    assert (tmp_path / "summary.md").read_text() == text
    for name in names:
        monkeypatch.setitem(METHODS, name, Registered(name, None, ("single",)))  # type: ignore[arg-type]
    assert equal_budget(tmp_path, 200, 2, tasks, names) == results  # nothing is run again
    with pytest.raises(ValueError, match="method='luck' is no name of a method"):
        equal_budget(tmp_path, methods=["luck"])
    with pytest.raises(ValueError, match="seeds=0"):
        equal_budget(tmp_path, seeds=0)
    with pytest.raises(ValueError, match="task='gold'"):
        equal_budget(tmp_path, tasks=["gold"])
