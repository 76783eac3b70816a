"""Goal environments: three observations, one reward, and hindsight that works."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from matenv.envs.registration import GOAL_IDS
from matenv.envs.wishes import (
    EXCLUDED,
    HAS_HIGH,
    HAS_LOW,
    HIGH,
    LOW,
    NUMBER,
    PRESENT,
    WORTH,
    Wishes,
    achieved,
    as_wishes,
    goal_reward,
)
from matenv.tasks import Task
from matenv.tasks.sampling import random_formulas
from matenv.tasks.wishes import MOST_ELEMENTS, WINDOWS, draw, held_out_pairs
from matenv.wrappers import SB3VecEnv


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("env_id", GOAL_IDS)
def test_both_checkers_are_clean(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(env_id)
        warnings.filterwarnings("ignore", message=".*not out-of-the-box.*render.*")
        check_env(env.unwrapped, skip_render_check=True)
        sb3_check_env(env.unwrapped, warn=True)


@pytest.mark.parametrize("env_id", GOAL_IDS)
def test_a_batch_equals_its_singles_and_rewards_are_those_of_compute_reward(env_id):
    envs: Any = gym.make_vec(env_id, num_envs=4, horizon=4)
    singles: list[Any] = [gym.make(env_id, horizon=4) for _ in range(4)]
    seen, _ = envs.reset(seed=5)
    alone = [env.reset(seed=5 + i)[0] for i, env in enumerate(singles)]
    envs.action_space.seed(1)
    for _ in range(9):
        assert all(same({k: v[i] for k, v in seen.items()}, one) for i, one in enumerate(alone))
        assert all(v.dtype == np.float32 for v in seen.values()) and envs.observation_space.contains(seen)
        moves = envs.action_space.sample()
        seen, rewards, _, truncated, info = envs.step(moves)
        after = info["final_obs"] if truncated.any() else seen
        reached, desired = after["achieved_goal"], after["desired_goal"]
        assert np.array_equal(envs.unwrapped.compute_reward(reached, desired, {}), rewards)
        assert rewards == pytest.approx((info["final_info"] if truncated.any() else info)["score"], abs=1e-5)
        for i, env in enumerate(singles):
            one, reward, _, u, _ = env.step(moves[i])
            assert reward == rewards[i] == env.unwrapped.compute_reward(one["achieved_goal"], one["desired_goal"], {})
            alone[i] = env.reset()[0] if u else one


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_compute_reward_is_the_steps_for_random_actions(seed, rows):
    envs = _elements(rows)
    envs.reset(seed=seed)
    envs.action_space.seed(seed)
    seen, rewards, *_ = envs.step(envs.action_space.sample())
    assert np.array_equal(
        envs.unwrapped.compute_reward(seen["achieved_goal"], seen["desired_goal"], [{}] * rows), rewards
    )
    # What was reached, asked for in hindsight, earns what its novelty and viability are worth.
    hindsight = envs.unwrapped.compute_reward(seen["achieved_goal"], seen["achieved_goal"], [{}] * rows)
    assert (hindsight >= rewards - 1e-12).all()


@given(st.integers(0, 10**6))
@example(11204)  # two elements of one electronegativity
@settings(max_examples=20, deadline=None)
def test_hindsight_asks_as_drawn_wishes_do_for_what_was_reached(seed):
    envs = _elements(6)
    envs.reset(seed=seed)
    envs.action_space.seed(seed)
    reached = envs.step(envs.action_space.sample())[0]["achieved_goal"]
    goals = as_wishes(reached, np.random.default_rng(seed))
    present, required, excluded = (v > 0.5 for v in (reached[:, PRESENT], goals[:, PRESENT], goals[:, EXCLUDED]))
    assert not (required & ~present).any() and not (excluded & present).any()
    number, held_out = required.sum(axis=1), held_out_pairs()
    assert (number[present.any(axis=1)] >= 1).all() and (number <= 2).all() and (excluded.sum(axis=1) <= 3).all()
    assert not any(held_out[tuple(np.flatnonzero(row))] for row in required[number == 2])
    for row in present[(number == 1) & (present.sum(axis=1) > 1)]:
        assert held_out[np.ix_(row, row)].any()
    assert np.isin(goals[:, NUMBER], [0, *reached[:, NUMBER]]).all() and (goals[:, WORTH] == 1).all()
    answers = (reached[:, NUMBER] > 0.15) & (reached[:, NUMBER] < 0.45)  # two to four elements
    paid = goal_reward(reached, goals)
    assert np.allclose(paid[answers], reached[answers, WORTH], rtol=1e-6)
    ends = (goals[:, LOW], goals[:, HAS_LOW] > 0.5), (goals[:, HIGH], goals[:, HAS_HIGH] > 0.5)
    assert (ends[0][0] <= reached[:, LOW])[ends[0][1]].all() and (ends[1][0] >= reached[:, HIGH])[ends[1][1]].all()
    assert not any(value[~given].any() for value, given in ends)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_goals_pay_what_the_wish_pays_as_a_task(oracle, seed):
    """Score of the task, of the environment in double precision, and of two vectors in single precision."""
    wish = draw(np.random.default_rng(seed), "train", WINDOWS)
    batch = random_formulas(
        Task("any", "", (), min_elements=2, max_elements=MOST_ELEMENTS, require=wish.required), 40, seed
    )
    assessment, base = oracle.assess(batch), Task("any", "", (), novel=True)
    scored = base.score(assessment)
    packed = Wishes.of([wish] * len(batch))
    expected = wish.task().score(assessment).score
    assert scored.score * packed.utility(assessment.mean) * packed.fits(batch) == pytest.approx(expected, abs=1e-15)
    vectors = achieved(batch, assessment.mean, scored.score)
    assert goal_reward(vectors, packed.vectors()) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_hindsight_wishes_look_like_drawn_ones():
    """Properties asked about, targets among them, open ends, a number of elements, excluded and required elements."""
    rng = np.random.default_rng(0)
    drawn = Wishes.of([draw(rng, windows=WINDOWS) for _ in range(400)]).vectors()
    start = _elements(6).reset(seed=0, options={"formula": ["ZnS", "GaN", "NaCl", "CaS", "CaO", "MgF2"]})[0]
    hindsight = as_wishes(np.repeat(start["achieved_goal"], 100, axis=0), rng)
    told = [_kinds(goals) for goals in (drawn, hindsight)]
    assert told[0] == pytest.approx(told[1], abs=0.15)
    assert told[0] == pytest.approx([4 / 3, 2 / 3, 1 / 3, 0.5, 1.5, 2.0], abs=0.15)


def _kinds(goals):
    low, high = goals[:, HAS_LOW] > 0.5, goals[:, HAS_HIGH] > 0.5
    targets = low & high & (goals[:, LOW] == goals[:, HIGH])
    parts = (low | high, targets, low ^ high, goals[:, [NUMBER]] > 0, goals[:, EXCLUDED] > 0, goals[:, PRESENT] > 0)
    return [part.sum(axis=1).mean() for part in parts]


_MADE: dict[int, Any] = {}


def _elements(rows):
    if rows not in _MADE:
        _MADE[rows] = gym.make_vec("MaterialElementsGoal-v0", num_envs=rows)
    return _MADE[rows]


def test_a_wish_that_is_met_pays_and_one_that_is_not_does_not():
    env: Any = gym.make("MaterialElementsGoal-v0", task="stiff-stable", max_elements=4)
    seen, info = env.reset(options={"formula": "MgO", "wish": {"targets": {}}})
    value, reached, desired = info["score"], seen["achieved_goal"], seen["desired_goal"]
    assert value == pytest.approx(env.unwrapped.compute_reward(reached, desired, info), abs=1e-6) and value > 0.1
    gap = info["predicted"]["band_gap_pbe"][0]
    for wish, share in (
        ({"targets": {"band_gap_pbe": gap}}, 1.0),
        ({"targets": {"band_gap_pbe": gap + 0.45}}, np.exp(-0.5)),
        ({"windows": {"band_gap_pbe": [gap - 0.5, gap + 0.5]}}, 1.0),
        ({"windows": {"band_gap_pbe": [gap + 0.45, gap + 5]}}, np.exp(-0.5)),
        ({"windows": {"band_gap_pbe": [None, gap - 0.9]}}, np.exp(-2.0)),
        ({"windows": {"band_gap_pbe": [gap - 0.9, None], "log10_bulk_modulus": [-1.0, None]}}, 1.0),
        ({"required": ["O"]}, 1.0),
        ({"required": ["S"]}, 0.0),
        ({"excluded": ["Mg"]}, 0.0),
        ({"elements": 2}, 1.0),
        ({"elements": 3}, 0.0),
    ):
        _, info = env.reset(options={"formula": "MgO", "wish": wish})
        assert info["score"] == pytest.approx(share * value, rel=1e-4)


def test_what_a_goal_reward_cannot_hold_is_refused():
    for arguments in ({"wish": None}, {"reward": {"score": 1.0}}, {"repeat_decay": 0.5}, {"campaign": 3}):
        with pytest.raises(ValueError, match="goal environment"):
            gym.make("MaterialLatentGoal-v0", **arguments)


@pytest.mark.parametrize(("algorithm", "env_id"), [(SAC, "MaterialLatentGoal-v0"), (DQN, "MaterialElementsGoal-v0")])
@pytest.mark.parametrize("batched", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_hindsight_experience_replay_trains(algorithm, env_id, batched):
    env: Any = SB3VecEnv(gym.make_vec(env_id, num_envs=4, horizon=8)) if batched else gym.make(env_id, horizon=8)
    agent = algorithm(
        "MultiInputPolicy", env, replay_buffer_class=HerReplayBuffer, learning_starts=100, batch_size=16,
        train_freq=(16, "step"), gradient_steps=1, policy_kwargs={"net_arch": [16]}, seed=0,
    )  # fmt: skip
    agent.learn(200 if batched else 500)
    sample = agent.replay_buffer.sample(256)
    assert float(sample.rewards.mean()) > float(agent.replay_buffer.rewards.mean())  # relabelled goals are met more
