"""`MaterialSystem-v0`: rewards are the table's, proposal by proposal."""

import copy
import pickle
import re
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
from matenv.data.dataset import PARTS
from matenv.elements import MASKED_BY_DEFAULT, SYMBOLS
from matenv.envs.known_systems import SIZES, SLOTS, by_electronegativity, known_systems

DATA = matenv.load_dataset("mp-ground-states")
ENERGY = dict(zip(DATA.formulas.tolist(), DATA.labels["decomposition_energy"].tolist(), strict=True))
FORMATION = dict(zip(DATA.formulas.tolist(), DATA.formation_energy.tolist(), strict=True))


def make(rows=None, **kwargs) -> Any:
    if rows is None:
        return gym.make("MaterialSystem-v0", **kwargs)
    return gym.make_vec("MaterialSystem-v0", num_envs=rows, **kwargs)


def test_both_checkers_are_clean():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make()
        warnings.filterwarnings("ignore", message=".*not out-of-the-box.*render.*")
        check_env(env.unwrapped, skip_render_check=True)
        sb3_check_env(env.unwrapped, warn=True)


def test_a_campaign_by_hand():
    env = make(render_mode="ansi")
    observation, info = env.reset(options={"system": ["O", "Fe", "Li"]})
    assert info["system"] == ["Li", "Fe", "O"] and info["proposals"] == []
    for action, formula, status, reward in (
        ([0, 0, 1, 7], "LiFeO2", "stable", 1.0),
        ([4, 0, 3, 0], "Li5FeO4", "stable", 1.0),
        ([1, 1, 3, 0], "LiFeO2", "repeated", 0.0),
        ([11, 10, 6, 0], "Li12Fe11O7", "too large", 0.0),
        ([10, 0, 0, 0], "Li11FeO", "unknown", 0.0),
    ):
        observation, earned, terminated, truncated, info = env.step(np.array(action))
        assert (info["formula"], info["status"], earned) == (formula, status, reward)
        assert not terminated and not truncated
        if status in ("stable", "unstable"):
            assert info["formation_energy"] == pytest.approx(FORMATION[formula]) and ENERGY[formula] <= 0
        else:
            assert "formation_energy" not in info
    assert info["hits"] == 2 and "LiFeO2                 stable" in env.render()
    blocks = env.unwrapped.observation_blocks
    proposals = observation[blocks["proposals"]].reshape(10, 10)
    assert proposals[0, :4] * 12 == pytest.approx([1, 1, 2, 0])
    assert proposals[:5, 4:9].argmax(axis=1).tolist() == [0, 0, 3, 4, 2] and not proposals[5:].any()
    assert proposals[0, 9] == pytest.approx(FORMATION["LiFeO2"] / 5, abs=1e-6)
    assert observation[blocks["proposals_left"]] == pytest.approx(0.5)


def test_naming_every_stable_phase_of_a_system_earns_their_number():
    known = known_systems()
    for part in PARTS:
        for size in SIZES:
            number = known.pool(part, size)[0]
            elements = by_electronegativity(known.systems.elements[[number], :SLOTS])[0, :size]
            own = known.systems[np.array([number])].systems()
            rows = np.flatnonzero(DATA.compositions.systems().keys() == own.keys()[0])
            rows = rows[DATA.labels["decomposition_energy"][rows] <= 0]
            rows = rows[(DATA.compositions.atoms[rows] <= 20) & (DATA.compositions.counts[rows].max(axis=1) <= 12)]
            assert len(rows) == known.phases[number] and (DATA.system_part[rows] == PARTS.index(part)).all()
            env = make(horizon=20)
            env.reset(options={"system": [SYMBOLS[k] for k in elements]})
            total = 0.0
            for counts in DATA.compositions[rows].dense_counts()[:, elements]:
                total += env.step(np.pad(counts - 1, (0, SLOTS - size)))[1]
            assert total == len(rows)


@given(st.integers(0, 10**6), st.sampled_from(PARTS))
@settings(max_examples=15, deadline=None)
def test_a_batch_equals_its_singles_and_a_look_into_the_table(seed, part):
    envs, singles = make(4, part=part, horizon=3), [make(part=part, horizon=3) for _ in range(4)]
    seen, _ = envs.reset(seed=seed)
    alone = [env.reset(seed=seed + i) for i, env in enumerate(singles)]
    envs.action_space.seed(seed)
    named: list[set[str]] = [set() for _ in range(4)]
    for _ in range(7):
        for i, (observation, words) in enumerate(alone):
            assert np.array_equal(seen[i], observation) and envs.unwrapped.describe(i) == words
        moves = envs.action_space.sample() % 4  # small counts are in the table more often
        seen, rewards, _, truncated, info = envs.step(moves)
        for i, env in enumerate(singles):
            observation, reward, _, u, words = env.step(moves[i])
            name = words["formula"]
            expected = name not in named[i] and ENERGY.get(name, 1.0) <= 0
            assert reward == rewards[i] == float(expected) and u == truncated[i]
            assert set(re.findall("[A-Z][a-z]?", name)) == set(words["system"])
            named[i].add(name)
            if u:
                assert np.array_equal(info["final_obs"][i], observation)
                assert info["final_info"]["formula"][i] == name and info["final_info"]["hits"][i] == words["hits"]
                named[i] = set()
                observation, words = env.reset()
            alone[i] = observation, words


def test_systems_are_drawn_from_their_part_and_radioactive_elements_left_out():
    known = known_systems()
    masked = {SYMBOLS.index(symbol) for symbol in MASKED_BY_DEFAULT}
    assert not np.isin(known.systems.elements, list(masked)).any()
    for part in PARTS:
        envs = make(90, part=part, sizes=(2, 4))
        envs.reset(seed=3)
        state = envs.unwrapped.core.state
        sizes = (state.slots >= 0).sum(axis=1)
        assert set(sizes.tolist()) == {2, 4} and 25 < (sizes == 2).sum() < 65 and (state.phases > 0).all()
        names = ["-".join(sorted(SYMBOLS[k] for k in row if k >= 0)) for row in state.slots.tolist()]
        assert {matenv.data.splits.system_part(tuple(name.split("-"))) for name in names} == {part}


def test_all_modes_of_reset_and_numbers_only():
    for mode, resets in (("NextStep", [False, False, True, False]), ("Disabled", None)):
        envs = make(3, horizon=2, autoreset_mode=mode, info="numbers")
        envs.reset(seed=0)
        steps = []
        for _ in range(2 if resets is None else 4):
            _, rewards, _, _, info = envs.step(envs.action_space.sample())
            steps.append(bool((envs.unwrapped.core.state.step == 0).all()))
            assert set(info) == {"score", "success", "hits", "step"}
        if resets is not None:
            assert steps == resets
        else:
            with pytest.raises(RuntimeError, match="reset_mask"):
                envs.step(envs.action_space.sample())
            mask = np.array([True, False, True])
            envs.reset(options={"reset_mask": mask, "system": [["Mg", "O"], ["Na", "Cl"]]})
            assert envs.unwrapped.describe(2)["system"] == ["Na", "Cl"]
            assert envs.unwrapped.core.state.step.tolist() == [0, 2, 0]


def test_copies_and_snapshots_go_on_alike():
    envs = make(3)
    envs.reset(seed=1)
    moves = [envs.action_space.sample() for _ in range(6)]
    envs.step(moves[0])
    kept, core = envs.unwrapped.get_state(), envs.unwrapped.core
    twins = [copy.deepcopy(core), pickle.loads(pickle.dumps(core))]
    paths = []
    for one in (core, *twins):
        paths.append([(one.step(move)[0].tolist(), one.observe().tolist()) for move in moves[1:]])
    assert paths[0] == paths[1] == paths[2]
    envs.unwrapped.set_state(kept)
    assert core.step(moves[1])[0].tolist() == paths[0][0][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": "all"}, "part='all' is unknown; choose one of train, validation, test"),
        ({"sizes": (1, 2)}, "sizes="),
        ({"sizes": ()}, "sizes="),
        ({"horizon": 0}, "horizon=0"),
        ({"observation": ["formula"]}, "observation="),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("system", "message"),
    [(["Li"], "two to four"), (["Li", "Li"], "two to four"), (["Li", "Xx"], "Xx"), ([], "system")],
)
def test_systems_are_checked(system, message):
    with pytest.raises(ValueError, match=message):
        make().reset(options={"system": system})


def test_actions_are_checked():
    env, envs = make(), make(2)
    with pytest.raises(RuntimeError, match="before reset"):
        envs.unwrapped.core.step(np.zeros((2, 4), int))
    env.unwrapped.reset()
    for action in (np.zeros(3, int), np.array([0.5] * 4), np.array([12, 0, 0, 0])):
        with pytest.raises(ValueError, match="action"):
            env.unwrapped.step(action)
    assert isinstance(envs.unwrapped.core.known.systems, CompositionBatch)
