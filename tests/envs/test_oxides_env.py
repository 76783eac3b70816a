"""`MaterialOxides-v0`: a formula in five steps, oxygen last."""

import copy
import pickle
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
from matenv.envs.edits import REFUSED, Rules, reduced
from matenv.envs.oxide_steps import ACTIONS, COUNTS, OXYGEN, STEP, allowed_steps, number_of, step_of, take_steps
from matenv.tasks import Task

SYMBOLS = matenv.elements.SYMBOLS


def make(rows=None, **kwargs) -> Any:
    if rows is None:
        return gym.make("MaterialOxides-v0", **kwargs)
    return gym.make_vec("MaterialOxides-v0", num_envs=rows, **kwargs)


def choose(random, masks):
    return (random.random(masks.shape) * masks).argmax(axis=-1)


def test_both_checkers_are_clean():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make()
        check_env(env.unwrapped, skip_render_check=True)
        sb3_check_env(env.unwrapped, warn=True)


def test_an_episode_by_hand():
    env = make(render_mode="ansi").unwrapped
    observation, info = env.reset(seed=0)
    blocks = env.observation_blocks
    assert info["formula"] == "" and info["counts"] == {} and env.core.oracle.calls == 0
    picks = [("Li", 2), ("Fe", 2), ("Xe", 0), ("P", 2), ("O", 8)]
    for taken, (element, count) in enumerate(picks, 1):
        action = env.number(element, count)
        assert env.action_masks()[action] == (element != "Xe")
        observation, reward, terminated, truncated, info = env.step(action)
        assert info["step"] == taken and not truncated and terminated == (taken == 5)
        assert observation[blocks["step"]].argmax() == taken and observation[blocks["step"]].sum() == 1
        if taken < 5:
            assert reward == 0 and info["formula"] == "" and env.core.oracle.calls == 0
    assert info["counts"] == {"Fe": 2, "Li": 2, "O": 8, "P": 2} and info["refused"] == 1
    assert matenv.formula(matenv.fractions(info["formula"])) == "LiFePO4"
    assert reward == info["score"] == info["terms"]["score"] > 0 and env.core.oracle.calls == 1
    np.testing.assert_allclose(observation[blocks["counts"]][OXYGEN], 8 / 9)
    assert "LiFePO4" in env.render()


def test_numbers_and_words_are_inverse():
    env = make().unwrapped
    assert env.action_space.n == ACTIONS == 890
    assert [env.number(*env.step_of(action)) for action in range(ACTIONS)] == list(range(ACTIONS))
    assert str(step_of(number_of("Fe", 2))) == "2 Fe" and str(step_of(number_of("Fe", 0))) == "no Fe"
    for wrong in (("Xx", 1), ("Fe", 10), ("Fe", -1), ("Fe", True)):
        with pytest.raises(ValueError, match="is no step"):
            env.number(*wrong)
    with pytest.raises(ValueError, match="action=890 is not one of the 890 steps"):
        env.step_of(890)


def test_masks_are_the_papers_rules():
    env = make().unwrapped
    env.reset(seed=0)
    mask = env.action_masks().reshape(89, COUNTS)
    allowed = env.core.task.allowed.copy()
    assert mask.any(axis=1).sum() == 75 and not mask[OXYGEN].any()
    allowed[OXYGEN] = False
    np.testing.assert_array_equal(mask, np.broadcast_to(allowed[:, None], mask.shape))
    env.step(env.number("Fe", 3))
    np.testing.assert_array_equal(env.action_masks().reshape(89, COUNTS)[SYMBOLS.index("Fe")], [True] + 9 * [False])
    for _ in range(3):
        env.step(env.number("Fe", 0))
    np.testing.assert_array_equal(np.flatnonzero(env.action_masks()), OXYGEN * COUNTS + np.arange(1, 10))


def test_nothing_but_oxygen_is_no_way():
    """An oxide has two elements: who leaves three out must take the fourth."""
    env = make().unwrapped
    env.reset(seed=0)
    for _ in range(3):
        env.step(env.number("Fe", 0))
    mask = env.action_masks().reshape(89, COUNTS)
    assert not mask[:, 0].any() and mask.any()


TASKS = st.builds(
    lambda fewest, more, room, count, require, elements: Task(
        "t", "", (), min_elements=fewest, max_elements=min(fewest + more, 6), max_atoms=fewest + 3 + room,
        max_count=count, require=require, elements=elements, viability="none",
    ),
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 30), st.integers(1, 12),
    st.sampled_from([(), ("O",), ("O", "Li"), ("Li|Na", "Fe"), ("Li|Fe", "Fe|Co")]),
    st.sampled_from([None, ("O", "Li", "Fe", "Co", "Na"), ("O", "Li", "Fe", "P", "Na", "Co", "S")]),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(TASKS, st.integers(5, 7), st.integers(0, 2**32 - 1), st.floats(0.0, 0.3))
def test_no_mask_is_a_dead_end_and_every_masked_episode_obeys_the_rules(task, horizon, seed, refuse):
    """Also after actions that were refused there is one to take; rules hold where none was."""
    rules, random, rows = Rules.of(task), np.random.default_rng(seed), 16
    place = np.zeros((rows, STEP + 1), np.int32)
    try:
        make(task=task, horizon=horizon)
    except ValueError as error:
        assert "leave too little room" in str(error)
        return
    for step in range(horizon):
        masks = allowed_steps(place, np.full(rows, step), horizon, rules)
        assert masks.any(axis=1).all()
        actions = np.where(random.random(rows) < refuse, random.integers(ACTIONS, size=rows), choose(random, masks))
        place, refused = take_steps(place, actions, masks)
        np.testing.assert_array_equal(refused, ~masks[np.arange(rows), actions])
    batch = CompositionBatch(*reduced(place[:, :STEP]))
    fine = place[:, REFUSED] == 0
    assert task.allows(batch)[fine].all() and (place[fine, OXYGEN] >= 1).all()
    assert (place[:, :REFUSED] <= min(task.max_count, 9)).all() and (place[:, STEP] == horizon).all()


def test_one_equals_a_row_of_many_and_itself():
    envs, again = make(4), make(4)
    singles = [make().unwrapped for _ in range(4)]
    random = np.random.default_rng(0)
    first, _ = envs.reset(seed=5)
    np.testing.assert_array_equal(first, again.reset(seed=5)[0])
    for row, single in enumerate(singles):
        np.testing.assert_array_equal(first[row], single.reset(seed=5 + row)[0])
    for step in range(5):
        masks = envs.unwrapped.action_masks()
        actions = choose(random, masks)
        for row, single in enumerate(singles):
            np.testing.assert_array_equal(single.action_masks(), masks[row])
        told, same = envs.step(actions), again.step(actions)
        for one, other in zip(told[:4], same[:4], strict=True):
            np.testing.assert_array_equal(one, other)
        for row, single in enumerate(singles):
            observation, reward, terminated, truncated, info = single.step(int(actions[row]))
            last = told[4]["final_obs"][row] if step == 4 else told[0][row]
            np.testing.assert_array_equal(observation, last)
            assert (terminated, truncated) == (told[2][row], told[3][row]) == (step == 4, False)
            assert reward == pytest.approx(told[1][row], abs=1e-5)
            if step == 4:
                assert told[4]["final_info"]["formula"][row] == info["formula"]
    assert envs.unwrapped.formulas() == [""] * 4


def test_a_state_goes_back_and_copies_go_their_own_way():
    envs = make(3)
    envs.reset(seed=0)
    random = np.random.default_rng(1)
    envs.step(choose(random, envs.unwrapped.action_masks()))
    kept, twin = envs.unwrapped.get_state(), copy.deepcopy(envs.unwrapped)
    core = pickle.loads(pickle.dumps(envs.unwrapped.core))
    actions = choose(random, envs.unwrapped.action_masks())
    there = envs.step(actions)[0]
    np.testing.assert_array_equal(twin.step(actions)[0], there)
    core.step(actions)
    np.testing.assert_array_equal(core.observe(), there)
    envs.unwrapped.set_state(kept)
    np.testing.assert_array_equal(envs.step(actions)[0], there)


def test_a_refused_action_adds_nothing_and_in_the_end_there_is_no_oxide():
    env = make(reward={"score": 1.0, "illegal": 0.5}).unwrapped
    env.reset(seed=0)
    env.step(env.number("Fe", 2))
    for action in (env.number("O", 3), env.number("Fe", 1), env.number("He", 1)):
        _, reward, _, _, info = env.step(action)
        assert reward == -0.5 and info["counts"] == {"Fe": 2} and info["terms"]["illegal"] == -1
    _, reward, terminated, _, info = env.step(env.number("O", 0))
    assert terminated and reward == -0.5 and info["refused"] == 4 and info["score"] == 0 and not info["valid"]


def test_any_task_scores_and_its_rules_are_kept():
    env = make(5, task="stable-novel", require=["Li", "F|Cl"], exclude=["Fe"])
    env.reset(seed=0)
    random = np.random.default_rng(0)
    for _ in range(5):
        info = env.step(choose(random, env.unwrapped.action_masks()))[4]
    for formula in info["final_info"]["formula"]:
        x = matenv.fractions(formula)
        assert x[SYMBOLS.index("Li")] and x[OXYGEN] and not x[SYMBOLS.index("Fe")]
        assert x[SYMBOLS.index("F")] or x[SYMBOLS.index("Cl")]
    wished = make(wish={"targets": {"band_gap_pbe": 2.0}}).unwrapped
    assert "goal" in wished.observation_blocks and "wish" in wished.reset(seed=0)[1]
    assert make().spec.reward_threshold == pytest.approx(matenv.load_task("pan-oxides").success_score)
    assert make(horizon=7).spec.reward_threshold == make().spec.reward_threshold


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"exclude": ["O"]}, "require and exclude both hold"),
        ({"task": "stable-novel", "exclude": ["O"]}, "does not allow oxygen, the last element here"),
        ({"horizon": 1}, "asks for 1 elements before oxygen, the last; horizon=1 steps"),
        ({"horizon": 1001}, "horizon=1001 must be at most 1,000 steps"),
        ({"start": "dataset"}, "start='dataset'"),
        ({"improve": {"edits": 3}}, "needs a formula to improve; MaterialOxides-v0 builds new ones"),
        ({"task": Task("t", "", (), start="MgO")}, "starts from 'MgO'; MaterialOxides-v0 builds formulas"),
    ],
)
def test_what_no_episode_can_do_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        make(**given)


def test_there_is_no_formula_to_start_from():
    env = make()
    with pytest.raises(ValueError, match="builds formulas from nothing; leave it out"):
        env.reset(options={"formula": "MgO"})
    with pytest.raises(RuntimeError, match="action_masks"):
        make().unwrapped.action_masks()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action row 0 is 890; expected 0 to 889"):
        env.unwrapped.core.step([890])
