"""The reachability mask beside exhaustive search, and in random rollouts."""

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import matenv
from matenv.chemistry import COMMON_SHARE
from matenv.composition import CompositionBatch
from matenv.envs.edits import REFUSED, EditTable, Rules, allowed_edits, apply_edits, places, reduced
from matenv.envs.neutrality import Charges, neutral_edits
from matenv.tasks import Task
from matenv.tasks.sampling import random_formulas


class World:
    """Every formula within a small task's rules, and where each allowed edit leads."""

    def __init__(self, elements, limits, share=0.0, require=()):
        max_elements, max_atoms, max_count = limits
        task = Task(
            "small", "", (), max_elements=max_elements, max_atoms=max_atoms, max_count=max_count, elements=elements,
            require=require,
        )  # fmt: skip
        table, self.rules = EditTable.of(task), Rules.of(task)
        every = np.array(list(itertools.product(range(max_count + 1), repeat=len(elements))), np.int32)
        every = every[(every.sum(axis=1) <= max_atoms) & np.isin((every > 0).sum(axis=1), range(2, max_elements + 1))]
        self.place = np.zeros((len(every), REFUSED + 1), np.int32)
        self.place[:, [matenv.elements.INDEX[symbol] for symbol in elements]] = every
        index = {row.tobytes(): i for i, row in enumerate(self.place)}
        self.allowed = allowed_edits(self.place, len(table.kind), self.rules)
        self.leads = np.full(self.allowed.shape, -1)
        for i, mask in enumerate(self.allowed):
            actions = np.flatnonzero(mask)
            rows = np.full(len(actions), i)
            edited, _ = apply_edits(self.place[rows], actions, self.allowed[rows], *table)
            self.leads[i, actions] = [index[row.tobytes()] for row in edited]
        self.leads[:, -1] = np.arange(len(self.place))  # stay
        formulas = CompositionBatch(*reduced(self.place))
        self.neutral = matenv.is_charge_neutral(formulas, min_share=share)
        self.lawful = task.allows(formulas)

    def within_reach(self, most):
        """Exhaustively, whether a neutral formula is within k edits, for k = 0 .. most."""
        reach = [self.neutral]
        for _ in range(most):
            follows = np.where(self.leads >= 0, reach[-1][self.leads], False).any(axis=1)
            reach.append(self.neutral | follows)
        return reach


@pytest.mark.parametrize(
    ("elements", "limits", "valence", "share", "require"),
    [
        (("Na", "Cl"), (2, 6, 5), 0.0, 1.0, ()),
        (("Mg", "Cl", "N", "Ti"), (3, 6, 4), 0.0, 0.75, ()),
        (("Mg", "Cl", "N", "Ti"), (3, 6, 4), COMMON_SHARE, 0.5, ()),
        (("Na", "K", "Cl", "F", "O"), (4, 6, 3), 0.0, 0.85, ()),
        (("Na", "K", "Li", "Cl", "F", "O", "S"), (3, 6, 3), 0.0, 0.9, ()),
        (("Na", "K", "Ca", "Cl", "F", "O", "S"), (3, 6, 3), COMMON_SHARE, 0.6, ()),
        (("Na", "K", "Cl", "F", "O"), (4, 6, 3), 0.0, 0.8, ("Na", "F|Cl")),
        (("Mg", "Cl", "N", "Ti"), (3, 6, 4), 0.0, 0.7, ("Ti",)),
    ],
)
def test_allowed_edits_keep_a_neutral_formula_within_reach_by_exhaustive_search(
    elements, limits, valence, share, require
):
    world, charges = World(elements, limits, valence, require), Charges.load(valence)
    reach = world.within_reach(6)
    for left in range(1, 7):
        steps = np.full(len(world.place), left)
        masks, certain = neutral_edits(world.place, world.allowed, steps, world.rules, charges)
        assert masks.any(axis=1).all() and (reach[left] | ~certain).all()
        row, action = np.nonzero(masks & certain[:, None])
        after = world.leads[row, action]
        assert (after >= 0).all() and reach[left - 1][after].all()  # no dead end
        _, next_certain = neutral_edits(
            world.place, world.allowed, np.full(len(world.place), left - 1), world.rules, charges
        )
        assert next_certain[after].all()  # and the mask knows it
        assert np.array_equal(masks[~certain], world.allowed[~certain])
        stay = masks[:, -1] & certain
        assert np.array_equal(stay, world.neutral & certain)
        possible = np.where(world.leads >= 0, reach[left - 1][world.leads], False) & world.allowed
        possible &= world.lawful[:, None]  # what is required comes first
        kept = (masks & certain[:, None])[:, :-1].sum() / possible[:, :-1].sum()
        assert kept == 1.0 if left == 1 else kept >= share  # the last step is exact, earlier ones are cautious


def rollouts(number, horizon, seed, **rules):
    """How many random rollouts end neutral, and in how many that was certain at the start."""
    task = matenv.load_task("stiff-stable", **rules)
    table, limits = EditTable.of(task), Rules.of(task)
    random, place = np.random.default_rng(seed), places(random_formulas(task, number, seed))
    started = np.zeros(number, np.bool_)
    for step in range(horizon):
        allowed = allowed_edits(place, len(table.kind), limits)
        masks, certain = neutral_edits(place, allowed, np.full(number, horizon - step), limits, Charges.load())
        started = certain if step == 0 else started
        assert certain[started].all() and masks.any(axis=1).all()
        action = (random.random(masks.shape, dtype=np.float32) * masks).argmax(axis=1)
        place, refused = apply_edits(place, action, masks, *table)
        assert not refused.any()
    neutral = matenv.is_charge_neutral(CompositionBatch(*reduced(place)))
    assert neutral[started].all()
    return int(neutral.sum()), int(started.sum())


def test_random_rollouts_end_neutral():
    assert rollouts(500, 4, seed=0) == (500, 500)
    assert rollouts(500, 4, seed=2, require=["Li", "F|Cl|Br"])[1] > 490
    assert rollouts(500, 8, seed=1, elements=["Li", "Fe", "P", "O"])[1] > 490


@pytest.mark.slow
def test_no_dead_end_in_100_000_random_rollouts():
    ended = [rollouts(10_000, 16, seed) for seed in range(10)]
    assert ended == [(10_000, 10_000)] * 10


@pytest.mark.parametrize("begin", ["dataset", "random", "empty"])
def test_episodes_end_on_neutral_formulas(begin):
    envs: Any = gym.make_vec("MaterialElements-v0", num_envs=64, horizon=6, start=begin, reachability=True)
    envs.reset(seed=3)
    assert "steps_left" in envs.unwrapped.observation_blocks
    random = np.random.default_rng(0)
    for _ in range(6):
        masks = envs.unwrapped.action_masks()
        _, _, _, truncated, info = envs.step((random.random(masks.shape) * masks).argmax(axis=1))
    assert truncated.all()
    assert matenv.is_charge_neutral(info["final_info"]["formula"].tolist()).all()


def test_episodes_of_an_ionic_task_end_on_common_states():
    envs: Any = gym.make_vec(
        "MaterialElements-v0", num_envs=64, horizon=6, task="wide-gap-ionic-novel", start="dataset", reachability=True
    )
    envs.reset(seed=3)
    random = np.random.default_rng(0)
    for _ in range(6):
        masks = envs.unwrapped.action_masks()
        *_, info = envs.step((random.random(masks.shape) * masks).argmax(axis=1))
    names = info["final_info"]["formula"].tolist()
    assert matenv.is_charge_neutral(names, min_share=COMMON_SHARE).all()


def test_the_last_edit_is_refused_unless_it_ends_neutral():
    env: Any = gym.make("MaterialElements-v0", horizon=1, reachability=True).unwrapped
    for edit, allowed in [(("swap", "K", 0), True), (("swap", "Mg", 0), False), (("increment", "Cl"), False)]:
        env.reset(seed=0, options={"formula": "NaCl"})
        action = env.number(*edit)
        assert env.action_masks()[action] == allowed
        info = env.step(action)[4]
        assert info["terms"]["illegal"] == (0 if allowed else -1)


def test_a_neutral_formula_may_stay_where_no_edit_is_left():
    task = Task("salt", "", (), max_elements=2, elements=("Na", "Cl"))
    env: Any = gym.make("MaterialElements-v0", task=task, horizon=1, reachability=True, start="random").unwrapped
    env.reset(seed=0, options={"formula": "NaCl"})
    assert np.flatnonzero(env.action_masks()).tolist() == [env.number("stay")]


def test_reachability_is_a_truth_value():
    with pytest.raises(ValueError, match="reachability='yes'"):
        gym.make("MaterialElements-v0", reachability="yes")
