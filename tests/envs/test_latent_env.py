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
from matenv.envs.observations import DEFAULT_BLOCKS
from matenv.envs.registration import IDS, register_envs
from matenv.envs.rewards import TERMS

ALL_BLOCKS = ("latent", "composition", "properties", "decomposition_energy", "steps_left", "ood")


def make(**kwargs) -> Any:
    return gym.make("MaterialLatent-v0", **kwargs)


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        *((env_id, {}) for env_id in IDS),
        ("MaterialLatent-v0", {"observation": ALL_BLOCKS, "start": "prior", "terminate_on_success": True}),
        ("MaterialLatent-v0", {"latent": "vae-elawady", "task": "wide-gap-novel", "reference": "all"}),
        (
            "MaterialElements-v0",
            {"observation": ["counts", *ALL_BLOCKS[1:5]], "start": "random", "task": "stable-novel"},
        ),
        ("MaterialElements-v0", {"start": "empty", "reference": "all", "terminate_on_success": True}),
    ],
)
def test_both_env_checkers_are_clean(env_id, kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(env_id, **kwargs)
        warnings.filterwarnings("ignore", message=".*not out-of-the-box.*render.*")
        check_env(env.unwrapped, skip_render_check=True)
        sb3_check_env(env.unwrapped, warn=True)


def test_registering_twice_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_envs()
    spec = gym.spec("MaterialLatent-v0")
    assert spec.max_episode_steps is None and spec.vector_entry_point and spec.entry_point


def test_the_contract_of_one_episode():
    env = make(horizon=5)
    observation, info = env.reset(seed=3)
    assert observation.dtype == np.float32 and env.observation_space.contains(observation)
    blocks = env.unwrapped.observation_blocks
    assert list(blocks) == list(DEFAULT_BLOCKS)
    assert observation[blocks["composition"]].sum() == pytest.approx(1.0, abs=1e-5)
    assert info["start_formula"] and isinstance(info["start_round_trip"], bool)
    for step in range(1, 6):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert type(reward) is float and type(terminated) is bool and type(truncated) is bool
        assert 0 <= info["score"] <= 1 and not terminated and truncated == (step == 5)
        assert set(TERMS) < set(info["terms"]) and info["step"] == step
        product = np.prod([info["terms"][name] for name in ("utility", "viability", "validity")])
        assert info["score"] == pytest.approx(product)
        if info["predicted"]:
            e_f = info["predicted"]["formation_energy"][0]
            assert info["decomposition_energy"] == pytest.approx(e_f - info["hull_energy"])
            assert sum(amount for _, amount in info["products"]) == pytest.approx(1.0)
            assert info["formula"] not in [formula for formula, _ in info["products"]]
        else:
            assert "decomposition_energy" not in info and info["score"] == 0
        assert not any(np.isnan(value) for value in info["terms"].values())
    env.close()


def test_same_seed_same_trajectory_and_other_seed_another():
    def run(seed):
        env, names = make(), []
        _, info = env.reset(seed=seed)
        env.action_space.seed(seed)
        for _ in range(16):
            names.append((info["formula"], info["score"]))
            _, _, _, _, info = env.step(env.action_space.sample())
        return names

    assert run(7) == run(7) != run(8)


def test_start_formula_and_unchanged_moves():
    env = make(start="dataset")
    _, info = env.reset(seed=0, options={"formula": "MgO"})
    assert info["start_formula"] == "MgO" and info["start_round_trip"] == (info["formula"] == "MgO")
    z = env.unwrapped.core.state.z.copy()
    _, reward, _, _, after = env.step(np.zeros(env.action_space.shape, np.float32))
    assert np.array_equal(env.unwrapped.core.state.z, z)
    assert after["formula"] == info["formula"] and reward == info["score"] == after["terms"]["score"]
    assert after["score"] == info["score"]
    _, info = env.reset(seed=0)
    assert info["start_formula"] != "MgO"  # the option holds for one reset only


def test_moves_stay_in_the_ball_and_ood_is_charged():
    env = make(step_size=50.0, reward={"ood": 1.0})
    env.reset(seed=0)
    core = env.unwrapped.core
    _, reward, _, _, info = env.step(np.ones(env.action_space.shape, np.float32))
    assert np.linalg.norm(core.state.z) == pytest.approx(core.radius)
    assert reward == info["terms"]["ood"] < -1
    _, _, _, _, clipped = env.step(np.full(env.action_space.shape, 9.0, np.float32))
    assert np.linalg.norm(core.state.z) == pytest.approx(core.radius)


def test_reward_is_the_weighted_sum_of_its_terms():
    weights = {"score": 2.0, "novelty": 0.5, "step_cost": 0.1, "shaping": 1.5, "ood": 0.2}
    env = make(reward=weights, discount=0.9)
    _, before = env.reset(seed=4)
    for _ in range(5):
        _, reward, _, _, info = env.step(env.action_space.sample())
        assert reward == pytest.approx(sum(weight * info["terms"][name] for name, weight in weights.items()))
        assert info["terms"]["shaping"] == pytest.approx(0.9 * info["score"] - before["score"])
        assert info["terms"]["step_cost"] == -1
        before = info


def test_the_oracle_counts_distinct_formulas_and_respects_its_budget():
    oracle = matenv.Oracle("train", budget=5)
    env = make(oracle=oracle, horizon=40)
    _, info = env.reset(seed=1)
    for _ in range(20):
        _, reward, _, _, info = env.step(env.action_space.sample())
        if not info["evaluated"]:
            assert reward == 0 and "decomposition_energy" not in info
    assert oracle.calls == 5 and oracle.exhausted and len(oracle.history()) == 5


def test_the_predictor_of_the_reward_is_one_word_away():
    env = make(predictor="two-family")
    assert env.unwrapped.core.oracle.predictor is matenv.Oracle(predictor="two-family").predictor
    _, info = env.reset(seed=1)
    said = matenv.Oracle(predictor="two-family").assess(info["formula"])
    assert info["p_stable"] == pytest.approx(said.p_stable[0], abs=1e-6)
    assert make(predictor=matenv.load_predictor()).unwrapped.core.oracle.predictor.role == "proxy"
    for predictor in ("two-family", "default"):
        with pytest.raises(ValueError, match=f"oracle= and predictor='{predictor}': give one"):
            make(predictor=predictor, oracle=matenv.Oracle())


def elements_of(formula):
    return {matenv.elements.SYMBOLS[i] for i in np.flatnonzero(matenv.fractions(formula))}


def test_elements_and_exclude_restrict_starts_and_validity():
    env = make(elements=["Li", "Fe", "P", "O", "Mn"])
    for seed in range(5):
        assert elements_of(env.reset(seed=seed)[1]["start_formula"]) <= {"Li", "Fe", "P", "O", "Mn"}
    env = make(exclude=["O"])
    for seed in range(5):
        _, info = env.reset(seed=seed)
        assert "O" not in elements_of(info["start_formula"])
        for _ in range(3):
            _, _, _, _, info = env.step(env.action_space.sample())
            assert not (info["valid"] and "O" in elements_of(info["formula"]))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"task": "gold"}, "task='gold' is not registered"),
        ({"latent": "nope"}, "nope"),
        ({"horizon": 0}, "horizon=0"),
        ({"step_size": -1.0}, "step_size=-1.0"),
        ({"radius": 0.0}, "radius=0.0"),
        ({"start": "zero"}, "start='zero'"),
        ({"discount": 2.0}, "discount=2.0"),
        ({"reward": {"scor": 1}}, r"unknown terms \['scor'\]"),
        ({"reward": {"score": np.nan}}, "finite"),
        ({"observation": ["latent", "picture"]}, "observation="),
        ({"observation": "latent"}, "must be a list"),
        ({"elements": ["He", "Li"]}, r"elements holds \['He'\]"),
        ({"exclude": ["Xx"]}, r"exclude holds \['Xx'\]"),
        ({"elements": ["Li"]}, "fewer than"),
        ({"elements": ["Li", "O"], "exclude": ["O"]}, "both hold"),
        ({"reference": "test"}, "reference='test'"),
        ({"budget": 0}, "budget=0"),
        ({"horizon": float("nan")}, "horizon=nan"),
        ({"horizon": "16"}, "horizon='16'"),
        ({"step_size": "a"}, "step_size='a'"),
        ({"task": None}, "task=None must be"),
        ({"oracle": "x"}, "oracle='x' must be"),
        ({"device": "gpu0"}, "device='gpu0' is not a torch device"),
        ({"budget": "x"}, "budget='x'"),
        ({"predictor": "nope"}, "nope"),
        ({"predictor": "gold"}, "gold predictor"),
        ({"potentials": 1}, "potentials=1"),
        ({"render_mode": "png"}, "render_mode='png'"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(kwargs, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=message):
            make(**kwargs)


def test_bad_calls():
    env = make().unwrapped
    with pytest.raises(RuntimeError, match="before reset"):
        env.step(np.zeros(env.action_space.shape))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action has shape"):
        env.step(np.zeros(3))
    with pytest.raises(ValueError, match="not finite"):
        env.step(np.full(env.action_space.shape, np.nan))
    with pytest.raises(ValueError, match="unknown keys"):
        env.reset(options={"formla": "MgO"})
    with pytest.raises(ValueError, match="cannot be read"):
        env.reset(options={"formula": "Mg("})
    with pytest.raises(ValueError, match="noble gas"):
        env.reset(options={"formula": "XeF2"})
    with pytest.raises(ValueError, match="is not understood"):
        env.reset(options={"formula": 3})
    with pytest.raises(ValueError, match="must be a dictionary"):
        env.reset(options="NaCl")
    with pytest.raises(TypeError, match="no argument 'taks'; did you mean 'task'"):
        make(taks="stiff-stable")


def test_rendering():
    env = make(render_mode="ansi", horizon=3)
    _, info = env.reset(seed=0)
    env.step(env.action_space.sample())
    lines = env.render().splitlines()
    assert len(lines) == 2 and info["formula"] in lines[0]
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    picture = env.render()
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.std() > 10


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_any_seed_gives_a_lawful_episode(seed):
    env = make(horizon=3, observation=ALL_BLOCKS)
    observation, _ = env.reset(seed=seed)
    done = False
    while not done:
        assert env.observation_space.contains(observation)
        observation, reward, _, done, _ = env.step(env.action_space.sample())
        assert np.isfinite(reward)
