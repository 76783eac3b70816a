"""Checkpoints of training runs: rewritten after every epoch, refused by another run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

CHECKPOINT = "checkpoint.pt"


def resume(
    out: Path, identity: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer
) -> list[dict[str, Any]]:
    """Load the checkpoint in a folder, if there is one.

    Args:
        out: Folder of the run.
        identity: What must be the same for the run to go on.
        network: Its weights are overwritten.
        optimizer: Likewise its state.

    Returns:
        One record per finished epoch.

    Raises:
        ValueError: The checkpoint cannot be read, or belongs to another run.
    """
    path = out / CHECKPOINT
    if not path.exists():
        return []
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} cannot be read ({error}); delete it to start afresh") from None
    differ = {
        key: (state["identity"].get(key), value)
        for key, value in identity.items()
        if state["identity"].get(key) != value
    }
    if differ:
        raise ValueError(f"{path} belongs to another run, (its, yours) = {differ}; choose another out= or delete it")
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return state["history"]


def save(
    out: Path,
    identity: dict[str, Any],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    history: list[dict[str, Any]],
) -> None:
    """Write the checkpoint so that an interruption leaves either the old or the new one, never half of it."""
    out.mkdir(parents=True, exist_ok=True)
    state = {
        "identity": identity, "network": network.state_dict(), "optimizer": optimizer.state_dict(), "history": history,
    }  # fmt: skip
    temporary = out / (CHECKPOINT + ".part")
    torch.save(state, temporary)
    os.replace(temporary, out / CHECKPOINT)
    temporary = out / "history.json.part"
    temporary.write_text(json.dumps(history, indent=0))
    os.replace(temporary, out / "history.json")


def epochs_left(done: int, last: int, progress: bool) -> Iterable[int]:
    """Epochs `done` to `last` - 1, with a progress bar if asked for (and tqdm is installed)."""
    epochs = range(done, last)
    if not progress:
        return epochs
    try:
        from tqdm import tqdm
    except ImportError:
        return epochs
    return tqdm(epochs, unit="epoch")
