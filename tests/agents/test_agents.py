import csv
import json
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from matenv.agents.candidate_files import write_candidates
from matenv.agents.candidates import rank_candidates, show_table, write_csv
from matenv.agents.demo import demo
from matenv.agents.evaluation import evaluate_both, evaluate_policy
from matenv.agents.hyperparameters import load_hyperparameters
from matenv.agents.policies import RandomPolicy
from matenv.agents.seeds import EVALUATION_SEEDS, ROWS, training_seeds
from matenv.agents.train import ALGORITHMS, ENV_IDS, create, load, train
from pymatgen.core import Composition
from stable_baselines3 import SAC
from typer.testing import CliRunner

import matenv
from matenv.cli import app

TINY = """
MaterialLatent-v0:
  n_envs: 8
  n_timesteps: 256
  policy: MlpPolicy
  n_steps: 16
  batch_size: 64
  n_epochs: 2
"""


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yml"
    path.write_text(TINY)
    return path


def weights(agent):
    return {key: value.numpy().copy() for key, value in agent.policy.state_dict().items()}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_shipped_hyperparameters_make_an_agent(algorithm):
    env_id = ENV_IDS[algorithm]
    block = load_hyperparameters(algorithm, env_id)
    assert block["n_envs"] > 1 and isinstance(block["n_timesteps"], int)
    with pytest.raises(ValueError, match="no block"):
        load_hyperparameters(algorithm, "CartPole-v1")
    with pytest.raises(ValueError, match="is no file"):
        load_hyperparameters("dreamer", "MaterialLatent-v0")


def test_an_agent_that_names_the_phases_of_systems_trains_and_is_evaluated(tmp_path):
    path = tmp_path / "own.yml"
    path.write_text("MaterialSystem-v0: {n_envs: 4, n_timesteps: 80, policy: MlpPolicy, n_steps: 10, batch_size: 20}\n")
    train("ppo", tmp_path / "run", 80, env_id="MaterialSystem-v0", hyperparameters=path, progress=False)
    with (tmp_path / "run" / "episodes.csv").open() as stream:
        (logged,) = csv.DictReader(stream)
    assert logged["episodes"] == "8" and logged["mean_p_stable"] == "" and float(logged["mean_return"]) >= 0
    said = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run"), "--episodes", "4"])
    assert said.exit_code == 0 and "Stable phases named:" in said.output, said.output


def test_train_save_load_resume(tmp_path, tiny):
    agent = train("ppo", tmp_path / "a", 256, seed=1, hyperparameters=tiny, progress=False)
    stored = load(tmp_path / "a")
    assert all(np.array_equal(a, b) for a, b in zip(weights(agent).values(), weights(stored).values(), strict=True))
    again = train("ppo", tmp_path / "b", 256, seed=1, hyperparameters=tiny, progress=False)
    assert all(np.array_equal(a, b) for a, b in zip(weights(agent).values(), weights(again).values(), strict=True))
    more = train("ppo", tmp_path / "a", 512, seed=1, hyperparameters=tiny, progress=False)
    assert more.num_timesteps == 512 and load(tmp_path / "a").num_timesteps == 512
    with (tmp_path / "a" / "episodes.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["timestep"]) for row in rows] == sorted(int(row["timestep"]) for row in rows)
    assert int(rows[-1]["timestep"]) == 512 and rows[-1]["best_formula"]
    with pytest.raises(ValueError, match="another seed"):
        train("ppo", tmp_path / "a", 512, seed=2, hyperparameters=tiny, progress=False)


def test_sac_trains_and_resumes_with_its_replay_buffer(tmp_path):
    path = tmp_path / "sac.yml"
    path.write_text(
        "MaterialLatent-v0: {n_envs: 4, n_timesteps: 64, policy: MlpPolicy, learning_starts: 16, batch_size: 16,"
        " buffer_size: 1000}\n"
    )
    train("sac", tmp_path / "s", 64, hyperparameters=path, progress=False)
    agent = train("sac", tmp_path / "s", 96, hyperparameters=path, progress=False)
    assert isinstance(agent, SAC) and agent.replay_buffer is not None
    assert agent.num_timesteps == 96 and agent.replay_buffer.size() * 4 == 96


def test_training_refusals(tmp_path):
    with pytest.raises(ValueError, match="algorithm='dreamer'"):
        train("dreamer", tmp_path)
    with pytest.raises(ValueError, match="timesteps=0"):
        train("ppo", tmp_path, 0)
    with pytest.raises(ValueError, match="seed=-1"):
        train("ppo", tmp_path, seed=-1)
    with pytest.raises(TypeError, match="did you mean 'horizon'"):
        train("ppo", tmp_path / "typo", env_kwargs={"horizn": 8})
    assert not (tmp_path / "typo" / "config.json").exists()
    with pytest.raises(ValueError, match="seed=True must be a whole number"):
        evaluate_policy(RandomPolicy(gym.make(ENV_IDS["ppo"]).action_space), seed=True)
    with pytest.raises(FileNotFoundError, match="no trained agent"):
        load(tmp_path / "nothing")


def test_evaluation_agrees_with_a_hand_run_of_singles():
    space = gym.make("MaterialLatent-v0").action_space
    data = matenv.load_dataset("mp-ground-states")
    held_out = set(data.formulas[data.part("test")].tolist())
    e = evaluate_policy(RandomPolicy(space, 3), episodes=3, seed=20, horizon=4)
    random = RandomPolicy(space, 3)
    moves = [random.predict(np.zeros((3, 1)))[0] for _ in range(4)]
    for i in range(3):
        env = gym.make("MaterialLatent-v0", horizon=4, part="test")
        _, info = env.reset(seed=EVALUATION_SEEDS + 20 + i)
        assert e.start_formulas[i] == info["formula"] and info["start_formula"] in held_out
        total, best = 0.0, info["score"]
        for move in moves:
            _, reward, _, _, info = env.step(move[i])
            total, best = total + float(reward), max(best, info["score"])
        assert e.returns[i] == pytest.approx(total, abs=1e-5) and e.final_scores[i] == pytest.approx(
            info["score"], abs=1e-5
        )
        assert e.final_formulas[i] == info["formula"] and e.best_scores[i] == pytest.approx(best, abs=1e-5)
        assert info["formula"] in e.visited
    with pytest.raises(ValueError, match="episodes=0"):
        evaluate_policy(random, episodes=0)


class Counter:
    """A recurrent policy: its state counts the steps of each episode, and its move is the count."""

    def __init__(self, width):
        self.width, self.seen = width, []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert (state is None) == bool(episode_start.all())
        count = np.zeros(len(observation)) if state is None else np.where(episode_start, 0, state[0] + 1)
        self.seen.append((count.tolist(), episode_start.tolist(), deterministic))
        return np.full((len(observation), self.width), 0.1 * deterministic, np.float32), (count,)


def test_a_recurrent_policy_keeps_its_state_and_both_ways_to_act_are_reported():
    space: Any = gym.make("MaterialLatent-v0").action_space
    policy = Counter(space.shape[0])
    both = evaluate_both(policy, episodes=2, horizon=3)
    assert [row[0] for row in policy.seen] == [[0, 0], [1, 1], [2, 2]] * 2
    assert [row[1] for row in policy.seen] == [[True, True], [False, False], [False, False]] * 2
    assert [row[2] for row in policy.seen] == [False] * 3 + [True] * 3
    assert both["stochastic"].start_formulas == both["deterministic"].start_formulas
    assert both["stochastic"].final_formulas == both["stochastic"].start_formulas  # a zero move


def test_goals_and_systems_are_evaluated_likewise():
    for env_id in ("MaterialElementsGoal-v0", "MaterialSystem-v0"):
        random = RandomPolicy(gym.make(env_id).action_space, 0)
        e = evaluate_policy(random, env_id, episodes=40)
        assert e.returns.shape == (40,) and (e.returns >= 0).all() and len(e.final_formulas) == 40
    assert e.returns.sum() > 0  # one phase or more by chance


def test_training_and_evaluation_share_no_row():
    blocks = [range(training_seeds(seed), training_seeds(seed) + ROWS) for seed in range(40)]
    assert all(a.stop <= b.start for a, b in zip(blocks, blocks[1:], strict=False))
    assert all(training_seeds(seed) + ROWS <= EVALUATION_SEEDS for seed in (0, 1, 32_767, 2**32 - 1))
    _, envs = create("ppo", "MaterialLatent-v0", 3)
    envs.reset()
    seeds = envs.get_attr("core")[0].seeds
    assert seeds == list(range(training_seeds(3), training_seeds(3) + envs.num_envs))
    envs.close()


def check_files(found, folder):
    listed = json.loads(write_candidates(found, folder, "json").read_text())
    assert [each["formula"] for each in listed["candidates"]] == [each.formula for each in found] and listed["note"]
    answer = json.loads(write_candidates(found, folder, "optimade").read_text())
    assert answer["meta"]["api_version"] and answer["meta"]["data_returned"] == len(found)
    for entry, candidate in zip(answer["data"], found, strict=True):
        said = entry["attributes"]
        composition = Composition(candidate.formula)
        assert said["elements"] == sorted(element.symbol for element in composition) and entry["type"] == "structures"
        assert sum(said["elements_ratios"]) == pytest.approx(1) and said["_matenv_score"] == candidate.score
        amounts = sorted(map(int, composition.reduced_composition.values()), reverse=True)  # the largest is A
        expected = "".join(f"{letter}{n if n > 1 else ''}" for letter, n in zip("ABCDEF", amounts, strict=False))
        assert said["chemical_formula_anonymous"] == expected
        assert Composition(said["chemical_formula_reduced"]) == composition.reduced_composition
    with pytest.raises(ValueError, match="format='xml' is unknown; choose one of csv, json, optimade"):
        write_candidates(found, folder, "xml")


def test_candidates_are_ranked_one_per_chemical_system(tmp_path, oracle, capsys):
    formulas = ["TiN", "Ti2N", "HfC", "MgO", "NaCl", "Fe", ""]
    found = rank_candidates(formulas, matenv.load_task("stiff-stable"), oracle, top=3)
    assert [c.rank for c in found] == [1, 2, 3] and len({c.chemical_system for c in found}) == 3
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    assert all(c.decomposes_into and c.status in ("in reference", "held out", "not in table") for c in found)
    known = next(c for c in found if c.formula == "MgO")
    assert known.dft == "stable" and known.dft_decomposition_energy is not None and known.dft_decomposition_energy < -1
    assert known.dft_formation_energy == pytest.approx(-3.065, abs=1e-3) and "median, spread" in known.dft_properties
    write_csv(found, tmp_path / "candidates.csv")
    with (tmp_path / "candidates.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 and all("not a statement about synthesis" in row["note"] for row in rows)
    assert float(rows[0]["decomposition_energy [eV/atom]"]) == found[0].decomposition_energy
    assert float(rows[0]["reward_score"]) == found[0].reward_score
    check_files(found, tmp_path)
    show_table(found, "Test")
    out = capsys.readouterr().out
    assert found[0].formula in out and "stable, E_d" in out
    assert rank_candidates([], matenv.load_task(), oracle) == []


def test_candidates_rank_by_the_hull_that_they_show(oracle):
    task = matenv.load_task("wide-gap-novel")
    found = rank_candidates(["Li6CF4", "LiBeF3", "Mg2H3F", "Mg6H11F", "BN"], task, oracle)
    full = matenv.Oracle("all").assess([c.formula for c in found])
    assert [c.p_stable for c in found] == pytest.approx(full.p_stable.tolist(), abs=1e-4)
    assert [c.decomposition_energy for c in found] == pytest.approx(full.decomposition_energy.tolist(), abs=1e-4)
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    paid = {c.formula: c.reward_score for c in found}  # a hole of the train hull: too good to be true there
    assert paid["LiBeF3"] == 0 and next(c.score for c in found if c.formula == "LiBeF3") > 0.05
    assert all(c.novel and c.status == "not in table" for c in found)  # BN is held out, which is known all the same
    held_out, large = rank_candidates(["BN", "MgH2"], replace(task, novel=False), oracle)
    assert held_out.status == "held out" and held_out.dft == "stable" and not held_out.novel
    assert large.large_products == "Mg149H (150 atoms)"


STIFF = """
max_elements = 3
[[objectives]]
kind = "maximise"
property = "log10_bulk_modulus"
low = 1.5
high = 2.5
"""
"""A task's file."""


@pytest.mark.slow
def test_the_demo_on_a_task_of_a_file(tmp_path):
    path = tmp_path / "stiff.toml"
    path.write_text(STIFF)
    asked = ["demo", "--task", str(path), "--out", str(tmp_path / "demo"), "--timesteps", "2048", "--calls", "200"]
    said = CliRunner().invoke(app, [*asked, "--no-progress"])
    assert said.exit_code == 0, said.output
    assert (tmp_path / "demo" / "candidates.csv").stat().st_size > 500


@pytest.mark.slow
def test_demo_writes_what_it_names(tmp_path, capsys):
    found = demo(tmp_path, timesteps=4096, progress=False)
    assert found and found[0].rank == 1
    for name in ("candidates.csv", "learning_curve.png", "trajectory.png"):
        assert (tmp_path / name).stat().st_size > 500
    assert "not a statement about synthesis" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_ppo_beats_the_random_policy(tmp_path):
    agent = train("ppo", tmp_path, 60_000, progress=False)
    random = RandomPolicy(gym.make("MaterialLatent-v0").action_space, 0)
    learned, chance = evaluate_policy(agent, episodes=128), evaluate_policy(random, episodes=128)
    assert learned.returns.mean() > 1.5 * chance.returns.mean()
    assert learned.final_scores.mean() > 1.5 * chance.final_scores.mean()
