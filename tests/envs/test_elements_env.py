from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN

import matenv
from matenv.composition import CompositionBatch, integer_counts
from matenv.envs.edits import KINDS, REFUSED, EditTable, Rules, allowed_edits, apply_edits, places, reduced
from matenv.tasks import Task
from matenv.tasks.sampling import random_formulas
from matenv.wrappers import SB3VecEnv

SYMBOLS = matenv.elements.SYMBOLS


def make(**kwargs) -> Any:
    return gym.make("MaterialElements-v0", **kwargs)


def make_vec(num_envs=8, **kwargs) -> Any:
    return gym.make_vec("MaterialElements-v0", num_envs=num_envs, **kwargs)


def start(env, formula):
    return env.reset(seed=0, options={"formula": formula})[1]


def choose(random, masks):
    return (random.random(masks.shape) * masks).argmax(axis=-1)


def test_each_edit_does_what_its_words_say():
    env = make().unwrapped
    for edit, formula, counts in [
        (("add", "Mn"), "LiMnFePO4", {"Fe": 1, "Li": 1, "Mn": 1, "O": 4, "P": 1}),
        (("remove", "Li"), "FePO4", {"Fe": 1, "O": 4, "P": 1}),
        (("increment", "Fe"), "LiFe2PO4", {"Fe": 2, "Li": 1, "O": 4, "P": 1}),
        (("decrement", "O"), "LiFePO3", {"Fe": 1, "Li": 1, "O": 3, "P": 1}),
        (("swap", "Co", 1), "LiCoPO4", {"Co": 1, "Li": 1, "O": 4, "P": 1}),
        (("swap", "S", 3), "LiFePS4", {"Fe": 1, "Li": 1, "P": 1, "S": 4}),
    ]:
        start(env, "LiFePO4")
        action = env.number(*edit)
        assert env.action_masks()[action] and str(env.edit(action)).split()[0] == edit[0]
        _, reward, _, _, info = env.step(action)
        assert info["counts"] == counts and info["refused"] == 0 and info["terms"]["illegal"] == 0
        assert matenv.formula(matenv.fractions(info["formula"])) == matenv.formula(matenv.fractions(formula))
        assert reward == info["score"]


def test_action_numbers_and_words_are_inverse():
    for env in (make().unwrapped, make_vec(1).unwrapped, make(task=Task("small", "", (), max_elements=3)).unwrapped):
        n = int(env.core.action_space.n)
        assert n == 4 * 89 + 89 * env.core.task.max_elements + 1
        words = [env.edit(action) for action in range(n)]
        assert len(set(words)) == n == len({str(word) for word in words}) and {word.kind for word in words} == set(
            KINDS
        )
        assert [env.number(*word) for word in words] == list(range(n))
        for bad in [("add",), ("add", "Xx"), ("melt", "Fe"), ("swap", "Fe"), ("swap", "Fe", 9), ("add", "Fe", 1)]:
            with pytest.raises(ValueError, match="is no edit"):
                env.number(*bad)
        with pytest.raises(ValueError, match="action=-1"):
            env.edit(-1)


def test_counts_are_not_reduced_but_the_formula_is():
    env = make().unwrapped
    start(env, "Fe2O3")
    info = env.step(env.number("increment", "O"))[4]
    assert info["counts"] == {"Fe": 2, "O": 4} and info["formula"] == "FeO2"
    info = env.step(env.number("increment", "O"))[4]
    assert info["counts"] == {"Fe": 2, "O": 5} and info["formula"] == "Fe2O5"


def test_refused_edits_leave_the_formula_earn_nothing_and_are_counted():
    env = make(reward={"score": 1.0, "illegal": 0.5}).unwrapped
    before = start(env, "MgO")
    for count, edit in enumerate(
        [("add", "Mg"), ("remove", "O"), ("decrement", "O"), ("increment", "Fe"), ("swap", "O", 0)], 1
    ):
        action = env.number(*edit)
        assert not env.action_masks()[action]
        _, reward, _, _, info = env.step(action)
        assert reward == -0.5 and info["terms"]["illegal"] == -1 and info["terms"]["score"] == 0
        assert info["formula"] == "MgO" and info["score"] == before["score"] and info["refused"] == count
        assert info["step"] == count
    info = env.step(env.number("add", "Fe"))[4]
    assert info["terms"]["illegal"] == 0 and info["refused"] == 5
    _, reward, _, _, after = env.step(env.number("stay"))
    assert after["formula"] == info["formula"] and reward == after["terms"]["score"] == info["score"]


def dense(counts):
    place = np.zeros((1, REFUSED + 1), np.int32)
    for symbol, count in counts.items():
        place[0, matenv.elements.INDEX[symbol]] = count
    return place


ELEMENTS = ["Li", "Fe", "Co", "P", "O", "S", "Tc", "Cs"]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 7), max_size=6),
    st.integers(1, 3), st.integers(0, 3), st.integers(3, 20), st.integers(1, 6), st.integers(2, 8),
)  # fmt: skip
def test_masks_are_exactly_the_edits_that_change_the_formula_and_break_no_rule_further(
    counts, fewest, more, max_atoms, max_count, named
):
    task = Task(
        "t", "", (), min_elements=fewest, max_elements=fewest + more, max_atoms=max_atoms, max_count=max_count,
        elements=tuple(ELEMENTS[:named]) if named >= fewest else None, exclude=("Tc",) if named < 7 else (),
    )  # fmt: skip
    table, rules, place = EditTable.of(task), Rules.of(task), dense(counts)
    mask = allowed_edits(place, len(table.kind), rules)[0]
    everything = np.ones((1, len(mask)), np.bool_)

    def excess(state):
        present = np.flatnonzero(state[:REFUSED])
        n = len(present)
        return np.array([
            max(task.min_elements - n, 0), max(n - task.max_elements, 0), max(state[:REFUSED].sum() - max_atoms, 0),
            np.maximum(state[:REFUSED] - max_count, 0).sum(), (~task.allowed[present]).sum(),
        ])  # fmt: skip

    old = CompositionBatch(*reduced(place))
    atoms = sum(counts.values())
    too_few = len(counts) < fewest and atoms < max_atoms  # then only additions
    for action in range(len(mask) - 1):
        edit = table.edit(action)
        present = edit.element in counts
        sensible = present != (edit.kind in ("add", "swap")) and (edit.slot or 0) < max(len(counts), 1)
        sensible &= not (edit.kind == "swap" and not counts)
        if not sensible or (too_few and edit.kind != "add"):
            assert not mask[action]
            continue
        new, refused = apply_edits(place, np.array([action]), everything, *table)
        assert refused[0] == 0
        batch = CompositionBatch(*reduced(new))
        changed = batch.size[0] > 0 and batch.formulas() != old.formulas()
        gone = edit.kind == "decrement" and counts[edit.element] == 1  # that is "remove"
        brought = edit.kind in ("add", "swap") and not task.allowed[matenv.elements.INDEX[str(edit.element)]]
        worse = (excess(new[0]) > excess(place[0])).any() or brought
        assert mask[action] == (changed and not gone and not worse), (str(edit), counts)
    obeys = not excess(place[0]).any()
    assert mask[-1] == (obeys or not mask[:-1].any())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from(["dataset", "random", "empty"]), st.booleans())
def test_allowed_edits_lead_from_lawful_formulas_to_lawful_formulas(seed, begin, restricted):
    elements = ["Li", "Fe", "P", "O"] if restricted else None
    envs, random = make_vec(16, start=begin, elements=elements, task="stable-novel"), np.random.default_rng(seed)
    envs.reset(seed=seed)
    core = envs.unwrapped.core
    for step in range(18):
        masks = envs.unwrapped.action_masks()
        assert masks.shape == (16, core.action_space.n) and masks.any(axis=1).all()
        if begin != "empty" or core.state.step[0] >= 2:
            assert core.task.allows(core.state.compositions).all()
        before = envs.unwrapped.formulas()
        actions = choose(random, masks)
        _, _, _, truncated, info = envs.step(actions)
        after = info["final_info"]["formula"] if truncated.all() else envs.unwrapped.formulas()
        stayed = actions == core.action_space.n - 1
        assert all(a != b for a, b, same in zip(before, after, stayed, strict=True) if not same)
        assert (info["final_info"] if truncated.all() else info)["terms"]["illegal"].sum() == 0
        assert truncated.all() == (step == 15)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_any_actions_without_masks_keep_formulas_lawful(seed):
    envs, random = make_vec(8, observation=["counts", "slots", "steps_left"]), np.random.default_rng(seed)
    observation, _ = envs.reset(seed=seed)
    core, refused = envs.unwrapped.core, np.zeros(8)
    for _ in range(10):
        masks, actions = envs.unwrapped.action_masks(), random.integers(0, core.action_space.n, 8)
        observation, reward, *_, info = envs.step(actions)
        assert envs.observation_space.contains(observation)
        assert np.array_equal(info["terms"]["illegal"] == 0, masks[np.arange(8), actions])
        refused = refused + (info["terms"]["illegal"] < 0)
        assert (reward[info["terms"]["illegal"] < 0] == 0).all() and np.array_equal(info["refused"], refused)
        assert core.task.allows(core.state.compositions).all()


def test_starts_beyond_the_rules_are_led_back():
    env = make(exclude=["O"]).unwrapped
    info = start(env, "Ba8Ti10O30Li2KNaMg3Al")  # too many elements and atoms, and an excluded one
    assert not info["valid"] and info["start_round_trip"]
    random = np.random.default_rng(0)
    for _ in range(400):
        env.step(choose(random, env.action_masks()))
        place = env.core.state.place[0]
        if place[matenv.elements.INDEX["O"]] == 0 and env.core.task.allows(env.core.state.compositions)[0]:
            break
    else:
        pytest.fail("never came back")


def test_rules_that_leave_no_edit_allow_to_stay():
    task = Task("stuck", "", (), max_elements=2, max_atoms=2, elements=("Mg", "O"))
    env = make(task=task, start="random", horizon=3).unwrapped
    _, info = env.reset(seed=0)
    assert env.action_masks().nonzero()[0].tolist() == [env.number("stay")]
    _, reward, _, _, after = env.step(env.number("stay"))
    assert reward == info["score"] and after["terms"]["illegal"] == 0 and after["formula"] == info["formula"] == "MgO"


@pytest.mark.parametrize("begin", ["dataset", "random", "empty"])
def test_a_batch_equals_its_singles(begin):
    envs = make_vec(5, horizon=4, start=begin)
    singles = [make(horizon=4, start=begin) for _ in range(5)]
    observations, _ = envs.reset(seed=11)
    alone = [env.reset(seed=11 + i) for i, env in enumerate(singles)]
    random = np.random.default_rng(0)
    for _ in range(6):
        masks = envs.unwrapped.action_masks()
        for i, (env, (observation, words)) in enumerate(zip(singles, alone, strict=True)):
            assert np.array_equal(masks[i], env.unwrapped.action_masks())
            assert observations[i] == pytest.approx(observation, abs=1e-5)
            assert (
                words["formula"] == envs.unwrapped.formulas()[i] and words.keys() == envs.unwrapped.describe(i).keys()
            )
        actions = choose(random, masks)
        actions[0] = random.integers(0, masks.shape[1])  # refused or not
        observations, rewards, terminated, truncated, info = envs.step(actions)
        for i, env in enumerate(singles):
            observation, reward, t, u, words = env.step(int(actions[i]))
            assert (t, u) == (terminated[i], truncated[i]) and reward == pytest.approx(rewards[i], abs=1e-5)
            if u:
                assert info["final_info"]["formula"][i] == words["formula"]
                observation, words = env.reset()
            alone[i] = observation, words


def test_autoreset_modes():
    random = np.random.default_rng(0)
    envs = make_vec(3, horizon=2, autoreset_mode=AutoresetMode.NEXT_STEP)
    envs.reset(seed=0)
    for step in range(1, 6):
        masks = envs.unwrapped.action_masks()
        _, reward, _, truncated, info = envs.step(choose(random, masks))
        assert truncated.all() == (step % 3 == 2) and "final_obs" not in info
        if step == 3:
            assert (reward == 0).all() and (envs.unwrapped.core.state.step == 0).all()
    envs = make_vec(4, horizon=9, autoreset_mode="Disabled")
    envs.reset(seed=0)
    envs.step(choose(random, envs.unwrapped.action_masks()))
    envs.reset(options={"reset_mask": np.array([True, False, False, True]), "formula": ["MgO", "NaCl"]})
    assert envs.unwrapped.core.state.step.tolist() == [0, 1, 1, 0] and envs.unwrapped.formulas()[::3] == ["MgO", "NaCl"]


def test_partly_finished_batches_step_on_in_next_step_mode():
    envs = make_vec(
        4,
        horizon=6,
        autoreset_mode="NEXT_STEP",
        terminate_on_success=True,
        task=Task("any", "", (), success_utility=0.0),
    )
    envs.reset(seed=1, options={"formula": ["MgO", "KRb", "KRb", "MgO"]})
    random = np.random.default_rng(0)
    met = set()
    for _ in range(12):
        _, _, terminated, _, _ = envs.step(choose(random, envs.unwrapped.action_masks()))
        met.add(bool(terminated.any() and not terminated.all()))
    assert True in met


def test_returned_masks_are_fresh():
    envs = make_vec(2)
    with pytest.raises(RuntimeError, match="before reset"):
        envs.unwrapped.action_masks()
    envs.reset(seed=0)
    masks = envs.unwrapped.action_masks()
    masks[:] = True
    assert not envs.unwrapped.action_masks().all()


@pytest.mark.parametrize(
    ("actions", "message"),
    [(np.zeros((2, 1), int), "shape"), (np.array([0.0, 1.0]), "whole numbers"), (np.array([0, 891]), "row 1 is 891"),
     (np.array([-1, 0]), "row 0 is -1")],
)  # fmt: skip
def test_bad_actions_are_refused(actions, message):
    envs = make_vec(2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        envs.step(actions)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"start": "prior"}, "start='prior' is unknown; choose one of dataset, random, empty"),
        ({"observation": ["latent"]}, "observation="),
        ({"reward": {"ood": 1.0}}, "unknown terms"),
    ],
)
def test_bad_arguments_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)
    with pytest.raises(TypeError, match="no argument 'latent'"):
        make(latent="vae")


def test_rendering():
    env = make(render_mode="ansi")
    start(env, "BaTiO3")
    env.step(env.unwrapped.number("swap", "Sr", 0))
    assert [line.split()[2] for line in env.render().splitlines()] == ["BaTiO3", "SrTiO3"]
    env = make(render_mode="rgb_array")
    start(env, "BaTiO3")
    env.step(env.unwrapped.number("swap", "Sr", 0))
    picture = env.render()
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and picture.std() > 10


def test_maskable_ppo_learns_with_masks_and_never_chooses_a_forbidden_edit():
    envs = SB3VecEnv(make_vec(8, horizon=4))
    agent = MaskablePPO("MlpPolicy", envs, n_steps=8, batch_size=32, n_epochs=1, seed=0, device="cpu")
    agent.learn(128)
    assert agent.rollout_buffer.action_masks.sum() > 0
    assert sum(words["refused"] for words in envs.env_method("describe")) == 0
    observation = envs.reset()
    masks = np.stack(envs.env_method("action_masks"))
    actions, _ = agent.predict(observation, action_masks=masks)
    assert masks[np.arange(8), actions].all()
    single = make().unwrapped
    observation, _ = single.reset(seed=0)
    action, _ = agent.predict(observation, action_masks=single.action_masks())
    assert single.action_masks()[action]


def test_dqn_learns_without_masks_on_the_single_environment():
    env = make(horizon=4)
    agent = DQN("MlpPolicy", env, learning_starts=16, batch_size=8, buffer_size=200, seed=0, device="cpu")
    agent.learn(48)
    assert env.unwrapped.core.state.place[0, REFUSED] >= 0
    assert env.unwrapped.core.oracle.calls > 4


def test_random_formulas_are_lawful_repeatable_and_uniform(data):
    task = matenv.load_task("stiff-stable")
    batch = random_formulas(task, 5000, seed=1)
    assert task.allows(batch).all() and random_formulas(task, 5000, seed=1).formulas() == batch.formulas()
    assert np.bincount(batch.size)[2:] == pytest.approx(np.full(5, 1000), abs=150)
    tiny = Task("tiny", "", (), min_elements=2, max_elements=2, max_atoms=4, max_count=2, elements=("Mg", "O"))
    counts = random_formulas(tiny, 4000, seed=0).dense_counts()
    # MgO (also as Mg2O2), Mg2O and MgO2 from the four pairs of counts within the rules
    names, number = np.unique(
        [f"{row[SYMBOLS.index('Mg')]}{row[SYMBOLS.index('O')]}" for row in counts], return_counts=True
    )
    assert dict(zip(names, number, strict=True)) == pytest.approx({"11": 2000, "12": 1000, "21": 1000}, abs=120)
    with pytest.raises(ValueError, match="k=0"):
        random_formulas(task, 0, seed=0)
    with pytest.raises(ValueError, match="max_atoms=1"):
        random_formulas(Task("none", "", (), max_atoms=1), 1, seed=0)


def test_places_hold_one_reduced_formula_unit():
    batch = CompositionBatch.from_counts(integer_counts(["Fe4O6", "MgO"]))
    assert places(batch).sum(axis=1).tolist() == [5, 2]
