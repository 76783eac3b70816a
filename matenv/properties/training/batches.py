"""What every training of the predictor shares: random numbers that make resuming exact, and batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from matenv.training.run import seed_torch


def seed_everything(*key: int) -> np.random.Generator:
    """Seed torch and return a NumPy generator, both functions of the key alone, so that resuming changes nothing."""
    return np.random.default_rng(int(seed_torch(*key).generate_state(2)[1]))


def row_batches(size: NDArray[np.int16], batch_size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Row numbers of each step of one epoch, shuffled; the rows of a batch have one number of elements.

    Args:
        size: Number of elements of each row (N,).
        batch_size: Most rows per step.
        rng: Source of randomness.

    Yields:
        Row numbers.
    """
    batches = []
    for n in np.unique(size):
        rows = rng.permutation(np.flatnonzero(size == n))
        batches += [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    for k in rng.permutation(len(batches)):
        yield batches[k]
