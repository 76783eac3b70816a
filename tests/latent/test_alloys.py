from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import matenv
from matenv.chemistry.alloys import DESCRIPTORS, alloy_descriptors, expert_log_odds, load_alloy_table
from matenv.composition import CompositionBatch
from matenv.latent import LatentSpace
from matenv.latent.networks import dvae
from matenv.latent.networks.pairs import Pairs
from matenv.latent.training.fit import fit
from matenv.latent.training.recipes import RECIPES
from matenv.tasks import Task
from matenv.tasks.single_phase import ALLOYING_ELEMENTS, p_single_phase

ALLOYS = ["CoCrFeMnNi", "NbMoTaW", "AlCoCrFeNi"]
KWARGS: dict[str, Any] = {"latent": "dvae", "task": "single-phase-alloy"}


@pytest.fixture(scope="module")
def alloys():
    return matenv.load_dataset("hea-phases")


@pytest.fixture(scope="module")
def space():
    return matenv.load_latent("dvae")


def test_table_is_what_its_card_says(alloys):
    single, borg = alloys.labels["single_phase"], alloys.labels["single_phase_borg"]
    assert len(alloys) == 1706 and np.isfinite(single).sum() == 1208 and np.nansum(single) == 585
    assert np.isfinite(borg).sum() == 524 and np.isnan(alloys.formation_energy).all()
    both = np.isfinite(single) & np.isfinite(borg)
    assert both.sum() == 115 and (single == borg)[both].mean() == pytest.approx(0.748, abs=1e-3)
    # Known answers: the Cantor alloy (fcc), the first refractory alloy (bcc), and a molar ratio kept exactly.
    rows = [int(np.flatnonzero(alloys.formulas == f)[0]) for f in ("MnCrFeCoNi", "TaNbMoW", "AlCrFeCoNi")]
    assert single[rows].tolist() == [1, 1, 0]
    assert matenv.formula(matenv.fractions("Al0.3CoCrFeNi")) in alloys.formulas
    assert alloys.energy_scheme == "none"
    with pytest.raises(ValueError, match="no row with a finite|scheme|energ"):
        matenv.ConvexHull.from_dataset(alloys)


def test_descriptors_match_the_literature():
    # Cantor alloy: S = R ln 5, H = -4.16 kJ/mol, VEC = 8 (Guo and Liu 2011); TaNbMoW: H = -6.5 kJ/mol, VEC = 5.5.
    cantor, refractory = alloy_descriptors(matenv.fractions(ALLOYS[:2]))
    named = dict(zip(DESCRIPTORS, cantor, strict=True))
    assert named["mixing_entropy"] == pytest.approx(8.314462618 * np.log(5))
    assert named["mixing_enthalpy"] == pytest.approx(-4.16) and named["valence_electrons"] == pytest.approx(8.0)
    assert 3.0 < named["size_mismatch"] < 3.5 and named["melting_point"] == pytest.approx(1801, abs=1)
    assert refractory[2] == pytest.approx(-6.5) and refractory[3] == pytest.approx(5.5)
    table = load_alloy_table()
    assert (table.enthalpy == table.enthalpy.T).all() and not table.enthalpy.diagonal().any()
    assert table.enthalpy[matenv.elements.INDEX["Al"], matenv.elements.INDEX["Ni"]] == -22  # Takeuchi and Inoue 2005
    assert np.isfinite(alloy_descriptors(np.eye(89))).all()


def test_unfitted_rules_know_something(alloys):
    truth = alloys.labels["single_phase"]
    rows = np.flatnonzero(np.isfinite(truth))
    odds = expert_log_odds(alloy_descriptors(alloys.fractions[rows]))
    right = (odds > 0) == (truth[rows] == 1)
    assert np.mean([right[truth[rows] == label].mean() for label in (0, 1)]) > 0.78
    assert np.abs(odds).max() <= 2


def test_space_follows_the_protocol_and_finds_held_out_alloys(space, alloys):
    assert isinstance(space, LatentSpace)
    assert matenv.load_latent("dvae").table == "hea-phases"
    test = alloys.compositions[alloys.split("system").test]
    decoded = space.decode_batch(space.encode(test))
    assert (decoded.elements == test.elements).all(axis=1).mean() > 0.9
    assert np.abs(decoded.fractions() - test.fractions()).sum(axis=1).mean() < 0.17
    assert decoded.atoms.max() <= dvae.MAX_FORMULA_ATOMS + 2  # rounding may add an atom
    assert (space.decode_batch(space.sample(200, 0)).size > 1).all()
    assert np.isfinite(space.score(ALLOYS)).all()
    # A compound is not an alloy: the space says so, and nothing breaks.
    assert (space.score(["NaCl", "LiFePO4", "XeF2"]) < space.score(ALLOYS).min()).all()


def test_target_coordinate_is_the_label(space, alloys):
    truth = alloys.labels["single_phase"]
    test = alloys.split("system").test
    test = test[np.isfinite(truth[test])]
    p = p_single_phase(alloys.fractions[test])
    right = (p > 0.5) == (truth[test] == 1)
    assert np.mean([right[truth[test] == label].mean() for label in (0, 1)]) > 0.9
    t = space.encode(alloys.compositions[test])[:, 0] * space.whitening.std[0] + space.whitening.mean[0]
    assert np.corrcoef(t, np.log(p / (1 - p)))[0, 1] > 0.95
    alone = [float(p_single_phase(x[None])[0]) for x in alloys.fractions[test[:5]]]
    assert p[:5] == pytest.approx(alone, abs=1e-6)


def test_labels_and_prior_shape_the_target(alloys, tmp_path):
    rng = np.random.default_rng(0)
    few = alloys.subset(np.concatenate([rng.permutation(alloys.split("system").train)[:300], alloys.part("test")[:5]]))
    _, history = fit("dvae", few, tmp_path / "long", epochs=15, seed=0, progress=False)
    assert history[-1]["log_likelihood"] > history[0]["log_likelihood"] + 1  # nats
    assert history[-1]["kl_target"] > history[0]["kl_target"]  # the labels pull away from the rules
    network, again = (fit("dvae", few, tmp_path / name, epochs=2, seed=0, progress=False)[0] for name in ("a", "b"))
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    untrained = dvae.DisentangledVAE()
    batch = CompositionBatch.from_fractions(matenv.fractions(ALLOYS))
    mean, log_variance = untrained.posterior(Pairs.of(batch))
    assert mean[:, 0].tolist() == pytest.approx(expert_log_odds(alloy_descriptors(batch.fractions())), abs=1e-6)
    target, rest = dvae.kl_to_prior(mean, log_variance, mean[:, 0])
    assert target.abs().max() < 1e-6 and (rest > 0).all()  # before any label the target is what the rules say
    assert RECIPES["dvae"].table == "hea-phases"


def test_discrepancy_sees_a_shift_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(400, 8, generator=generator), torch.randn(400, 8, generator=generator)
    same, shifted = float(dvae.discrepancy(a, b)), float(dvae.discrepancy(a, b + 1))
    assert abs(same) < 0.01 < 0.1 < shifted
    assert float(dvae.discrepancy(a[:1], b)) == 0


def test_environment_over_alloys(space, alloys):
    env = gym.make("MaterialLatent-v0", **KWARGS)
    check_env(env.unwrapped, skip_render_check=True)
    sb3_check_env(env, skip_render_check=True)
    _, info = env.reset(seed=3)
    assert info["start_formula"] in alloys.formulas[alloys.split("system").train]
    _, info = env.reset(options={"formula": "TaNbMoW"})
    assert info["score"] == info["predicted"]["p_single_phase"][0] > 0.9 and info["success"] and info["valid"]
    envs = gym.make_vec("MaterialLatent-v0", num_envs=64, **KWARGS)
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    rewards = np.array([envs.step(rng.uniform(-1, 1, envs.action_space.shape))[1] for _ in range(8)])
    assert ((rewards >= 0) & (rewards <= 1)).all() and (rewards > 0).any()


def test_task_refuses_trivial_alloys(alloys):
    task = matenv.load_task("single-phase-alloy")
    names = ["Fe19Cr", "CoCrFeNi", "Al3(CoCrFeNi)10", "Fe40CoCrNi", "Fe10Co10Cr10NiMo", "AgAuPdPt", "NbMoTaWO"]
    batch = CompositionBatch.from_fractions(matenv.fractions(names))
    # Dilute binary, one element above 35 at.%, one below 5 at.%, elements that the table hardly knows: all refused.
    assert task.allows(batch).tolist() == [False, True, True, False, False, False, False]
    complex_rows = alloys.compositions.size >= 4
    often = (alloys.fractions[complex_rows] > 0).sum(axis=0) >= 10
    assert set(ALLOYING_ELEMENTS) == {s for s, yes in zip(matenv.elements.SYMBOLS, often, strict=True) if yes} - {"C"}
    with pytest.raises(ValueError, match="max_fraction=0.1"):
        Task("t", "", (), max_fraction=0.1)
    with pytest.raises(ValueError, match="predict"):
        gym.make("MaterialLatent-v0", **KWARGS, oracle=matenv.Oracle())


def test_rendering_shows_alloys_around_the_path():
    env = gym.make("MaterialLatent-v0", render_mode="rgb_array", **KWARGS)
    env.reset(seed=0)
    env.step(np.zeros(env.action_space.shape, np.float32))  # type: ignore[arg-type]
    assert env.render().ndim == 3  # type: ignore[union-attr]
