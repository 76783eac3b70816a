"""Hyperparameters from YAML files in the format of rl-baselines3-zoo."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from matenv.checks import check_choice, check_flag, check_number, check_whole
from matenv.envs.registration import plain_id
from matenv.tasks.plain_yaml import read_yaml

LARGEST = 10**10
"""Largest whole number of a file."""

Check = Callable[[str, Any], Any]
"""Takes a name for the message and a value; returns the value or raises a ValueError."""

_GIVEN = ("self", "env", "seed", "device", "tensorboard_log", "_init_setup_model")
"""Arguments of an algorithm that `matenv.agents.train.train` gives itself."""

_OBJECTS = ("action_noise", "rollout_buffer_class", "rollout_buffer_kwargs")
"""Arguments of an algorithm that no file can hold."""

_NOISE = ("noise_type", "noise_std")
"""rl-zoo's names for what makes an `action_noise`."""


def load_hyperparameters(algorithm: str, env_id: str, path: str | Path | None = None) -> dict[str, Any]:
    """The block of one environment from an algorithm's file.

    Args:
        algorithm: Name such as ``"ppo"``.
        env_id: Registered environment id.
        path: A YAML file of one's own; None for the shipped one.

    Returns:
        The block, with counts as integers.

    Raises:
        ValueError: No such file, no block for that environment, one without `n_envs` and `n_timesteps`, or a value of
            the wrong kind or size; file, key and value are named.
    """
    source = Path(path) if path is not None else files("matenv.agents") / "hyperparams" / f"{algorithm}.yml"
    if not source.is_file():
        raise ValueError(
            f"no hyperparameters for algorithm={algorithm!r}: {source} is no file"
            if path is None
            else f"hyperparams={str(path)!r} is no file; give a YAML file in rl-zoo's format, as matenv tune writes it"
        )
    try:
        blocks = read_yaml(source.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{source} is not YAML: {error}") from None
    env_id = plain_id(env_id)
    blocks = {plain_id(name): block for name, block in blocks.items()} if isinstance(blocks, dict) else None
    if blocks is None or not isinstance(blocks.get(env_id, {}), dict):
        raise ValueError(f"{source} must map environment ids to blocks of hyperparameters")
    if env_id not in blocks:
        raise ValueError(f"{source} has no block for {env_id!r}; it has {', '.join(map(str, blocks))}")
    if lacking := [name for name in ("n_envs", "n_timesteps", "policy") if name not in blocks[env_id]]:
        raise ValueError(f"{source}: the block of {env_id} lacks {', '.join(lacking)}; add, for example, n_envs: 16")
    return check_values(str(source), blocks[env_id])


def check_values(source: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters checked by kind and range, whatever the algorithm.

    Args:
        source: Where they are from, for the message.
        block: Hyperparameters by name; other keys pass.

    Returns:
        The same, with counts as integers.

    Raises:
        ValueError: A value of the wrong kind or size.
    """
    return {key: CHECKS[key](f"{source}: {key}", value) if key in CHECKS else value for key, value in block.items()}


def check_fit(source: str, settings: Mapping[str, Any], kind: Any, policies: Collection[str]) -> None:
    """Refuse hyperparameters that an algorithm does not take.

    Args:
        source: Where they are from, for the message.
        settings: Hyperparameters by name, those of the environment left out.
        kind: The algorithm's class.
        policies: Names of policies beside its own.

    Raises:
        ValueError: An unknown key, an unknown policy, or text where this algorithm wants a number.
    """
    takes = inspect.signature(kind.__init__).parameters
    known = [name for name in takes if name not in (*_GIVEN, *_OBJECTS)]
    known += _NOISE if "action_noise" in takes else ()
    for key, value in settings.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}"
            raise ValueError(f"{source}: {key}={value!r} is no hyperparameter of {kind.__name__}; {hint}")
    if "policy" not in settings:
        raise ValueError(f"{source} lacks policy; add one, such as MlpPolicy")
    if not isinstance(settings["policy"], type):
        check_choice(f"{source}: policy", settings["policy"], [*kind.policy_aliases, *policies])
    for key in ("ent_coef", "target_entropy"):
        if isinstance(settings.get(key), str) and not isinstance(takes[key].default, str):
            raise ValueError(f"{source}: {key}={settings[key]!r} must be a number for {kind.__name__}, such as 0.01")


def _from(lowest: int, name: str, value: Any) -> int:
    what = f"a whole number from {lowest} to {LARGEST:,}"
    if not (number := check_number(name, value, lowest, LARGEST, what)).is_integer():
        raise ValueError(f"{name}={value!r} must be {what}")
    return int(number)


def _number(low: float, high: float, what: str, name: str, value: Any) -> float:
    return check_number(name, value, low, high, what)


def _open_end(check: Check, name: str, value: Any) -> Any:
    """As `check`, or None."""
    return None if value is None else check(name, value)


def _automatic(check: Check, name: str, value: Any) -> Any:
    """As `check`, or "auto", which may go on with where to begin: "auto_0.1"."""
    if not isinstance(value, str):
        return check(name, value)
    start = value.removeprefix("auto")
    try:
        right = value.startswith("auto") and (not start or (start[0] == "_" and 0 < float(start[1:]) < float("inf")))
    except ValueError:
        right = False
    if not right:
        raise ValueError(f"{name}={value!r} must be a number, auto, or auto with a beginning, such as auto_0.1")
    return value


def _frequency(name: str, value: Any) -> int:
    """How often to train [steps]: a number, or as rl-zoo writes it, a pair of a number and "step"."""
    number = value[0] if isinstance(value, list) and len(value) == 2 and value[1] == "step" else value
    return check_whole(name, number, "steps; episodes cannot be counted where several environments run at once")


def _updates(name: str, value: Any) -> int:
    return -1 if value == -1 and not isinstance(value, bool) else check_whole(name, value, "updates, or -1")


def _arguments(checks: Mapping[str, Check], name: str, value: Any) -> dict[str, Any]:
    """A dictionary of arguments by name."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name}={value!r} must hold arguments by name, such as {{{next(iter(checks))}: ...}}")
    return {key: checks[key](f"{name}.{key}", each) if key in checks else each for key, each in value.items()}


def _net_arch(name: str, value: Any) -> Any:
    """Widths of layers, or such lists by network."""
    if isinstance(value, Mapping):
        if not set(value) <= {"pi", "vf", "qf"}:
            raise ValueError(f"{name}={value!r} must have the keys pi and vf, or pi and qf")
        return {key: _net_arch(f"{name}.{key}", each) for key, each in value.items()}
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name}={value!r} must be a list of the layers' widths, such as [256, 256]")
    return [check_whole(f"{name}[{k}]", each, "units, as widths of layers are") for k, each in enumerate(value)]


def _class(name: str, value: Any) -> Any:
    """A class, which a file cannot name."""
    if value is not None and not isinstance(value, type):
        raise ValueError(f"{name}={value!r} must be a class, which a file cannot hold; leave it out")
    return value


def _rate(name: str, value: Any) -> float:
    """A learning rate: what is above 1 becomes no number within a few updates."""
    number = check_number(name, value, 0.0, 1.0, what := "a positive number of at most 1, such as 3e-4")
    if not number:
        raise ValueError(f"{name}={value!r} must be {what}")
    return number


_positive = partial(_number, 0.0, float("inf"), "a positive number, such as 1e-3")
_not_negative = partial(_number, 0.0, sys.float_info.max, "a number of at least 0")
_share = partial(_number, 0.0, 1.0, "a number in [0, 1]")
_any = partial(_number, float("-inf"), float("inf"), "a number")

_COUNTS = {
    "n_envs": "environments", "n_timesteps": "steps", "n_steps": "steps", "batch_size": "transitions",
    "n_epochs": "passes", "buffer_size": "transitions", "policy_delay": "updates", "target_update_interval": "steps",
    "stats_window_size": "episodes",
}  # fmt: skip

_POLICY_CHECKS: dict[str, Check] = {
    "net_arch": partial(_open_end, _net_arch),
    **dict.fromkeys(("activation_fn", "features_extractor_class", "optimizer_class"), _class),
    **{
        name: partial(check_whole, what=what)
        for name, what in {
            "lstm_hidden_size": "units", "n_lstm_layers": "layers", "n_quantiles": "quantiles", "n_critics": "networks",
        }.items()
    },
    "log_std_init": _any,
    **dict.fromkeys(
        ("ortho_init", "use_sde", "full_std", "use_expln", "squash_output", "share_features_extractor",
         "normalize_images", "shared_lstm", "enable_critic_lstm"), check_flag,
    ),
}  # fmt: skip

_GOAL_CHECKS: dict[str, Check] = {
    "n_sampled_goal": partial(check_whole, what="goals"),
    "goal_selection_strategy": partial(check_choice, known=("future", "final", "episode")),
    "copy_info_dict": check_flag,
    "handle_timeout_termination": check_flag,
}

CHECKS: dict[str, Check] = {
    **{name: partial(check_whole, what=what) for name, what in _COUNTS.items()},
    **dict.fromkeys(("learning_starts", "top_quantiles_to_drop_per_net", "verbose"), partial(_from, 0)),
    "sde_sample_freq": partial(_from, -1),
    "gradient_steps": _updates,
    "train_freq": _frequency,
    "learning_rate": _rate,
    **dict.fromkeys(("clip_range", "max_grad_norm"), _positive),
    **dict.fromkeys(("clip_range_vf", "target_kl"), partial(_open_end, _positive)),
    **dict.fromkeys(("vf_coef", "noise_std", "target_policy_noise", "target_noise_clip"), _not_negative),
    **dict.fromkeys(
        ("gamma", "gae_lambda", "tau", "exploration_fraction", "exploration_initial_eps", "exploration_final_eps"),
        _share,
    ),
    "ent_coef": partial(_automatic, _any),
    "target_entropy": partial(_automatic, _any),
    **dict.fromkeys(("normalize_advantage", "use_sde", "use_sde_at_warmup", "optimize_memory_usage"), check_flag),
    "policy_kwargs": partial(_open_end, partial(_arguments, _POLICY_CHECKS)),
    "replay_buffer_kwargs": partial(_open_end, partial(_arguments, _GOAL_CHECKS)),
    "env_kwargs": partial(_arguments, {"task": lambda name, value: value}),
}
"""How the value of each hyperparameter is checked."""
