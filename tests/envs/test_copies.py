"""Environments copied, pickled, put back and written down: what goes on from there is the same."""

import copy
import json
import pickle
import time
from dataclasses import replace
from typing import Any

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

import matenv
from matenv.envs.registration import IDS
from matenv.envs.snapshot import Snapshot
from matenv.tasks.as_data import task_from_data, task_to_data


def walk(env: Any, moves) -> list:
    trace = []
    for move in moves:
        observation, reward, terminated, truncated, info = env.step(move)
        trace.append((observation.tolist(), np.asarray(reward).tolist(), info["score"]))
        if np.ndim(truncated) == 0 and (terminated or truncated):
            trace.append(env.reset()[0].tolist())
    return trace


def same(one: list, two: list) -> bool:
    return json.dumps(one, default=lambda x: x.tolist()) == json.dumps(two, default=lambda x: x.tolist())


def moves_of(env, number=20):
    env.action_space.seed(1)
    return [env.action_space.sample() for _ in range(number)]


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: cloudpickle.loads(cloudpickle.dumps(env)),
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("env_id", IDS)
def test_a_copy_goes_on_as_the_original_and_apart_from_it(env_id, way):
    for env in (gym.make(env_id, horizon=6, budget=12), gym.make_vec(env_id, num_envs=3, horizon=6, budget=12)):
        env.reset(seed=4)
        moves = moves_of(env)
        walk(env, moves[:3])
        calls = env.unwrapped.core.oracle.calls  # type: ignore[union-attr]
        twin = COPIES[way](env)
        went = walk(twin, moves)
        assert env.unwrapped.core.oracle.calls == calls < twin.unwrapped.core.oracle.calls  # type: ignore[union-attr]
        assert same(went, walk(env, moves))


def test_a_shared_oracle_is_shared_no_more_by_a_copy_but_is_one_within_it():
    oracle = matenv.Oracle(budget=50)
    env = gym.make("MaterialLatent-v0", oracle=oracle)
    env.reset(seed=0)
    core: Any = copy.deepcopy(env).unwrapped.core  # type: ignore[attr-defined]
    assert core.oracle is core.arguments.oracle and core.oracle is not oracle and core.oracle.hull is oracle.hull


def test_copies_are_cheap_and_snapshots_cheaper():
    env: Any = gym.make("MaterialLatent-v0")
    env.reset(seed=0)

    def seconds(function) -> float:
        best = np.inf
        for _ in range(20):
            started = time.process_time()
            function()
            best = min(best, time.process_time() - started)
        return best

    assert seconds(lambda: copy.deepcopy(env)) < 0.005
    assert seconds(lambda: env.unwrapped.set_state(env.unwrapped.get_state())) < 0.0005
    assert len(pickle.dumps(env)) < 200_000  # no weights, no tables


@pytest.mark.parametrize("env_id", IDS)
def test_a_search_can_take_its_moves_back(env_id):
    env: Any = gym.make(env_id, repeat_decay=0.5)
    env.reset(seed=2)
    moves = moves_of(env, 8)
    walk(env, moves[:2])
    before = env.unwrapped.get_state()
    first = walk(env, moves)
    env.unwrapped.set_state(before)
    assert same(walk(env, moves), first)
    calls = env.unwrapped.core.oracle.calls
    env.unwrapped.set_state(before)
    assert env.unwrapped.core.oracle.calls == calls  # what is paid for stays paid for
    for wrong in (None, gym.make_vec(env_id, num_envs=2).unwrapped.get_state()):  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="state"):
            env.unwrapped.set_state(wrong)


@pytest.mark.parametrize(
    ("env_id", "other", "said"),
    [
        ("MaterialLatent-v0", {"horizon": 4}, "horizon=16, this one has horizon=4"),
        ("MaterialLatent-v0", {"task": "wide-gap-novel"}, "task.name=stiff-stable.* this one has task.name=wide-gap"),
        ("MaterialLatent-v0", {"exclude": ["Li"]}, "task.exclude="),
        ("MaterialLatent-v0", {"step_size": 0.5}, "step_size"),
        ("MaterialLatent-v0", {"limits": {"price": (None, 9)}}, "task.filters="),
        ("MaterialLatent-v0", {"pull": 0.5}, "pull=1.5"), ("MaterialLatent-v0", {"reward": {"novelty": 1}}, "reward="),
        ("MaterialLatent-v0", {"reference": "all"}, "reference=train, this one has reference=all"),
        ("MaterialElements-v0", {"improve": {"edits": 2}}, "observation=.*improve="),
        ("MaterialElements-v0", {"wish": "draw"}, "wish=None|observation="),
        ("MaterialElements-v0", {"repeat_decay": 0.5}, "repeat_decay|observation="),
        ("MaterialSystem-v0", {"horizon": 4}, "horizon=10"),
        ("MaterialSystem-v0", {"sizes": [2]}, r"sizes=\[2, 3, 4\]"),
    ],
)  # fmt: skip
def test_a_state_of_other_episodes_is_refused_and_what_differs_is_named(env_id, other, said):
    env: Any = gym.make(env_id)
    another: Any = gym.make(env_id, **other)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=f"^state is of an environment with .*{said}"):
        another.unwrapped.set_state(env.unwrapped.get_state())


def test_a_state_goes_to_another_environment_of_the_same_arguments():
    density = matenv.Property("density", "g/cm3", lambda x: x.sum(axis=1))
    task = matenv.Task("dense", "Dense.", (matenv.maximise("density", 0, 2),), properties=(density,))
    arguments: dict[str, Any] = {"task": task, "elements": np.array(["Fe", "O", "Ti"]), "improve": {"edits": 3}}
    env: Any = gym.make("MaterialElements-v0", **arguments, budget=50)
    env.reset(seed=0)
    twin = cloudpickle.loads(cloudpickle.dumps(env))
    alike: Any = gym.make("MaterialElements-v0", **arguments, info="numbers")
    for other in (alike, twin):
        other.unwrapped.set_state(env.unwrapped.get_state())
        assert other.unwrapped.core.state is env.unwrapped.core.state
    vector: Any = gym.make_vec("MaterialElements-v0", num_envs=1, **arguments).unwrapped
    with pytest.raises(ValueError, match="of a single environment"):
        vector.set_state(env.unwrapped.get_state())


def test_a_snapshot_survives_as_arrays():
    envs: Any = gym.make_vec("MaterialElements-v0", num_envs=4, horizon=5, autoreset_mode="NextStep", repeat_decay=0.9)
    envs.reset(seed=0)
    moves = moves_of(envs)
    walk(envs, moves[:5])
    kept: Snapshot = envs.unwrapped.get_state()
    arrays, generators = kept.arrays(), json.loads(json.dumps(kept.generators))
    went = walk(envs, moves)
    other: Any = gym.make_vec("MaterialElements-v0", num_envs=4, horizon=5, autoreset_mode="NextStep", repeat_decay=0.9)
    other.reset(seed=9)
    other.unwrapped.set_state(other.unwrapped.get_state().with_arrays(arrays, generators))
    assert same(walk(other, moves), went)
    with pytest.raises(ValueError, match=r"array 'state.place' is missing"):
        kept.with_arrays({}, generators)


def test_every_row_says_its_seed():
    envs = gym.make_vec("MaterialLatent-v0", num_envs=3)
    envs.reset(seed=5)
    assert envs.np_random_seed == (5, 6, 7) and len(envs.np_random) == 3  # type: ignore[comparison-overlap, arg-type]
    envs.reset(seed=[None, 1, None])  # type: ignore[arg-type]
    assert envs.np_random_seed == (5, 1, 7)  # type: ignore[comparison-overlap]


def test_a_spec_goes_through_json_with_its_task_and_oracle():
    task = matenv.load_task("wide-gap-novel", limits={"price": (None, 50.0)}, stable_against=["Li"], require=["Li"])
    task = replace(task, name="own")
    oracle = matenv.Oracle("all", budget=50, properties=["price"])
    env: Any = gym.make("MaterialLatent-v0", task=task, oracle=oracle, horizon=5)
    again: Any = gym.make(EnvSpec.from_json(env.spec.to_json()))
    core = again.unwrapped.core
    assert core.task == task and core.horizon == 5
    assert core.oracle.reference == "all" and core.oracle.budget == 50 and core.oracle.calls == 0
    assert core.oracle.units == oracle.units
    envs = gym.make_vec("MaterialLatent-v0", num_envs=2, task="stable-novel", horizon=5)
    assert gym.make_vec(EnvSpec.from_json(envs.spec.to_json())).num_envs == 2  # type: ignore[union-attr]
    assert task_from_data(json.loads(json.dumps(task_to_data(task)))) == task


def test_the_horizon_of_a_spec_gives_way_to_another():
    short = gym.make("MaterialLatent-v0", horizon=4)
    assert short.spec is not None
    for made in (gym.make(short.spec, horizon=8), gym.make(EnvSpec.from_json(short.spec.to_json()), horizon=8)):
        assert _truncated(made, 8) == [False] * 7 + [True]
        assert made.spec is not None and made.spec.max_episode_steps == 8
        assert gym.wrappers.TimeAwareObservation(made, flatten=False).max_timesteps == 8
    assert _truncated(gym.make(short.spec), 4) == [False] * 3 + [True]
    batch = gym.make_vec(short.spec, num_envs=1, horizon=8)
    batch.reset(seed=0)
    assert [bool(batch.step(batch.action_space.sample())[3][0]) for _ in range(8)] == [False] * 7 + [True]


def test_a_time_limit_of_gymnasium_is_reported_and_goes_back_with_the_state():
    limited = gym.make("MaterialLatent-v0", horizon=6, max_episode_steps=4)
    assert limited.spec is not None and limited.spec.max_episode_steps == 4
    outer = gym.wrappers.TimeLimit(gym.make("MaterialElements-v0", horizon=6), 4)
    for env in (limited, gym.make(EnvSpec.from_json(limited.spec.to_json())), outer):
        env.reset(seed=0)
        env.step(env.action_space.sample())
        world: Any = env.unwrapped
        state = world.get_state()
        for _ in range(3):
            world.set_state(state)
            assert _truncated(env, 3, reset=False) == [False, False, True]
    world.set_state(state)
    outer.reset(seed=0)  # an episode that begins afresh counts from its own start
    assert _truncated(outer, 4, reset=False) == [False, False, False, True]


def _truncated(env: gym.Env, steps: int, reset: bool = True) -> list[bool]:
    """Whether an episode was cut off at each of some steps."""
    if reset:
        env.reset(seed=0)
    return [env.step(env.action_space.sample())[3] for _ in range(steps)]


def test_arguments_of_numpy_sets_and_modes_go_through_json():
    given: dict[str, Any] = {
        "horizon": np.int64(5), "exclude": {"Pb", "Hg"}, "elements": np.array(["Li", "Fe", "O", "S"]),
        "discount": np.float32(0.5), "limits": {"price": (None, np.float64(50.0))}, "require": ("O", ["Li", "Fe"]),
        "potentials": np.True_, "reward": {"novelty": np.float64(0.5)},
    }  # fmt: skip
    made: Any = gym.make("MaterialLatent-v0", **given)
    again: Any = gym.make(EnvSpec.from_json(made.spec.to_json()))
    assert again.unwrapped.core.settings == made.unwrapped.core.settings
    assert made.unwrapped.core.task.exclude[-2:] == ("Hg", "Pb")  # in this order in every process
    assert again.spec.kwargs["exclude"] == ["Hg", "Pb"] and again.spec.kwargs["horizon"] == 5
    for mode in (AutoresetMode.NEXT_STEP, "NEXT_STEP"):
        batch: Any = gym.make_vec("MaterialLatent-v0", num_envs=2, autoreset_mode=mode)
        told: Any = gym.make_vec(EnvSpec.from_json(batch.spec.to_json()))
        assert told.autoreset_mode is AutoresetMode.NEXT_STEP and told.num_envs == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda: {"latent": matenv.load_latent("vae")}, r"latent=.* cannot be written as JSON.*the name of a latent"),
        (lambda: {"predictor": matenv.load_predictor("default")}, r"predictor=.*the name of a predictor, or the path"),
        (lambda: {"reward": {"mine": (1.0, lambda assessment: assessment.score)}}, r"reward\['mine'\]\[1\]=.*names"),
    ],
)
def test_objects_are_refused_by_the_name_of_their_argument(arguments, message):
    spec: Any = gym.make("MaterialLatent-v0", **arguments()).spec
    with pytest.raises(ValueError, match=message):
        spec.to_json()


def test_what_json_cannot_hold_is_refused_by_name():
    density = matenv.Property("density", "g/cm3", lambda x: x.sum(axis=1))
    task = matenv.Task("dense", "Dense.", (matenv.maximise("density", 0, 1),), properties=(density,))
    for arguments in ({"task": task}, {"oracle": matenv.Oracle(properties=[density])}):
        with pytest.raises(ValueError, match="density"):
            gym.make("MaterialLatent-v0", **arguments).spec.to_json()  # type: ignore[union-attr]
    for wrong, message in (
        ({"name": "x"}, "lacks a field"),
        ({"colour": 1}, "unknown fields"),
        ({"name": "x", "description": "", "objectives": [{"kind": "Slope"}]}, "kind out of Ramp, Window"),
        ({"name": "x", "description": "", "objectives": [], "properties": ["mass"]}, "shipped are price"),
        ({"name": "x", "description": "", "objectives": [], "properties": [["mass"]]}, "shipped are price"),
        ({"name": "x", "description": "", "objectives": [], "properties": 5}, "properties=5 must be a list"),
        ({"name": "x", "description": "", "objectives": None}, "task='x': objectives=None must be a list"),
        ({"name": "x", "description": "", "objectives": 5}, "objectives=5 must be a list"),
        ({"name": "x", "description": "", "objectives": [{"kind": []}]}, "kind out of Ramp, Window"),
        ({"name": "x", "description": "", "objectives": [], "filters": 5}, "filters=5 must be a list"),
        ({"name": "x", "description": "", "objectives": [], "exclude": None}, "exclude=None must be a list of symbols"),
    ):
        with pytest.raises(ValueError, match=message):
            matenv.load_task(wrong)


def test_the_spec_knows_the_horizon_and_what_success_pays():
    spec = gym.make("MaterialLatent-v0", horizon=7, task="single-phase-alloy").spec
    assert spec is not None and spec.max_episode_steps == 7
    assert spec.reward_threshold == pytest.approx(7 * 0.9)  # no viability: the utility itself
    longer = gym.make(spec, horizon=9).spec
    assert longer is not None and longer.max_episode_steps == 9 and spec.max_episode_steps == 7
    assert longer.reward_threshold == pytest.approx(9 * 0.9)
    assert pickle.loads(pickle.dumps(spec)) == spec == copy.deepcopy(spec)
    spec.reward_threshold, spec.id = 2.5, "Unregistered-v0"
    kept = gym.make(spec).spec
    assert kept is not None and kept.reward_threshold == 2.5
    paid = gym.make("MaterialLatent-v0", reward={"novelty": 1.0}).spec
    assert paid is not None and paid.reward_threshold is None


def test_infos_of_numbers_have_one_structure():
    env = gym.make("MaterialElements-v0", info="numbers", start="empty")
    _, info = env.reset(seed=0)
    first = {key: type(value) for key, value in info.items()}
    for move in moves_of(env, 16):
        _, _, _, _, info = env.step(move)
        assert {key: type(value) for key, value in info.items()} == first
        assert all(np.isfinite(value) for value in info.values())
    envs: Any = gym.make_vec("MaterialElements-v0", num_envs=2, info="numbers", horizon=2)
    keys = set(envs.reset(seed=0)[1])
    for move in moves_of(envs, 2):
        *_, info = envs.step(move)
    assert keys == set(info) - {"final_obs", "_final_obs", "final_info", "_final_info"} == set(info["final_info"])
    assert keys == set(first) and envs.unwrapped.describe(0)["formula"]
    with pytest.raises(ValueError, match="info='poems'"):
        gym.make("MaterialLatent-v0", info="poems")
