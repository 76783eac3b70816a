"""Guards and repeat decay inside the environments."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import matenv
from matenv.composition import CompositionBatch
from matenv.envs.registration import IDS
from matenv.envs.repeats import first_visits, next_visits
from matenv.guards import GUARDS

ON: dict[str, Any] = {
    "observation": ["composition", *GUARDS],
    "reward": {"score": 1.0, "uncertainty": 0.5, "cycle": 0.1},
    "end_beyond": {"uncertainty": 1.2, "cycle": 1.3},
    "repeat_decay": 0.5,
    "task": "wide-gap-novel",
    "horizon": 6,
}


@pytest.mark.parametrize("env_id", IDS)
def test_both_checkers_are_clean_with_guards_on(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(env_id, **ON)
        warnings.filterwarnings("ignore", message=".*not out-of-the-box.*render.*")
        check_env(env.unwrapped, skip_render_check=True)
        sb3_check_env(env.unwrapped, warn=True)


@pytest.mark.parametrize("env_id", IDS)
def test_a_batch_equals_its_singles_with_guards_on(env_id):
    far: dict[str, Any] = {"pull": 0, "step_size": 1.0} if env_id == "MaterialLatent-v0" else {}
    envs: Any = gym.make_vec(env_id, num_envs=5, **ON, **far)
    singles: list[Any] = [gym.make(env_id, **ON, **far) for _ in range(5)]
    envs.reset(seed=2)
    for i, env in enumerate(singles):
        env.reset(seed=2 + i)
    envs.action_space.seed(0)
    ended = 0
    for _ in range(20):
        moves = envs.action_space.sample()
        observations, rewards, terminated, truncated, info = envs.step(moves)
        for i, env in enumerate(singles):
            observation, reward, t, u, words = env.step(moves[i])
            assert (t, u) == (terminated[i], truncated[i]) and reward == pytest.approx(rewards[i], abs=1e-5)
            seen = info["final_info"] if t or u else info
            assert seen["visits"][i] == words["visits"]
            assert {name: seen["guards"][name][i] for name in GUARDS} == pytest.approx(words["guards"], abs=1e-4)
            last = info["final_obs"][i] if t or u else observations[i]
            assert last == pytest.approx(observation, abs=1e-4)
            ended += t
            if t or u:
                env.reset()
    if env_id == "MaterialLatent-v0":
        assert ended > 0


@pytest.mark.parametrize("env_id", IDS)
def test_off_by_default_and_without_a_say_in_the_reward(env_id):
    weightless: dict[str, Any] = {"reward": {"score": 1.0, **dict.fromkeys(GUARDS, 0.0)}, "repeat_decay": 1.0}
    envs: list[Any] = [gym.make_vec(env_id, num_envs=8), gym.make_vec(env_id, num_envs=8, **weightless)]
    infos = [env.reset(seed=1)[1] for env in envs]
    assert "guards" not in infos[0] and "visits" not in infos[0] and set(infos[1]["guards"]) == set(GUARDS)
    state = envs[0].unwrapped.core.state
    assert not state.facts.guards and state.visits is None
    assert not set(GUARDS) & set(infos[0]["terms"]) and set(GUARDS) <= set(infos[1]["terms"])
    envs[0].action_space.seed(0)
    for _ in range(20):
        moves = envs[0].action_space.sample()
        (a, r, t, u, _), (b, s, v, w, _) = (env.step(moves) for env in envs)
        assert np.array_equal(a, b) and np.array_equal(r, s) and np.array_equal(t, v) and np.array_equal(u, w)


def test_penalty_observation_and_end_follow_the_guard():
    far: dict[str, Any] = {"pull": 0, "step_size": 1.0}
    env: Any = gym.make(
        "MaterialLatent-v0", observation=["cycle"], reward={"cycle": 2.0}, end_beyond={"cycle": 1.1}, **far
    )
    ends = 0
    for seed in range(4):
        observation, info = env.reset(seed=seed)
        env.action_space.seed(seed)
        for _ in range(16):
            observation, reward, terminated, _, info = env.step(env.action_space.sample())
            value = info["guards"]["cycle"]
            assert observation == pytest.approx([min(value, 4.0)], rel=1e-6)
            assert reward == pytest.approx(-2 * max(value - 1, 0)) and terminated == (value > 1.1)
            ends += terminated
            if terminated:
                break
    assert ends >= 2


def test_going_to_and_fro_pays_less_each_time_and_is_seen():
    def play(**kwargs):
        env: Any = gym.make("MaterialLatent-v0", horizon=9, pull=0, **kwargs)
        observation, info = env.reset(seed=0, options={"formula": "W2C"})
        there = np.ones(env.action_space.shape, np.float32)
        rows = []
        for step in range(9):
            observation, reward, _, _, info = env.step(there if step % 2 == 0 else -there)
            rows.append((info["formula"], reward, info["score"], info.get("visits")))
        return env, observation, rows

    env, observation, rows = play(repeat_decay=0.5)
    assert len({row[0] for row in rows}) == 2  # a b a b ...
    for step, (_, reward, score, visits) in enumerate(rows):
        assert visits == (step + 1) // 2 and reward == pytest.approx(score * 0.5**visits)
    assert observation[env.unwrapped.observation_blocks["visits"]] == pytest.approx([4 / 9])
    _, observation, plain = play()
    assert [row[0] for row in plain] == [row[0] for row in rows]
    assert all(reward == score for _, reward, score, _ in plain) and plain[-1][1] > 0
    assert len(observation) == play(repeat_decay=1.0)[1].shape[0]
    _, _, once = play(repeat_decay=0)
    assert sum(row[1] > 0 for row in once) == 1


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["NaCl", "KCl", "MgO", "Fe2O3"]), min_size=3, max_size=3), min_size=2, max_size=8)
)
def test_visits_are_what_a_list_would_count(path):
    def batch(names):
        return CompositionBatch.from_fractions(matenv.fractions(names))

    visits = first_visits(batch(path[0]), len(path))
    for step in range(1, len(path)):
        visits = next_visits(visits, np.full(3, step - 1), batch(path[step]))
        seen = [[earlier[row] for earlier in path[:step]].count(path[step][row]) for row in range(3)]
        assert visits.count.tolist() == seen


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"end_beyond": {"cycl": 1.0}}, "'cycl', which is not a guard; did you mean 'cycle'"),
        ({"end_beyond": {"cycle": 0.0}}, r"end_beyond\['cycle'\]=0.0"),
        ({"end_beyond": "cycle"}, "end_beyond='cycle' must be a dictionary"),
        ({"repeat_decay": 1.5}, "repeat_decay=1.5"),
        ({"repeat_decay": None}, "repeat_decay=None"),
        ({"reward": {"cycle": (1.0, lambda t: t.outside)}}, "'cycle' is a built-in term"),
        ({"observation": ["cycles"]}, "observation="),
    ],
)
def test_refusals(kwargs, message):
    with pytest.raises(ValueError, match=message):
        gym.make("MaterialLatent-v0", **kwargs)
