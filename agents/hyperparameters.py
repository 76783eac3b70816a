"""Hyperparameters from YAML files in the format of rl-baselines3-zoo."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from matenv.checks import check_whole


def load_hyperparameters(algorithm: str, env_id: str, path: str | Path | None = None) -> dict[str, Any]:
    """The block of one environment from an algorithm's file.

    Args:
        algorithm: Name such as ``"ppo"``.
        env_id: Registered environment id.
        path: A YAML file of one's own; None for the shipped one.

    Returns:
        The block, with counts as integers.

    Raises:
        ValueError: No such file, no block for that environment, or one without `n_envs` and `n_timesteps`.
    """
    source = Path(path) if path is not None else files("matenv.agents") / "hyperparams" / f"{algorithm}.yml"
    if not source.is_file():
        raise ValueError(
            f"no hyperparameters for algorithm={algorithm!r}: {source} is no file"
            if path is None
            else f"hyperparams={str(path)!r} is no file; give a YAML file in rl-zoo's format, as matenv tune writes it"
        )
    try:
        blocks = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{source} is not YAML: {error}") from None
    if not isinstance(blocks, dict) or not isinstance(blocks.get(env_id, {}), dict):
        raise ValueError(f"{source} must map environment ids to blocks of hyperparameters")
    if env_id not in blocks:
        raise ValueError(f"{source} has no block for {env_id!r}; it has {', '.join(blocks)}")
    block = dict(blocks[env_id])
    for name in ("n_envs", "n_timesteps"):
        try:
            block[name] = check_whole(name, float(block[name]), "environments or steps")
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"{source}: {name}={block.get(name)!r} of {env_id} must be a positive whole number"
            ) from None
    return block
