"""Search hyperparameters of an agent on a task with Optuna; the study is a file, and a second call goes on with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.hyperparameters import load_hyperparameters
from matenv.agents.train import ALGORITHMS, ENV_IDS, check_seed, create
from stable_baselines3.common.callbacks import BaseCallback

from matenv.atomic import write_whole
from matenv.benchmark.policy_envs import defaults_of
from matenv.envs.registration import plain_id
from matenv.tasks.registry import task_for_storage

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

REPORTS = 4
"""Evaluations of a trial, after equal parts of its steps; one below the median of earlier trials there is cut short."""

SCORED_ON = 5_000
"""Seed of the episodes that a trial is scored on; other than those of training and of `matenv evaluate`."""

Suggest = Callable[["Trial"], Any]

BOTH: dict[str, Suggest] = {
    "learning_rate": lambda trial: trial.suggest_float("learning_rate", 1e-4, 3e-3, log=True),
    "gamma": lambda trial: 1.0 - trial.suggest_float("1 - gamma", 0.01, 0.5, log=True),
    "batch_size": lambda trial: trial.suggest_categorical("batch_size", [64, 128, 256, 512]),
}
"""What every agent has."""

ON_POLICY: dict[str, Suggest] = {
    "n_steps": lambda trial: trial.suggest_categorical("n_steps", [16, 32, 64]),
    "n_epochs": lambda trial: trial.suggest_int("n_epochs", 2, 12),
    "gae_lambda": lambda trial: 1.0 - trial.suggest_float("1 - gae_lambda", 0.01, 0.3, log=True),
    "ent_coef": lambda trial: trial.suggest_float("ent_coef", 1e-5, 3e-2, log=True),
    "clip_range": lambda trial: trial.suggest_categorical("clip_range", [0.1, 0.2, 0.3]),
}
"""PPO and its kin."""

OFF_POLICY: dict[str, Suggest] = {
    "gradient_steps": lambda trial: trial.suggest_categorical("gradient_steps", [1, 2, 4, 8]),
    "learning_starts": lambda trial: trial.suggest_categorical("learning_starts", [500, 1_000, 2_000]),
}
"""Agents with a replay buffer."""

EXPLORING: dict[str, Suggest] = {
    "target_update_interval": lambda trial: trial.suggest_categorical("target_update_interval", [200, 500, 1_000]),
    "exploration_fraction": lambda trial: trial.suggest_float("exploration_fraction", 0.02, 0.4),
}
"""DQN."""

AVERAGED: dict[str, Suggest] = {"tau": lambda trial: trial.suggest_float("tau", 2e-3, 5e-2, log=True)}
"""SAC and its kin: how fast the target network follows."""

ENTROPY: dict[str, Suggest] = {
    "ent_coef": lambda trial: f"auto_{trial.suggest_float('initial ent_coef', 1e-5, 1.0, log=True):.2g}"
}
"""SAC and TQC: the weight of entropy that training begins with. Far above the rewards, it hides them until it has
fallen, for tens of thousands of steps."""

SPACES: dict[str, dict[str, Suggest]] = {
    **{name: BOTH | ON_POLICY for name in ("ppo", "maskable_ppo", "recurrent_ppo")},
    **{name: BOTH | OFF_POLICY | AVERAGED | ENTROPY for name in ("sac", "tqc")},
    "her": BOTH | OFF_POLICY | AVERAGED,
    "td3": BOTH | OFF_POLICY | {"noise_std": lambda trial: trial.suggest_float("noise_std", 0.05, 0.5)},
    **{name: BOTH | OFF_POLICY | EXPLORING for name in ("dqn", "her_dqn")},
}
"""Hyperparameters searched, by algorithm; all others stay as its file has them."""


@dataclass(frozen=True)
class Tuned:
    """The best trial of a study.

    Attributes:
        number: Its number among the trials that ended.
        score: Mean final score over the evaluation's episodes; their mean return where `by` says so.
        path: The hyperparameter file, in rl-zoo's format.
        command: What trains an agent with it.
        by: ``"final score"``, or ``"return"`` in campaigns and in `MaterialSystem-v0`, where the last formula is one of
            many that count.
    """

    number: int
    score: float
    path: Path
    command: str
    by: str = "final score"


def tune(
    algorithm: str,
    out: str | Path,
    task: str = "stiff-stable",
    trials: int = 20,
    timesteps: int = 50_000,
    episodes: int = 128,
    seed: int = 0,
    env_id: str | None = None,
    env_kwargs: dict[str, Any] | None = None,
    progress: bool = True,
) -> Tuned:
    """Search hyperparameters; first the shipped ones are tried, then what a tree of Parzen estimators suggests.

    Trials are scored on starts and wishes of the part that training draws from, with seeds of their own, and on
    validation systems in `MaterialSystem-v0`: nothing is chosen on the held-out part, which `matenv evaluate` and
    `matenv compare` score on.

    A trial that was stopped, in whatever way, is run again by the next call, so that the end is the same. Writes
    ``study.db`` (SQLite, for ``optuna-dashboard``, too) and ``ALGORITHM.yml`` into `out`.

    Args:
        algorithm: A name in `matenv.agents.train.ALGORITHMS`.
        out: Folder of the study.
        task: Name of the task, or path of a task's file; `MaterialSystem-v0` has none.
        trials: Trials in all, those of earlier calls included.
        timesteps: Environment steps of each trial.
        episodes: Evaluation episodes, after each quarter of a trial.
        seed: Of the suggestions, and of every agent.
        env_id: Registered environment id; None for the algorithm's.
        env_kwargs: Arguments of the environment.
        progress: Show a line for every trial.

    Returns:
        The best trial.

    Raises:
        ImportError: Optuna is not installed.
        ValueError: An unknown algorithm or task, numbers below 1, ``part="test"``, a folder that holds another study,
            or a damaged one.
    """
    try:
        import optuna
        from sqlalchemy.exc import SQLAlchemyError  # what Optuna keeps its studies with
    except ImportError as error:
        raise ImportError("tuning needs the extra 'tune': pip install 'matenv[tune]'") from error
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm={algorithm!r} is unknown; choose one of {', '.join(ALGORITHMS)}")
    numbers = {"trials": trials, "timesteps": timesteps, "episodes": episodes}
    if wrong := [f"{name}={number}" for name, number in numbers.items() if number < 1]:
        raise ValueError(f"{', '.join(wrong)} must be at least 1")
    check_seed(seed)
    env_id = plain_id(env_id or ENV_IDS[algorithm])
    defaults = defaults_of(env_id)
    arguments: dict[str, Any] = {"task": task_for_storage(task)} if "task" in defaults else {}
    arguments |= env_kwargs or {}
    if arguments.get("part") == "test":
        raise ValueError("env_kwargs: part='test' is held out, no hyperparameter may be chosen on it; leave it out")
    scored: dict[str, Any] = {"part": "train" if "task" in defaults else "validation", **arguments}
    by = "return" if "task" not in defaults or arguments.get("campaign") is not None else "final score"
    load_hyperparameters(algorithm, env_id)  # refuses an environment that it has no block for
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.INFO if progress else optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{(folder / 'study.db').resolve()}", study_name=algorithm, load_if_exists=True,
            direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
        )  # fmt: skip
    except SQLAlchemyError as error:
        cause = " ".join(str(error).split())[:120]
        raise ValueError(
            f"{folder / 'study.db'} cannot be read ({cause}); delete it, or choose another folder"
        ) from None
    settings = {"env_id": env_id, "env_kwargs": arguments, "timesteps": timesteps, "episodes": episodes, "seed": seed}
    settings |= {"part": scored["part"], "scored by": by}
    _same(study, folder, settings)
    torch.set_num_threads(1)

    def score(trial: Trial, is_first: bool) -> float:
        overrides = {} if is_first else _suggested(trial, algorithm)
        agent, envs = create(algorithm, env_id, seed, arguments, overrides=overrides)

        def mean() -> float:
            result = evaluate_policy(agent, env_id, episodes, SCORED_ON, **scored)
            return float((result.returns if by == "return" else result.final_scores).mean())

        def report(part: int) -> None:
            trial.report(mean(), part)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            agent.learn(timesteps, _Parts(timesteps, report))
            last = mean()
        finally:
            envs.close()
        trial.report(last, REPORTS)
        return last

    for number in range(len(_ended(study)), trials):
        # A stream for each trial: what it suggests does not depend on where an earlier call stopped.
        study.sampler = optuna.samplers.TPESampler(seed=int(np.random.default_rng([seed, number]).integers(2**32)))
        study.optimize(partial(score, is_first=number == 0), n_trials=1)
    return _written(study, folder, algorithm, env_id, arguments, by)


class _Parts(BaseCallback):
    """Says when a part of the training is over, for all but the last: schedules are those of the whole.

    Args:
        timesteps: Steps of the training.
        report: Is given the number of the part, from 1.
    """

    def __init__(self, timesteps: int, report: Callable[[int], None]) -> None:
        super().__init__()
        self._timesteps, self._report, self._part = timesteps, report, 1

    def _on_rollout_start(self) -> None:
        """Between an update and the next moves."""
        while self._part < REPORTS and self.num_timesteps * REPORTS >= self._part * self._timesteps:
            self._report(self._part)
            self._part += 1

    def _on_step(self) -> bool:
        return True


def _ended(study: Study) -> list[FrozenTrial]:
    """Trials that came to their end; not those that were stopped."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _suggested(trial: Trial, algorithm: str) -> dict[str, Any]:
    """Hyperparameters of a trial."""
    return {name: suggest(trial) for name, suggest in SPACES[algorithm].items()}


def _same(study: Study, folder: Path, settings: dict[str, Any]) -> None:
    """Remember what a study is about; a folder that holds another is an error."""
    kept = study.user_attrs.get("settings")
    if kept is None:
        study.set_user_attr("settings", settings)
    elif changed := sorted(name for name, value in json.loads(json.dumps(settings)).items() if kept.get(name) != value):
        raise ValueError(f"{folder} holds a study with another {', '.join(changed)}; choose another folder")


def _written(study: Study, folder: Path, algorithm: str, env_id: str, arguments: dict[str, Any], by: str) -> Tuned:
    """The best trial, its hyperparameters in a file that `matenv train` takes."""
    from optuna.trial import FixedTrial

    best, ended = study.best_trial, _ended(study)
    number = [trial.number for trial in ended].index(best.number)
    fixed: Any = FixedTrial(best.params)
    block = load_hyperparameters(algorithm, env_id) | (_suggested(fixed, algorithm) if best.params else {})
    path = folder / f"{algorithm}.yml"
    text = yaml.safe_dump({env_id: block}, sort_keys=False)
    write_whole(path, f"# Trial {number} of {len(ended)}: {by} {best.value:.4f}. Format of rl-baselines3-zoo.\n{text}")
    command = (
        f"matenv train {algorithm} --env {env_id} --env-kwargs '{json.dumps(arguments)}' --hyperparams {path} --out "
        f"{folder / 'agent'}"
    )
    return Tuned(number, float(best.value or 0.0), path, command, by)
