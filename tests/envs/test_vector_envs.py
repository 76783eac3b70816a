from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import matenv
from matenv.envs.registration import IDS


def make(num_envs=8, **kwargs) -> Any:
    return gym.make_vec("MaterialLatent-v0", num_envs=num_envs, **kwargs)


def actions_of(envs, steps, seed=0):
    shape = (steps, envs.num_envs, envs.single_action_space.shape[0])
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("env_id", IDS)
def test_native_batch_is_registered_and_declares_its_mode(env_id):
    envs: Any = gym.make_vec(env_id, num_envs=3)
    assert type(envs.unwrapped).__name__ == IDS[env_id][1].split(":")[1]
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.observation_space.shape == (3, *envs.unwrapped.core.observer.space.shape)


@pytest.mark.parametrize("start", ["dataset", "prior"])
def test_a_batch_equals_its_singles(start):
    envs = make(6, horizon=4, start=start)
    moves = actions_of(envs, 6)
    singles: list[Any] = [gym.make("MaterialLatent-v0", horizon=4, start=start) for _ in range(6)]
    observations, info = envs.reset(seed=11)
    alone = [env.reset(seed=11 + i) for i, env in enumerate(singles)]
    core = envs.unwrapped.core
    for step in range(6):
        for i, (env, (observation, words)) in enumerate(zip(singles, alone, strict=True)):
            assert core.state.z[i] == pytest.approx(env.unwrapped.core.state.z[0], abs=1e-5)
            assert observations[i] == pytest.approx(observation, abs=1e-5)
            assert words["score"] == pytest.approx(info["score"][i], abs=1e-5)
            assert words["formula"] == envs.unwrapped.formulas()[i] == envs.unwrapped.describe(i)["formula"]
        observations, rewards, terminated, truncated, info = envs.step(moves[step])
        for i, env in enumerate(singles):
            observation, reward, t, u, words = env.step(moves[step, i])
            assert (t, u) == (terminated[i], truncated[i]) and reward == pytest.approx(rewards[i], abs=1e-5)
            if u:
                assert info["final_obs"][i] == pytest.approx(observation, abs=1e-5)
                assert info["final_info"]["formula"][i] == words["formula"]
                assert info["final_info"]["terms"]["utility"][i] == pytest.approx(words["terms"]["utility"], abs=1e-5)
                observation, words = env.reset()
            alone[i] = observation, words


def test_same_seed_same_bits():
    def run():
        envs = make(16, horizon=5)
        observation, _ = envs.reset(seed=3)
        trace = [observation]
        for move in actions_of(envs, 12):
            observation, reward, *_ = envs.step(move)
            trace += [observation, reward]
        return trace

    assert all(np.array_equal(a, b) for a, b in zip(run(), run(), strict=True))


def test_next_step_mode_has_one_dead_step():
    envs = make(3, horizon=2, autoreset_mode=AutoresetMode.NEXT_STEP)
    moves = actions_of(envs, 5)
    envs.reset(seed=0)
    flags = []
    for move in moves:
        _, reward, _, truncated, info = envs.step(move)
        flags.append(truncated.all())
        assert "final_obs" not in info
        if len(flags) == 3:
            assert (reward == 0).all() and (envs.unwrapped.core.state.step == 0).all()
    assert flags == [False, True, False, False, True]


def test_partial_resets_by_mask():
    envs = make(4, horizon=3, autoreset_mode="Disabled")
    envs.reset(seed=0)
    for move in actions_of(envs, 3):
        _, _, _, truncated, _ = envs.step(move)
    assert truncated.all()
    with pytest.raises(RuntimeError, match="reset_mask"):
        envs.step(actions_of(envs, 1)[0])
    names = envs.unwrapped.formulas()
    mask = np.array([True, False, False, True])
    envs.reset(options={"reset_mask": mask, "formula": ["MgO", "NaCl"]})
    assert envs.unwrapped.core.state.step.tolist() == [0, 3, 3, 0]
    assert envs.unwrapped.formulas()[1:3] == names[1:3]
    assert envs.unwrapped.describe(3)["start_formula"] == "NaCl"
    for bad in (np.array([True]), np.zeros(4, bool), np.ones(4)):
        with pytest.raises(ValueError, match="reset_mask must be 4 booleans"):
            envs.reset(options={"reset_mask": bad})


def test_seed_lists_and_start_formulas():
    envs = make(3)
    one, _ = envs.reset(seed=[5, 6, 7])
    two, _ = envs.reset(seed=5)
    assert np.array_equal(one, two)
    envs.reset(options={"formula": "SrTiO3"})
    assert [envs.unwrapped.describe(i)["start_formula"] for i in range(3)] == ["SrTiO3"] * 3
    with pytest.raises(ValueError, match="3"):
        envs.reset(seed=[1, 2])
    with pytest.raises(ValueError, match="2 formulas for 3"):
        envs.reset(options={"formula": ["MgO", "NaCl"]})


def test_episode_statistics_match_a_hand_count():
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
        envs = RecordEpisodeStatistics(make(3, horizon=4, autoreset_mode=mode))
        envs.reset(seed=0)
        total, moves = np.zeros(3), actions_of(envs, 4)
        for move in moves:
            _, reward, _, truncated, info = envs.step(move)
            total += reward
        assert truncated.all()
        episode = info["final_info"]["episode"] if "episode" not in info else info["episode"]
        assert episode["r"] == pytest.approx(total) and (episode["l"] == 4).all()


def test_returned_arrays_are_fresh_and_infos_hold_arrays_only():
    envs = make(4)
    first, info = envs.reset(seed=0)
    kept, scores = first.copy(), info["score"].copy()
    second, _, _, _, later = envs.step(actions_of(envs, 1)[0])
    later["score"][:] = -1
    second[:] = 9
    assert np.array_equal(first, kept) and np.array_equal(info["score"], scores)
    assert (envs.unwrapped.core.state.facts["score"] >= 0).all()

    def check(table):
        for key, value in table.items():
            if isinstance(value, dict):
                check(value)
            else:
                assert isinstance(value, np.ndarray) and len(value) == 4, key
                if value.dtype.kind == "f":
                    assert np.isfinite(value).all(), key

    check(info)
    check(later)


def test_seeds_of_numpy_do_not_wrap_round():
    for rows, seed in ((3, np.uint8(255)), (300, np.uint8(0)), (2, np.int64(2**62)), (2, np.uint64(2**63))):
        envs: Any = make(rows)
        envs.reset(seed=seed)
        assert envs.np_random_seed == tuple(range(int(seed), int(seed) + rows))
    envs.reset(seed=np.array([255, 0], np.uint8))
    assert envs.np_random_seed == (255, 0)
    wrong: tuple[Any, ...] = (
        np.array(3),
        np.array([[1, 2]]),
        True,
        np.True_,
        [True, 1],
        [1, [2]],
        "12",
        b"12",
        -1,
        1.0,
        np.zeros(2),
    )
    for refused in wrong:
        with pytest.raises(ValueError, match="seed.* must be a whole number"):
            envs.reset(seed=refused)
    assert envs.np_random_seed == (255, 0)


def test_a_single_environment_takes_the_seeds_that_a_batch_takes():
    single: Any = gym.make("MaterialLatent-v0")
    first, _ = single.reset(seed=4)
    for seed in (np.int64(4), np.uint8(4)):
        again, _ = single.reset(seed=seed)
        assert (first == again).all() and single.unwrapped.np_random_seed == 4
    refused: tuple[Any, ...] = (True, -1, 4.0, np.array(4), "4")
    for wrong in refused:
        with pytest.raises(ValueError, match="seed=.* must be a whole number of at least 0"):
            single.reset(seed=wrong)


def test_distinct_formulas_are_counted_in_row_order():
    oracle = matenv.Oracle("train", budget=4)
    envs = make(6, oracle=oracle)
    _, info = envs.reset(seed=0, options={"formula": ["MgO", "NaCl", "MgO", "TiO2", "KCl", "LiF"]})
    names = envs.unwrapped.formulas()
    distinct = list(dict.fromkeys(names))
    assert oracle.history().formulas() == distinct[:4]
    assert info["evaluated"].tolist() == [name in distinct[:4] for name in names]
    assert oracle.calls == 4


def test_constructor_refusals():
    with pytest.raises(ValueError, match="render_mode"):
        make(2, render_mode="ansi")
    with pytest.raises(ValueError, match="num_envs=0"):
        make(0)
    with pytest.raises(ValueError, match="max_episode_steps=0"):
        make(2, max_episode_steps=0)
    assert make(2, autoreset_mode="NEXT_STEP").metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    with pytest.raises(ValueError, match="autoreset_mode='sometimes'"):
        make(2, autoreset_mode="sometimes")
    with pytest.raises(ValueError, match="row=7"):
        envs = make(2)
        envs.reset(seed=0)
        envs.unwrapped.describe(7)
