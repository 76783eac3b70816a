"""Wishes, starts to improve on, campaigns and held-out starts in the flat environments."""

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
from matenv.benchmark import references
from matenv.composition import CompositionBatch
from matenv.composition.movers import movers_distance
from matenv.envs.campaigns import Best
from matenv.envs.registration import IDS
from matenv.envs.state import Narrowing
from matenv.envs.wishes import Wishes, check_wish
from matenv.tasks import Task, load_task
from matenv.tasks.sampling import random_formulas
from matenv.tasks.wishes import Wish, draw

WISH: dict[str, Any] = {"task": "stable-novel", "wish": "draw"}
CONTEXTS: list[dict[str, Any]] = [
    WISH,
    {"improve": {"distance": 4.0, "edits": 3}},
    {"improve": {"replace": "Co"}},
    {"campaign": 3, "part": "test"},
    {**WISH, "campaign": 2, "improve": {"edits": 2}, "reward": {"gain": 1.0, "campaign": 2.0}},
    {"task": Task("co-free", "", (), exclude=("Co",), start="LiCoO2", within=3.0)},
]
CASES = [(env_id, context) for env_id in IDS for context in CONTEXTS]


def batch_of(*formulas):
    return CompositionBatch.from_fractions(matenv.fractions(list(formulas)))


@pytest.mark.parametrize(("env_id", "context"), CASES)
def test_a_batch_equals_its_singles_in_every_context(env_id, context):
    envs: Any = gym.make_vec(env_id, num_envs=3, horizon=4, **context)
    singles: list[Any] = [gym.make(env_id, horizon=4, **context) for _ in range(3)]
    seen, _ = envs.reset(seed=5)
    alone = [env.reset(seed=5 + i) for i, env in enumerate(singles)]
    envs.action_space.seed(1)
    for _ in range(6):
        for i, (observation, words) in enumerate(alone):
            assert np.array_equal(seen[i], observation)
            assert envs.unwrapped.describe(i) == words
        moves = envs.action_space.sample()
        seen, rewards, _, truncated, info = envs.step(moves)
        for i, env in enumerate(singles):
            observation, reward, _, u, words = env.step(moves[i])
            assert u == truncated[i] and reward == rewards[i]
            if u:
                assert np.array_equal(info["final_obs"][i], observation)
                observation, words = env.reset()
            alone[i] = observation, words


@pytest.mark.parametrize("env_id", IDS)
def test_both_checkers_are_clean_with_all_contexts_at_once(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(env_id, **CONTEXTS[4])
        warnings.filterwarnings("ignore", message=".*not out-of-the-box.*render.*")
        check_env(env.unwrapped, skip_render_check=True)
        sb3_check_env(env.unwrapped, warn=True)


def test_the_score_for_a_wish_is_that_of_the_wish_as_a_task(oracle):
    rng = np.random.default_rng(0)
    wishes = [Wish({"band_gap_pbe": (2.0, 0.45)}), *(draw(rng, "test") for _ in range(11))]
    wishes += [
        Wish(windows={"band_gap_pbe": (1.0, 2.5), "log10_bulk_modulus": (None, 2.2)}),
        Wish({"log10_bulk_modulus": (1.9, 0.1)}, windows={"band_gap_pbe": (0.6, None)}),
        *(draw(rng, "test", 1.0) for _ in range(10)),
    ]
    base, scored = Task("any", "", (), novel=True), 0
    for wish in wishes:
        allowed = wish.task()
        held = [random_formulas(load_task(allowed, min_elements=2, max_elements=n), 20, n) for n in (2, 3, 4)]
        batch = CompositionBatch.concatenate([*held, random_formulas(base, 20, 0)])
        assessment = oracle.assess(batch)
        narrowed = Narrowing(Wishes.of([wish] * len(batch)), None).apply(base.score(assessment), assessment)
        expected = allowed.score(assessment)
        assert narrowed.score == pytest.approx(expected.score, abs=1e-12)
        assert np.array_equal(narrowed.success, expected.success)
        assert np.array_equal(narrowed.terms["utility"], expected.terms["utility"])
        scored += int((expected.score > 0).sum())
    assert scored > 100


def test_wishes_differ_between_episodes_and_never_between_parts():
    asked = {}
    for part in ("train", "test"):
        envs: Any = gym.make_vec("MaterialElements-v0", num_envs=64, part=part, **WISH)
        envs.reset(seed=0)
        wishes = envs.unwrapped.core.state.wishes
        asked[part] = {tuple(np.flatnonzero(row).tolist()) for row in wishes.required}
        block = envs.unwrapped.observation_blocks["goal"]
        assert len(np.unique(envs.unwrapped.core.observe()[:, block], axis=0)) > 60
    assert not asked["train"] & asked["test"] and len(asked["train"]) > 40


def test_a_wish_may_be_given():
    wish = {"targets": {"band_gap_pbe": 2.0}, "required": ["Zn", "O"], "excluded": ["Pb"], "elements": 3}
    env: Any = gym.make("MaterialElements-v0", **WISH)
    _, info = env.reset(seed=0, options={"wish": wish})
    assert info["wish"] == "band_gap_pbe 2 +- 0.45, with O Zn, without Pb, 3 elements"
    fixed: Any = gym.make("MaterialElements-v0", task="stable-novel", wish=wish)
    assert fixed.reset(seed=0)[1]["wish"] == info["wish"]
    drawn = env.reset(seed=0)[1]["start_formula"]
    assert env.reset(seed=0, options={"wish": wish})[1]["start_formula"] == drawn  # as many draws either way
    plain: Any = gym.make("MaterialElements-v0")
    with pytest.raises(ValueError, match="needs an environment that is made with wish"):
        plain.reset(options={"wish": wish})
    envs: Any = gym.make_vec("MaterialElements-v0", num_envs=2, **WISH)
    with pytest.raises(ValueError, match="3 wishes for 2"):
        envs.reset(options={"wish": [wish] * 3})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": "validation"}, "part='validation' is unknown; choose one of train, test"),
        ({"wish": "anything"}, "wish='anything' must be 'draw'"),
        ({"wish": {"target": {}}}, "unknown fields"),
        ({"wish": {"targets": {"price": 3.0}}}, r"targets\['price'\]="),
        ({"wish": {"targets": {"band_gap_pbe": (2.0, 0.1)}}}, "environments know 0.45 only"),
        ({"wish": {"required": ["Xx"]}}, "required"),
        (
            {"wish": {"windows": {"price": [3.0, None]}}},
            r"wish: windows\['price'\]=\(3.0, None\): windows know log10_bulk",
        ),
        (
            {"wish": {"windows": {"band_gap_pbe": 2.0}}},
            r"windows\['band_gap_pbe'\]=2.0 must be \(lowest, highest\), None",
        ),
        ({"wish": {"windows": {"band_gap_pbe": [2.0, 1.0]}}}, "the lowest below the highest"),
        (
            {"wish": {"windows": {"band_gap_pbe": [2.0, 2.5]}}},
            "narrower than the predictor's error; give ends at least 0.9",
        ),
        ({"wish": {"windows": ["band_gap_pbe"]}}, r"wish: windows=\['band_gap_pbe'\] must be a dictionary such as"),
        (
            {"wish": {"targets": {"band_gap_pbe": 2.0}, "windows": {"band_gap_pbe": [1.0, 3.0]}}},
            r"band_gap_pbe has the target \(2.0, 0.45\); give one",
        ),
        ({"improve": {}}, "improve={} must be a dictionary"),
        ({"improve": {"distance": -1.0}}, r"improve\['distance'\]=-1.0"),
        ({"improve": {"edits": 0}}, r"improve\['edits'\]=0"),
        ({"improve": {"edits": 3}, "start": "random"}, "needs a formula to improve"),
        ({"campaign": 17}, "campaign=17 systems cannot be proposed in horizon=16 steps"),
        ({"reward": {"gain": 1.0}}, "unknown terms"),
    ],
)
def test_contexts_are_checked_at_the_door(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make("MaterialElements-v0", **arguments)


def test_a_formula_scores_within_its_distance_only_and_gain_counts_from_the_start():
    env: Any = gym.make("MaterialElements-v0", improve={"distance": 2.0}, horizon=3)
    core = env.unwrapped.core
    observation, info = env.reset(options={"formula": "TiN"})
    worth = info["start_worth"]
    assert worth == pytest.approx(info["score"]) and info["start_distance"] == 0.0
    block = observation[env.unwrapped.observation_blocks["start"]]
    assert block[:89].sum() == pytest.approx(1.0) and not block[89:].any()
    near, far = env.unwrapped.number("swap", "Zr", 0), env.unwrapped.number("swap", "Cs", 0)
    _, reward, *_, info = env.step(near)  # ZrN
    distance = movers_distance(batch_of("ZrN"), batch_of("TiN"))[0]
    assert info["start_distance"] == pytest.approx(distance) and distance <= 2.0 and info["valid"]
    assert reward == pytest.approx(info["score"] - worth)
    _, reward, *_, info = env.step(far)
    assert not info["valid"] and info["score"] == 0.0 and reward == pytest.approx(-worth)
    assert core.observe()[0, env.unwrapped.observation_blocks["start"]][89] == 1.0


def test_edits_are_counted_and_replaced_elements_gone():
    env: Any = gym.make("MaterialElements-v0", improve={"edits": 1, "replace": "Co"})
    for seed in range(5):
        assert "Co" in env.reset(seed=seed)[1]["start_formula"]
    _, info = env.reset(options={"formula": "LiCoO2"})
    assert not info["valid"] and info["start_worth"] > 0  # what it is worth, Co and all
    _, _, _, _, info = env.step(env.unwrapped.number("swap", "Ni", 1))
    assert info["formula"] == "LiNiO2" and info["valid"] and info["edits"] == 1
    _, _, _, _, info = env.step(env.unwrapped.number("swap", "Na", 0))
    assert info["edits"] == 2 and not info["valid"]


def test_the_start_of_a_task_is_where_every_episode_begins_and_its_distance_holds_everywhere(oracle):
    task = CONTEXTS[5]["task"]
    env: Any = gym.make("MaterialElements-v0", task=task)
    for seed in range(2):
        assert env.reset(seed=seed)[1]["start_formula"] == "LiCoO2"
    batch = batch_of("LiNiO2", "LiCoO2", "CsPbI3")
    assert task.screen(batch).tolist() == [True, False, False]
    scored = task.score(oracle.assess(batch))
    assert scored.terms["validity"].tolist() == [1.0, 0.0, 0.0] and scored.score[2] == 0.0
    with pytest.raises(ValueError, match=r"within=3.0 is a distance from start"):
        Task("x", "", (), within=3.0)
    with pytest.raises(ValueError, match="within=-1"):
        Task("x", "", (), start="LiCoO2", within=-1)


def test_starts_are_drawn_from_the_part_asked_for():
    data = matenv.load_dataset("mp-ground-states")
    for part in ("train", "test"):
        envs: Any = gym.make_vec("MaterialElements-v0", num_envs=50, part=part)
        envs.reset(seed=0)
        rows = data.find(envs.unwrapped.core.state.start)
        assert np.isin(rows, getattr(data.split("system"), part)).all()


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=30), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_the_best_systems_are_those_of_a_hand_count(proposals, k):
    formulas = ["MgO", "Mg2O", "NaCl", "KCl", "TiN", "Ti2N"]
    best = Best.none(1, k)
    by_hand: dict[tuple[int, ...], float] = {}
    for which, score in proposals:
        batch = batch_of(formulas[which])
        best = best.after(batch, np.array([score]))
        system = tuple(batch.elements[0, :2])
        by_hand[system] = max(by_hand.get(system, 0.0), score)
    top = sorted((s for s in by_hand.values() if s > 0), reverse=True)[:k]
    assert best.score[0, : len(top)].tolist() == top and best.mean[0] == pytest.approx(sum(top) / k)
    for place, score in enumerate(top):
        assert by_hand[tuple(best.elements[0, place, :2])] == score
    block = np.zeros((1, 90 * k + 91), np.float32)
    best.write(40, block)
    for each, score in zip(block[0, : 90 * k].reshape(k, 90), [*top, *[0.0] * (k - len(top))], strict=True):
        assert each[89] == np.float32(score) and (score > 0 or not each.any())
        if score > 0:
            told = matenv.formula(each[:89].astype(np.float64))
            first = next(formulas[which] for which, s in proposals if s == score and formulas[which] == told)
            assert np.array_equal(each[:89], batch_of(first).fractions()[0].astype(np.float32))
    held = np.sum([batch_of(formulas[which]).fractions()[0] > 0 for which, _ in proposals], axis=0)
    assert np.array_equal(block[0, 90 * k : -2], (held / 40).astype(np.float32))  # also of what scored 0


@pytest.mark.parametrize("env_id", IDS)
def test_the_return_of_a_campaign_is_the_mean_of_its_best_systems(env_id):
    envs: Any = gym.make_vec(env_id, num_envs=4, horizon=16, campaign=4)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    total = np.zeros(4)
    best: list[dict[Any, float]] = [{} for _ in range(4)]
    for _ in range(16):
        _, reward, _, truncated, info = envs.step(envs.action_space.sample())
        total += reward
        last = info["final_info"] if truncated.any() else info
        names = last["formula"] if truncated.any() else envs.unwrapped.formulas()
        for row, name in enumerate(names):
            if name:
                system = tuple(batch_of(name).elements[0].tolist())
                best[row][system] = max(best[row].get(system, 0.0), last["score"][row])
    expected = [sum(sorted(found.values(), reverse=True)[:4]) / 4 for found in best]
    assert total == pytest.approx(expected, abs=1e-9) == last["campaign"]


_CAMPAIGNS: dict[str, Any] = {}


@pytest.mark.parametrize("env_id", IDS)
@given(st.integers(0, 2**31), st.integers(1, 6))
@settings(max_examples=10, deadline=None)
def test_the_observation_of_a_campaign_tells_what_was_proposed(env_id, seed, steps):
    """Every system's best formula with its score, and every element of every proposal, whatever it scored."""
    if env_id not in _CAMPAIGNS:
        _CAMPAIGNS[env_id] = gym.make_vec(env_id, num_envs=3, horizon=6, campaign=3, autoreset_mode="DISABLED")
    envs = _CAMPAIGNS[env_id]
    observation, _ = envs.reset(seed=seed)
    core, where = envs.unwrapped.core, envs.unwrapped.observation_blocks["campaign"]
    assert not observation[:, where].any()
    envs.action_space.seed(seed)
    proposed: list[list[tuple[str, float]]] = [[], [], []]
    for _ in range(steps):
        observation, _, _, _, info = envs.step(envs.action_space.sample())
        for row, formula in enumerate(core.state.compositions.formulas()):
            proposed[row].append((formula, float(info["score"][row])))
    assert envs.observation_space.contains(observation)
    for told, block in zip(proposed, observation[:, where], strict=True):
        best: dict[tuple[int, ...], tuple[float, str]] = {}
        for formula, score in told:
            system = tuple(batch_of(formula).elements[0].tolist()) if formula else ()
            if score > best.get(system, (0.0, ""))[0]:
                best[system] = (score, formula)
        ranked = sorted(best.values(), key=lambda each: -each[0])[:3]
        for place, each in enumerate(block[:270].reshape(3, 90)):
            score, formula = ranked[place] if place < len(ranked) else (0.0, "")
            assert each[89] == np.float32(score)
            expected = matenv.fractions(formula) if formula else np.zeros(89)
            assert np.array_equal(each[:89], expected.astype(np.float32))
        held = [matenv.fractions(formula) > 0 if formula else np.zeros(89) for formula, _ in told]
        assert np.array_equal(block[270:359], (np.sum(held, axis=0) / 6).astype(np.float32))
        assert block[359] == pytest.approx(sum(score for score, _ in ranked) / 3, abs=1e-6)
        assert block[360] == np.float32(steps / 6)


def test_what_scored_nothing_is_seen_to_have_been_tried_and_a_state_keeps_it():
    env: Any = gym.make("MaterialElements-v0", campaign=2, exclude=["Cs"])
    where = env.unwrapped.observation_blocks["campaign"]
    env.reset(options={"formula": "CsCl"})
    stay = int(env.action_space.n) - 1
    observation, reward, *_ = env.step(stay)
    tried, before = observation[where][180:269], env.unwrapped.get_state()
    assert reward == 0.0 and not observation[where][:180].any()
    assert [matenv.elements.SYMBOLS[k] for k in np.flatnonzero(tried)] == ["Cl", "Cs"] and tried.max() == 1 / 16
    swap = env.unwrapped.number("swap", "Na", 0)
    one = env.step(swap)[0]
    assert (
        one[where][180:269].sum() == pytest.approx(4 / 16) and matenv.formula(one[where][:89].astype(float)) == "NaCl"
    )
    env.step(swap)
    env.unwrapped.set_state(before)
    assert np.array_equal(env.step(swap)[0], one)
    assert before.arrays()["state.best.tried"].sum() == 2


@given(st.integers(0, 2**31), st.sampled_from([0.0, 1.0]))
@settings(max_examples=30, deadline=None)
def test_a_wish_survives_packing(seed, windows):
    wish = draw(np.random.default_rng(seed), "train", windows)
    again = Wishes.of([check_wish("wish", wish)]).wish(0)
    assert dict(again.targets) == dict(wish.targets) and again.elements == wish.elements
    assert dict(again.windows) == dict(wish.windows)
    assert set(again.required) == set(wish.required) and set(again.excluded) == set(wish.excluded)


def test_a_start_that_the_free_checks_refuse_is_worth_what_it_is():
    """Within the benchmark as without: the known start is refused, the gain over it is what is paid."""
    task = matenv.tasks.TASKS["pb-free-absorber"]
    worth = []
    for screen in (None, task.screen):
        oracle = matenv.Oracle("train").screened(screen)
        env: Any = gym.make("MaterialElements-v0", task=task, oracle=oracle, improve={"edits": 2})
        _, info = env.reset(seed=0, options={"formula": "CsPbI3"})
        worth.append(info["start_worth"])
        assert oracle.calls == (screen is None)
    assert worth[0] == worth[1] > 0


def test_what_the_tasks_own_start_is_worth_is_no_secret():
    task = matenv.tasks.TASKS["pb-free-absorber"]
    oracle = matenv.Oracle("train", budget=50).screened(task.screen)
    envs: Any = gym.make_vec("MaterialElements-v0", num_envs=3, task=task, oracle=oracle)
    _, info = envs.reset(seed=0)
    known: Any = references(task)
    assert info["start_worth"] == pytest.approx(known.start_proxy, rel=1e-4) and oracle.calls == 0
    envs.reset(options={"formula": ["CsPbI3", "CsSnI3", "NaCl"]})
    assert oracle.calls == 3


def test_a_start_without_what_is_to_be_replaced_is_named():
    env = gym.make("MaterialElements-v0", improve={"replace": "Co"})
    with pytest.raises(ValueError, match=r"options\['formula'\]='NaCl' lacks Co, which improve\['replace'\] names"):
        env.reset(options={"formula": "NaCl"})
