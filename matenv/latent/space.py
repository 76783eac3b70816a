"""`VAESpace`: a trained variational autoencoder as a `LatentSpace`, whitening included."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_real, check_seed, check_text
from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch, Compositions, read
from matenv.latent.cloud import Cloud
from matenv.latent.networks.gaussian_process import GaussianProcess
from matenv.latent.networks.pairs import Pairs
from matenv.latent.networks.protocol import Decoder, Encoder, Network, kind_of

FARTHEST = 1e4
"""Raw latent coordinates are clipped here: far beyond any training point, and still finite in float32 layers."""

SCORE_DRAWS = 8
"""Posterior draws over which `score` averages the reconstruction term; the same for every composition."""

ENCODE_ROWS = 4096
"""Rows encoded at a time, which bounds memory."""


MOST_POINTS = 10_000_000
"""Most points drawn in one call."""


@dataclass(frozen=True)
class Whitening:
    """Where the training rows lie in a network's own coordinates.

    Attributes:
        mean: Mean of their posterior means (n,).
        std: Standard deviation of their posterior means (n,).
        radius: 99th percentile of the norms of their whitened posterior means.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    radius: float

    @classmethod
    def of(cls, raw: NDArray[np.float64]) -> Whitening:
        """Statistics of raw posterior means (N, n)."""
        mean, std = raw.mean(axis=0), raw.std(axis=0)
        if not (std > 0).all():
            raise ValueError(f"latent dimension {int(np.argmin(std))} is the same for every training row: train longer")
        return cls(mean, std, float(np.percentile(np.linalg.norm((raw - mean) / std, axis=1), 99)))


class VAESpace:
    """A variational autoencoder of compositions, in whitened coordinates.

    Args:
        name: Name of the space.
        network: The trained network.
        whitening: Its training statistics.
        anchors: Compositions whose posteriors make up the distribution `sample` draws from (an aggregate posterior:
            Tomczak and Welling, AISTATS 2018); None draws from the network's nominal prior N(0, I).
        device: Where the network runs.

    Attributes:
        name: Name of the space.
        dim: Dimension n.
        radius: 99th percentile of the norms of the training rows' encodings.
        recipe: Name of the recipe by which it goes on learning; None if it is not fine-tuned.
        instead: Then why not, and what to do.
        process: What predicts a property at each point; None in a space that does not.
        cloud: What pulls points back to the training points; None in a space that was never told where they lie.
    """

    process: GaussianProcess | None = None
    cloud: Cloud | None = None

    def __init__(
        self,
        name: str,
        network: Network,
        whitening: Whitening,
        anchors: CompositionBatch | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.name = name
        self.dim = network.latent
        self.radius = whitening.radius
        self.network = network.to(device).eval().requires_grad_(False)
        self.recipe, self.instead = network.recipe, network.instead
        self.whitening = whitening
        self.anchors = anchors
        self.device = torch.device(device)
        self._anchor_posteriors: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    @property
    def table(self) -> str:
        """Name of the dataset that the network was made for: where episodes start, and what metrics are taken on."""
        return self.network.table

    def __repr__(self) -> str:
        return f"VAESpace({self.name!r}, dim={self.dim}, radius={self.radius:.3f})"

    def with_rule(self, rule: str) -> VAESpace:
        """The same space, its decoded fractions turned into integer formulas by another rule.

        Args:
            rule: One of ``network.rules``. Of ``"vae-elawady"`` these are ``"threshold"``, the paper's rule and the
                default, and ``"smallest"``, the smallest formula close by.

        Returns:
            The space under that rule; this one stays as it is.

        Raises:
            ValueError: An unknown rule, or a space that decodes to integers.
        """
        check_text("rule", rule, "the name of a rule")
        if not self.network.rules:
            raise ValueError(f"rule={rule!r} does not apply: {self.name!r} decodes to integers, not to fractions")
        other = copy(self)
        other.network = self.network.with_rule(rule)
        vars(other).pop("_decoder", None)  # compiled for the former rule
        return other

    def encode(self, X: Compositions) -> NDArray[np.float64]:  # noqa: N803
        """Whitened posterior means of compositions.

        Args:
            X: Packed batch, fractions (B, 89) or (89,), a formula, or a list of formulas.

        Returns:
            Points (B, n) float64; a single composition is a batch of one.

        Raises:
            ValueError: Not a composition (see `matenv.fractions`), or a row without elements.
        """
        mean, _ = self._posterior(packed(X))
        return (mean - self.whitening.mean) / self.whitening.std

    def decode(self, Z: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Atom fractions of the integer formula at each point.

        Args:
            Z: Points (B, n) or (n,), whitened coordinates.

        Returns:
            Fractions (B, 89) float64; rows sum to 1, or are all zero where the network names no element.

        Raises:
            ValueError: Wrong shape, NaN or infinite values.
        """
        return self.decode_batch(Z).fractions()

    def decode_batch(self, Z: ArrayLike) -> CompositionBatch:  # noqa: N803
        """Integer formula at each point, packed.

        Args:
            Z: Points (B, n) or (n,), whitened coordinates.

        Returns:
            The compositions, reduced; size 0 where the network names no element.

        Raises:
            ValueError: As `decode`.
        """
        z = np.array(check_real("Z", Z, f"points (B, {self.dim}) or ({self.dim},)"), order="C", ndmin=2)
        if z.ndim != 2 or z.shape[1] != self.dim:
            raise ValueError(f"Z has shape {np.shape(Z)}; expected (B, {self.dim}) or ({self.dim},)")
        raw, bad = _raw_points(z, self.whitening.mean, self.whitening.std)
        if bad >= 0:
            raise ValueError(f"Z row {bad} holds NaN or infinite values")
        if self._decoder is not None:
            return self._decoder.decode(raw)
        with torch.inference_mode():
            return self.network.decode(torch.from_numpy(raw).to(self.device))

    def sample(self, k: int, seed: int) -> NDArray[np.float64]:
        """Points spread like the training compositions: each a draw from the posterior of a random anchor.

        The nominal prior N(0, I) leaves gaps between posteriors in which the decoder hesitates; `sample_nominal` draws
        from it for comparison. A space without anchors draws from N(0, I) here as well.

        Args:
            k: Number of points.
            seed: Seed of the draw.

        Returns:
            Points (k, n) float64, whitened coordinates.

        Raises:
            ValueError: If `k` or `seed` is no whole number, or negative.
        """
        if self.anchors is None:
            return self.sample_nominal(k, seed)
        _check_draw(k, seed)
        if self._anchor_posteriors is None:
            mean, log_variance = self._posterior(self.anchors)
            self._anchor_posteriors = mean, np.exp(0.5 * log_variance)
        mean, std = self._anchor_posteriors
        random = np.random.default_rng(seed)
        # One anchor from each of k equal slices of the list, in random order: evener than k independent draws.
        slices = (random.permutation(k) + random.random(k)) / max(k, 1)
        anchor = np.minimum((slices * len(mean)).astype(np.int64), len(mean) - 1)
        raw = mean[anchor] + std[anchor] * random.standard_normal((k, self.dim))
        return (raw - self.whitening.mean) / self.whitening.std

    def sample_nominal(self, k: int, seed: int) -> NDArray[np.float64]:
        """Points drawn from the prior N(0, I) of the training loss, in whitened coordinates.

        Args:
            k: Number of points.
            seed: Seed of the draw.

        Returns:
            Points (k, n) float64.

        Raises:
            ValueError: If `k` or `seed` is no whole number, or negative.
        """
        _check_draw(k, seed)
        raw = np.random.default_rng(seed).standard_normal((k, self.dim))
        return (raw - self.whitening.mean) / self.whitening.std

    def score(self, X: Compositions) -> NDArray[np.float64]:  # noqa: N803
        """Evidence lower bound of each composition under the prior N(0, I), KL term at weight 1.

        ``E_q(z|x) [log p(x|z)] - KL(q(z|x) || N(0, I))``; the expectation is the mean over 8 fixed draws, so a score
        does not depend on the rest of the batch. What log p(x|z) counts is each network's own (its docstring says), so
        scores compare within one space only.

        Args:
            X: As `encode`.

        Returns:
            Scores (B,) float64 in nats; higher is more likely.

        Raises:
            ValueError: As `encode`.
        """
        batch = packed(X)
        noise = torch.randn((SCORE_DRAWS, self.dim), generator=torch.Generator().manual_seed(0)).to(self.device)
        scores = []
        with torch.inference_mode():
            for part in _chunks(batch):
                pairs = Pairs.of(part, self.device)
                mean, log_variance = self.network.posterior(pairs)
                std = torch.exp(0.5 * log_variance)
                fit = sum(self.network.log_likelihood(mean + std * draw, pairs) for draw in noise) / SCORE_DRAWS
                scores.append((fit - self.network.kl(mean, log_variance, pairs)).cpu().numpy())
        return np.concatenate(scores).astype(np.float64) if scores else np.zeros(0)

    def posterior(self, X: Compositions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # noqa: N803
        """Mean and log-variance of q(z|x) in the network's own coordinates.

        Args:
            X: As `encode`.

        Returns:
            Two arrays (B, n) float64; `encode` is the first, whitened.

        Raises:
            ValueError: As `encode`.
        """
        return self._posterior(packed(X))

    def _posterior(self, batch: CompositionBatch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Raw posterior means and log-variances, each (B, n)."""
        if self._encoder is not None:
            mean, log_variance = self._encoder.posterior(batch)
            return mean.astype(np.float64), log_variance.astype(np.float64)
        parts = [np.zeros((2, 0, self.dim))]
        with torch.inference_mode():
            for part in _chunks(batch):
                moments = self.network.posterior(Pairs.of(part, self.device))
                parts.append(torch.stack(moments).cpu().numpy().astype(np.float64))
        mean, log_variance = np.concatenate(parts, axis=1)
        return mean, log_variance

    def _raw(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Whitened points in the network's own coordinates."""
        return points * self.whitening.std + self.whitening.mean

    @cached_property
    def _encoder(self) -> Encoder | None:
        """The compiled encoder, where there is one for this network and device."""
        make = kind_of(self.network).encoder
        return make(self.network) if make and self.device.type == "cpu" else None

    @cached_property
    def _decoder(self) -> Decoder | None:
        """Likewise the decoder."""
        make = kind_of(self.network).decoder
        return make(self.network) if make and self.device.type == "cpu" else None


@njit(cache=True, nogil=True)
def _raw_points(
    z: NDArray[np.float64], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> tuple[NDArray[np.float32], int]:
    """Whitened points (B, n) in the network's own coordinates, clipped; and the first row that is not finite, or -1."""
    raw = np.empty(z.shape, np.float32)
    for i in range(z.shape[0]):
        for k in range(z.shape[1]):
            if not np.isfinite(z[i, k]):
                return raw, i
            raw[i, k] = min(max(z[i, k] * std[k] + mean[k], -FARTHEST), FARTHEST)
    return raw, -1


def packed(X: Compositions) -> CompositionBatch:  # noqa: N803
    """Any accepted form of compositions as a packed batch without empty rows."""
    batch = read(X)
    if len(batch) and batch.size.min() < 1:
        raise ValueError(f"X row {int(batch.size.argmin())} holds no element; only compositions can be encoded")
    return batch


def _chunks(batch: CompositionBatch) -> list[CompositionBatch]:
    return [batch[start : start + ENCODE_ROWS] for start in range(0, len(batch), ENCODE_ROWS)]


def _check_draw(k: int, seed: int) -> None:
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 0 <= k <= MOST_POINTS:
        raise ValueError(f"k={k!r} must be a whole number of points, 0 to {MOST_POINTS:,}")
    check_seed("seed", seed)
