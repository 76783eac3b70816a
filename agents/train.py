"""Train, save, load and resume Stable-Baselines3 agents on the batched environment."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from matenv.agents.edit_dqn import EditDQN
from matenv.agents.edit_policy import EditPolicy, EditQPolicy
from matenv.agents.hyperparameters import load_hyperparameters
from matenv.agents.tensorboard import RewardTerms
from sb3_contrib import TQC, MaskablePPO, RecurrentPPO
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecMonitor

import matenv
from matenv.wrappers import SB3VecEnv

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {
    "ppo": PPO, "sac": SAC, "td3": TD3, "tqc": TQC, "recurrent_ppo": RecurrentPPO,
    "maskable_ppo": MaskablePPO, "dqn": EditDQN,
}  # fmt: skip
"""Algorithms by name: MaskablePPO and DQN (with masks) edit formulas, the others move in a latent space."""

EDITING = ("maskable_ppo", "dqn")
"""Those that edit formulas."""

POLICIES: dict[str, type[BasePolicy]] = {"EditPolicy": EditPolicy, "EditQPolicy": EditQPolicy}
"""Policies of this package, by the name a hyperparameter file uses; other names are Stable-Baselines3's."""

ENV_ID = "MaterialLatent-v0"

EPISODE_FIELDS = (
    "timestep",
    "episodes",
    "mean_return",
    "mean_final_score",
    "mean_p_stable",
    "success_rate",
    "best_formula",
)


def train(
    algorithm: str,
    out: str | Path,
    timesteps: int | None = None,
    seed: int = 0,
    env_id: str = ENV_ID,
    env_kwargs: dict[str, Any] | None = None,
    hyperparameters: str | Path | None = None,
    progress: bool = True,
    threads: int = 1,
    checkpoint_every: int = 50_000,
    tensorboard: str | Path | None = None,
) -> BaseAlgorithm:
    """Train an agent; what it learns is on disk as it goes, and a second call resumes.

    Writes to `out`: ``model.zip`` (and ``replay_buffer.pkl`` for off-policy agents), ``config.json``, ``episodes.csv``
    (mean return and final score of the episodes that ended since the last line).

    Args:
        algorithm: A name in `ALGORITHMS`.
        out: Folder of the run.
        timesteps: Environment steps over all rows; None for the hyperparameter file's ``n_timesteps``.
        seed: Seed of environment and agent.
        env_id: Registered environment id.
        env_kwargs: Arguments of the environment, over those of the hyperparameter file.
        hyperparameters: A YAML file of one's own.
        progress: Show a progress bar.
        threads: Torch threads. For networks this small a second one gains little, and on a busy machine it costs much.
        checkpoint_every: Steps between checkpoints.
        tensorboard: Folder for TensorBoard, which gets losses, returns and every reward term; None for no log.

    Returns:
        The trained agent.

    Raises:
        ValueError: Unknown algorithm, a bad number of steps, or a folder that holds a run with another configuration.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm={algorithm!r} is unknown; choose one of {', '.join(ALGORITHMS)}")
    settings = load_hyperparameters(algorithm, env_id, hyperparameters)
    n_envs, default_steps = settings.pop("n_envs"), settings.pop("n_timesteps")
    env_kwargs = {**settings.pop("env_kwargs", {}), **(env_kwargs or {})}
    timesteps = default_steps if timesteps is None else timesteps
    if timesteps < 1:
        raise ValueError(f"timesteps={timesteps} must be at least 1")
    check_seed(seed)
    if threads < 1:
        raise ValueError(f"threads={threads} must be at least 1")
    torch.set_num_threads(threads)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "algorithm": algorithm, "env_id": env_id, "env_kwargs": env_kwargs, "seed": seed, "n_envs": n_envs,
        "hyperparameters": settings, "matenv": matenv.__version__,
    }  # fmt: skip
    resuming = _is_same_run(folder, config)
    envs = _make_envs(env_id, n_envs, env_kwargs)
    if not resuming:  # only once the environment could be made, so that a mistyped argument leaves no run behind
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        (folder / "episodes.csv").unlink(missing_ok=True)  # of a start that was killed before its first checkpoint
    try:
        agent = _load_or_create(folder, algorithm, envs, settings, seed, resuming)
        remaining = timesteps - agent.num_timesteps
        if remaining > 0:
            callbacks = [EpisodeLog(folder / "episodes.csv"), Checkpoint(folder, checkpoint_every)]
            if tensorboard is not None:
                agent.tensorboard_log = str(tensorboard)
                callbacks.append(RewardTerms())
            try:
                agent.learn(remaining, CallbackList(callbacks), tb_log_name=folder.name,
                            reset_num_timesteps=not resuming, progress_bar=progress)  # fmt: skip
            except KeyboardInterrupt:
                print(f"interrupted at {agent.num_timesteps} steps; the same command resumes from {folder}")
                raise
            finally:
                save(agent, folder)
        return agent
    finally:
        envs.close()


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
        seed: Seed of environment and agent.
        env_kwargs: Arguments of the environment, over those of the hyperparameter file.
        settings: Name of the hyperparameter file; None for the algorithm's.
        overrides: Hyperparameters that differ from the file's.
        wrap: Puts a wrapper around the vector environment.

    Returns:
        The agent and the environments.
    """
    block = {**load_hyperparameters(settings or algorithm, env_id), **(overrides or {})}
    n_envs, _ = block.pop("n_envs"), block.pop("n_timesteps")
    envs = _make_envs(env_id, n_envs, {**block.pop("env_kwargs", {}), **(env_kwargs or {})}, wrap)
    return _make_agent(algorithm, envs, block, seed), envs


def _make_envs(
    env_id: str,
    n_envs: int,
    env_kwargs: dict[str, Any],
    wrap: Callable[[gym.vector.VectorEnv], gym.vector.VectorEnv] | None = None,
) -> VecMonitor:
    envs = gym.make_vec(env_id, num_envs=n_envs, **env_kwargs)
    return VecMonitor(SB3VecEnv(wrap(envs) if wrap else envs))


def _make_agent(algorithm: str, envs: VecMonitor, settings: dict[str, Any], seed: int) -> BaseAlgorithm:
    settings = {**settings}
    noise, spread = settings.pop("noise_type", None), settings.pop("noise_std", None)  # rl-zoo's names
    if noise is not None:
        if noise != "normal":
            raise ValueError(f"noise_type={noise!r} is unknown; only 'normal' is made here")
        shape = envs.action_space.shape
        settings["action_noise"] = NormalActionNoise(np.zeros(shape), np.full(shape, float(spread or 0.0)))
    policy = POLICIES.get(settings["policy"], settings["policy"])
    return ALGORITHMS[algorithm](env=envs, seed=seed, device="cpu", **{**settings, "policy": policy})


def load(folder: str | Path, **kwargs: Any) -> BaseAlgorithm:
    """Load a trained agent.

    Only load agents you trust: Stable-Baselines3 files hold pickled objects.

    Args:
        folder: Folder of the run.
        **kwargs: Passed to the algorithm's `load`.

    Returns:
        The agent.

    Raises:
        FileNotFoundError: The folder holds no run.
    """
    algorithm = read_config(folder)["algorithm"]
    return ALGORITHMS[algorithm].load(Path(folder) / "model.zip", device="cpu", **kwargs)


def save(agent: BaseAlgorithm, folder: Path) -> None:
    """Write the agent, replacing the old file only when the new one is complete."""
    temporary = folder / "model.partial.zip"
    agent.save(temporary)
    temporary.replace(folder / "model.zip")
    if isinstance(agent, OffPolicyAlgorithm):
        partial = folder / "replay_buffer.partial.pkl"
        agent.save_replay_buffer(partial)
        partial.replace(folder / "replay_buffer.pkl")


def _load_or_create(
    folder: Path, algorithm: str, envs: VecMonitor, settings: dict[str, Any], seed: int, resuming: bool
) -> BaseAlgorithm:
    if not resuming:
        return _make_agent(algorithm, envs, settings, seed)
    agent = load(folder, env=envs)
    if isinstance(agent, OffPolicyAlgorithm) and (folder / "replay_buffer.pkl").is_file():
        agent.load_replay_buffer(folder / "replay_buffer.pkl")
    return agent


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
    path = Path(folder) / "config.json"
    if not path.is_file() or not (Path(folder) / "model.zip").is_file():
        raise FileNotFoundError(f"{folder} holds no trained agent; train one with `matenv train ppo --out {folder}`")
    return _parse_config(path)


def check_seed(seed: int) -> None:
    """Raise a ValueError for a seed that is not a whole number from 0 to 2^32 - 1."""
    if not 0 <= seed < 2**32 or seed != int(seed):
        raise ValueError(f"seed={seed} must be a whole number from 0 to 4294967295")


def _parse_config(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}); train again into another folder") from None


def _is_same_run(folder: Path, config: dict[str, Any]) -> bool:
    """Whether the folder holds a started run of the same configuration; a run of another one is an error."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    old, new = _parse_config(path), json.loads(json.dumps(config))
    changed = sorted(key for key in new if old.get(key) != new[key])
    if changed:
        raise ValueError(f"{folder} holds a run with another {', '.join(changed)}; choose another folder")
    return (folder / "model.zip").is_file()


class EpisodeLog(BaseCallback):
    """Appends a line to a CSV file for every `every` episodes that end.

    Args:
        path: The file.
        every: Episodes per line.
    """

    def __init__(self, path: Path, every: int = 64) -> None:
        super().__init__()
        self.path, self.every = path, every
        self._ended: list[dict[str, Any]] = []
        self._episodes = 0

    def _on_training_start(self) -> None:
        if not self.path.exists():
            self.path.write_text(",".join(EPISODE_FIELDS) + "\n")

    def _on_step(self) -> bool:
        dones = self.locals["dones"]
        if dones.any():
            self._ended += [self.locals["infos"][row] for row in np.flatnonzero(dones)]
            if len(self._ended) >= self.every:
                self._write()
        return True

    def _on_training_end(self) -> None:
        if self._ended:
            self._write()

    def _write(self) -> None:
        ended, self._ended = self._ended, []
        self._episodes += len(ended)
        best = max(ended, key=lambda info: info["score"])
        means = [np.mean([info["episode"]["r"] for info in ended])]
        means += [np.mean([info[key] for info in ended]) for key in ("score", "p_stable", "success")]
        with self.path.open("a", newline="") as stream:
            csv.writer(stream).writerow(
                [self.num_timesteps, self._episodes, *(round(float(mean), 5) for mean in means), best["formula"]]
            )
        for name, mean in zip(("return", "final_score", "p_stable", "success"), means, strict=True):
            self.logger.record(f"design/{name}", float(mean))
        self.logger.record("design/distinct_formulas", self.training_env.get_attr("core")[0].oracle.calls)


class Checkpoint(BaseCallback):
    """Saves the agent every so many steps.

    Args:
        folder: Folder of the run.
        every: Steps between checkpoints.
    """

    def __init__(self, folder: Path, every: int) -> None:
        super().__init__()
        self.folder, self.every = folder, every
        self._last = 0

    def _on_training_start(self) -> None:
        self._last = self.num_timesteps

    def _on_step(self) -> bool:
        if self.num_timesteps - self._last >= self.every:
            self._last = self.num_timesteps
            save(self.model, self.folder)
        return True
