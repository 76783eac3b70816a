"""Required elements, limits, properties of the elements, and reactions with what a material is in contact with."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import matenv
from matenv.elements import INDEX, SUPPLY, SYMBOLS, values
from matenv.properties.element_properties import ELEMENT_PROPERTIES
from matenv.tasks import StableAgainst, Task, load_task
from matenv.tasks.sampling import random_formulas

REQUIRE = ["Li", "F|Cl|Br"]


def holds(formulas):
    x = matenv.fractions(formulas)
    return (x[:, INDEX["Li"]] > 0) & (x[:, [INDEX["F"], INDEX["Cl"], INDEX["Br"]]] > 0).any(axis=1)


def test_required_elements_in_a_task():
    task = load_task("stiff-stable", require=REQUIRE)
    batch = matenv.CompositionBatch.from_fractions(matenv.fractions(["LiF", "Li3OCl", "NaCl", "Li2O"]))
    assert task.allows(batch).tolist() == [True, True, False, False]
    assert task.score(matenv.Oracle().assess(batch)).score[2:].tolist() == [0.0, 0.0]
    drawn = random_formulas(task, 2000, seed=0)
    assert task.allows(drawn).all() and len(set(drawn.formulas())) > 1700
    assert load_task(require=["U"]).allowed[INDEX["U"]]  # asked for, so no longer left out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"require": ["Li"], "exclude": ["Li"]}, r"require and exclude both hold \['Li'\]"),
        ({"require": ["Li"], "elements": ["Na", "O"]}, r"require holds \['Li'\], which elements"),
        ({"exclude": list(SYMBOLS)}, r"'U', \.\.\.: 89 elements\] leaves no elements to use.*; exclude fewer$"),
        ({"exclude": sorted({*SYMBOLS} - {"Fe"})}, "leaves 1 element to use, fewer than min_elements=2; exclude"),
        ({"elements": ["Fe"]}, r"elements=\['Fe'\] without exclude=.* leaves 1 element .*, or widen elements$"),
        ({"require": ["Xx"]}, r"require holds \['Xx'\]"), ({"require": ["He"]}, "no compound of He"),
        ({"require": "Li"}, "must be a list"), ({"require": [""]}, r"require holds \[''\]"),
        ({"require": [()]}, "empty entry"),
        ({"require": ["Li", "Na", "K"], "max_elements": 2}, "leave no room"),
        ({"limits": {"price": 5}}, "must be a pair"), ({"limits": 5}, "must be a dictionary"),
        ({"limits": {"price": (5, 1)}}, "must lie below"),
        ({"stable_against": "Li"}, "must be a list"), ({"stable_against": ["acid"]}, "'acid' is unknown"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_at_the_door(given, says):
    with pytest.raises(ValueError, match=says):
        load_task("stiff-stable", **given)
    with pytest.raises(ValueError, match=says):
        gym.make("MaterialElements-v0", **given)
    with pytest.raises(ValueError, match=r"both hold \['U'\]"):
        Task("u", "", (), require=("U",))
    with pytest.raises(ValueError, match="max_atoms=1 leaves no room for min_elements=2"):
        Task("small", "", (), max_atoms=1)
    with pytest.raises(ValueError, match=r"min_fraction=0.4: min_elements=3 elements cannot"):
        Task("rich", "", (), min_fraction=0.4, min_elements=3)


@pytest.mark.parametrize("start", ["dataset", "random", "empty"])
def test_edits_keep_what_is_required(start):
    envs: Any = gym.make_vec(
        "MaterialElements-v0", num_envs=64, require=REQUIRE, start=start, min_elements=3, max_elements=4
    ).unwrapped
    envs.reset(seed=0)
    random = np.random.default_rng(0)
    for step in range(15):
        sizes = envs.core.state.compositions.size
        if start != "empty" or step >= 2:
            assert holds(envs.formulas()).all()
        if start != "empty" or step >= 3:
            assert ((sizes >= 3) & (sizes <= 4)).all()
        masks = envs.action_masks()
        assert masks.any(axis=1).all()
        envs.step((random.random(masks.shape) * masks).argmax(axis=1))
        assert not envs.core.state.place[:, -1].any()


def test_a_start_without_what_is_required_is_led_to_it():
    env: Any = gym.make("MaterialElements-v0", require=REQUIRE).unwrapped
    env.reset(seed=0, options={"formula": "Na2O"})
    said = {str(env.edit(action)) for action in np.flatnonzero(env.action_masks())}
    assert "add Li" in said and "swap element 0 for Li" in said and "add K" not in said
    env.step(env.number("add", "Li"))
    assert {str(env.edit(a)).split()[-1] for a in np.flatnonzero(env.action_masks())} == {"F", "Cl", "Br"}


def test_latent_starts_hold_what_is_required():
    envs: Any = gym.make_vec(
        "MaterialLatent-v0", num_envs=32, require=REQUIRE, limits={"price": (None, 200.0)}
    ).unwrapped
    envs.reset(seed=0)
    assert holds(envs.core.state.start.formulas()).all()
    assert (ELEMENT_PROPERTIES["price"].of(envs.core.state.start).mean <= 200.0).all()
    assert "filter_price" in envs.describe(0)["terms"]


def test_element_tables():
    for name in SUPPLY:
        assert values(name).shape == (89,) and not (values(name) < 0).any()
    assert values("abundance")[INDEX["O"]] == 461_000 and values("abundance")[INDEX["S"]] == 350
    assert values("hhi_production")[INDEX["Li"]] == 2900 and np.isnan(values("hhi_production")[INDEX["H"]])
    assert values("rohs").sum() == 3 and values("radioactive")[INDEX["Bi"]] == 0
    assert np.array_equal(
        np.flatnonzero(values("radioactive")), sorted(INDEX[s] for s in matenv.elements.MASKED_BY_DEFAULT)
    )


def test_properties_of_elements():
    batch = matenv.CompositionBatch.from_fractions(matenv.fractions(["LiFePO4", "LiH", "PbTe"]))
    mass, x = values("mass"), batch.fractions()[0]
    price = ELEMENT_PROPERTIES["price"].of(batch).mean
    assert price[0] == pytest.approx(np.nansum(x * mass * values("price")) / (x @ mass))
    assert ELEMENT_PROPERTIES["log10_price"].of(batch).mean == pytest.approx(np.log10(price))
    assert ELEMENT_PROPERTIES["log10_abundance"].of(batch).mean[0] == pytest.approx(np.log10(20.0))  # Li
    assert ELEMENT_PROPERTIES["toxic"].of(batch).mean.tolist() == [0.0, 0.0, 1.0]
    assert np.isnan(ELEMENT_PROPERTIES["hhi_production"].of(batch).mean).tolist() == [False, True, False]
    for each in ELEMENT_PROPERTIES.values():
        assert np.allclose(each.of(batch).mean, each.predict(batch.fractions()), equal_nan=True)


def test_objective_filter_and_reward_need_no_property_built():
    a = matenv.Oracle().assess(["NaCl", "Sr2RhO4", "LiH"])
    cheap = Task(
        "cheap", "", (matenv.minimise("price", 1.0, 100.0),), filters=(matenv.Window("hhi_reserves", high=3000),)
    )
    scored = cheap.score(a)
    assert scored.terms["price"][0] > 0.9 and scored.terms["price"][1] == 0.0
    assert scored.terms["filter_hhi_reserves"].tolist() == [1.0, 0.0, 0.0]  # unknown for H: no limit is met
    assert scored.score[0] > 0 and not scored.score[1:].any()
    both = load_task(cheap, limits={"price": (None, 50.0)})  # an objective and a limit on the same property
    assert both.score(a).terms["filter_price"].tolist() == [1.0, 0.0, 0.0]
    reward = {"score": 1.0, "scaled_log10_price": -0.1, "reaction_Li": 0.5, "reaction_air": 0.1, "reaction_water": 0.1}
    env: Any = gym.make(
        "MaterialElements-v0", task=cheap, reward=reward, observation=["counts", "properties"]
    ).unwrapped
    env.reset(seed=0, options={"formula": "Li3PS4"})
    info = env.step(env.number("increment", "S"))[4]
    assert info["terms"]["reaction_Li"] == -1.0 and info["predicted"]["price"][0] == pytest.approx(8.453, abs=0.01)


def test_stable_against():
    oracle = matenv.Oracle(reference="all")
    names = ["LiF", "Li2O", "LiCl", "Li3N", "Li3PS4", "Li7La3Zr2O12", "Li4ZrF9", "Ga"]
    a = oracle.assess(names)
    # Known phases by DFT, whatever the predictor says of them.
    assert a.reaction_energy("Li")[:4] == pytest.approx(0.0, abs=1e-9)
    assert StableAgainst("Li").utility(a)[:6].tolist() == [1.0] * 4 + [0.0] * 2
    assert StableAgainst("Li", tolerance=0.03).utility(a)[5] == 1.0
    assert StableAgainst("2 V", potentials={"Li": -2.0}).utility(a)[4] == 1.0
    assert 0.0 < a.prob_no_reaction("Li", 0.5)[6] < 1.0  # unknown: a probability
    assert np.isnan(a.reaction_energy("Li")[7]) and a.prob_no_reaction("Li")[7] == 0.0
    assert a.reaction_energy("water")[1] < -0.1 and a.reaction_energy("water")[0] == pytest.approx(0.0, abs=1e-9)
    task = load_task("stiff-stable", stable_against=["Li"])
    assert task.score(a).terms["filter_stable_against_Li"][4] == 0.0 and task.score(a).score[4] == 0.0
    with pytest.raises(ValueError, match="Li has the potential nan"):
        StableAgainst("mine", potentials={"Li": float("nan")})
