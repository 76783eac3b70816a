"""What every training of the predictor shares: random numbers and checkpoints that make resuming exact, and batches."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A network's checkpoint: ``config``, ``epoch`` (number finished), ``history``, the weights and more.

    Args:
        path: As `train` returns it.

    Returns:
        The stored dictionary.

    Raises:
        ValueError: The file is not a readable checkpoint.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path} is not a readable checkpoint ({error}); delete it to train this member anew"
        ) from None


def save_checkpoint(path: Path, state: dict[str, Tensor | Any]) -> None:
    """Write a checkpoint so that a crash or Ctrl-C leaves the old one or the new one, never half of one.

    Args:
        path: File to write; its folder is made if need be.
        state: What `read_checkpoint` shall return.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def seed_everything(*key: int) -> np.random.Generator:
    """Seed torch and return a NumPy generator, both functions of the key alone, so that resuming changes nothing."""
    first, second = np.random.SeedSequence(key).generate_state(2)
    torch.manual_seed(int(first))
    return np.random.default_rng(int(second))


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
