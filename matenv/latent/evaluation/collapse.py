"""Posterior collapse: latent dimensions that have stopped saying anything about the composition.

A dimension is *active* where the posterior mean varies over compositions by more than 0.01 in variance (Burda et al.,
ICLR 2016). The KL term of a dimension is how many nats it carries on average; it goes to 0 where the posterior has
become the prior. Both are recorded every epoch on validation rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

ACTIVE_VARIANCE = 0.01
"""Variance of a posterior mean above which its dimension counts as used."""


class PosteriorCollapseWarning(UserWarning):
    """Latent dimensions are not used, or no longer."""


def unit_statistics(mean: ArrayLike, log_variance: ArrayLike) -> dict[str, Any]:
    """What each latent dimension carries.

    Args:
        mean: Posterior means (N, n), in the network's own coordinates.
        log_variance: Posterior log-variances (N, n).

    Returns:
        ``active_units``: number of active dimensions, and ``kl_per_unit`` (n,): mean KL(q || N(0, 1)) of each in nats.
    """
    mu, log_var = np.asarray(mean, dtype=np.float64), np.asarray(log_variance, dtype=np.float64)
    kl = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).mean(axis=0)
    return {
        "active_units": int((mu.var(axis=0) > ACTIVE_VARIANCE).sum()),
        "kl_per_unit": [round(value, 4) for value in kl.tolist()],
    }


def warn_of_dying(history: Sequence[dict[str, Any]]) -> None:
    """Warn if the last epoch has fewer active dimensions than the one before.

    Args:
        history: Records of the epochs so far.
    """
    counts = [record["active_units"] for record in history[-2:] if "active_units" in record]
    if len(counts) == 2 and counts[1] < counts[0]:
        _warn(
            f"epoch {history[-1]['epoch']}: {counts[0] - counts[1]} latent dimension(s) went inactive, {counts[1]} left"
        )


def warn_of_inactive(statistics: dict[str, Any]) -> None:
    """Warn if a trained network leaves dimensions unused.

    Args:
        statistics: What `unit_statistics` returns.
    """
    unused = len(statistics["kl_per_unit"]) - statistics["active_units"]
    if unused:
        _warn(f"{unused} of {len(statistics['kl_per_unit'])} latent dimensions are inactive")


def _warn(what: str) -> None:
    advice = (
        "lower the KL weight (beta), raise it more slowly (beta_warmup) or in cycles (beta_cycles), or train longer"
    )
    warnings.warn(f"{what} (posterior collapse): {advice}", PosteriorCollapseWarning, stacklevel=3)
