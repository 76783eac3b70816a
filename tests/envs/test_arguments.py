"""Arguments are declared once: signature, page, refusals and Gymnasium's spec all say the same."""

import inspect
import re
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from matenv.envs.registration import ALL_IDS, IDS
from matenv.tasks.wishes import Wish

PAGES = [gym.envs.registration.load_env_creator(single) for single, _ in IDS.values()]
BATCHES = [gym.envs.registration.load_env_creator(batched) for _, batched in IDS.values()]


def arguments_of(env):
    return {name: each.default for name, each in inspect.signature(env).parameters.items()}


EVERY_PAGE = [gym.envs.registration.load_env_creator(single) for single, _ in ALL_IDS.values()]


@pytest.mark.parametrize("env", EVERY_PAGE)
def test_the_page_describes_the_arguments_that_the_signature_has(env):
    page = inspect.getdoc(env) or ""  # Python 3.13 strips the indentation of __doc__ itself
    text = page[page.index("\nArgs:") : page.index("## Registered ids")]
    assert sorted(re.findall(r"^ {4}(\w+):", text, re.MULTILINE)) == sorted(arguments_of(env))


@pytest.mark.parametrize(("env", "envs"), list(zip(PAGES, BATCHES, strict=True)))
def test_a_batch_takes_what_its_single_environment_takes(env, envs):
    single, batch = arguments_of(env), arguments_of(envs)
    own = {"num_envs", "max_episode_steps", "autoreset_mode"}
    assert batch.keys() - single.keys() == own and {name: batch[name] for name in single} == single
    assert single["task"] == "stiff-stable" and single["horizon"] == 16 and single["oracle"] is None


@pytest.mark.parametrize("env_id", IDS)
def test_a_misspelt_argument_is_named_with_its_neighbour(env_id):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(TypeError, match="no argument 'horizn'; did you mean 'horizon'"):
            make(env_id, horizn=3)


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_every_id_is_made_single_and_batched_from_its_spec_as_text(env_id):
    env = gym.make(env_id, horizon=12, part="test")
    again: Any = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))  # type: ignore[union-attr]
    assert again.unwrapped.core.arguments.part == "test" and again.unwrapped.core.horizon == 12
    assert again.observation_space == env.observation_space
    envs: Any = gym.make_vec(env_id, num_envs=2)
    assert type(envs.unwrapped).__name__ == ALL_IDS[env_id][1].split(":")[1]
    again.reset(seed=0)
    again.unwrapped.describe()


@pytest.mark.parametrize("env_id", IDS)
def test_an_environment_is_made_again_from_its_spec(env_id):
    env = gym.make(env_id, horizon=3, discount=0.5)
    assert env.spec is not None and env.spec.kwargs == {"horizon": 3, "discount": 0.5}
    again = gym.make(env.spec).unwrapped
    assert again.core.arguments.horizon == 3 and again.core.arguments.discount == 0.5  # type: ignore[attr-defined]


def test_a_wish_is_part_of_the_spec_as_text():
    wish = Wish({"band_gap_pbe": (2.0, 0.45)}, required=("Zn", "O"))
    env = gym.make("MaterialElementsGoal-v0", wish=wish)
    again: Any = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))  # type: ignore[union-attr]
    assert again.reset(seed=0)[1]["wish"] == "band_gap_pbe 2 +- 0.45, with O Zn"
    env = gym.make("MaterialElementsGoal-v0", wish=Wish(windows={"log10_bulk_modulus": (2.0, None)}))
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))  # type: ignore[union-attr]
    assert again.reset(seed=0)[1]["wish"] == "log10_bulk_modulus at least 2"


@pytest.mark.parametrize("wrong", [np.full((2, 32), 1j), np.full((2, 32), "0.5"), np.zeros((2, 32), object)])
def test_a_move_is_of_real_numbers(wrong):
    """An imaginary part was lost, and text was read as numbers."""
    envs = gym.make_vec("MaterialLatent-v0", num_envs=2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=f"type {wrong.dtype}; expected"):
        envs.step(wrong)


@pytest.mark.parametrize("system", ["CO", "Fe-O", 5])
def test_a_system_is_a_list_of_elements(system):
    """The letters of CO were read as the elements C and O."""
    env: Any = gym.make("MaterialSystem-v0")
    with pytest.raises(ValueError, match=r"options\['system'\]=.* must be a list of elements"):
        env.reset(options={"system": system})


def test_wishes_and_goals_of_another_kind_are_refused():
    env: Any = gym.make("MaterialLatentGoal-v0")
    with pytest.raises(ValueError, match=r"options\['wish'\]='5' must be one for all episodes, or a list"):
        env.reset(options={"wish": 5})
    right = np.zeros(env.observation_space["desired_goal"].shape)
    for name, goals in (("achieved_goal", (right[:3], right)), ("desired_goal", (right, None))):
        with pytest.raises(ValueError, match=name):
            env.unwrapped.compute_reward(*goals, {})


@pytest.mark.parametrize("env_id", ALL_IDS)
@pytest.mark.parametrize("horizon", [10**30, 1e300, 1_000_001])
def test_an_episode_has_an_end(env_id, horizon):
    for make in (gym.make, partial(gym.make_vec, num_envs=2)):
        with pytest.raises(ValueError, match=r"horizon=.* must be at most 1(,000|0),000 "):
            make(env_id, horizon=horizon)


@pytest.mark.parametrize("wrong", [1e300, 101, 0, -1, float("inf")])
def test_a_step_has_a_length(wrong):
    with pytest.raises(ValueError, match="step_size=.* must be a positive number of standard deviations, at most 100"):
        gym.make("MaterialLatent-v0", step_size=wrong)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"price": (50, 1)}, r"^limits\['price'\]=\(50, 1\): low=50 must lie below high=1"),
        ({"price": ("a", None)}, r"^limits\['price'\]=.*low='a' must be a number, or None"),
        ({5: (1, 2)}, r"^limits\[5\]=.*property_name=5 must be the name"),
        ({"x": (1, 2)}, "has limits or filters about property_name='x', which the oracle does not predict"),
    ],
)
def test_a_limit_that_is_none_is_named_as_one(limits, said):
    with pytest.raises(ValueError, match=said):
        gym.make("MaterialElements-v0", limits=limits)


@pytest.mark.parametrize("key", ["nope", "self"])
def test_an_unknown_argument_of_an_oracle_is_named(key):
    with pytest.raises(ValueError, match=f"oracle=.* has unknown keys .*{key}.*; it takes reference, budget"):
        gym.make("MaterialLatent-v0", oracle={key: 1})
