"""Checkpoints of the predictor's training.

May import: nothing of matenv.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A member's checkpoint: ``config``, ``epoch`` (number finished), ``best`` (weights), ``history`` and more.

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
