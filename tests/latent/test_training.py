"""Training of latent spaces: resuming, variants, anchors, weights files, the two decoding steps."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import matenv
from matenv.composition import CompositionBatch
from matenv.data.splits import system_part
from matenv.latent import SHIPPED, load_latent
from matenv.latent.evaluation.evaluate import evaluate, prevalence
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.networks.elawady_vae import ElAwadyVAE
from matenv.latent.networks.pairs import Pairs, choose_counts, choose_elements
from matenv.latent.training.anchors import choose_anchors, matching_weights
from matenv.latent.training.augment import Augmenter
from matenv.latent.training.fit import fit
from matenv.latent.training.recipe import training_rows
from matenv.latent.training.recipes import RECIPES
from matenv.latent.training.train import train

DATA = matenv.load_dataset()
SMALL = DATA.subset(np.random.default_rng(0).choice(len(DATA), 800, replace=False), "small")


@pytest.fixture
def small_table(monkeypatch):
    """`train` sees 800 rows and a small batch, so that two epochs take a second."""
    monkeypatch.setattr("matenv.latent.training.train.load_dataset_as", lambda parameter, name: SMALL)
    for name, recipe in RECIPES.items():
        monkeypatch.setitem(RECIPES, name, replace(recipe, batch=128))


def test_checkpoint_of_another_run_is_refused(tmp_path, small_table):
    fit("vae-elawady", SMALL, tmp_path, epochs=1, seed=0, progress=False)
    with pytest.raises(ValueError, match="another run.*seed"):
        fit("vae-elawady", SMALL, tmp_path, epochs=1, seed=1, progress=False)
    (tmp_path / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="cannot be read.*delete it"):
        fit("vae-elawady", SMALL, tmp_path, epochs=1, seed=0, progress=False)


def test_learning_lowers_the_loss(tmp_path, small_table):
    _, history = fit("vae", SMALL, tmp_path, epochs=8, seed=0, progress=False)
    assert history[-1]["log_likelihood"] > history[0]["log_likelihood"] + 10


def test_train_exports_weights_and_cards(tmp_path, small_table, monkeypatch):
    monkeypatch.setattr("matenv.latent.training.train.choose_anchors", partial(choose_anchors, number=500))
    monkeypatch.setattr("matenv.latent.training.model_card.evaluate", partial(evaluate, samples=300))
    path = train("vae", tmp_path, epochs=2, seed=3, progress=False)
    space = load_latent(path)
    assert space.dim == 32 and space.name == "vae"
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["epochs"] == 2 and card["seed"] == 3 and card["table"] == "small"
    assert 0 <= card["metrics"]["test_exact_formula"] <= card["metrics"]["test_element_set"] <= 1
    assert "| test_exact_formula |" in path.with_suffix(".md").read_text()
    np.testing.assert_allclose(space.encode(SMALL.compositions[SMALL.split().train]).std(axis=0), 1, atol=1e-6)


def test_train_checks_its_arguments(tmp_path):
    with pytest.raises(ValueError, match="name='gan'"):
        train("gan", tmp_path)
    with pytest.raises(ValueError, match="epochs=0"):
        train("vae", tmp_path, epochs=0)
    with pytest.raises(ValueError, match="threads=0"):
        train("vae", tmp_path, threads=0)


def test_unknown_and_missing_spaces(tmp_path):
    with pytest.raises(ValueError, match="name='gan' is not a latent space; choose one of vae, vae-elawady"):
        load_latent("gan")
    with pytest.raises(FileNotFoundError, match="matenv latent train"):
        load_latent(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", SHIPPED)
def test_damaged_weights_are_refused(name, tmp_path):
    from importlib.resources import files

    whole = (files("matenv.latent") / "weights" / f"{name}.safetensors").read_bytes()
    path = tmp_path / "bad.safetensors"
    for damage in (whole[:-100], whole[:5], b"", b"\xff" * 2000):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match="bad.safetensors is not a readable safetensors file.*train again"):
            load_latent(path)
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1  # the last bit of some weight
    path.write_bytes(changed)
    with pytest.raises(ValueError, match="bad.safetensors is damaged: .*Reinstall matenv, or train it again"):
        load_latent(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, h: h.update(format="other"), "not a latent space of this version"),
        (lambda t, h: h.update(network="GAN"), "not a latent space of this version"),
        (lambda t, h: h.update(config='{"latent": 11}'), "does not fit the architecture"),
        (lambda t, h: h.update(config='{"depth": 3}'), "does not fit the architecture"),
        (lambda t, h: h.update(config="{"), "does not fit the architecture"),
        (lambda t, h: t.pop("network.encoder.0.bias"), "does not fit the architecture"),
        (lambda t, h: t.pop("whitening.std"), "does not fit the architecture"),
        (lambda t, h: t["whitening.std"].zero_(), "standard deviation is not positive"),
        (lambda t, h: t["network.decoder.0.weight"].fill_(float("nan")), "NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, change, message):
    from importlib.resources import files

    from safetensors import safe_open

    source = str(files("matenv.latent") / "weights" / "vae-elawady.safetensors")
    tensors = load_file(source)
    with safe_open(source, "pt") as file:
        header = dict(file.metadata())
    change(tensors, header)
    path = tmp_path / "odd.safetensors"
    save_file(tensors, str(path), header)
    with pytest.raises(ValueError, match=message):
        load_latent(path)


def test_variants_are_reduced_and_leave_held_out_systems_alone():
    train_rows = DATA.compositions[training_rows(DATA)]
    augmenter = Augmenter(train_rows)
    batch = train_rows[:5000]
    varied = augmenter.vary(batch, np.random.default_rng(0))
    changed = (varied.elements != batch.elements).any(axis=1)
    assert 0.2 < changed.mean() < 0.6
    np.testing.assert_array_equal(varied.size, batch.size)
    assert (np.gcd.reduce(varied.counts, axis=1) == 1).all()
    ordered = np.where(varied.elements < 0, 100 + np.arange(10), varied.elements)
    assert (np.diff(ordered, axis=1) > 0).all()  # ascending and without repeats
    symbols = np.array(matenv.elements.SYMBOLS)
    for elements, size in zip(varied.elements[changed][:500], varied.size[changed][:500], strict=True):
        assert system_part(tuple(symbols[elements[:size]])) == "train"
    again = augmenter.vary(batch, np.random.default_rng(0))
    np.testing.assert_array_equal(again.counts, varied.counts)


def test_alike_elements_replace_each_other():
    augmenter = Augmenter(DATA.compositions[training_rows(DATA)])
    probability = np.diff(augmenter._cumulative, axis=1, prepend=0.0)
    index = matenv.elements.INDEX
    for old, alike, unlike in (("Na", "K", "Cl"), ("Cl", "Br", "Na"), ("La", "Ce", "O"), ("S", "Se", "Fe")):
        assert probability[index[old], index[alike]] > 3 * probability[index[old], index[unlike]]
    assert (np.diag(probability) == 0).all()


@pytest.mark.slow
def test_weights_match_the_target_statistics():
    target = DATA.compositions[training_rows(DATA)]
    candidates = Augmenter(target).vary(target, np.random.default_rng(1), substituted=0.9, recounted=0.0)
    weight = matching_weights(candidates, target)
    assert weight.min() >= 0 and weight.sum() == pytest.approx(1)
    sizes = np.bincount(candidates.size, weights=weight, minlength=11)
    np.testing.assert_allclose(sizes, np.bincount(target.size, minlength=11) / len(target), atol=1e-9)
    shares = weight @ candidates.fractions()
    assert np.abs(shares - prevalence(target, "amounts")).max() < 1e-3
    anchors = choose_anchors(target, seed=0, number=2000)
    assert len(anchors) == 2000 and (np.diff(anchors.size) >= 0).all()


def test_choose_elements_by_hand():
    logits = np.full((4, 89), -20.0, np.float32)
    logits[0, [3, 70, 40]] = 5.0  # three, clearly
    logits[1, 10], logits[1, [20, 30]] = 6.0, 0.0  # one, and a choice between two: expected number 2, first of the tie
    logits[3, np.arange(30, 42)] = np.arange(12) + 1.0  # twelve: the ten likeliest
    elements, size, row, element = choose_elements(logits)
    assert size.tolist() == [3, 2, 2, 10]
    assert elements[0, :4].tolist() == [3, 40, 70, -1]
    assert elements[1, :3].tolist() == [10, 20, -1]
    assert elements[2, :3].tolist() == [0, 1, -1]  # nothing likely: the formula is a compound all the same
    assert elements[3].tolist() == list(range(32, 42))
    assert row.tolist() == [0] * 3 + [1] * 2 + [2] * 2 + [3] * 10
    assert element.tolist() == [3, 40, 70, 10, 20, 0, 1, *range(32, 42)]


def test_choose_counts_reduces():
    logits = np.zeros((4, 64), np.float32)
    logits[[0, 1, 2, 3], [3, 5, 6, 6]] = 1.0  # counts 4, 6 | 7, 7
    counts = choose_counts(np.array([2, 0, 2], np.int16), logits)
    assert counts[:, :3].tolist() == [[2, 3, 0], [0, 0, 0], [1, 1, 0]]


def test_counts_likelihood_is_normalised():
    """Over every formula of one element with counts 1..64 in a fixed set, the count probabilities sum to 1."""
    torch.manual_seed(0)
    network = CountsVAE(token=16, encoder=32, decoder=32, decoder_inner=32, head=16).eval()
    counts = np.zeros((64, 10), np.int32)
    counts[:, 0] = np.arange(1, 65)
    elements = np.full((64, 10), -1, np.int16)
    elements[:, 0] = 5
    pairs = Pairs.of(CompositionBatch(elements, counts, np.ones(64, np.int16)))
    z = torch.randn(1, 32).expand(64, -1)
    with torch.inference_mode():
        total = torch.logsumexp(network.log_likelihood(z, pairs), 0)
        logits = network.presence_logits(network.trunk(z[:1]))[0]
    sign = -torch.ones(89)
    sign[5] = 1.0
    assert float(total) == pytest.approx(float(torch.nn.functional.logsigmoid(sign * logits).sum()), abs=1e-4)


def test_elawady_rules_differ_and_are_checked():
    with pytest.raises(ValueError, match="rule='floor'"):
        ElAwadyVAE(rule="floor")
    with pytest.raises(ValueError, match="does not apply: 'vae'"):
        load_latent("vae").with_rule("smallest")
    paper = load_latent("vae-elawady")
    smallest = paper.with_rule("smallest")
    z = paper.encode(DATA.compositions[:500])
    first, second = paper.decode_batch(z), smallest.decode_batch(z)
    assert first.formulas() != second.formulas()
    assert np.median(second.atoms) < np.median(first.atoms)
    flat_network = ElAwadyVAE(rule="smallest")
    with torch.no_grad():
        for parameter in flat_network.decoder[-1].parameters():
            parameter.zero_()  # 1/89 each: nothing reaches the threshold
        assert flat_network.decode(torch.zeros(2, 10)).size.tolist() == [0, 0]
