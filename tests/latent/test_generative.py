"""The conditional and the adversarial networks: what they compute, on small untrained ones; shipped ones below."""

import json
import shutil
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import matenv
from matenv.benchmark.generative import compare_with_asked, conditioning, held_out_with, quality
from matenv.benchmark.generators import ASKED, compare_generators
from matenv.cli import app
from matenv.composition import CompositionBatch, integer_counts
from matenv.latent.conditional_space import ConditionalSpace
from matenv.latent.evaluation.evaluate import recovery
from matenv.latent.networks.conditional import ConditionalVAE, conditional_elbo, correlation
from matenv.latent.networks.generators import EMPTY, MOST, SLOTS, FractionsGAN, SlotsGAN
from matenv.latent.networks.pairs import Pairs
from matenv.latent.space import Whitening
from matenv.latent.store import read, write
from matenv.latent.training.adversarial import (
    CRITIC_STEPS,
    _critic_step,
    adam_by_part,
    adversarial_epoch,
    missed,
    without_critic,
)
from matenv.latent.training.recipe import Shown
from matenv.latent.training.recipes import RECIPES

DATA = matenv.load_dataset()
BATCH = DATA.compositions[np.random.default_rng(0).choice(DATA.part("train"), 200, replace=False)]
SIZES: dict[str, Any] = {"latent": 6, "token": 16, "encoder": 24, "decoder": 24, "decoder_inner": 16, "head": 12}
SLOT_SIZES: dict[str, Any] = {"latent": 6, "width": 16, "encoder": 16}


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


@pytest.fixture(params=[SlotsGAN, FractionsGAN])
def gan(request):
    torch.manual_seed(0)
    sizes = {"latent": 6, "width": 16} | ({"encoder": 16} if request.param is SlotsGAN else {"rule": "smallest"})
    return request.param(critic=16, **sizes)


def test_slots_are_written_by_hand():
    """The most electronegative first, one place for each element and count, the rest marked as empty."""
    pairs = Pairs.of(CompositionBatch.from_counts(integer_counts(["NaCl", "LiFePO4", "CsH30"])))
    x = SlotsGAN(**SLOT_SIZES).write(pairs).reshape(3, SLOTS, EMPTY + 1 + MOST)

    def slots(row):
        found = []
        for slot in x[row]:
            ones = slot.nonzero()[:, 0].tolist()
            assert set(slot.tolist()) == {0.0, 1.0}
            found.append((matenv.elements.SYMBOLS[ones[0]], ones[1] - EMPTY) if len(ones) == 2 else ones)
        return found

    assert slots(0) == [("Cl", 1), ("Na", 1), *[[EMPTY]] * 4]
    assert slots(1) == [("O", 4), ("P", 1), ("Fe", 1), ("Li", 1), *[[EMPTY]] * 2]
    assert slots(2)[:2] == [("H", MOST), ("Cs", 1)]  # 30 is more than can be written


def test_a_batch_is_written_row_by_row():
    network = SlotsGAN(**SLOT_SIZES)
    whole = network.write(Pairs.of(BATCH))
    torch.testing.assert_close(torch.cat([network.write(Pairs.of(BATCH[i : i + 1])) for i in range(30)]), whole[:30])


def test_what_is_decoded_is_the_likeliest_each_element_once():
    torch.manual_seed(0)
    network = SlotsGAN(**SLOT_SIZES).requires_grad_(False)
    cast(torch.nn.Linear, network.generator[-1]).weight.mul_(20)
    z = torch.randn(300, 6)
    decoded, sharp = network.decode(z), network.sharpened(network.generate(z)).reshape(300, SLOTS, -1)
    assert (decoded.size >= 2).all() and decoded.counts.max() <= MOST
    assert not np.isin(decoded.elements, [matenv.elements.INDEX[symbol] for symbol in matenv.elements.ABSENT]).any()
    element = sharp[..., : EMPTY + 1].argmax(2)
    plain = np.array([len(set(row.tolist())) == SLOTS and EMPTY not in row for row in element])
    assert plain.sum() > 20  # six different elements: nothing that decoding has to decide
    written = network.write(Pairs.of(decoded[np.flatnonzero(plain)])).reshape(-1, SLOTS, EMPTY + 1 + MOST)
    named = torch.from_numpy(decoded.scatter((decoded.counts > 0).astype(np.int8))[plain])
    torch.testing.assert_close(sharp[plain][..., :EMPTY].sum(1), named.float())
    torch.testing.assert_close(written[..., :EMPTY].sum(1), named.float())


def test_likelihood_is_a_product_over_slots():
    torch.manual_seed(0)
    network = SlotsGAN(**SLOT_SIZES).requires_grad_(False)
    z, pairs = torch.randn(1, 6), Pairs.of(CompositionBatch.from_counts(integer_counts(["Na2O"])))
    element, count = (logits.softmax(2)[0] for logits in network.logits(z))
    index = matenv.elements.INDEX
    by_hand = element[0, index["O"]] * count[0, 0] * element[1, index["Na"]] * count[1, 1] * element[2:, EMPTY].prod()
    assert network.log_likelihood(z, pairs).item() == pytest.approx(by_hand.log().item(), abs=1e-4)


def test_sharpened_vectors_have_the_slope_of_what_they_sharpen(gan):
    z = torch.randn(50, 6, requires_grad=True)
    vectors = gan.generate(z)
    sharp = gan.sharpened(vectors)
    weight = torch.randn_like(vectors)
    slope = torch.autograd.grad((vectors * weight).sum(), z, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad((sharp * weight).sum(), z)[0], slope)
    if isinstance(gan, SlotsGAN):
        assert set(sharp.detach().round(decimals=5).unique().abs().tolist()) == {0.0, 1.0}


def test_generator_and_critic_learn_first_then_the_encoder(gan):
    recipe = RECIPES["wgan-gp"]
    optimizer, shown = adam_by_part(gan, recipe), Shown(BATCH, np.zeros((len(BATCH), 0), np.float32))
    maker = gan.GENERATOR.removesuffix(".")

    def changed(epoch):
        before = {name: parameter.clone() for name, parameter in gan.named_parameters()}
        for _ in range(CRITIC_STEPS):  # one batch each
            record = adversarial_epoch(gan, optimizer, shown, recipe, epoch, 10, np.random.default_rng(epoch))
        assert all(np.isfinite(value) for value in record.values())
        return {name.split(".")[0] for name, p in gan.named_parameters() if not torch.equal(p, before[name])}

    assert {"critic", maker} <= changed(5)
    assert changed(9) == {"encoder"}
    lean = without_critic(gan)
    assert lean.critic is None and lean.config["critic"] == 0
    z = torch.randn(5, 6)
    torch.testing.assert_close(lean.generate(z), gan.generate(z))


def test_a_critic_keeps_its_slope_and_tells_real_from_random(gan):
    """Steps of the critic alone raise the distance from what an untrained generator gives, under a slope near 1."""
    recipe, random = RECIPES["wgan-gp"], torch.Generator().manual_seed(0)
    optimizer, real = adam_by_part(gan, recipe), gan.write(Pairs.of(BATCH))
    before = {name: p.clone() for name, p in gan.named_parameters() if name.startswith(gan.GENERATOR)}
    for group in optimizer.param_groups:
        group["lr"] = 2e-3
    records = [_critic_step(gan, optimizer, real, random, False) for _ in range(80)]
    first, last = (np.mean([record["distance"] for record in part]) for part in (records[:3], records[-3:]))
    assert last > first + 0.03
    assert records[-1]["penalty"] < 0.1
    assert all(torch.equal(p, before[name]) for name, p in gan.named_parameters() if name in before)


def test_missed_by_hand():
    z, variance = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]])
    assert missed(z, torch.zeros(1, 2), variance.log()).item() == pytest.approx(0.5 * (1 + 1) + 0.5 * np.log(4.0))


def test_quality_by_hand():
    batch = CompositionBatch.from_counts(integer_counts(["NaCl", "NaCl", "NaCl2", "LiFePO4", "K3GaO9"]))
    found = quality(batch, DATA)
    assert found["unique"] == 0.8 and found["systems"] == 3
    assert found["neutral"] == 0.6 and found["balanced"] == 0.6
    size = DATA.compositions.size[DATA.split("system").train]
    two, three, four = ((size == elements).sum() for elements in (2, 3, 4))  # neutral: 2 of 3, 0 of 1, 1 of 1
    assert found["neutral_as_sized"] == pytest.approx((2 / 3 * two + four) / (two + three + four))
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


def test_the_shipped_generator_makes_formulas_and_finds_them_again():
    """All samples: the card. What it makes it can encode; held-out rows it mostly cannot make at all."""
    space = matenv.load_latent("wgan-gp")
    made = space.decode_batch(space.sample(2000, 0))
    assert (made.size >= 2).all() and made.size.max() <= SLOTS
    found = quality(made, DATA)
    assert found["neutral"] > 0.66 and found["unique"] > 0.8
    assert recovery(space, made)["exact_formula"] > 0.55
    assert space.score(made).mean() > space.score(DATA.compositions[DATA.split().test[:2000]]).mean()


def test_one_moves_in_these_spaces_and_under_a_condition():
    space = matenv.load_latent("cvae")
    assert isinstance(space, ConditionalSpace)
    for latent, dim in (("cvae", space.dim), (space.at(band_gap_pbe=2.0), space.dim - 1), ("wgan-gp", 16)):
        env = gym.make("MaterialLatent-v0", latent=latent, horizon=3, start="prior")
        env.reset(seed=0)
        assert env.action_space.shape == (dim,)
        assert all(env.step(env.action_space.sample())[4]["formula"] for _ in range(3))


def test_two_runs_of_one_recipe_stay_apart_in_the_comparison(tmp_path, capsys):
    weights = Path(matenv.__file__).parent / "latent" / "weights"
    for name in ("vae-elawady.safetensors", "vae-elawady.json"):
        shutil.copy(weights / name, tmp_path / name)
    other = str(tmp_path / "vae-elawady.safetensors")
    found = compare_generators(tmp_path / "out", ["vae-elawady", other], samples=20, at_each=2)
    assert list(found["spaces"]) == ["vae-elawady", other]
    assert f"| {other} |" in capsys.readouterr().out


@pytest.mark.slow
def test_generators_are_compared_by_one_command(tmp_path):
    arguments = ["latent", "generators", "vae-elawady", "cvae", "--samples", "150", "--at-each", "15"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "generative.json").read_text())
    assert list(found["spaces"]) == ["vae-elawady", "cvae"]
    assert found["controls"]["training rows"]["novel"] == 0 < found["controls"]["random formulas"]["novel"]
    assert list(found["spaces"]["vae-elawady"]["quality"]) == ["vae-elawady", "vae-elawady, rule 'smallest'"]
    assert found["spaces"]["cvae"]["back"]["held_out_element_set"] > 0.9
    for by in found["spaces"]["cvae"]["conditioning"].values():
        for label, kinds in by.items():
            assert all(len(each["median"]) == len(ASKED[label]) for each in kinds.values())
    for row in ("| training rows |", "| cvae, prior N(0, I) |", "| band_gap_pbe | samples around near anchors |"):
        assert row in result.output
    again = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)])  # all of it is taken over
    assert again.output == result.output
    assert (tmp_path / "conditioning.png").read_bytes().startswith(b"\x89PNG")
