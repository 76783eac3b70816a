"""The training loop of every network here: checkpointed after every epoch, resumable to the same bits.

A run that is stopped at any moment, by Ctrl-C for instance, and started again ends where an uninterrupted one does
(same machine, same number of threads), if all that it changes is among its parts and all randomness of an epoch comes
from generators seeded with the run's seed and the epoch's number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matenv.atomic import only_writer
from matenv.training.checkpoint import Part, resume, save

Record = TypeVar("Record")
Rows = TypeVar("Rows", NDArray[np.int64], Tensor)


def run_epochs(
    folder: Path,
    identity: dict[str, Any],
    parts: Mapping[str, Part],
    one_epoch: Callable[[list[Record]], Record],
    *,
    epochs: int,
    free: Collection[str] = (),
    report: Callable[[list[Record], float], None] | None = None,
    progress: bool = False,
) -> list[Record]:
    """Train epoch by epoch, going on from the checkpoint in `folder` if there is one.

    Args:
        folder: Folder of the run; ``checkpoint.pt`` and ``history.json`` are rewritten after every epoch.
        identity: What the run depends on, as plain values: it must be the same for a checkpoint to be taken up.
        parts: What changes while training, by name: network, optimizers.
        one_epoch: Does the next epoch and returns its record, which JSON can hold; it is given those of all before.
        epochs: Length of the run.
        free: Keys of `identity` that may differ all the same.
        report: Called after each epoch with all records so far and the epoch's seconds.
        progress: Whether to show a progress bar (needs tqdm).

    Returns:
        One record per epoch.

    Raises:
        ValueError: The checkpoint cannot be read, or belongs to another run.
        OSError: Another process is training in that folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        history: list[Record] = resume(folder, identity, parts, free)
        for _ in _with_bar(range(len(history), epochs), progress):
            started = time.perf_counter()
            history.append(one_epoch(history))
            save(folder, identity, parts, history)
            if report:
                report(history, time.perf_counter() - started)
    return history


def _with_bar(epochs: range, progress: bool) -> Iterable[int]:
    if progress:
        try:
            from tqdm import tqdm

            return tqdm(epochs, unit="epoch")
        except ImportError:
            pass
    return epochs


def seed_torch(*key: int) -> np.random.SeedSequence:
    """Seed torch, whose generator dropout and initial weights draw from, by a key alone.

    Args:
        key: Such as the run's seed and the number of the epoch.

    Returns:
        The sequence behind it, for NumPy's generators.
    """
    sequence = np.random.SeedSequence(key)
    torch.manual_seed(int(sequence.generate_state(1)[0]))
    return sequence


def full_batches(order: Rows, size: int) -> list[Rows]:
    """Consecutive batches of row numbers; an incomplete last one is left out.

    Args:
        order: Row numbers (N,), shuffled.
        size: Rows per batch; all of them where there are fewer.
    """
    size = min(size, len(order))
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
