"""Every training loop, cut in every epoch and resumed, ends where an uninterrupted run ends, to the bit."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import matenv
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.space import VAESpace, Whitening
from matenv.latent.store import write
from matenv.latent.training import distil as lean
from matenv.latent.training import finetune
from matenv.latent.training.anchors import choose_anchors
from matenv.latent.training.fit import fit
from matenv.latent.training.recipes import RECIPES
from matenv.properties.training import distil, train
from studies.papers.elawady import training as elawady

DATA = matenv.load_dataset()
SMALL = DATA.subset(np.random.default_rng(0).choice(len(DATA), 400, replace=False), "small")


def stored(folder: Path) -> dict[str, Any]:
    """What lies in a folder: checkpoints, records, weights files."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*.*")):
        key = str(path.relative_to(folder))
        if path.suffix == ".pt":
            found[key] = torch.load(path, weights_only=True)
        elif path.suffix == ".safetensors":
            found[key] = load_file(path)
        elif path.suffix == ".json":
            found[key] = json.loads(path.read_text())
            if "weights_sha256" in found[key]:  # the order of a weights file's metadata is by chance
                del found[key]["weights_sha256"]
    return found


def assert_same(one: Any, other: Any, where: str = "") -> None:
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}[{key!r}]")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for k, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}[{k}]")
    elif isinstance(one, Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other), where
    else:
        assert one == other or (one != one and other != other), where


def assert_resumes(run: Callable[[Path], Any], folder: Path, epochs: int) -> None:
    """Compare an uninterrupted run with one that is cut in every epoch, as that epoch's checkpoint is written."""
    whole = run(folder / "whole")
    save, left = torch.save, [0]

    def save_or_stop(*arguments: Any, **options: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        save(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "save", save_or_stop)
        for epoch in range(epochs):
            left[0] = min(epoch, 1)  # the first time nothing is kept; then one epoch more each time
            with pytest.raises(KeyboardInterrupt):
                run(folder / "cut")
            torch.rand(5)  # the caller's own draws in between must not matter
            np.random.random(5)
    assert_same(run(folder / "cut"), whole)
    assert_same(stored(folder / "cut"), stored(folder / "whole"))


def latent_space(name: str, folder: Path, seed: int = 7) -> Any:
    table = matenv.load_dataset("hea-phases") if name == "dvae" else SMALL
    recipe = replace(RECIPES[name], batch=128)
    network, history = fit(name, table, folder, epochs=3, seed=seed, recipe=recipe, progress=False)
    return dict(network.state_dict()), history


LIKE_ANOTHER = ("dkl-vae-gap", "vae-gp", "vae-gp-gap", "wgan-gp-fractions")
"""Recipes whose loop is that of `dkl-vae` or `wgan-gp`, with another label or input."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LIKE_ANOTHER else name for name in RECIPES]
)
def test_latent_space(name, tmp_path):
    assert_resumes(partial(latent_space, name), tmp_path, epochs=3)


def test_another_seed_is_another_run(tmp_path):
    one, other = (latent_space("vae-elawady", tmp_path / str(seed), seed) for seed in (7, 8))
    assert any(not torch.equal(tensor, other[0][key]) for key, tensor in one[0].items())


@pytest.fixture
def small_space():
    """An untrained space with anchors."""
    torch.manual_seed(5)
    network = CountsVAE(6, 16, 24, 1, 32, 16, 2, 16)
    network.load_state_dict({key: value.half().float() for key, value in network.state_dict().items()})
    unit = Whitening(np.zeros(6), np.ones(6), 1.0)
    codes = VAESpace("vae", network, unit).encode(SMALL.compositions)
    return VAESpace("vae", network, Whitening.of(codes), SMALL.compositions[:50])


def test_lean_decoder(tmp_path, small_space, monkeypatch):
    recipe = replace(lean.RECIPE, decoder=24, decoder_inner=16, decoder_blocks=1, head=12, batch=128, visited=60)
    monkeypatch.setattr(lean, "RECIPE", recipe)

    def run(folder: Path) -> Any:
        network, history = lean.fit_decoder(small_space, SMALL, folder, epochs=3, seed=7, progress=False)
        return dict(network.state_dict()), history

    assert_resumes(run, tmp_path, epochs=3)


def test_fine_tuned_space(tmp_path, small_space, monkeypatch):
    monkeypatch.setattr(finetune, "choose_anchors", partial(choose_anchors, number=50))
    monkeypatch.setattr(finetune, "load_dataset", lambda name: SMALL)
    monkeypatch.setattr(finetune, "measure", lambda *_: {})
    monkeypatch.setattr(finetune, "LEAST_REPLAYED", 200)
    write(small_space, tmp_path / "vae.safetensors")
    table = tmp_path / "my.csv"
    table.write_text("\n".join(["formula", *SMALL.formulas[:150]]))

    def run(folder: Path) -> Any:
        return finetune.finetune(tmp_path / "vae.safetensors", table, folder, epochs=3, progress=False).name

    assert_resumes(run, tmp_path, epochs=3)


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 4, "max_rows": 60, "batch_size": 8, "width": 16, "learning_rate": 0.1, "dropout": 0.1, "seed": 2},
        pytest.param(
            {
                "family": "informed",
                "keep": "last",
                "members": 2,
                "epochs": 2,
                "optimizer": "muon",
                "precision": "bfloat16",
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["set", "informed"],
)
def test_predictor(settings, tmp_path):
    shared = {"members": 1, "epochs": 3, "width": 8, "layers": 1, "batch_size": 64, "max_rows": 1000}
    config = train.TrainConfig(**{**shared, **settings})
    rows = train.rows_for(config)

    def run(folder: Path) -> Any:
        return [str(path.relative_to(folder)) for path in train.train_on(folder, config, *rows, progress=False)]

    assert_resumes(run, tmp_path, epochs=config.epochs * config.members)
    for path in tmp_path.glob("cut/*/checkpoint.pt"):
        state = torch.load(path, weights_only=True)
        best_is_last = all(torch.equal(tensor, state["network"][key]) for key, tensor in state["best"].items())
        assert best_is_last == (config.keep == "last")


@pytest.mark.slow
def test_student(tmp_path, monkeypatch):
    monkeypatch.setattr(distil, "TransferSource", cache(distil.TransferSource))
    config = distil.DistilConfig(epochs=3, renewed=2, transfer=300, width=8, layers=1, batch_size=64, max_rows=200)

    def run(folder: Path) -> Any:
        return distil.distil(folder, config, progress=False).name

    assert_resumes(run, tmp_path, epochs=3)


def test_network_of_the_paper(tmp_path, monkeypatch):
    monkeypatch.setattr("time.process_time", lambda: 0.0)
    setting = elawady.Setting(width=12, epochs=3, batch=128)

    def run(folder: Path) -> Any:
        return dict(elawady.train(setting, SMALL, folder, progress=False).state_dict())

    assert_resumes(run, tmp_path, epochs=3)
