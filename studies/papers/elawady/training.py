"""Training one network of the scan: small, checkpointed every epoch, written to disk when done."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from matenv.data import Dataset
from matenv.latent.networks.elawady_vae import ElAwadyVAE
from matenv.latent.networks.objectives import kl_to_prior
from matenv.latent.training.fit import repeat_complex
from matenv.latent.training.recipe import training_rows
from matenv.training.checkpoint import CHECKPOINT, Part
from matenv.training.optimizers import descend
from matenv.training.precision import quick_products
from matenv.training.run import full_batches, run_epochs
from matenv.training.schedule import Moment, set_rate, warm_cosine
from studies.papers.elawady.readings import READINGS

LATENT = 10
"""The paper's n."""

OVERSAMPLE = 10
"""How often materials of 8 and more elements are repeated; the paper gives no number."""

DRAWS = 8
"""Posterior draws per material in a held-out ELBO."""

WATCHED = 2000
"""Validation rows whose ELBO is recorded after every epoch."""


@dataclass(frozen=True)
class Setting:
    """One network.

    Attributes:
        reading: A key of `READINGS`.
        width: Nodes per hidden layer.
        epochs: Passes over the training rows.
        split: ``"system"`` holds out whole chemical systems, ``"random"`` formulas, as the paper seems to.
        seed: Seed of everything random.
        batch: Compositions per step.
        learning_rate: Peak of the cosine schedule; `studies.papers.elawady.choices` chooses it.
        kl_rise: Share of the run over which the weight of the KL term rises from 0 to 1; likewise.
    """

    reading: str = "multinomial"
    width: int = 100
    epochs: int = 150
    split: str = "system"
    seed: int = 0
    batch: int = 1024
    learning_rate: float = 1e-2
    kl_rise: float = 0.0

    @property
    def name(self) -> str:
        """Name of the network's files."""
        schedule = f"{self.learning_rate:g}-{self.kl_rise:g}"
        return f"{self.reading}-{self.width}-{self.split}-{self.epochs}-{schedule}-{self.seed}"


@dataclass(frozen=True)
class Rows:
    """Row numbers (n,) int64 that a setting trains on, is watched and chosen by, and is measured on in the end."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    @classmethod
    def of(cls, data: Dataset, split: str) -> Rows:
        """The rows of a split; a random one has as many of each kind as the frozen one."""
        parts = training_rows(data), data.part("validation"), data.split("system").test
        if split == "random":
            order = np.random.default_rng(0).permutation(len(data))
            ends = np.cumsum([len(part) for part in parts])
            return cls(*(np.sort(order[end - len(part) : end]) for part, end in zip(parts, ends, strict=True)))
        return cls(*parts)


def train(setting: Setting, data: Dataset, folder: Path, progress: bool = True) -> ElAwadyVAE:
    """Train a network, go on with it, or read it if it is finished.

    Args:
        setting: The network.
        data: The table.
        folder: Where `<name>.safetensors` and `<name>.json` (one record per epoch) are kept.
        progress: Whether to show a progress bar.

    Returns:
        The network in evaluation mode.
    """
    weights, run = folder / f"{setting.name}.safetensors", folder / setting.name
    torch.manual_seed(setting.seed)
    network = ElAwadyVAE(LATENT, setting.width)
    if weights.exists():
        network.load_state_dict(load_file(weights))
        return network.eval()
    optimizer = torch.optim.Adam(network.parameters(), lr=setting.learning_rate, fused=True)
    rows = Rows.of(data, setting.split)
    x = dense(data, rows.train, OVERSAMPLE)
    watched = dense(data, np.random.default_rng(1).permutation(rows.validation)[:WATCHED])

    def next_epoch(history: list[dict[str, float]]) -> dict[str, float]:
        began = time.process_time()
        _epoch(network, optimizer, x, setting, len(history))
        nelbo, kl = nelbo_and_kl(network, setting.reading, watched, draws=1)
        seconds = round(time.process_time() - began, 3)
        return {"epoch": len(history) + 1, "validation_nelbo": nelbo, "validation_kl": kl, "seconds": seconds}

    identity = {**asdict(setting), "table": data.name, "rows": len(data)}
    parts: dict[str, Part] = {"network": network, "optimizer": optimizer}
    history = run_epochs(run, identity, parts, next_epoch, epochs=setting.epochs, progress=progress)
    weights.with_suffix(".json").write_text(json.dumps(history))
    save_file(network.state_dict(), weights)
    (run / CHECKPOINT).unlink()
    return network.eval()


def _epoch(network: ElAwadyVAE, optimizer: torch.optim.Optimizer, x: Tensor, setting: Setting, epoch: int) -> None:
    network.train()
    random = torch.Generator().manual_seed(setting.seed * 1_000_003 + epoch)
    batches = full_batches(torch.randperm(len(x), generator=random), setting.batch)
    log_likelihood = READINGS[setting.reading].log_likelihood
    for step, rows in enumerate(batches):
        at = Moment(epoch, setting.epochs, step, len(batches))
        set_rate(warm_cosine, setting.learning_rate, at, optimizer)
        shown = x[rows]
        with quick_products():
            mean, log_variance, z = _sample_posterior(network, shown, random)
            output = network.decoder(z).float()
        weight = min(at.done / setting.kl_rise, 1.0) if setting.kl_rise else 1.0
        loss = weight * kl_to_prior(mean, log_variance).mean() - log_likelihood(output, shown).mean()
        descend(loss, network, optimizer, clip=math.inf)
    network.eval()


def elbo_terms(
    network: ElAwadyVAE, reading: str, x: Tensor, draws: int = DRAWS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reconstruction and KL term of the ELBO of compositions.

    Args:
        network: The network.
        reading: A key of `READINGS`.
        x: Atom fractions (B, 89).
        draws: Posterior draws that the reconstruction term is averaged over.

    Returns:
        E_q log p(x|z) and KL(q(z|x) || N(0, I)), each (B,) in nats: ELBO = first - second.
    """
    random = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        total = torch.zeros(len(x))
        for _ in range(draws):
            mean, log_variance, z = _sample_posterior(network, x, random)
            total += READINGS[reading].log_likelihood(network.decoder(z), x) / draws
        return total.double().numpy(), kl_to_prior(mean, log_variance).double().numpy()


def nelbo_and_kl(network: ElAwadyVAE, reading: str, x: Tensor, draws: int = DRAWS) -> tuple[float, float]:
    """Means of the negative ELBO and of its KL term, in nats, of compositions (B, 89); as `elbo_terms`."""
    reconstruction, kl = elbo_terms(network, reading, x, draws)
    return float((kl - reconstruction).mean()), float(kl.mean())


def dense(data: Dataset, rows: NDArray[np.int64], oversample: int = 1) -> Tensor:
    """Atom fractions (B, 89) float32 of rows, those of 8 and more elements repeated."""
    rows = repeat_complex(rows, data.compositions.size[rows], oversample)
    return torch.from_numpy(data.compositions[rows].fractions()).float()


def _sample_posterior(network: ElAwadyVAE, x: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    mean, log_variance = network.encoder(x).float().chunk(2, dim=1)
    log_variance = log_variance.clamp(-14.0, 6.0)
    return mean, log_variance, mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=random)
