"""Train, save, load and resume Stable-Baselines3 agents on the batched environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from matenv.agents.callbacks import Checkpoint, EpisodeLog
from matenv.agents.checkpoint import (
    CHECKPOINT,
    MODEL,
    load_parameters,
    restore_checkpoint,
    save_checkpoint,
    save_model,
)
from matenv.agents.edit_dqn import EditDQN
from matenv.agents.edit_policy import EditPolicy, EditQPolicy
from matenv.agents.given_files import digests
from matenv.agents.goal_q import ElementwiseGoalQPolicy
from matenv.agents.hindsight import WishReplayBuffer
from matenv.agents.hyperparameters import check_fit, check_values, load_hyperparameters
from matenv.agents.seeds import training_seeds
from matenv.agents.tensorboard import RewardTerms
from sb3_contrib import TQC, MaskablePPO, RecurrentPPO
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecMonitor
from stable_baselines3.her import HerReplayBuffer

import matenv
from matenv.atomic import only_writer, write_whole
from matenv.checks import check_whole
from matenv.envs.registration import ALL_IDS, plain_id
from matenv.tasks.registry import task_for_storage
from matenv.tasks.task_file import is_task_file
from matenv.wrappers import SB3VecEnv

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {
    "ppo": PPO, "sac": SAC, "td3": TD3, "tqc": TQC, "recurrent_ppo": RecurrentPPO,
    "maskable_ppo": MaskablePPO, "dqn": EditDQN, "her": SAC, "her_dqn": EditDQN,
}  # fmt: skip
"""Algorithms by name: MaskablePPO and DQN (with masks) edit formulas, the others move in a latent space.

``"her"`` is SAC and ``"her_dqn"`` DQN with hindsight experience replay, for the goal environments.
"""

CONFIG = "config.json"
"""File of a run's folder that says what was trained."""

ENV_ID = "MaterialLatent-v0"

ENV_IDS = dict.fromkeys(ALGORITHMS, ENV_ID) | {
    "maskable_ppo": "MaterialElements-v0", "dqn": "MaterialElements-v0",
    "her": "MaterialLatentGoal-v0", "her_dqn": "MaterialElementsGoal-v0",
}  # fmt: skip
"""The environment that each is made for."""

POLICIES: dict[str, type[BasePolicy]] = {
    "EditPolicy": EditPolicy, "EditQPolicy": EditQPolicy, "ElementwiseGoalQPolicy": ElementwiseGoalQPolicy,
}  # fmt: skip
"""Policies of this package, by the name a hyperparameter file uses; other names are Stable-Baselines3's."""


REPLAY_BUFFERS = {"WishReplayBuffer": WishReplayBuffer, "HerReplayBuffer": HerReplayBuffer}
"""Replay buffers for goal environments, by the name that a hyperparameter file gives."""


_REFUSALS = (
    AssertionError, AttributeError, LookupError, MemoryError, OverflowError, RuntimeError, TypeError, ValueError,
    gym.error.Error,
)  # fmt: skip
"""What Stable-Baselines3 and torch raise for settings that they cannot work with, and Gymnasium for environments."""


def train(
    algorithm: str,
    out: str | Path,
    timesteps: int | None = None,
    seed: int = 0,
    env_id: str | None = None,
    env_kwargs: dict[str, Any] | None = None,
    hyperparameters: str | Path | None = None,
    progress: bool = True,
    threads: int = 1,
    checkpoint_every: int = 50_000,
    tensorboard: str | Path | None = None,
) -> BaseAlgorithm:
    """Train an agent; what it learns is on disk as it goes, and a second call goes on to the bit as if never stopped.

    Writes to `out`: ``model.zip``, ``checkpoint.safetensors`` (what resuming needs), ``config.json``, ``episodes.csv``
    (mean return and final score of the episodes that ended since the last line). Ctrl-C or SIGTERM stops it at the end
    of the current rollout, when all is saved; a second one stops it at once, and what came after the last checkpoint is
    trained again.

    Args:
        algorithm: A name in `ALGORITHMS`.
        out: Folder of the run.
        timesteps: Environment steps over all rows; None for the hyperparameter file's ``n_timesteps``.
        seed: Seed of the agent, and through `matenv.agents.seeds.training_seeds` of the environment.
        env_id: Registered environment id; None for the algorithm's in `ENV_IDS`.
        env_kwargs: Arguments of the environment, over those of the hyperparameter file.
        hyperparameters: A YAML file of one's own.
        progress: Show a progress bar.
        threads: Torch threads. For networks this small a second one gains little, and on a busy machine it costs much.
        checkpoint_every: Steps between checkpoints, at least; they are taken between rollouts.
        tensorboard: Folder for TensorBoard, which gets losses, returns and every reward term; None for no log.

    Returns:
        The trained agent.

    Raises:
        ValueError: Unknown algorithm, a bad number of steps, hyperparameters that the algorithm does not take, or a
            folder that holds a run with another configuration.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm={algorithm!r} is unknown; choose one of {', '.join(ALGORITHMS)}")
    env_id = ENV_IDS[algorithm] if env_id is None else plain_id(env_id)
    settings = load_hyperparameters(algorithm, env_id, hyperparameters)
    source = str(hyperparameters or f"the shipped {algorithm}.yml")
    n_envs, default_steps = settings.pop("n_envs"), settings.pop("n_timesteps")
    from_file = settings.pop("env_kwargs", {})
    env_kwargs = {**from_file, **(env_kwargs or {})}
    if is_task_file(env_kwargs.get("task")):
        env_kwargs["task"] = task_for_storage(env_kwargs["task"])
    timesteps = default_steps if timesteps is None else timesteps
    if timesteps < 1:
        raise ValueError(f"timesteps={timesteps} must be at least 1")
    check_fit(source, settings, ALGORITHMS[algorithm], POLICIES)
    check_seed(seed)
    seed = int(seed)  # NumPy's own do for neither JSON nor Stable-Baselines3
    if threads < 1:
        raise ValueError(f"threads={threads} must be at least 1")
    torch.set_num_threads(threads)
    folder = Path(out)
    config = {
        "algorithm": algorithm, "env_id": env_id, "env_kwargs": env_kwargs, "seed": seed, "n_envs": n_envs,
        "hyperparameters": settings, "matenv": matenv.__version__,
    }  # fmt: skip
    if given := digests(env_kwargs):
        config["files"] = given
    resuming = _is_same_run(folder, config)
    with _named(f"{source}: env_kwargs={from_file!r}", "no environment") if from_file else nullcontext():
        envs = _make_envs(env_id, n_envs, env_kwargs)
    with ExitStack() as held:
        held.callback(envs.close)
        with _named(source):
            agent = _make_agent(algorithm, envs, settings, seed)
        folder.mkdir(parents=True, exist_ok=True)  # only now, so that no mistaken argument leaves a run behind
        held.enter_context(only_writer(folder))
        log = EpisodeLog(folder / "episodes.csv")
        if resuming:
            log.restore(restore_checkpoint(folder / CHECKPOINT, agent))
        else:
            write_whole(folder / CONFIG, json.dumps(config, indent=1) + "\n")
            (folder / "episodes.csv").unlink(missing_ok=True)  # of a start that was killed before its first checkpoint
        remaining = timesteps - agent.num_timesteps
        if remaining > 0:
            checkpoint = Checkpoint(folder, checkpoint_every, log)
            callbacks: list[BaseCallback] = [log, checkpoint]
            if tensorboard is not None:
                agent.tensorboard_log = str(tensorboard)
                callbacks.append(RewardTerms())
            try:
                with checkpoint.stopping_on_signals():
                    agent.learn(remaining, CallbackList(callbacks), tb_log_name=folder.name,
                                reset_num_timesteps=not resuming, progress_bar=progress)  # fmt: skip
            except KeyboardInterrupt:
                print(f"interrupted at {agent.num_timesteps} steps; the same command resumes from {folder}")
                raise
            save_checkpoint(folder / CHECKPOINT, agent, log.notes())
        save_model(folder / MODEL, agent)  # also of a finished run: it may have been killed between its two files
        return agent


def create(
    algorithm: str,
    env_id: str,
    seed: int = 0,
    env_kwargs: dict[str, Any] | None = None,
    settings: str | None = None,
    overrides: dict[str, Any] | None = None,
    wrap: Callable[[gym.vector.VectorEnv], gym.vector.VectorEnv] | None = None,
) -> tuple[BaseAlgorithm, VecMonitor]:
    """An untrained agent with shipped hyperparameters, and its environments, which the caller closes.

    Args:
        algorithm: A name in `ALGORITHMS`.
        env_id: Registered environment id.
        seed: Seed of the agent, and through `matenv.agents.seeds.training_seeds` of the environment.
        env_kwargs: Arguments of the environment, over those of the hyperparameter file.
        settings: Name of the hyperparameter file; None for the algorithm's.
        overrides: Hyperparameters that differ from the file's.
        wrap: Puts a wrapper around the vector environment.

    Returns:
        The agent and the environments.

    Raises:
        ValueError: Hyperparameters that the algorithm does not take.
    """
    env_id = plain_id(env_id)
    block = {**load_hyperparameters(settings or algorithm, env_id), **(overrides or {})}
    n_envs, _ = block.pop("n_envs"), block.pop("n_timesteps")
    arguments = {**block.pop("env_kwargs", {}), **(env_kwargs or {})}
    source = f"the shipped {settings or algorithm}.yml" + " with overrides" * bool(overrides)
    check_fit(source, block, ALGORITHMS[algorithm], POLICIES)
    envs = _make_envs(env_id, n_envs, arguments, wrap)
    with _named(source):
        return _make_agent(algorithm, envs, block, seed), envs


@contextmanager
def _named(source: str, what: str = "no agent") -> Iterator[None]:
    """Name the file whose settings are refused: Stable-Baselines3 does so in many ways, none of which names one."""
    try:
        yield
    except _REFUSALS as error:
        raise ValueError(f"{source}: {what} can be made of this: {str(error) or type(error).__name__}") from error


def _make_envs(
    env_id: str,
    n_envs: int,
    env_kwargs: dict[str, Any],
    wrap: Callable[[gym.vector.VectorEnv], gym.vector.VectorEnv] | None = None,
) -> VecMonitor:
    envs = gym.make_vec(env_id, num_envs=n_envs, **env_kwargs)
    return VecMonitor(SB3VecEnv(wrap(envs) if wrap else envs))


def _make_agent(algorithm: str, envs: VecMonitor, settings: dict[str, Any], seed: int) -> BaseAlgorithm:
    settings = deepcopy(settings)  # Stable-Baselines3 adds to `policy_kwargs`
    noise, spread = settings.pop("noise_type", None), settings.pop("noise_std", None)  # rl-zoo's names
    if noise is not None:
        if noise != "normal":
            raise ValueError(f"noise_type={noise!r} is unknown; only 'normal' is made here")
        middle = np.zeros(envs.action_space.shape or ())
        settings["action_noise"] = NormalActionNoise(middle, middle + float(spread or 0.0))
    if (replay := settings.get("replay_buffer_class")) is not None:
        if replay not in REPLAY_BUFFERS:
            raise ValueError(f"replay_buffer_class={replay!r} is unknown; choose one of {', '.join(REPLAY_BUFFERS)}")
        settings["replay_buffer_class"] = REPLAY_BUFFERS[replay]
    policy = POLICIES.get(settings["policy"], settings["policy"])
    agent = ALGORITHMS[algorithm](env=envs, seed=seed, device="cpu", **{**settings, "policy": policy})
    envs.seed(training_seeds(seed))  # in place of `seed` itself, which neighbouring runs' rows would share
    agent.observation_space.seed(seed)  # nothing draws from it, but it is written into model.zip
    return agent


def load(folder: str | Path, trust: bool = False) -> BaseAlgorithm:
    """Load a trained agent: made again from ``config.json``, with the tensors of ``model.zip`` and nothing else of it.

    Args:
        folder: Folder of the run.
        trust: Load ``model.zip`` as Stable-Baselines3 does, pickled objects and all, whatever environment it was
            trained on. This runs code that the folder's author chose.

    Returns:
        The agent.

    Raises:
        FileNotFoundError: The folder holds no run.
        ValueError: The files are damaged, or ask for trust.
    """
    config = read_config(folder)
    algorithm, env_id = config["algorithm"], config["env_id"]
    if trust:
        return ALGORITHMS[algorithm].load(Path(folder) / MODEL, device="cpu")
    if env_id not in ALL_IDS:
        raise ValueError(
            f"{Path(folder) / CONFIG}: env_id={env_id!r} is none of this package ({', '.join(ALL_IDS)}); if you trust "
            "whoever made the folder, trust=True (--trust) loads it as Stable-Baselines3 does, which runs what it "
            "contains"
        )
    if other := _other_files(config):
        raise ValueError(f"{folder} was trained on other contents of {', '.join(other)}; put back what it learned on")
    settings = dict(config["hyperparameters"])
    if "buffer_size" in settings:
        settings["buffer_size"] = 1  # room for transitions, which an agent that does not learn has no use for
    source = str(Path(folder) / CONFIG)
    with _named(source):
        envs = _make_envs(env_id, config["n_envs"], config["env_kwargs"])
    try:
        with _named(source):
            agent = _make_agent(algorithm, envs, settings, config["seed"])
        load_parameters(Path(folder) / MODEL, agent)
        return agent
    finally:
        envs.close()


def read_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run.

    Args:
        folder: Folder of the run.

    Returns:
        What `train` wrote into ``config.json``.

    Raises:
        FileNotFoundError: The folder holds no run.
        ValueError: The file cannot be read.
    """
    path = Path(folder) / CONFIG
    if not path.is_file() or not (Path(folder) / MODEL).is_file():
        raise FileNotFoundError(
            f"run_folder={str(folder)!r} holds no trained agent; train one with `matenv train ppo --out {folder}`"
        )
    return _parse_config(path)


def check_seed(seed: int, name: str = "seed") -> None:
    """Raise a ValueError for a seed that is not a whole number from 0 to 2^32 - 1."""
    if not 0 <= seed < 2**32 or seed != int(seed):
        raise ValueError(f"{name}={seed} must be a whole number from 0 to 4294967295")


def _parse_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}); train again into another folder") from None
    wanted = {"algorithm": str, "env_id": str, "env_kwargs": dict, "seed": int, "n_envs": int, "hyperparameters": dict}
    bad = [key for key, kind in wanted.items() if not isinstance(config, dict) or not isinstance(config.get(key), kind)]
    if bad or config["algorithm"] not in ALGORITHMS:
        raise ValueError(
            f"{path} is no configuration of a run: {', '.join(bad) or 'algorithm'} missing or wrong; train again into "
            "another folder"
        )
    check_whole(f"{path}: n_envs", config["n_envs"], "environments")
    check_seed(config["seed"], f"{path}: seed")
    settings = check_values(str(path), config["hyperparameters"])
    check_fit(str(path), settings, ALGORITHMS[config["algorithm"]], POLICIES)
    return {**config, "env_id": plain_id(config["env_id"]), "hyperparameters": settings}


def _other_files(config: dict[str, Any]) -> list[str]:
    """Paths that an environment's arguments name, of files that are no longer what a run learned on."""
    found = digests(config["env_kwargs"])
    return sorted(path for path, digest in config.get("files", {}).items() if found.get(path) != digest)


def _is_same_run(folder: Path, config: dict[str, Any]) -> bool:
    """Whether the folder holds a run of the same configuration to go on with; a run of another one is an error."""
    path = folder / CONFIG
    learned = [name for name in (CHECKPOINT, MODEL) if (folder / name).is_file()]
    if not path.is_file() or not learned:  # a start that failed or was killed before anything was learned
        return False
    old, new = _parse_config(path), json.loads(json.dumps(config))
    changed = sorted(key for key in new if key != "files" and old.get(key) != new[key])
    if not changed and (other := _other_files(old)):
        raise ValueError(f"{folder} holds a run on other contents of {', '.join(other)}; choose another folder")
    if changed:
        raise ValueError(f"{folder} holds a run with another {', '.join(changed)}; choose another folder")
    if CHECKPOINT not in learned:
        raise ValueError(f"{folder} holds an agent without {CHECKPOINT}, which resuming needs; choose another folder")
    return True
