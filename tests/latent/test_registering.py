"""A latent space of one's own is one file and one registration: here both, then training, its file, an environment."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import matenv
from matenv.composition import CompositionBatch
from matenv.latent import VAESpace, load_latent
from matenv.latent.evaluation.evaluate import evaluate
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.networks.elawady_vae import fractions_of
from matenv.latent.networks.protocol import KINDS, Kind, Network, kind_of, register
from matenv.latent.space import Whitening
from matenv.latent.store import read, write
from matenv.latent.training.finetune import recipe_for
from matenv.latent.training.recipe import Recipe
from matenv.latent.training.train import train


@register
class BinaryVAE(Network):
    """Linear both ways; it names the two likeliest elements, one atom of each."""

    def __init__(self, latent=4):
        super().__init__()
        self.config = {"latent": latent}
        self.encoder, self.decoder = nn.Linear(89, 2 * latent), nn.Linear(latent, 89)
        nn.init.normal_(self.encoder.weight)  # so that two epochs are enough to use every dimension

    def posterior(self, pairs):
        mean, log_variance = self.encoder(fractions_of(pairs)).chunk(2, dim=1)
        return mean, log_variance

    def log_likelihood(self, z, pairs):
        return (fractions_of(pairs) * F.log_softmax(self.decoder(z), dim=1)).sum(1)

    def decode(self, z):
        chosen = self.decoder(z).topk(2).indices
        return CompositionBatch.from_counts(torch.zeros(len(z), 89, dtype=torch.int64).scatter_(1, chosen, 1).numpy())


RECIPE = Recipe(
    BinaryVAE, epochs=2, batch=64, learning_rate=3e-3, weight_decay=0.0, beta=0.1, beta_warmup=0.5, augment=False,
    oversample=1, bfloat16=False,
)  # fmt: skip


def untrained(network):
    return VAESpace("mine", network, Whitening(np.zeros(network.latent), np.ones(network.latent), 2.0))


def test_trained_written_loaded_and_moved_in(tmp_path, monkeypatch):
    monkeypatch.setattr("matenv.latent.training.model_card.evaluate", partial(evaluate, samples=200))
    monkeypatch.setattr("matenv.latent.evaluation.evaluate.LINES", 10)
    formulas = np.random.default_rng(0).choice(matenv.load_dataset().formulas, 400, replace=False)
    table = tmp_path / "mine.csv"
    table.write_text("formula\n" + "\n".join(formulas) + "\n")
    path = train("binary", tmp_path / "run", data=table, recipe=RECIPE, progress=False)
    assert path.name == "binary.safetensors" and "A latent space of one's own" in path.with_suffix(".md").read_text()
    space = load_latent(path)
    assert isinstance(space.network, BinaryVAE) and space.table == "mp-ground-states"
    assert space.decode_batch(space.sample(50, 0)).atoms.tolist() == [2] * 50
    assert np.isfinite(space.score(["NaCl", "GaAs"])).all()
    env = gym.make("MaterialLatent-v0", latent=str(path), horizon=2)
    env.reset(seed=0)
    observation, reward, *_, info = env.step(env.action_space.sample())
    assert env.action_space.shape == (4,) and np.isfinite(observation).all() and 0 <= float(reward) <= 1
    assert matenv.fractions(info["formula"]).max() == 0.5


def test_what_a_network_does_not_say_has_a_default():
    space = untrained(BinaryVAE())
    assert kind_of(space.network).encoder is None and space.process is None
    with pytest.raises(ValueError, match="rule='smallest' does not apply: 'mine' decodes to integers"):
        space.with_rule("smallest")
    with pytest.raises(ValueError, match="BinaryVAE in a VAESpace, which is not fine-tuned; choose one of vae"):
        recipe_for(space)


def test_compiled_code_and_a_space_of_its_own(tmp_path, monkeypatch):
    class Salt:
        def __init__(self, network):
            pass

        def decode(self, z):
            return CompositionBatch.from_fractions(matenv.fractions(["NaCl"] * len(z)))

    class OwnSpace(VAESpace):
        pass

    class OwnVAE(BinaryVAE):
        pass

    monkeypatch.setitem(KINDS, "OwnVAE", Kind(OwnVAE))  # so that it is forgotten after the test
    assert register(OwnVAE, decoder=Salt, space=OwnSpace) is OwnVAE
    write(untrained(OwnVAE()), tmp_path / "own.safetensors")
    space = load_latent(tmp_path / "own.safetensors")
    assert isinstance(space, OwnSpace) and space.decode_batch(np.zeros((2, 4))).formulas() == ["NaCl", "NaCl"]


def test_a_file_of_an_unknown_network_says_what_is_missing(tmp_path):
    class Unknown(BinaryVAE):
        pass

    write(untrained(Unknown()), tmp_path / "mine.safetensors")
    with pytest.raises(ValueError, match="network 'Unknown', not one of CountsVAE, .* module that registers it"):
        read(tmp_path / "mine.safetensors", "mine")


def test_a_name_is_taken_once():
    other = type("CountsVAE", (BinaryVAE,), {})
    with pytest.raises(ValueError, match="CountsVAE is the name of a class in matenv.latent.networks.counts_vae"):
        register(other)
    assert KINDS["CountsVAE"].network is CountsVAE and kind_of(other()).encoder is None
