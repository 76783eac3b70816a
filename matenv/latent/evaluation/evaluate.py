"""Measure a latent space: ``matenv latent evaluate vae``.

Definitions. *Element set right / exact formula right*: share of compositions whose element set / reduced formula is the
same after encoding and decoding. *Prevalence* (El-Awady, arXiv:2401.06779): atoms of each element in the reduced
formulas, summed over compositions and divided by the total. *Prevalence KL*: KL(data || samples) in nats, after adding
1e-6 to each share; the opposite direction, and shares of atom fractions in place of atoms, are given beside it.
*Number-of-elements TV*: half the L1 distance between the distributions of the number of elements. *Data* are the
training rows. *Active units* (Burda et al., ICLR 2016): dimensions whose posterior mean has a variance above 0.01.
*Neutral / balanced*: share of formulas that `matenv.is_charge_neutral` / `matenv.is_electronegativity_balanced` passes,
metals not exempt. *Detour*: along straight lines between encodings of pairs of training rows, the L1 changes of the
decoded atom fractions added up, over the L1 distance of the ends; 1 where the composition goes straight over.
A space that predicts a property has the metrics of `matenv.latent.evaluation.property_quality` as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.chemistry import is_charge_neutral, is_electronegativity_balanced
from matenv.composition import CompositionBatch
from matenv.composition.integers import MAX_ELEMENTS
from matenv.data import Dataset
from matenv.latent.evaluation.collapse import unit_statistics
from matenv.latent.evaluation.property_quality import property_quality
from matenv.latent.space import VAESpace

SAMPLES = 10_000
"""Number of prior samples, as in the paper."""

LINES, LINE_POINTS = 500, 201
"""Lines between pairs of training rows, and points decoded on each."""

SMOOTHING = 1e-6
"""Added to every element's share before a KL divergence is taken."""


def evaluate(space: VAESpace, data: Dataset, samples: int = SAMPLES, seed: int = 0) -> dict[str, float]:
    """All metrics of a latent space on a table with a `system` split.

    Args:
        space: The latent space.
        data: The table.
        samples: Number of prior samples.
        seed: Seed of the samples.

    Returns:
        Metric name -> value; shares in [0, 1], divergences and ELBO in nats. No ``test_`` keys without held-out rows.
    """
    train, test = (data.compositions[rows] for rows in data.split("system"))
    codes = space.encode(train)
    metrics: dict[str, float] = {}
    if len(test):
        metrics |= {f"test_{key}": value for key, value in recovery(space, test).items()}
        metrics["test_elbo"] = float(space.score(test).mean())
    metrics |= {f"train_{key}": value for key, value in agreement(space.decode_batch(codes), train).items()}
    metrics |= {f"train_{key}": value for key, value in validity(train).items()}
    metrics["active_units"] = float(unit_statistics(*space.posterior(train))["active_units"])
    metrics["radius"] = space.radius
    metrics["detour"] = detour(space, codes, seed)
    for prefix, points in (("sample", space.sample(samples, seed)), ("nominal", space.sample_nominal(samples, seed))):
        metrics |= {f"{prefix}_{key}": value for key, value in sample_quality(space, points, train, data).items()}
    return metrics | property_quality(space, data, seed)


def recovery(space: VAESpace, batch: CompositionBatch) -> dict[str, float]:
    """Share of element sets, and of exact reduced formulas, that survive encoding and decoding.

    Args:
        space: The latent space.
        batch: Compositions (B,).

    Returns:
        ``element_set`` and ``exact_formula``, each in [0, 1].
    """
    return agreement(space.decode_batch(space.encode(batch)), batch)


def agreement(decoded: CompositionBatch, batch: CompositionBatch) -> dict[str, float]:
    """As `recovery`, of compositions already decoded."""
    elements, exact = decoded.systems().same_as(batch.systems()), decoded.same_as(batch)
    return {"element_set": float(elements.mean()), "exact_formula": float(exact.mean())}


def sample_quality(
    space: VAESpace, points: NDArray[np.float64], data: CompositionBatch, known: Dataset
) -> dict[str, float]:
    """How closely decoded points follow the data.

    Args:
        space: The latent space.
        points: Points (k, n).
        data: Compositions to compare with.
        known: Formulas that count as known.

    Returns:
        The metrics this module's docstring defines.
    """
    decoded = space.decode_batch(points)
    atoms, amounts = (_divergences(decoded, data, by) for by in ("counts", "amounts"))
    return {
        "prevalence_kl": atoms[0],
        "prevalence_kl_reverse": atoms[1],
        "prevalence_kl_fractions": amounts[0],
        "elements_tv": float(0.5 * np.abs(size_shares(decoded) - size_shares(data)).sum()),
        "valid": float((decoded.size >= 2).mean()),
        "unique": len(decoded.distinct()) / len(decoded),
        "known": float((known.find(decoded) >= 0).mean()),
        **validity(decoded),
    }


def validity(batch: CompositionBatch) -> dict[str, float]:
    """Share of charge-neutral and of electronegativity-balanced formulas, no exemption for alloys."""
    return {
        "neutral": float(is_charge_neutral(batch).mean()),
        "balanced": float(is_electronegativity_balanced(batch).mean()),
    }


def lines(codes: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Points on straight lines between random pairs of encodings.

    Args:
        codes: Encodings (N, n).
        seed: Seed of the pairs.

    Returns:
        (`LINES`, `LINE_POINTS`, n), ends included.
    """
    pairs = np.random.default_rng(seed).integers(len(codes), size=(2, LINES))
    start, end = codes[pairs[0]], codes[pairs[1]]
    along = np.linspace(0.0, 1.0, LINE_POINTS)[None, :, None]
    return (1 - along) * start[:, None] + along * end[:, None]


def detour(space: VAESpace, codes: NDArray[np.float64], seed: int) -> float:
    """Median over lines of the way the composition goes, over the way it need go; see this module's docstring."""
    points = lines(codes, seed)
    x = space.decode_batch(points.reshape(-1, space.dim)).fractions().reshape(LINES, LINE_POINTS, -1)
    way = np.abs(np.diff(x, axis=1)).sum(axis=(1, 2))
    need = np.abs(x[:, -1] - x[:, 0]).sum(axis=1)
    return float(np.median(way[need > 0] / need[need > 0]))


def prevalence(batch: CompositionBatch, by: str = "counts") -> NDArray[np.float64]:
    """Share of each element (89,) in a batch: of all atoms (``"counts"``) or of all atom fractions (``"amounts"``).

    Zeros where the batch holds no atom at all.
    """
    listed = batch.counts > 0
    weight = getattr(batch, by)[listed].astype(np.float64)
    total = np.bincount(batch.elements[listed].astype(np.int64), weights=weight, minlength=alphabet.NUM_ELEMENTS)
    return total / (total.sum() or 1.0)


def kl_divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """KL(p || q) in nats of two vectors of shares, `SMOOTHING` added to both."""
    p, q = ((share + SMOOTHING) / (share + SMOOTHING).sum() for share in (p, q))
    return float((p * np.log(p / q)).sum())


def _divergences(samples: CompositionBatch, data: CompositionBatch, by: str) -> tuple[float, float]:
    p, q = prevalence(data, by), prevalence(samples, by)
    return kl_divergence(p, q), kl_divergence(q, p)


def size_shares(batch: CompositionBatch) -> NDArray[np.float64]:
    """Share of compositions with 0, 1, ... 10 elements (11,)."""
    return np.bincount(batch.size, minlength=MAX_ELEMENTS + 1) / len(batch)
