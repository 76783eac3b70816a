import warnings
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import matenv
from matenv.envs.rewards import Terms, Transition
from matenv.tasks import Task, maximise

O = matenv.elements.INDEX["O"]  # noqa: E741


def make(*args, **kwargs) -> Any:
    return gym.make(*args, **kwargs)


def make_vec(*args, **kwargs) -> Any:
    return gym.make_vec(*args, **kwargs)


def transition(before, after, **facts) -> Any:
    """Scores before and after as a transition of moves that change every formula."""
    n = len(after)
    sides = [
        {"score": np.array(score), "novel": np.ones(n, bool), "valid": np.ones(n, bool)} for score in (before, after)
    ]
    states: Any = [SimpleNamespace(facts=SimpleNamespace(**side, **facts)) for side in sides]
    return Transition(states[0], states[1], np.ones(n, bool), np.zeros(n), np.zeros(n, bool), np.zeros(n, bool))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(0, 1))
def test_shaping_telescopes(scores, discount):
    n = len(scores) - 1
    terms = Terms()(transition(scores[:-1], scores[1:]), discount)
    total = (discount ** np.arange(n) * terms["shaping"]).sum()
    assert total == pytest.approx(discount**n * scores[-1] - scores[0], abs=1e-9)
    assert np.array_equal(Terms().total(terms), np.array(scores[1:]))


def oxygen_gained(t):
    return t.after.compositions.fractions()[:, O] - t.before.compositions.fractions()[:, O]


@pytest.mark.parametrize("env_id", ["MaterialLatent-v0", "MaterialElements-v0"])
def test_a_term_of_ones_own_is_weighted_and_reported(env_id):
    env = make(env_id, reward={"score": 1, "oxygen": (0.5, oxygen_gained), "novelty": 0.1}, horizon=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*not out-of-the-box.*render.*")
        warnings.filterwarnings("ignore", message=".*oracle is a copy.*")
        check_env(env.unwrapped, skip_render_check=True)
        sb3_check_env(env.unwrapped, warn=True)
    _, info = env.reset(seed=0)
    env.action_space.seed(0)
    assert info["terms"]["oxygen"] == 0
    for _ in range(5):
        before = matenv.fractions(info["formula"])[O]
        _, reward, _, _, info = env.step(env.action_space.sample())
        gained = matenv.fractions(info["formula"])[O] - before
        terms = info["terms"]
        assert terms["oxygen"] == pytest.approx(gained)
        assert reward == pytest.approx(terms["score"] + 0.5 * terms["oxygen"] + 0.1 * terms["novelty"])


@pytest.mark.parametrize("mode", ["SAME_STEP", "NEXT_STEP"])
def test_terms_see_the_batch_as_it_was_and_is(mode):
    seen: list[Transition] = []

    def look(t):
        seen.append(t)
        return np.where(t.moved, t.after.step, 0.0)

    envs = make_vec("MaterialLatent-v0", num_envs=3, autoreset_mode=mode, horizon=4, reward={"look": (1.0, look)})
    envs.reset(seed=0)
    envs.action_space.seed(0)
    envs.unwrapped.core.reset(np.array([1]))
    rewarded = []
    for step in range(1, 9):
        standing = envs.unwrapped.formulas()
        _, reward, _, truncated, info = envs.step(envs.action_space.sample())
        rewarded.append(reward)
        if mode == "SAME_STEP" or step != 5:
            t = seen[-1]
            assert t.before.compositions.formulas() == standing and len(t.moved) == 3
            assert np.array_equal(t.last, truncated) and np.array_equal(t.after.step, t.before.step + 1)
            assert np.array_equal(reward, np.where(t.moved, t.after.step, 0))
            assert t.after.mean is t.after.facts.mean and t.after.facts["score"] is t.after.facts.score
            assert t.after.std.keys() == t.after.mean.keys()
    assert len(seen) == (8 if mode == "SAME_STEP" else 7)  # after an end every row was reset, so nothing moved
    if mode == "NEXT_STEP":
        assert rewarded[4].tolist() == [0, 0, 0]


def test_terms_of_rows_that_moved_reach_those_rows():
    envs = make_vec(
        "MaterialLatent-v0",
        num_envs=3,
        autoreset_mode="NEXT_STEP",
        reward={"one": (2.0, lambda t: np.ones(len(t.moved)))},
    )
    envs.reset(seed=0)
    core = envs.unwrapped.core
    reward, _, _ = core.step(np.zeros((2, core.latent.dim)), np.array([0, 2]))
    assert reward.tolist() == [2, 0, 2] and core.terms["one"].tolist() == [1, 0, 1]


def test_a_term_of_ones_own_in_a_batch_is_that_of_single_environments():
    reward = {"score": 1.0, "oxygen": (0.5, oxygen_gained), "components": -0.1}
    envs = make_vec("MaterialLatent-v0", num_envs=3, reward=reward, horizon=3)
    singles = [make("MaterialLatent-v0", reward=reward, horizon=3) for _ in range(3)]
    envs.reset(seed=11)
    envs.action_space.seed(1)
    for i, env in enumerate(singles):
        env.reset(seed=11 + i)
    for step in range(3):
        actions = envs.action_space.sample()
        _, rewards, _, _, info = envs.step(actions)
        if step == 2:
            info = info["final_info"]  # same-step autoreset: what the last step earned
        for i, env in enumerate(singles):
            _, alone, _, _, words = env.step(actions[i])
            assert rewards[i] == pytest.approx(alone, abs=1e-5)
            for name in reward:
                assert info["terms"][name][i] == pytest.approx(words["terms"][name], abs=1e-5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda t: np.ones(5), r"reward term 'mine' returned shape \(5,\); expected \(2,\)"),
        (lambda t: 1.0, r"shape \(\)"),
        (lambda t: np.array(["a", "b"]), "type <U1"),
        (lambda t: t.after.facts["decomposition_energy"], r"nan for row 1 \(formula '[A-Z].*give such rows a number"),
    ],
)
def test_what_a_function_gets_wrong_is_named(function, message):
    envs = make_vec(
        "MaterialElements-v0", num_envs=2, reward={"mine": (1.0, function)}, start="empty", task="stable-novel"
    )
    envs.reset(seed=0, options={"formula": ["MgO", "Fe"]})
    with pytest.raises(ValueError, match=message):
        envs.step(np.array([178 + matenv.elements.INDEX["Mg"], 178 + matenv.elements.INDEX["Fe"]]))


def test_a_wish_must_not_share_the_name_of_a_reward_term():
    oracle = matenv.Oracle(properties=[matenv.Property("novelty", "1", lambda x: x[:, O])])
    with pytest.raises(ValueError, match="novelty is both a reward term and an objective"):
        make("MaterialLatent-v0", oracle=oracle, task=Task("t", "", (maximise("novelty", 0, 1),)))


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ({"mine": 1.0}, r"unknown terms \['mine'\].*give your own: reward=\{'mine': \(weight, function\)\}"),
        ({"mine": (1.0, 2.0)}, r"must be a weight, or \(weight, function\)"),
        ({"mine": (np.nan, oxygen_gained)}, "finite number"),
        ({"mine": ("1", oxygen_gained)}, "finite number"),
        ({"score": (1.0, oxygen_gained)}, "'score' is a built-in term"),
        ({"viability": (1.0, oxygen_gained)}, "part of the score of that name"),
        ({"log10_bulk_modulus": (1.0, oxygen_gained)}, "part of the score of that name"),
        (["score"], "must be a dictionary"),
    ],
)
def test_bad_rewards_are_refused_at_the_door(reward, message):
    with pytest.raises(ValueError, match=message):
        make("MaterialLatent-v0", reward=reward)


DECOMPOSITION = {"score": 1.0, "decomposition_energy": 0.1, "components": -0.1, "latent_similarity": 0.0}


@pytest.mark.parametrize("env_id", ["MaterialLatent-v0", "MaterialElements-v0"])
def test_terms_about_the_decomposition(env_id, data):
    some = matenv.Oracle(data.subset(data.split("system").train[::20]))  # few phases are soon encoded
    env = make(env_id, reward=DECOMPOSITION, potentials=True, oracle=some)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*not out-of-the-box.*render.*")
        warnings.filterwarnings("ignore", message=".*oracle is a copy.*")
        check_env(env.unwrapped, skip_render_check=True)
        sb3_check_env(env.unwrapped, warn=True)
    space = matenv.load_latent("vae")
    env.reset(seed=2)
    env.action_space.seed(2)
    seen = 0
    for _ in range(12):
        _, reward, _, _, info = env.step(env.action_space.sample())
        terms = info["terms"]
        assert reward == pytest.approx(sum(weight * terms[name] for name, weight in DECOMPOSITION.items()))
        if not info["predicted"]:
            assert terms["components"] == terms["decomposition_energy"] == terms["latent_similarity"] == 0
            continue
        seen += 1
        energy = info["decomposition_energy"]
        assert terms["decomposition_energy"] == pytest.approx(np.clip(-energy, -1, 1))
        assert terms["components"] == (len(info["products"]) if energy > 0 else 0)
        names, amounts = zip(*info["products"], strict=True)
        x, mixed = space.encode([info["formula"]])[0], np.array(amounts) @ space.encode(list(names))
        cosine = x @ mixed / np.linalg.norm(x) / np.linalg.norm(mixed)
        assert terms["latent_similarity"] == pytest.approx(cosine, abs=1e-5)
        fractions = matenv.fractions(info["formula"])
        sum_of_potentials = sum(mu * fractions[matenv.elements.INDEX[e]] for e, mu in info["potentials"].items())
        assert sum_of_potentials == pytest.approx(info["hull_energy"])
        assert len(info["potentials"]) == np.count_nonzero(fractions)
        assert info["potentials_unique"] == (len(info["products"]) == len(info["potentials"]))
    assert seen > 5


def test_terms_nobody_asked_for_are_not_worked_out():
    env = make("MaterialLatent-v0")
    env.reset(seed=0)
    _, _, _, _, info = env.step(env.action_space.sample())
    assert not set(DECOMPOSITION) - {"score"} & set(info["terms"])


def test_potentials_of_a_batch_are_those_of_its_rows():
    envs = make_vec("MaterialElements-v0", num_envs=3, potentials=True, task="stable-novel")
    _, info = envs.reset(seed=0, options={"formula": ["LiFePO4", "Fe", "MgTiO3"]})
    assert info["_potentials"].tolist() == [True, False, True] and np.isfinite(info["potentials"]).all()
    assert info["potentials"].shape == (3, 89) and (info["potentials"][1] == 0).all()
    for row in (0, 2):
        words = envs.unwrapped.describe(row)
        dense = np.zeros(89)
        for symbol, mu in words["potentials"].items():
            dense[matenv.elements.INDEX[symbol]] = mu
        assert np.array_equal(info["potentials"][row], dense)
        assert info["potentials_unique"][row] == words["potentials_unique"]
    assert "potentials" not in envs.unwrapped.describe(1)
    _, plain = make_vec("MaterialElements-v0", num_envs=3).reset(seed=0)
    assert "potentials" not in plain


def test_potentials_of_an_assessment_are_those_of_the_hull(oracle):
    names = ["LiFePO4", "Fe", "MgTiO3", "Fe2O3"]
    a, hull = oracle.assess(names), oracle.hull.decompose(names, exclude_self=True)
    assert a.potentials.shape == (4, 89) and np.array_equal(a.potentials, hull.potentials, equal_nan=True)
    assert a.potentials_unique.tolist() == [not d and n != "Fe" for d, n in zip(hull.degenerate, names, strict=True)]
    x = a.fractions
    assert np.nansum(a.potentials * x, axis=1)[[0, 2, 3]] == pytest.approx(a.hull_energy[[0, 2, 3]])
