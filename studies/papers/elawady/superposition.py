"""Decomposition similarity of encoders, and of what it should be compared with: the paper's figure 8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.latent.evaluation.similarity import Similarity, blend, compare
from matenv.latent.networks.elawady_vae import ElAwadyVAE
from studies.papers.elawady.table import Materials
from studies.papers.elawady.training import LATENT

Encoder = Callable[[CompositionBatch], NDArray[np.float64]]
"""Compositions (B,) -> latent vectors (B, n)."""

BINS = {"cosine": np.linspace(-1.0, 1.0, 81), "centred": np.linspace(-1.0, 1.0, 81), "residual": np.linspace(0, 2, 81)}
"""Edges of the histograms; what lies beyond is counted in the last bin."""

LOW, HIGH = 2, 7
"""Numbers of components with a histogram of their own; the few beyond are left out of the pictures."""


def network_encoder(network: ElAwadyVAE) -> Encoder:
    """Posterior means of a network."""

    def encode(batch: CompositionBatch) -> NDArray[np.float64]:
        with torch.inference_mode():
            return network.encoder(torch.from_numpy(batch.fractions()).float())[:, : network.latent].double().numpy()

    return encode


def untrained(width: int, seed: int = 0) -> Encoder:
    """The same network as it is before training, PyTorch's default initial weights."""
    torch.manual_seed(seed)
    return network_encoder(ElAwadyVAE(LATENT, width).eval())


def principal_components(x: NDArray[np.float64], dimension: int = LATENT) -> Encoder:
    """PCA of compositions (N, 89): an affine map."""
    mean = x.mean(axis=0)
    axes = np.linalg.eigh(np.cov((x - mean).T))[1][:, ::-1][:, :dimension]
    return lambda batch: (batch.fractions() - mean) @ axes


def random_affine(seed: int = 0) -> Encoder:
    """A random matrix and a random offset: affine, and nothing learned."""
    random = np.random.default_rng(seed)
    matrix, offset = random.normal(size=(89, LATENT)), random.normal(size=LATENT)
    return lambda batch: batch.fractions() @ matrix + offset


class Superposition:
    """Decomposition similarity over all materials that decompose into two or more components.

    Args:
        materials: The table and its decompositions.
        seed: Of the null models.
    """

    def __init__(self, materials: Materials, seed: int = 0) -> None:
        self.rows = np.flatnonzero(materials.components >= LOW)
        self.components = materials.components[self.rows]
        self.above_hull = materials.above_hull[self.rows]
        self.references = materials.hull.references
        self.materials = materials
        self.held_out = np.isin(self.rows, materials.data.split("system").test)
        self._members = materials.decomposition.members[self.rows]
        self._weights = materials.decomposition.weights[self.rows]
        random = np.random.default_rng(seed)
        # Two nulls: the decomposition of another material with as many components, and the material's own components
        # with their amounts passed round.
        self._other = np.arange(len(self.rows))
        self._passed_round = np.zeros_like(self._weights)
        for number in np.unique(self.components):
            same = random.permutation(np.flatnonzero(self.components == number))
            self._other[same] = np.roll(same, 1)
            slots = np.argsort(-self._weights[same], axis=1)[:, :number]
            amounts = np.take_along_axis(self._weights[same], slots, axis=1)
            moved = np.zeros((len(same), self._weights.shape[1]))
            np.put_along_axis(moved, slots, np.roll(amounts, 1, axis=1), axis=1)
            self._passed_round[same] = moved

    def measure(self, encode: Encoder) -> dict[str, Any]:
        """The similarity of an encoder beside its nulls.

        Args:
            encode: The encoder.

        Returns:
            For ``true`` decompositions, ``other`` (those of another material with as many components) and ``amounts``
            (the right components with their amounts passed round): `summary`. ``true`` has histograms by component
            count as well, and ``stable``: the same of materials on the hull against their neighbours there, which they
            do not decompose into. ``energy_rank``: rank correlation of centred cosine and energy above the hull.
        """
        data = self.materials.data
        everything = encode(data.compositions)
        centre = everything[data.split("system").train].mean(axis=0)
        codes, z = encode(self.references), everything[self.rows]
        mixtures = {
            "true": blend(codes, self._members, self._weights),
            "other": blend(codes, self._members[self._other], self._weights[self._other]),
            "amounts": blend(codes, self._members, self._passed_round),
        }
        result: dict[str, Any] = {}
        for name, mixed in mixtures.items():
            raw, centred = compare(z, mixed), compare(z, mixed, centre)
            result[name] = summary(raw, centred)
            if name == "true":
                result["held_out"] = summary(*(Similarity(*(v[self.held_out] for v in s)) for s in (raw, centred)))
                result["by_components"] = self._by_components(raw, centred)
                result["energy_rank"] = _rank_correlation(centred.cosine, self.above_hull)
        stable = np.flatnonzero(self.materials.components == 0)
        neighbours = self.materials.hull.decompose(data.compositions[stable], exclude_self=True)
        mixed = blend(codes, neighbours.members, neighbours.weights)
        result["stable"] = summary(compare(everything[stable], mixed), compare(everything[stable], mixed, centre))
        spread = np.linalg.norm(everything - centre, axis=1).mean()
        result["offset"] = float(np.linalg.norm(centre) / spread)
        return result

    def _by_components(self, raw: Similarity, centred: Similarity) -> dict[str, Any]:
        table = {}
        for number in range(LOW, HIGH + 1):
            mine = self.components == number
            if not mine.any():
                continue
            values = {"cosine": raw.cosine[mine], "centred": centred.cosine[mine], "residual": centred.residual[mine]}
            table[str(number)] = {
                "materials": int(mine.sum()),
                **{f"median_{name}": float(np.median(v)) for name, v in values.items()},
                **{
                    f"histogram_{name}": np.histogram(v.clip(edges[0], edges[-1]), edges)[0].tolist()
                    for (name, v), edges in zip(values.items(), BINS.values(), strict=True)
                },
            }
        return table


def summary(raw: Similarity, centred: Similarity) -> dict[str, float]:
    """Medians and low ends of similarities.

    Args:
        raw: In the network's own coordinates: the paper's measure.
        centred: From the mean of the training rows.

    Returns:
        ``cosine``, ``centred`` and ``residual``: medians; ``cosine_mean``; ``cosine_low``, ``centred_low``: 5th
        percentiles; ``residual_high``: 95th.
    """
    return {
        "cosine": float(np.median(raw.cosine)),
        "cosine_mean": float(raw.cosine.mean()),
        "cosine_low": float(np.percentile(raw.cosine, 5)),
        "centred": float(np.median(centred.cosine)),
        "centred_low": float(np.percentile(centred.cosine, 5)),
        "residual": float(np.median(centred.residual)),
        "residual_high": float(np.percentile(centred.residual, 95)),
    }


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)
