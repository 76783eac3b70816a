"""A small VAE and a Gaussian process on its latent space: trained together, or one after the other.

Shared by `studies.papers.cards` and `studies.papers.qm9_enthalpy`. The process is
`matenv.latent.networks.deep_kernel.DeepKernel`, the one behind `dkl-vae`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import norm, spearmanr
from torch import Tensor, nn

from matenv.latent.networks.deep_kernel import DeepKernel
from matenv.latent.networks.objectives import kl_to_prior
from matenv.training.checkpoint import Part
from matenv.training.optimizers import descend
from matenv.training.precision import quick_products
from matenv.training.run import run_epochs
from matenv.training.schedule import Moment, set_rate, warm_cosine


@dataclass(frozen=True)
class Settings:
    """How a pair is trained; the same for both ways."""

    epochs: int
    batch: int
    beta: float  # weight of the KL term beside the reconstruction, in nats per sample
    label_weight: float = 1.0  # weight of the label's likelihood beside it
    learning_rate: float = 2e-3
    bfloat16: bool = False
    seed: int = 0


class VAE(nn.Module):
    """An encoder to 2 n numbers, a decoder from n, and what log p(x|z) (B,) is."""

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, log_likelihood: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.log_likelihood = encoder, decoder, log_likelihood

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, n)."""
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-14.0, 6.0)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Posterior means (B, n)."""
        return torch.cat([self.posterior(part)[0] for part in x.split(2048)])


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with SiLU between them."""
    layers: list[nn.Module] = []
    for before, after in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def train(vae: VAE, kernel: DeepKernel, x: Tensor, y: Tensor, settings: Settings, joint: bool, out: Path) -> None:
    """Train both together for `epochs`; or the VAE for `epochs`, and then the process on its codes for as many.

    A checkpoint in `out` is resumed. `y` may be NaN where there is no label.
    """
    pair = nn.ModuleDict({"vae": vae, "kernel": kernel})
    faster: dict[str, Any] = {"params": list(kernel.parameters()), "factor": 5.0}
    optimizer = torch.optim.AdamW(
        [{"params": list(vae.parameters())}, faster], lr=settings.learning_rate, weight_decay=0.0
    )
    known = y.isfinite()

    def next_epoch(history: list[dict[str, float]]) -> dict[str, float]:
        epoch = len(history)
        generator = torch.Generator().manual_seed(settings.seed + 1000 * epoch)
        of_phase = epoch % settings.epochs
        reconstruct, label = joint or epoch < settings.epochs, joint or epoch >= settings.epochs
        if label and of_phase == 0:
            some = torch.nonzero(known)[:, 0][torch.randperm(int(known.sum()), generator=generator)[:2048]]
            kernel.prepare(vae.encode(x[some]), y[some], int(known.sum()))
        order, losses = torch.randperm(len(x), generator=generator).split(settings.batch), []
        pair.train()
        for step, rows in enumerate(order):
            at = Moment(of_phase, settings.epochs, step, len(order))
            set_rate(warm_cosine, settings.learning_rate, at, optimizer)
            loss = torch.zeros(())
            with quick_products(settings.bfloat16), torch.set_grad_enabled(reconstruct):
                mean, log_variance = vae.posterior(x[rows])
                if reconstruct:
                    z = mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=generator)
                    fit = vae.log_likelihood(vae.decoder(z), x[rows]).mean()
                    loss = settings.beta * kl_to_prior(mean, log_variance).mean() - fit
            if label and known[rows].any():
                has = known[rows]
                loss = loss + (settings.label_weight if joint else 1.0) * kernel.loss(mean[has], y[rows][has])
            descend(loss, pair, optimizer, clip=5.0)
            losses.append(loss.item())
        return {"epoch": epoch + 1, "loss": float(np.mean(losses))}

    identity = {"settings": str(settings), "joint": joint, "samples": len(x), "labels": float(y.nansum())}
    parts: dict[str, Part] = {"network": pair, "optimizer": optimizer}
    run_epochs(out, identity, parts, next_epoch, epochs=settings.epochs * (1 if joint else 2), progress=True)
    pair.eval()


def prediction_errors(kernel: DeepKernel, z: Tensor, y: Tensor, tune_z: Tensor, tune_y: Tensor) -> dict[str, float]:
    """Errors and calibration on held-out samples; deviations are widened by one factor, fitted on tuning samples."""
    process = kernel.export("label", "")
    mean, std = process.predict(tune_z.double().numpy())
    factor = float(np.sqrt(np.mean(((tune_y.numpy() - mean) / std) ** 2)))
    mean, std = process.predict(z.double().numpy())
    error, std = y.numpy() - mean, std * factor
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "nll": float(-norm.logpdf(error, scale=std).mean()),
        "coverage_90": float((np.abs(error) <= norm.ppf(0.95) * std).mean()),
        "widening": factor,
    }


def alignment(z: Tensor, factor: np.ndarray) -> dict[str, float]:
    """How the latent space shows a factor: best rank correlation of one axis, and R2 of a linear fit (in sample)."""
    codes = z.double().numpy()
    ranks = [abs(float(spearmanr(codes[:, k], factor).statistic)) for k in range(codes.shape[1])]
    design = np.column_stack([codes, np.ones(len(codes))])
    residual = factor - design @ np.linalg.lstsq(design, factor, rcond=None)[0]
    return {"best_axis": max(ranks), "linear_r2": float(1 - residual.var() / factor.var())}
