"""Hyperparameters from YAML files in the format of rl-baselines3-zoo."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml


def load_hyperparameters(algorithm: str, env_id: str, path: str | Path | None = None) -> dict[str, Any]:
    """The block of one environment from an algorithm's file.

    Args:
        algorithm: Name such as ``"ppo"``.
        env_id: Registered environment id.
        path: A YAML file of one's own; None for the shipped one.

    Returns:
        The block, with counts as integers.

    Raises:
        ValueError: No such file or no block for that environment.
    """
    source = Path(path) if path is not None else files("matenv.agents") / "hyperparams" / f"{algorithm}.yml"
    if not source.is_file():
        raise ValueError(f"no hyperparameters for algorithm={algorithm!r}: {source} does not exist")
    try:
        blocks = yaml.safe_load(source.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{source} is not YAML: {error}") from None
    if not isinstance(blocks, dict) or not isinstance(blocks.get(env_id, {}), dict):
        raise ValueError(f"{source} must map environment ids to blocks of hyperparameters")
    if env_id not in blocks:
        raise ValueError(f"{source} has no block for {env_id!r}; it has {', '.join(blocks)}")
    block = dict(blocks[env_id])
    for name in ("n_envs", "n_timesteps"):
        block[name] = int(block[name])
    return block
