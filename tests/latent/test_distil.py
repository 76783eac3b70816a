"""A lean decoder for a latent space: the space stays, runs resume, the card compares."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import matenv
from matenv.latent import load_latent
from matenv.latent.evaluation.evaluate import evaluate
from matenv.latent.networks.counts_vae import DECODER, CountsVAE
from matenv.latent.space import VAESpace, Whitening
from matenv.latent.store import write
from matenv.latent.training import distil as lean
from matenv.latent.training.anchors import ANCHORS
from matenv.latent.training.distil import RECIPE, distil, fit_decoder, lean_network, visited_points

DATA = matenv.load_dataset()
SMALL = DATA.subset(np.random.default_rng(0).choice(len(DATA), 800, replace=False), "small")


@pytest.fixture(autouse=True)
def small_recipe(monkeypatch):
    recipe = replace(RECIPE, decoder=24, decoder_inner=16, decoder_blocks=1, head=12, batch=128, visited=60)
    monkeypatch.setattr("matenv.latent.training.distil.RECIPE", recipe)
    monkeypatch.setattr("matenv.latent.training.distil.load_dataset_as", lambda parameter, name: SMALL)


@pytest.fixture(scope="module")
def teacher():
    """An untrained space with anchors."""
    torch.manual_seed(5)
    network = CountsVAE(6, 16, 24, 1, 32, 16, 2, 16)
    network.load_state_dict({key: value.half().float() for key, value in network.state_dict().items()})
    unit = Whitening(np.zeros(6), np.ones(6), 1.0)
    codes = VAESpace("vae", network, unit).encode(SMALL.compositions)
    return VAESpace("vae", network, Whitening.of(codes), SMALL.compositions[:50])


def test_another_run_is_refused(tmp_path, teacher):
    fit_decoder(teacher, SMALL, tmp_path, epochs=1, seed=8, progress=False)
    with pytest.raises(ValueError, match="another run.*seed"):
        fit_decoder(teacher, SMALL, tmp_path, epochs=1, seed=9, progress=False)


def test_only_the_decoder_learns(tmp_path, teacher):
    before = {key: tensor.clone() for key, tensor in teacher.network.state_dict().items()}
    start = lean_network(teacher.network).state_dict()
    network, history = fit_decoder(teacher, SMALL, tmp_path, epochs=20, seed=0, progress=False)
    for key, tensor in network.state_dict().items():
        if key.startswith(DECODER):
            assert tensor.shape != before.get(key, tensor[:0]).shape or not torch.equal(tensor, start[key]), key
        else:
            assert torch.equal(tensor, before[key]), key
    assert all(torch.equal(tensor, before[key]) for key, tensor in teacher.network.state_dict().items())
    assert history[-1]["log_likelihood"] > history[0]["log_likelihood"] + 5


@pytest.mark.parametrize("loss, weight", [("cross_entropy", "imitation"), ("visited_cross_entropy", "visited_weight")])
def test_the_former_decoder_is_imitated(tmp_path, teacher, monkeypatch, loss, weight):
    """Its word prevails where it weighs most: on the data, and off them."""
    heavy: dict[str, Any] = {weight: 100.0}
    monkeypatch.setattr("matenv.latent.training.distil.RECIPE", replace(lean.RECIPE, **heavy))
    _, history = fit_decoder(teacher, SMALL, tmp_path, epochs=20, seed=0, progress=False)
    assert history[-1][loss] < history[0][loss] - 2


@pytest.mark.slow
def test_distil_exports_the_same_space_and_a_card(tmp_path, teacher, monkeypatch):
    monkeypatch.setattr("matenv.latent.training.model_card.evaluate", partial(evaluate, samples=300))
    monkeypatch.setattr("matenv.latent.training.distil.POINTS", 300)
    source = tmp_path / "vae.safetensors"
    write(teacher, source)
    path = distil(source, tmp_path / "lean", epochs=1, seed=3, progress=False)
    assert path.name == "vae.safetensors"
    former, space = load_latent(source), load_latent(path)
    batch = DATA.compositions[:200]
    np.testing.assert_array_equal(space.encode(batch), former.encode(batch))
    assert space.anchors is not None and len(space.anchors) == ANCHORS
    assert space.radius == former.radius
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["metrics"].keys() == card["former"]["metrics"].keys() and card["epochs"] == 1
    assert all(0 <= share <= 1 for share in card["agreement_with_former"].values())
    page = path.with_suffix(".md").read_text()
    command = f"matenv latent distil {source} --out lean --epochs 1 --seed 3"
    assert "with the former decoder" in page and command in page


def test_visited_points_lie_where_an_agent_goes():
    codes = torch.randn(600, 32, generator=torch.Generator().manual_seed(0))
    points = visited_points(codes, 6.0, torch.Generator().manual_seed(1))
    between, walks, anywhere = points[:200], points[200:400], points[400:]
    assert points.shape == codes.shape
    assert (between.norm(dim=1) <= codes.norm(dim=1).max()).all()
    assert (walks.norm(dim=1) <= 6.0 + 1e-5).all() and (anywhere.norm(dim=1) <= 6.0 + 1e-5).all()
    moved = (walks - codes[200:400]).norm(dim=1)
    assert moved.min() > 0.5 and moved.max() > 6.0  # one step at least; sixteen far beyond
    assert anywhere.norm(dim=1).median() > 5.5  # uniform in volume: near the shell
    assert torch.equal(points, visited_points(codes, 6.0, torch.Generator().manual_seed(1)))


def test_distil_checks_its_arguments(tmp_path, teacher):
    write(teacher, tmp_path / "vae.safetensors")
    with pytest.raises(ValueError, match="epochs=0"):
        distil("vae", tmp_path, epochs=0)
    with pytest.raises(ValueError, match="source='vae-elawady' is a ElAwadyVAE"):
        distil("vae-elawady", tmp_path)
    with pytest.raises(ValueError, match="is the source's own folder"):
        distil(tmp_path / "vae.safetensors", tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        distil(tmp_path / "none.safetensors", tmp_path)
