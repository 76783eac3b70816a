import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy.stats import norm
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import matenv
from matenv.tasks import Ramp, Task, Window

MASS = matenv.elements.values("mass")
NAMES = ["LiFePO4", "Fe", "MgO", "Cs3Bi2I9", "XeF2", "TiN"]


def own_mass(x):
    return x @ MASS


def uncertain_mass(x):
    return x @ MASS, 0.1 * (x @ MASS)


def make(*args, **kwargs) -> Any:
    return gym.make(*args, **kwargs)


def make_vec(*args, **kwargs) -> Any:
    return gym.make_vec(*args, **kwargs)


def oracle_with(predict: Any, **kwargs) -> matenv.Oracle:
    return matenv.Oracle(properties=[matenv.Property("own_mass", "u/atom", predict, **kwargs)])


@pytest.fixture(scope="module")
def mass_oracle():
    return oracle_with(uncertain_mass, centre=50, scale=30)


def test_a_function_becomes_a_property_beside_the_others(mass_oracle, oracle):
    a, plain = mass_oracle.assess(NAMES), oracle.assess(NAMES)
    expected = matenv.fractions(NAMES) @ MASS
    valid = plain.valid
    assert valid.tolist() == [True, False, True, True, False, True]
    assert a.mean["own_mass"][valid] == pytest.approx(expected[valid]) and np.isnan(a.mean["own_mass"][~valid]).all()
    assert a.std["own_mass"][valid] == pytest.approx(0.1 * expected[valid])
    p = a.prob("own_mass", 20, 30)
    assert p[valid] == pytest.approx(np.diff(norm.cdf([[20], [30]], expected, 0.1 * expected), axis=0)[0][valid])
    assert (p[~valid] == 0).all() and a.prob("own_mass")[valid].tolist() == [1.0] * 4
    low, high = a.interval("own_mass", 0.9)
    assert a.prob("own_mass", low[2], high[2])[2] == pytest.approx(0.9) and np.isnan(low[1])
    assert mass_oracle.units == {**oracle.units, "own_mass": "u/atom"} == a.units
    for name in plain.mean:  # the others are none the wiser
        assert np.array_equal(a.mean[name], plain.mean[name], equal_nan=True)
    assert np.array_equal(a.p_stable, plain.p_stable)


def test_it_is_asked_as_the_built_in_ones_are(mass_oracle):
    a = mass_oracle.assess(["MgO", "TiN"])
    for name, said in a._said.items():
        assert np.array_equal(said.mean, a.mean[name]) and np.array_equal(said.std, a.std[name])
        middle = said.mean + 0.3 * said.std
        np.testing.assert_allclose(said.cdf(middle), said.prob(None, middle), atol=1e-12)
        low, high = said.interval(0.8)
        assert (low <= said.mean).all() and (said.mean <= high).all()
        assert np.isnan(said.disagreement()).all() == (name == "own_mass")  # one model disagrees with nobody


def test_without_a_standard_deviation_the_mean_is_taken_at_its_word():
    a = oracle_with(own_mass).assess(["MgO", "TiN"])
    assert a.std["own_mass"].tolist() == [0, 0]
    assert a.prob("own_mass", None, 25).tolist() == [1, 0] and a.prob("own_mass", 25).tolist() == [0, 1]


def test_scikit_learn_models_fitted_on_a_table(data):
    rows = np.random.default_rng(0).choice(data.split("system").train, 300, replace=False)
    x, y = data.fractions[rows], data.formation_energy[rows]
    for model in (
        BayesianRidge(),
        make_pipeline(StandardScaler(), BayesianRidge()),
        GaussianProcessRegressor(alpha=0.1),
        Ridge(),
    ):
        model.fit(x, y)
        a = oracle_with(model).assess(["LiFePO4", "MgO"])
        here = matenv.fractions(["LiFePO4", "MgO"])
        assert a.mean["own_mass"] == pytest.approx(model.predict(here))
        if isinstance(model, Ridge):
            assert (a.std["own_mass"] == 0).all()
        else:
            assert a.std["own_mass"] == pytest.approx(model.predict(here, return_std=True)[1]) and a.std["own_mass"][0]
    column = Ridge().fit(x, y[:, None])
    assert oracle_with(column).assess("MgO").mean["own_mass"].shape == (1,)


def test_a_task_wishes_about_it_in_both_environments(mass_oracle):
    task = Task("heavy", "Heavy atoms.", (Ramp("own_mass", 20, 100), Window("band_gap_pbe", 1.0)))
    for env_id in ("MaterialLatent-v0", "MaterialElements-v0"):
        env = make(env_id, task=task, oracle=mass_oracle, observation=["composition", "properties"], horizon=6)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message=".*not out-of-the-box.*render.*")
            warnings.filterwarnings("ignore", message=".*oracle is a copy.*")
            check_env(env.unwrapped, skip_render_check=True)
            sb3_check_env(env.unwrapped, warn=True)
        env.reset(seed=0)
        env.action_space.seed(0)
        seen = 0
        for _ in range(6):
            observation, _, _, _, info = env.step(env.action_space.sample())
            if not info["predicted"]:
                continue
            seen += 1
            mass = float(matenv.fractions(info["formula"]) @ MASS)
            assert info["predicted"]["own_mass"] == pytest.approx((mass, 0.1 * mass))
            assert info["terms"]["own_mass"] == pytest.approx(min(max((mass - 20) / 80, 0), 1))
            block = observation[env.unwrapped.observation_blocks["properties"]]
            assert len(block) == 6 and block[-1] == pytest.approx(np.clip((mass - 50) / 30, -5, 5), rel=1e-5)
        assert seen


def test_a_batch_says_what_single_environments_say(mass_oracle):
    task = Task("heavy", "Heavy atoms.", (Window("own_mass", 40, 80),), viability="none")
    kwargs: dict[str, Any] = {"task": task, "oracle": mass_oracle, "observation": ["composition", "properties"]}
    envs = make_vec("MaterialElements-v0", num_envs=4, **kwargs)
    singles = [make("MaterialElements-v0", **kwargs) for _ in range(4)]
    together, _ = envs.reset(seed=5)
    assert np.allclose(together, [env.reset(seed=5 + i)[0] for i, env in enumerate(singles)], atol=1e-5)
    envs.action_space.seed(1)
    for _ in range(6):
        actions = envs.action_space.sample()
        together, rewards, _, _, _ = envs.step(actions)
        for i, env in enumerate(singles):
            alone, reward, _, _, info = env.step(actions[i])
            assert np.allclose(together[i], alone, atol=1e-5) and rewards[i] == pytest.approx(reward, abs=1e-5)
            words = envs.unwrapped.describe(i)
            assert words["formula"] == info["formula"] and words["predicted"].keys() == info["predicted"].keys()


def test_leaving_viability_out_is_declared(oracle):
    objective = (Window("band_gap_pbe", 1.0),)
    a = oracle.assess(["MgO", "NaCl2", "Na7Cl", "Fe", "W24C"])
    with_it, without = Task("t", "", objective).score(a), Task("t", "", objective, viability="none").score(a)
    assert without.score == pytest.approx(without.terms["utility"] * without.terms["validity"])
    assert without.terms["viability"].tolist() == [1.0] * 5 and (without.score >= with_it.score).all()
    assert without.success.tolist() == ((without.terms["utility"] >= 0.5) & (without.terms["validity"] > 0)).tolist()
    assert a.p_found[1] < 0.1 and without.success[1] and not with_it.success[1]
    with pytest.raises(ValueError, match="viability='no' is unknown; choose one of p_found, p_stable, none"):
        Task("t", "", objective, viability="no")  # type: ignore[arg-type]


def test_an_objective_about_something_unpredicted_is_refused_where_task_and_oracle_meet(oracle, mass_oracle):
    task = Task("t", "", (Ramp("own_mass", 0, 100),))
    message = r"task 't' has an objective about property_name='own_mass'.*predicted are formation_energy .*Property\("
    with pytest.raises(ValueError, match=message):
        make("MaterialLatent-v0", task=task)
    with pytest.raises(ValueError, match=message):
        task.score(oracle.assess("MgO"))
    assert task.score(mass_oracle.assess("MgO")).score[0] > 0
    for ask in (oracle.assess("Fe").prob, oracle.assess("MgO").interval):
        with pytest.raises(ValueError, match="name='own_mass' is not predicted; this oracle predicts formation"):
            ask("own_mass")


def nan_for_magnesia(x):
    y = x @ MASS
    y[x[:, matenv.elements.INDEX["Mg"]] > 0] = np.nan
    return y


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (nan_for_magnesia, r"property 'own_mass': predict returned nan among the means, for row 1 \(MgO\)"),
        (lambda x: x, r"means of shape \(2, 89\); expected \(2,\), one per row"),
        (lambda x: 1.0, r"means of shape \(\)"),
        (lambda x: np.array(["a", "b"]), "means of type <U1; expected numbers"),
        (lambda x: None, "means of type object"),
        (lambda x: (x @ MASS,), "a tuple of 1"),
        (lambda x: (x @ MASS, np.ones(3)), r"standard deviations of shape \(3,\)"),
        (lambda x: (x @ MASS, -np.ones(2)), r"the standard deviation -1.0 for row 0 \(LiFePO4\)"),
        (lambda x: (x @ MASS, np.full(2, np.inf)), r"inf among the standard deviations, for row 0"),
        (Ridge(), "not fitted"),
    ],
)
def test_what_a_function_gets_wrong_is_named(predict, message):
    with pytest.raises(ValueError, match=message):
        oracle_with(predict).assess(["LiFePO4", "MgO"])


def test_errors_of_the_function_itself_say_whose_they_are():
    with pytest.raises(ZeroDivisionError) as caught:
        oracle_with(lambda x: 1 / 0).assess("MgO")
    assert "raised by predict of the property 'own_mass'" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("band_gap_pbe", "eV", own_mass), "'band_gap_pbe' is a built-in property"),
        (("my gap", "eV", own_mass), "must be a word"),
        (("mine", "", own_mass), "unit=''"),
        (("mine", "eV", 3), "must be a function"),
        (("mine", "eV", Ridge), "must be a function"),
        (("mine", "eV", RandomForestClassifier()), "is a classifier.*predict_proba"),
        (("mine", "eV", own_mass, 0.0, 0.0), "scale=0.0"),
    ],
)
def test_bad_properties_are_refused_at_the_door(arguments, message):
    with pytest.raises(ValueError, match=message):
        matenv.Property(*arguments)


def test_bad_lists_of_properties_are_refused():
    mine = matenv.Property("mine", "1", own_mass)
    with pytest.raises(ValueError, match="distinct names"):
        matenv.Oracle(properties=[mine, mine])
    with pytest.raises(ValueError, match="properties holds <function"):
        matenv.Oracle(properties=[own_mass])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="must be a list"):
        matenv.Oracle(properties=mine)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="validity is a part of every score"):
        Task("t", "", (Ramp("validity", 0, 1),))
