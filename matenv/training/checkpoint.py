"""Checkpoints of training runs: rewritten after every epoch, refused by another run."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from matenv.atomic import write_whole

CHECKPOINT = "checkpoint.pt"
HISTORY = "history.json"

Part = nn.Module | torch.optim.Optimizer
"""What changes while training."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds: ``identity``, ``history`` (one record per finished epoch), and each part's state.

    Args:
        path: The file.

    Raises:
        ValueError: It is not a readable checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if "identity" not in state:
            raise ValueError("it is none of this version")
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(f"{path} cannot be read as a checkpoint ({error}); delete it to start afresh") from None
    return state


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that an interruption leaves either the old or the new one, never half of it.

    Args:
        path: The file; its folder is made if need be.
        state: What `read_checkpoint` shall return.
    """
    whole = io.BytesIO()
    torch.save(_unshared(state), whole)
    _write(path, whole.getvalue())


def _unshared(value: Any) -> Any:
    """Equal states as equal bytes: pickle writes an object that occurs twice once, and a resumed run shares others."""
    if isinstance(value, dict):
        rebuilt = type(value)((_unshared(key), _unshared(each)) for key, each in value.items())
        if (versions := getattr(value, "_metadata", None)) is not None:  # of modules: torch's
            setattr(rebuilt, "_metadata", _unshared(versions))  # noqa: B010
        return rebuilt
    if type(value) in (list, tuple):
        return type(value)(_unshared(each) for each in value)
    return sys.intern(value) if type(value) is str else value


def resume(folder: Path, identity: dict[str, Any], parts: Mapping[str, Part], free: Collection[str] = ()) -> list[Any]:
    """Take up the checkpoint in a folder, if there is one.

    Args:
        folder: Folder of the run.
        identity: What must be the same for the run to go on.
        parts: What is given the state that it had.
        free: Keys of `identity` that may differ all the same.

    Returns:
        One record per finished epoch.

    Raises:
        ValueError: The checkpoint cannot be read, or belongs to another run.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return []
    state = read_checkpoint(path)
    its = state["identity"]
    both = {key: (its.get(key), identity.get(key)) for key in its | identity if key not in free}
    if differ := {key: pair for key, pair in both.items() if pair[0] != pair[1]}:
        raise ValueError(f"{path} belongs to another run, (its, yours) = {differ}; choose another out= or delete it")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["history"]


def save(folder: Path, identity: dict[str, Any], parts: Mapping[str, Part], history: list[Any]) -> None:
    """Write the checkpoint of a run, and beside it its records as JSON.

    Args:
        folder: Folder of the run; made if need be.
        identity: As for `resume`.
        parts: Likewise.
        history: One record per finished epoch.
    """
    # The records first: what is cut off in between is then done again, and its record written again.
    _write(folder / HISTORY, json.dumps(history, indent=0))
    states = {name: part.state_dict() for name, part in parts.items()}
    write_checkpoint(folder / CHECKPOINT, {"identity": identity, **states, "history": history})


def fingerprint(network: nn.Module) -> str:
    """SHA-256 of a network's weights, which says what a run started from."""
    tensors = network.state_dict().values()
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


def _write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_whole(path, content)
    except OSError as error:
        free = shutil.disk_usage(path.parent).free
        raise OSError(
            f"{path} cannot be written ({str(error)[:200]}; {free / 2**20:.0f} MiB free there); make room and run the "
            "same command again, which goes on from the last checkpoint"
        ) from error
