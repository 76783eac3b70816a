"""The conditional and the adversarial networks: what they compute, on small untrained ones; shipped ones below."""

from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import torch

import matenv
from matenv.benchmark.generative import compare_with_asked, conditioning, held_out_with, quality
from matenv.composition import CompositionBatch, integer_counts
from matenv.latent.adversarial import (
    GENERATED_COUNT,
    PENALTY,
    CountsGAN,
    Critic,
    FractionsGAN,
    adam_by_part,
    adversarial_epoch,
    without_critic,
)
from matenv.latent.conditional import ConditionalSpace, ConditionalVAE, conditional_elbo, correlation
from matenv.latent.epochs import Shown
from matenv.latent.fit import RECIPES
from matenv.latent.pairs import Pairs
from matenv.latent.space import Whitening
from matenv.latent.store import read, write

DATA = matenv.load_dataset()
BATCH = DATA.compositions[np.random.default_rng(0).choice(DATA.part("train"), 200, replace=False)]
SIZES: dict[str, Any] = {"latent": 6, "token": 16, "encoder": 24, "decoder": 24, "decoder_inner": 16, "head": 12}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def conditional():
    torch.manual_seed(0)
    network = ConditionalVAE(**SIZES).requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    random = np.random.default_rng(0)
    whitening = Whitening(random.standard_normal(6), random.uniform(0.5, 2.0, 6), 4.0)
    return ConditionalSpace("cvae", network, whitening, BATCH)


def test_holding_a_condition_equals_setting_its_coordinate(conditional):
    space = conditional.at(band_gap_pbe=2.0)
    assert space.dim == 5 and space.name == "cvae at band_gap_pbe=2" and space.radius == 4.0
    z = np.random.default_rng(1).standard_normal((300, 5))
    mean, std, *_ = conditional.network.conditions["band_gap_pbe"]
    coordinate = ((2.0 - mean) / std - conditional.whitening.mean[1]) / conditional.whitening.std[1]
    whole = np.insert(z, 1, coordinate, axis=1)
    assert space.decode_batch(z).formulas() == conditional.decode_batch(whole).formulas()
    np.testing.assert_allclose(space.encode(BATCH), np.delete(conditional.encode(BATCH), 1, axis=1), atol=1e-5)
    other = conditional.at(band_gap_pbe=6.0)
    assert other.decode_batch(z).formulas() != space.decode_batch(z).formulas()
    both = conditional.at(formation_energy=-2.0, band_gap_pbe=2.0)
    assert both.dim == 4 and both.sample(7, 0).shape == (7, 4) and both.score("NaCl").shape == (1,)


def test_anchors_under_a_condition_are_those_near_it(conditional):
    """The network is untrained, so what it estimates is noise; the choice must follow the estimate all the same."""
    k = list(conditional.network.conditions).index("formation_energy")
    estimate = conditional._posterior(BATCH)[0][:, k]
    mean, std, low, high = conditional.network.conditions["formation_energy"]
    asked = float(np.clip(mean + std * np.percentile(estimate, 75), low, high))
    near = conditional._posterior(conditional.at(formation_energy=asked).anchors)[0][:, k]
    target = (asked - mean) / std
    assert np.abs(near - target).mean() < 0.5 * np.abs(estimate - target).mean()


def test_a_condition_is_checked(conditional):
    for arguments, message in (
        ({}, "at\\(\\) needs a target"),
        ({"hardness": 1.0}, "'hardness' is not a condition of 'cvae'; it has formation_energy, band_gap_pbe"),
        ({"formation_energy": -50.0}, "formation_energy=-50.0 must lie within .* -4.62 to 1.0"),
        ({"band_gap_pbe": float("nan")}, "band_gap_pbe=nan must lie within"),
    ):
        with pytest.raises(ValueError, match=message):
            conditional.at(**arguments)


def test_a_conditional_space_survives_its_file(conditional, tmp_path):
    write(conditional, tmp_path / "mine.safetensors")
    again = read(tmp_path / "mine.safetensors", "mine")
    assert isinstance(again, ConditionalSpace) and again.network.conditions == conditional.network.conditions
    write(again.at(formation_energy=-1.0), tmp_path / "fixed.safetensors")
    assert read(tmp_path / "fixed.safetensors", "fixed").dim == 5


def test_absent_labels_do_not_count_and_present_ones_do():
    torch.manual_seed(0)
    network, pairs = ConditionalVAE(**SIZES), Pairs.of(BATCH)
    labels = torch.randn(len(BATCH), 2)
    labels[::2] = float("nan")
    labels[1::4, 1] = float("nan")

    def loss(values):
        return conditional_elbo(network, pairs, values, torch.Generator().manual_seed(1), 0.5)

    value, record = loss(labels)
    value.backward()
    assert torch.isfinite(value) and all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())
    nothing = loss(torch.full_like(labels, float("nan")))[1]
    assert nothing["label_miss"] == 0.0 and record["label_miss"] != 0.0
    assert nothing["log_likelihood"] != record["log_likelihood"]  # labels reach the decoder


def test_correlation_tells_dependence_from_none():
    random = torch.Generator().manual_seed(0)
    condition, z = torch.randn(4000, 2, generator=random), torch.randn(4000, 5, generator=random)
    assert correlation(z, condition) < 0.02
    assert correlation(torch.cat([condition[:, :1], z[:, 1:]], 1), condition) > 0.2
    curved = torch.cat([condition[:, :1].square(), z[:, 1:]], 1)  # uncorrelated with the condition itself
    assert correlation(curved, condition) > 0.2


@pytest.mark.parametrize("kind", [CountsGAN, FractionsGAN])
def test_penalty_is_that_of_the_whole_gradient(kind):
    torch.manual_seed(0)
    sizes = SIZES if kind is CountsGAN else {"latent": 6, "width": 16}
    network, pairs = kind(critic=20, **sizes), Pairs.of(BATCH)
    critic = network.critic
    features = critic.table.shape[0]
    # Looking the table up with an identity in its place writes out the vectors themselves.
    real = network.looked_up(torch.eye(features), pairs)
    torch.testing.assert_close(real @ critic.table, network.looked_up(critic.table, pairs), atol=1e-4, rtol=1e-4)
    fake = network.generate(torch.randn(len(BATCH), 6)).detach()
    share = torch.rand(len(BATCH), 1)
    found = critic.penalty(critic.table, real @ critic.table, fake @ critic.table, share)
    between = (fake + share * (real - fake)).requires_grad_(True)
    (slope,) = torch.autograd.grad(critic.rest(between @ critic.table).sum(), between)
    assert found.item() == pytest.approx((slope.norm(dim=1) - 1).square().mean().item(), rel=1e-4)


def test_what_is_generated_is_what_the_decoder_says():
    torch.manual_seed(0)
    network = CountsGAN(**SIZES).requires_grad_(False)
    network.presence_head.bias.add_(6.0)
    z = 3 * torch.randn(50, 6)
    with torch.no_grad():
        vectors = network.generate(z).reshape(50, 89, GENERATED_COUNT)
    present = network.presence_logits(network.trunk(z)) > 0
    torch.testing.assert_close(vectors.sum(2), present.float())
    assert present.any() and not present.all()
    smooth = network.generate(z.requires_grad_(True)).reshape(50, 89, GENERATED_COUNT)
    torch.testing.assert_close(smooth.detach(), vectors)  # the same values, but with slopes
    assert torch.autograd.grad(smooth.square().sum(), z)[0].abs().max() > 0
    counts = network.decode(10 * torch.randn(500, 6)).counts
    assert 1 <= counts.max() <= GENERATED_COUNT


def test_generator_and_critic_learn_first_then_the_encoder():
    torch.manual_seed(0)
    network = CountsGAN(critic=16, **SIZES)
    recipe = RECIPES["wgan-gp"]
    optimizer, shown = adam_by_part(network, recipe), Shown(BATCH, np.zeros((len(BATCH), 0), np.float32))

    def changed(epoch):
        before = {name: parameter.clone() for name, parameter in network.named_parameters()}
        for _ in range(5):  # one batch each: five steps of the critic, one of the generator
            adversarial_epoch(network, optimizer, shown, recipe, epoch, 10, np.random.default_rng(epoch))
        return {name.split(".")[0] for name, p in network.named_parameters() if not torch.equal(p, before[name])}

    first = changed(4)
    assert {"critic", "decoder_in", "presence_head", "head_out"} <= first and "posterior_head" not in first
    last = changed(9)
    assert "posterior_head" in last and not last & {"critic", "decoder_in", "presence_head", "head_out"}
    lean = without_critic(network)
    assert lean.critic is None and lean.config["critic"] == 0
    torch.testing.assert_close(lean.presence_head.weight, network.presence_head.weight)


def test_a_critic_learns_to_tell_real_from_random():
    """On real formulas beside shuffled ones, the critic's loss falls: its score orders them."""
    torch.manual_seed(0)
    network = CountsGAN(critic=32, **SIZES)
    critic = network.critic
    assert isinstance(critic, Critic)
    random = np.random.default_rng(0)
    shuffled = CompositionBatch.from_counts(random.permuted(BATCH.dense_counts(), axis=1))
    optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.0, 0.9))
    for _ in range(150):
        real, fake = (network.looked_up(critic.table, Pairs.of(batch)) for batch in (BATCH, shuffled))
        distance = critic.rest(real).mean() - critic.rest(fake).mean()
        penalty = critic.penalty(critic.table, real, fake, torch.rand(len(BATCH), 1))
        optimizer.zero_grad()
        (PENALTY * penalty - distance).backward()
        optimizer.step()
    with torch.no_grad():
        real, fake = (critic.rest(network.looked_up(critic.table, Pairs.of(b)))[:, 0] for b in (BATCH, shuffled))
    assert (real[:, None] > fake).float().mean() > 0.9


def test_quality_by_hand():
    batch = CompositionBatch.from_counts(integer_counts(["NaCl", "NaCl", "NaCl2", "LiFePO4", "K3GaO9"]))
    found = quality(batch, DATA)
    assert found["unique"] == 0.8 and found["systems"] == 3
    assert found["neutral"] == 0.6 and found["balanced"] == 0.6
    assert found["novel"] == 0.4 and found["new_and_balanced"] == 0.0
    assert found["diversity"] > 0


def test_asked_and_predicted_are_compared_by_hand():
    class Model:
        def predict(self, batch):
            return {"band_gap_pbe": (batch.atoms.astype(float), None)}

    batches = [BATCH[BATCH.atoms == atoms][:3] for atoms in (4, 6)]
    found = compare_with_asked(batches, np.array([5.0, 6.0]), cast(Any, Model()), "band_gap_pbe")
    assert found.mae == 0.5 and found.rank_correlation == 1.0 and found.predicted.tolist() == [[4.0] * 3, [6.0] * 3]
    rows = held_out_with(DATA, "band_gap_pbe", [0.0, 3.0], 50)
    assert [len(batch) for batch in rows] == [50, 50]
    gaps = dict(zip(DATA.formulas.tolist(), DATA.labels["band_gap_pbe"], strict=True))
    assert all(gaps[formula] == 0 for formula in rows[0].formulas())
    assert all(abs(gaps[formula] - 3) < 0.05 for formula in rows[1].formulas())


def test_the_shipped_conditional_space_obeys():
    """Predictions for samples rise with what is asked; all 500 at ten values: rank correlation above 0.9."""
    space = matenv.load_latent("cvae")
    assert isinstance(space, ConditionalSpace)
    model = matenv.load_predictor()
    found = conditioning(space, model, "formation_energy", [-3.0, -2.0, -1.0, 0.0], number=150)
    assert found.rank_correlation > 0.8 and found.mae < 0.7
    gaps = conditioning(space, model, "band_gap_pbe", [0.0, 2.0, 4.0], number=150)
    assert gaps.rank_correlation > 0.6 and (np.diff(np.median(gaps.predicted, axis=1)) > 0.3).all()


def test_one_moves_in_a_conditional_space_and_under_a_condition():
    space = matenv.load_latent("cvae")
    assert isinstance(space, ConditionalSpace)
    for latent, dim in (("cvae", space.dim), (space.at(band_gap_pbe=2.0), space.dim - 1)):
        env = gym.make("MaterialLatent-v0", latent=latent, horizon=3, start="prior")
        env.reset(seed=0)
        assert env.action_space.shape == (dim,)
        assert all(env.step(env.action_space.sample())[4]["formula"] for _ in range(3))
