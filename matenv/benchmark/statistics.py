"""What to say about a few runs of a method: means, their intervals, and who improves on whom.

`estimate` and what it takes follow the protocol of Agarwal, Schwarzer, Castro, Courville and Bellemare, "Deep
reinforcement learning at the edge of the statistical precipice", NeurIPS 2021: runs are (tasks, seeds), and the
bootstrap draws seeds anew within each task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t, trim_mean

RESAMPLES = 2000
"""Bootstrap samples behind an interval."""


@dataclass(frozen=True)
class Estimate:
    """A number and the ends of its 95 % interval.

    Attributes:
        value: The estimate from all runs.
        low: 2.5 % quantile of the bootstrap.
        high: 97.5 % quantile.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interquartile_mean(runs: ArrayLike) -> NDArray[np.float64]:
    """Mean of the middle half of all runs, tasks and seeds together: a quarter of them is cut off at either end.

    A quarter that is no whole number is rounded down, as in the authors' own package.

    Args:
        runs: (..., tasks, seeds).

    Returns:
        The mean (...).
    """
    x = np.asarray(runs, np.float64)
    return np.asarray(trim_mean(x.reshape(*x.shape[:-2], -1), 0.25, axis=-1))


def probability_of_improvement(runs: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """How likely a run of one method beats a run of another on the same task; ties count half. Mean over tasks.

    Args:
        runs: (..., tasks, seeds).
        others: (..., tasks, seeds of the other method).

    Returns:
        A probability (...); 0.5 where neither is better.

    Raises:
        ValueError: The two have different tasks.
    """
    x, y = np.asarray(runs, np.float64), np.asarray(others, np.float64)
    if x.shape[-2] != y.shape[-2]:
        raise ValueError(f"runs has {x.shape[-2]} tasks and others has {y.shape[-2]}; they must be the same tasks")
    x, y = x[..., :, None], y[..., None, :]
    return ((x > y) + 0.5 * (x == y)).mean(axis=(-3, -2, -1))


def estimate(
    statistic: Callable[..., NDArray[np.float64]], *runs: ArrayLike, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """A statistic with its 95 % interval from a stratified bootstrap: seeds are drawn with replacement within a task.

    Args:
        statistic: `interquartile_mean`, `probability_of_improvement` or another function that reduces the last two
            axes of its arguments, tasks and seeds.
        *runs: The statistic's arguments, (tasks, seeds) each; seeds of different arguments are drawn independently.
        resamples: Bootstrap samples R.
        seed: Of the draws.

    Returns:
        The estimate.

    Raises:
        ValueError: Runs that are not a table of at least one task and seed.
    """
    tables = [np.asarray(table, np.float64) for table in runs]
    for table in tables:
        if table.ndim != 2 or table.size == 0:
            raise ValueError(f"runs has shape {table.shape}; expected (tasks, seeds)")
    random = np.random.default_rng(seed)
    drawn = [
        np.take_along_axis(table[None], random.integers(table.shape[1], size=(resamples, *table.shape)), axis=2)
        for table in tables
    ]
    low, high = np.quantile(statistic(*drawn), (0.025, 0.975))
    return Estimate(float(statistic(*tables)), float(low), float(high))


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean over seeds, and half width of its 95 % interval by Student's t; NaN of a single seed."""
    x = np.asarray(values)
    half = t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)) if len(x) > 1 else float("nan")
    return float(x.mean()), float(half)
