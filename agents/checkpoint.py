"""Checkpoints of a training run: all that its next step depends on, in one file without pickled objects.

A checkpoint is taken between two rollouts, and the training that is resumed from it takes the steps that the
uninterrupted one would have taken, to the bit.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.vec_env import VecMonitor
from stable_baselines3.her import HerReplayBuffer

from matenv.atomic import write_whole
from matenv.composition import CompositionBatch
from matenv.training.weights_file import ordered

CHECKPOINT, MODEL = "checkpoint.safetensors", "model.zip"

FORMAT = "matenv-checkpoint-1"

COUNTERS = (
    "num_timesteps", "_episode_num", "_n_updates", "_n_calls", "exploration_rate", "_current_progress_remaining",
)  # fmt: skip
"""Plain numbers of an agent; those it has are kept."""

ASKED = ("asked.elements", "asked.counts", "asked.size")
"""Formulas that the oracle has assessed."""

ARRAYS = ("_last_obs", "_last_episode_starts", "_last_original_obs")

NOT_SAVED = (
    "ep_info_buffer", "ep_success_buffer", "start_time", "_last_obs", "_last_episode_starts", "_last_original_obs",
    "_num_timesteps_at_start", "_total_timesteps", "action_noise",
)  # fmt: skip
"""Left out of ``model.zip``: it says nothing about the agent, and times differ between equal runs."""

STORED = (
    "observations", "next_observations", "actions", "rewards", "dones", "timeouts", "ep_start", "ep_length",
)  # fmt: skip
"""Of a replay buffer, a row a step; the last two, of hindsight, say which episode it belongs to."""


def save_checkpoint(path: Path, agent: BaseAlgorithm, notes: dict[str, Any]) -> None:
    """Write a checkpoint; an interruption leaves the old one.

    Args:
        path: The file.
        agent: The agent, between two rollouts.
        notes: What else the run wants to know again, as JSON holds it.
    """
    envs = _monitored(agent)
    arrays: dict[str, NDArray] = {"parameters": _parameters_as_bytes(agent)}
    for name in ARRAYS:
        if (value := getattr(agent, name, None)) is not None:
            arrays |= _named(f"agent.{name}", value)
    if (memory := getattr(agent, "_last_lstm_states", None)) is not None:
        arrays |= {f"memory.{k}": part.numpy() for k, part in enumerate((*memory.pi, *memory.vf))}
    arrays |= {"monitor.returns": envs.episode_returns, "monitor.lengths": envs.episode_lengths}
    header: dict[str, Any] = {
        "notes": notes,
        "counters": {n: getattr(agent, n) for n in COUNTERS if hasattr(agent, n)},
        "monitor": envs.episode_count,
        "random": _generators(agent),
    }
    arrays["random.torch"] = torch.get_rng_state().numpy()
    buffer = getattr(agent, "replay_buffer", None)
    if isinstance(buffer, ReplayBuffer):
        header["buffer"] = {"pos": int(buffer.pos), "full": bool(buffer.full)}
        for name, array in _stored(buffer).items():
            arrays[name] = array[: buffer.size()]
        if isinstance(buffer, HerReplayBuffer):
            arrays["buffer.current"] = buffer._current_ep_start
    if (world := _world(agent)) is not None:
        snapshot = world.get_state()
        arrays |= {f"world.{name}": array for name, array in snapshot.arrays().items()}
        if hasattr(world.core, "oracle"):  # MaterialSystem-v0 asks the table
            arrays |= dict(zip(ASKED, world.core.oracle.history().arrays, strict=True))
        header["world"] = {"generators": snapshot.generators, "seeds": world.core.seeds}
    contiguous = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    write_whole(path, ordered(save(contiguous, {"format": FORMAT, "state": json.dumps(header, sort_keys=True)})))


def restore_checkpoint(path: Path, agent: BaseAlgorithm) -> dict[str, Any]:
    """Put an agent and its environments, made with the same arguments, where a checkpoint was taken.

    Args:
        path: The file.
        agent: The agent, untrained.

    Returns:
        The notes.

    Raises:
        ValueError: The file is damaged, or of a run with other arguments.
    """
    try:
        with safe_open(path, "numpy") as file:
            meta = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if meta.get("format") != FORMAT:
            raise ValueError(f"its format is {meta.get('format')!r}, not {FORMAT!r}")
        header = json.loads(meta["state"])
        _restore(agent, header, arrays)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be resumed from ({error}); train again into another folder") from None
    return header["notes"]


def _restore(agent: BaseAlgorithm, header: dict[str, Any], arrays: dict[str, NDArray]) -> None:
    envs = _monitored(agent)
    envs.reset()
    _set_parameters(agent, torch.load(io.BytesIO(arrays["parameters"].tobytes()), weights_only=True))
    for name, value in header["counters"].items():
        setattr(agent, name, value)
    for name in ARRAYS:
        if (value := _of_name(f"agent.{name}", arrays)) is not None:
            setattr(agent, name, value)
    if "memory.0" in arrays:
        parts = [torch.from_numpy(arrays[f"memory.{k}"].copy()) for k in range(4)]
        agent._last_lstm_states = RNNStates((parts[0], parts[1]), (parts[2], parts[3]))  # type: ignore[attr-defined]
    envs.episode_returns, envs.episode_lengths = arrays["monitor.returns"], arrays["monitor.lengths"]
    envs.episode_count = header["monitor"]
    buffer = getattr(agent, "replay_buffer", None)
    if isinstance(buffer, ReplayBuffer):
        buffer.pos, buffer.full = header["buffer"]["pos"], header["buffer"]["full"]
        for name, array in _stored(buffer).items():
            array[: buffer.size()] = arrays[name]
        if isinstance(buffer, HerReplayBuffer):
            buffer._current_ep_start = arrays["buffer.current"].copy()
    if (world := _world(agent)) is not None:
        told = {name.removeprefix("world."): array for name, array in arrays.items() if name.startswith("world.")}
        world.set_state(world.get_state().with_arrays(told, header["world"]["generators"]))
        world.core.seeds = header["world"]["seeds"]
        if hasattr(world.core, "oracle"):
            world.core.oracle.recall(CompositionBatch(*(arrays[name] for name in ASKED)))
    _set_generators(agent, header["random"])
    torch.set_rng_state(torch.from_numpy(arrays["random.torch"].copy()))


def save_model(path: Path, agent: BaseAlgorithm) -> None:
    """Write an agent as Stable-Baselines3 does, so that it loads there; equal agents give equal bytes.

    Args:
        path: The ``.zip`` file, replaced when the new one is complete.
        agent: The agent.
    """
    saved, whole = io.BytesIO(), io.BytesIO()
    agent.save(saved, exclude=NOT_SAVED)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(whole, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "data":  # readable remarks beside the objects hold addresses in memory
                kept = {k: _without_remarks(v) for k, v in json.loads(content).items()}
                content = json.dumps(kept, indent=4).encode()
            target.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    write_whole(path, whole.getvalue())


def load_parameters(path: Path, agent: BaseAlgorithm) -> None:
    """Give an agent, made with the same arguments, the weights in a ``model.zip``: tensors and counters, no objects.

    Args:
        path: The file.
        agent: The agent, untrained.

    Raises:
        ValueError: The file is damaged, holds other things than tensors, or weights of another agent.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".pth")]
            parts = {name: torch.load(io.BytesIO(archive.read(name)), weights_only=True) for name in names}
            data = json.loads(archive.read("data"))
        variables = parts.pop("pytorch_variables.pth", None) or {}
        states = {name.removesuffix(".pth"): part for name, part in parts.items()}
        _set_parameters(agent, {"states": states, "variables": variables})
        for name in COUNTERS:
            if isinstance(data.get(name), int | float):
                setattr(agent, name, data[name])
    except Exception as error:  # whatever a foreign file may raise
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} does not hold the weights of the agent that its config.json describes "
            f"({type(error).__name__}: {reason}); if you trust whoever made it, trust=True (--trust) loads it as "
            "Stable-Baselines3 does, which runs what it contains"
        ) from None


def _named(name: str, value: Any) -> dict[str, NDArray]:
    """An array by its name; a dictionary of arrays, as goal environments observe, by name and key."""
    if isinstance(value, dict):
        return {f"{name}/{key}": np.asarray(part) for key, part in value.items()}
    return {name: np.asarray(value)}


def _of_name(name: str, arrays: dict[str, NDArray]) -> Any:
    """What `_named` was given; None if there is nothing."""
    parts = {key.partition("/")[2]: part for key, part in arrays.items() if key.startswith(f"{name}/")}
    return parts or arrays.get(name)


def _stored(buffer: ReplayBuffer) -> dict[str, NDArray]:
    """The arrays of a replay buffer, whole, by name."""
    arrays: dict[str, NDArray] = {}
    for name in STORED:
        if hasattr(buffer, name):
            arrays |= _named(f"buffer.{name}", getattr(buffer, name))
    return arrays


def _parameters_as_bytes(agent: BaseAlgorithm) -> NDArray[np.uint8]:
    _, names = agent._get_torch_save_params()
    buffer = io.BytesIO()
    variables = {name: recursive_getattr(agent, name) for name in names}
    torch.save({"states": agent.get_parameters(), "variables": variables}, buffer)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _set_parameters(agent: BaseAlgorithm, parameters: dict[str, Any]) -> None:
    agent.set_parameters(parameters["states"], exact_match=True, device=agent.device)
    for name, value in parameters["variables"].items():
        recursive_getattr(agent, name).data.copy_(value.data)


def _generators(agent: BaseAlgorithm) -> dict[str, Any]:
    """States of the generators that draw while an agent trains."""
    kind, key, position, has_gauss, gauss = np.random.get_state()
    version, internal, normal = random.getstate()
    explorer = getattr(agent, "explorer", None)
    return {
        "numpy": [kind, np.asarray(key).tolist(), position, has_gauss, gauss],
        "python": [version, list(internal), normal],
        "actions": agent.action_space.np_random.bit_generator.state,
        "explorer": None if explorer is None else explorer.random.bit_generator.state,
    }


def _set_generators(agent: BaseAlgorithm, states: dict[str, Any]) -> None:
    kind, key, *rest = states["numpy"]
    np.random.set_state((kind, np.array(key, np.uint32), *rest))
    version, internal, normal = states["python"]
    random.setstate((version, tuple(internal), normal))
    agent.action_space.np_random.bit_generator.state = states["actions"]
    if states["explorer"] is not None:
        agent.explorer.random.bit_generator.state = states["explorer"]  # type: ignore[attr-defined]


def _monitored(agent: BaseAlgorithm) -> VecMonitor:
    envs = agent.get_env()
    assert isinstance(envs, VecMonitor)
    return envs


def _world(agent: BaseAlgorithm) -> Any:
    """The batched environment behind an agent's, if it can say where it stands."""
    world = getattr(_monitored(agent).unwrapped, "envs", None)
    world = None if world is None else world.unwrapped
    return world if hasattr(world, "get_state") else None


def _without_remarks(value: Any) -> Any:
    if isinstance(value, dict) and ":serialized:" in value:
        return {key: value[key] for key in (":type:", ":serialized:")}
    return value
