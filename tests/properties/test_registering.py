"""A family of predictors of one's own is one file and one registration: here the file is this one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import matenv
from matenv.properties import store
from matenv.properties.families import FAMILIES, Family, register
from matenv.properties.networks.features import element_features
from matenv.properties.training import train
from matenv.properties.training.export import export


class Mean(nn.Module):
    """The mean of the elements' reference values, and one hidden layer."""

    def __init__(self, outputs, width, layers, dropout=0.0):
        super().__init__()
        self.register_buffer("reference", element_features(), persistent=False)
        self.reference: torch.Tensor
        self.enter = nn.Linear(self.reference.shape[1], width)
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens):
        mean = tokens.pool(tokens.amounts * self.reference[tokens.elements])
        return self.head(torch.relu(self.enter(mean)))


class FastMean:
    """The same without torch, as the compiled families do it."""

    def __init__(self, networks):
        self.layers = [[part.detach().double().numpy() for part in network.parameters()] for network in networks]
        self.reference = element_features().double().numpy()

    def __call__(self, elements, amounts, size):
        shares = amounts / amounts.sum(axis=1, keepdims=True)
        mean = (shares[..., None] * self.reference[np.maximum(elements, 0)]).sum(axis=1)
        said = [np.maximum(mean @ a.T + b, 0.0) @ c.T + d for a, b, c, d in self.layers]
        return np.array(said, np.float32)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A predictor of the registered family, trained for an epoch on a few rows."""
    register(Family("mean", "means of element values", Mean, FastMean))
    run = tmp_path_factory.mktemp("mean")
    config = train.TrainConfig(family="mean", members=2, epochs=1, width=16, layers=1, batch_size=16, max_rows=400)
    train.train(run, config, progress=False)
    export(run, run / "mean.safetensors", train.command_line(run, config))
    yield run / "mean.safetensors"
    del FAMILIES["mean"]


def test_a_registered_family_is_trained_exported_and_pays_a_reward(file):
    assert store.load(file).family == "mean"
    card = file.with_suffix(".md").read_text()
    assert "2 means of element values" in card and "--family mean" in card
    mean, std = matenv.load_predictor(file).predict(["NaCl", "Fe2O3"])["formation_energy"]
    assert np.isfinite(mean).all() and (std > 0).all()
    for path in (file, str(file)):
        a = matenv.Oracle(predictor=path).assess(["NaCl", "Fe2O3", "Fe"])
        assert a.mean["formation_energy"][:2] == pytest.approx(mean, abs=1e-5)
        assert (a.p_stable[:2] > 0).all() and (a.disagreement("band_gap_pbe")[:2] > 0).all()


def test_its_compiled_form_says_what_its_network_says(file, monkeypatch):
    compiled = matenv.load_predictor(file).predict(["NaCl", "Fe2O3", "LiFePO4"])
    monkeypatch.setitem(FAMILIES, "mean", replace(FAMILIES["mean"], compiled=None))
    by_torch = matenv.load_predictor(file).predict(["NaCl", "Fe2O3", "LiFePO4"])
    for name, said in compiled.items():
        np.testing.assert_allclose(said, by_torch[name], rtol=1e-4, atol=1e-5)


def test_a_file_of_an_unknown_family_says_what_to_do(file, monkeypatch):
    with pytest.raises(ValueError, match="'mean' is registered already"):
        register(FAMILIES["mean"])
    monkeypatch.delitem(FAMILIES, "mean")
    with pytest.raises(ValueError, match="family='mean' is unknown.*register it first"):
        matenv.load_predictor(file)
