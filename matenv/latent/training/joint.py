"""`DeepKernelVAE`: a variational autoencoder of formulas and a Gaussian process of one label, trained together.

After Slautin et al. (arXiv:2503.02978): the process sees the latent vector, the encoder is the deep part of its kernel,
and one loss, a lower bound of log p(x|z) p(y|z), trains everything. What the process asks of the latent space the
encoder then provides: materials of like property lie together, and prediction comes with uncertainty.
Training starts from the shipped `vae`, whose formulas are already exact; rows without a label, and variants of
formulas, teach the autoencoder alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from matenv.composition import CompositionBatch
from matenv.data.dataset import UNITS
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.networks.gaussian_process import GaussianProcess
from matenv.latent.networks.objectives import kl_to_prior
from matenv.latent.networks.pairs import Pairs
from matenv.latent.networks.protocol import Network
from matenv.latent.store import load_latent
from matenv.latent.training.recipe import Recipe, Shown
from matenv.training.optimizers import fused_adamw

START = "vae"
"""Shipped latent space whose weights training starts from."""

INDUCING = 256
"""Inducing points of the process."""

SAMPLE = 4096
"""Training rows that the process starts from."""

LABEL_WEIGHT = 2.0
"""Weight of the label's bound beside the formula's, both in nats per row."""

KERNEL_PACE = 10.0
"""Learning rate of the process over that of the autoencoder."""


class DeepKernelVAE(Network):
    """A `CountsVAE` and, on its latent space, a `matenv.latent.networks.deep_kernel.DeepKernel`.

    Args:
        frozen: Whether the autoencoder stays as it starts: the process is then what is fitted afterwards.
        start: Latent space to start from, a shipped one or a weights file.
        inducing: Number of inducing points.

    Raises:
        ImportError: gpytorch is missing.
        ValueError: `start` is not a `CountsVAE`.
    """

    def __init__(self, frozen: bool = False, start: str = START, inducing: int = INDUCING) -> None:
        from matenv.latent.networks.deep_kernel import DeepKernel

        super().__init__()
        vae = load_latent(start).network
        if not isinstance(vae, CountsVAE):
            raise ValueError(f"start={start!r} is a {type(vae).__name__}; a deep kernel needs a CountsVAE")
        self.vae = vae.requires_grad_(not frozen)
        self.kernel = DeepKernel(vae.latent, inducing)
        self._settings: dict[str, Any] = {
            "start": start, "frozen": frozen, "inducing": inducing, "label_weight": LABEL_WEIGHT,
            "kernel_pace": KERNEL_PACE,
        }  # fmt: skip
        self.config = {**vae.config, **self._settings}

    def posterior(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """As `CountsVAE.posterior`."""
        return self.vae.posterior(pairs)

    def decode(self, z: Tensor) -> CompositionBatch:
        """As `CountsVAE.decode`."""
        return self.vae.decode(z)

    def exported(self, labels: Sequence[str]) -> tuple[Network, GaussianProcess]:
        """The autoencoder, and the process as plain arrays."""
        return self.vae, self.kernel.export(labels[0], UNITS.get(labels[0], "unit of the table"))

    def settings(self) -> dict[str, Any]:
        """What its card lists beside the recipe."""
        return self._settings

    def prepare(self, shown: Shown) -> None:
        """Place the inducing points on random training formulas; a recipe's ``prepare``.

        Args:
            shown: Training rows, one label each, NaN where absent.

        Raises:
            ValueError: No row has a label.
        """
        labels = torch.from_numpy(shown.labels[:, 0])
        known = torch.nonzero(labels.isfinite())[:, 0]
        if not len(known):
            raise ValueError("no training row has the label: all rows that have it are of held-out chemical systems")
        chosen = known[torch.randperm(len(known))[:SAMPLE]]
        with torch.no_grad():
            z, _ = self.posterior(Pairs.of(shown.formulas[chosen.numpy()]))
        self.kernel.prepare(z, labels[chosen], len(known))

    def optimizer(self, recipe: Recipe) -> torch.optim.Optimizer:
        """AdamW in which the process learns faster than the autoencoder, and does not decay; a recipe's ``optimizer``.

        Args:
            recipe: The recipe.
        """
        groups: list[dict[str, Any]] = [
            {"params": list(self.kernel.parameters()), "factor": KERNEL_PACE, "weight_decay": 0.0}
        ]
        if not self.config["frozen"]:
            groups.append({"params": list(self.vae.parameters())})
        return fused_adamw(groups, recipe.learning_rate, recipe.weight_decay)


def elbo_with_label(
    network: DeepKernelVAE, pairs: Pairs, labels: Tensor, noise: torch.Generator, beta: float
) -> tuple[Tensor, dict[str, float]]:
    """Bounds of the formula's and, where there is one, the label's likelihood at one draw of z; an `Objective`."""
    mean, log_variance = network.posterior(pairs)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=noise)
    likelihood = network.vae.log_likelihood(z, pairs).mean()
    kl = kl_to_prior(mean, log_variance).mean()
    label = _label_loss(network, z, labels)
    record = {"log_likelihood": likelihood.item(), "kl": kl.item(), "label_loss": label.item()}
    return beta * kl - likelihood + LABEL_WEIGHT * label, record


def label_only(
    network: DeepKernelVAE, pairs: Pairs, labels: Tensor, noise: torch.Generator, beta: float
) -> tuple[Tensor, dict[str, float]]:
    """Bound of the label's likelihood at the posterior mean; an `Objective` for a frozen autoencoder."""
    with torch.no_grad():
        mean, _ = network.posterior(pairs)
    label = _label_loss(network, mean, labels)
    return label, {"label_loss": label.item()}


def _label_loss(network: DeepKernelVAE, z: Tensor, labels: Tensor) -> Tensor:
    known = labels[:, 0].isfinite()
    with torch.autocast("cpu", enabled=False):
        return network.kernel.loss(z.float()[known], labels[known, 0])
