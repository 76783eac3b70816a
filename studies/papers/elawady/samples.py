"""Samples of a network, and how they compare with the data: the paper's figures 5 to 7."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matenv.chemistry import is_charge_neutral
from matenv.composition import PAPER_THRESHOLD, CompositionBatch, threshold_counts
from matenv.composition.integers import MAX_ELEMENTS
from matenv.latent.evaluation.collapse import unit_statistics
from matenv.latent.evaluation.evaluate import SAMPLES, agreement, kl_divergence, prevalence
from matenv.latent.networks.elawady_vae import ElAwadyVAE, largest
from studies.papers.elawady.readings import READINGS
from studies.papers.elawady.training import LATENT, elbo_terms

THRESHOLDS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.12)
"""Values of T that are tried: a rule of decoding, so no network is trained anew."""


def formulas_at(amounts: NDArray[np.float64], threshold: float) -> CompositionBatch:
    """The paper's rule at another T: zero below T, times 1/T, round, reduce; the 10 largest entries at most.

    Args:
        amounts: What the decoder returns (B, 89), non-negative.
        threshold: T.

    Returns:
        The compositions; size 0 where nothing reaches T.
    """
    return CompositionBatch.from_counts(threshold_counts(largest(amounts), threshold), allow_empty=True)


def decoder_amounts(network: ElAwadyVAE, reading: str, z: Tensor) -> NDArray[np.float64]:
    """The vectors (B, 89) that T is applied to, of raw latent vectors (B, n)."""
    with torch.inference_mode():
        return READINGS[reading].amounts(network.decoder(z)).double().numpy()


def sample(network: ElAwadyVAE, reading: str, samples: int = SAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Decoded draws (samples, 89) from the prior N(0, I), before the threshold."""
    noise = torch.randn((samples, LATENT), generator=torch.Generator().manual_seed(seed))
    return decoder_amounts(network, reading, noise)


def size_shares(batch: CompositionBatch) -> list[float]:
    """Share of compositions with 0, 1, ... 10 elements (11,)."""
    return (np.bincount(batch.size, minlength=MAX_ELEMENTS + 1) / len(batch)).tolist()


def sample_measures(decoded: CompositionBatch, data: CompositionBatch) -> dict[str, Any]:
    """How samples compare with data.

    Args:
        decoded: Samples.
        data: What they should look like.

    Returns:
        ``kl``: KL(data || samples) of prevalence in nats, ``kl_reverse``, ``kl_fractions``: of atom fractions in place
        of atoms, all as `matenv.latent.evaluation.evaluate` defines them; ``size_tv``: total variation of the number of
        elements, ``sizes`` (11,), ``over_six``: share of more than 6 elements, ``empty``, ``prevalence`` (89,).
    """
    p, q = prevalence(data), prevalence(decoded)
    sizes, wanted = size_shares(decoded), size_shares(data)
    return {
        "kl": kl_divergence(p, q),
        "kl_reverse": kl_divergence(q, p),
        "kl_fractions": kl_divergence(prevalence(data, "amounts"), prevalence(decoded, "amounts")),
        "size_tv": 0.5 * float(np.abs(np.subtract(sizes, wanted)).sum()),
        "sizes": sizes,
        "over_six": float((decoded.size > 6).mean()),
        "empty": sizes[0],
        "prevalence": q.tolist(),
    }


def neutral(batch: CompositionBatch) -> float:
    """Share of charge-neutral formulas, metals not exempt."""
    return float(is_charge_neutral(batch).mean())


def measure(network: ElAwadyVAE, reading: str, held_out: CompositionBatch, data: CompositionBatch) -> dict[str, Any]:
    """Everything the scan reports about one network.

    Args:
        network: The network.
        reading: Its reading of the likelihood.
        held_out: Compositions it has not seen.
        data: What samples are compared with.

    Returns:
        ``nelbo`` (nats), ``reconstruction`` and ``kl_term``, its parts; ``kl_per_unit`` and ``active_units``
        (`matenv.latent.evaluation.collapse`); ``neutral``, of samples at the paper's T; ``thresholds``: for each T
        `sample_measures` and the share of held-out element sets and formulas that survive encoding and decoding.
    """
    x = torch.from_numpy(held_out.fractions()).float()
    fit, kl = elbo_terms(network, reading, x)
    with torch.inference_mode():
        mean, log_variance = network.encoder(x).chunk(2, dim=1)
    log_variance = log_variance.clamp(-14.0, 6.0)
    drawn, returned = sample(network, reading), decoder_amounts(network, reading, mean)
    return {
        "nelbo": float((kl - fit).mean()),
        "reconstruction": float(fit.mean()),
        "kl_term": float(kl.mean()),
        **unit_statistics(mean, log_variance),
        "neutral": neutral(formulas_at(drawn, PAPER_THRESHOLD)),
        "thresholds": {
            str(threshold): sample_measures(formulas_at(drawn, threshold), data)
            | agreement(formulas_at(returned, threshold), held_out)
            for threshold in THRESHOLDS
        },
    }


def without_chemistry(data: CompositionBatch, samples: int = SAMPLES, seed: int = 0) -> CompositionBatch:
    """Formulas with the data's numbers of elements, elements and counts, drawn independently of each other.

    What prevalence and the number of elements alone can tell: these samples have both right and know no chemistry.

    Args:
        data: Where the shares come from.
        samples: Number of formulas.
        seed: Of the draw.

    Returns:
        The formulas.
    """
    random = np.random.default_rng(seed)
    listed = data.counts > 0
    elements, counts = data.elements[listed], data.counts[listed]
    dense = np.zeros((samples, 89), np.int64)
    for row, size in enumerate(random.choice(data.size, samples)):
        while np.count_nonzero(dense[row]) < size:
            entry = random.integers(len(elements))
            dense[row, elements[entry]] = counts[entry]
    return CompositionBatch.from_counts(dense)
