"""Arguments are declared once: signature, page, refusals and Gymnasium's spec all say the same."""

import inspect
import re

import gymnasium as gym
import pytest

from matenv.envs.registration import IDS

PAGES = [gym.envs.registration.load_env_creator(single) for single, _ in IDS.values()]
BATCHES = [gym.envs.registration.load_env_creator(batched) for _, batched in IDS.values()]


def arguments_of(env):
    return {name: each.default for name, each in inspect.signature(env).parameters.items()}


@pytest.mark.parametrize("env", PAGES)
def test_the_page_describes_the_arguments_that_the_signature_has(env):
    text = env.__doc__[env.__doc__.index("    Args:") : env.__doc__.index("## Registered ids")]
    assert sorted(re.findall(r"^ {8}(\w+):", text, re.MULTILINE)) == sorted(arguments_of(env))


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


@pytest.mark.parametrize("env_id", IDS)
def test_an_environment_is_made_again_from_its_spec(env_id):
    env = gym.make(env_id, horizon=3, discount=0.5)
    assert env.spec is not None and env.spec.kwargs == {"horizon": 3, "discount": 0.5}
    again = gym.make(env.spec).unwrapped
    assert again.core.arguments.horizon == 3 and again.core.arguments.discount == 0.5  # type: ignore[attr-defined]
