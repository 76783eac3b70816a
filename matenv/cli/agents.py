"""Commands that train agents and show what they find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from matenv.cli.options import Out, Progress, Require, Seed, TaskName


def demo(
    out: Out = Path("demo-output"),
    task: TaskName = "stiff-stable",
    timesteps: Annotated[int, typer.Option(help="Training steps.")] = 200_000,
    seed: Seed = 0,
    require: Require = None,
    progress: Progress = True,
) -> None:
    """Train PPO on the embedded data and show the materials it proposes, with pictures."""
    from matenv.agents.demo import demo

    demo(out, task, timesteps, seed, progress=progress, require=require or ())


def train(
    algorithm: Annotated[str, typer.Argument(help="ppo, sac, td3, tqc, recurrent_ppo; maskable_ppo, dqn on MaterialElements-v0.")],
    out: Out,
    timesteps: Annotated[
        int | None, typer.Option(help="Environment steps; default: the hyperparameter file's.")
    ] = None,
    seed: Seed = 0,
    env: Annotated[str, typer.Option(help="Registered environment id.")] = "MaterialLatent-v0",
    env_kwargs: Annotated[
        str, typer.Option(help="Arguments of the environment as JSON, e.g. '{\"horizon\": 8}'.")
    ] = "{}",
    require: Require = None,
    hyperparams: Annotated[Path | None, typer.Option(help="A YAML file in rl-zoo format.")] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder for TensorBoard: losses, returns, every reward term.")
    ] = None,
    progress: Progress = True,
) -> None:
    """Train an agent and save it."""
    from matenv.agents.train import train

    arguments = _arguments(env_kwargs)
    if require:
        arguments["require"] = [*arguments.get("require", []), *require]
    train(algorithm, out, timesteps, seed, env, arguments, hyperparams, progress, tensorboard=tensorboard)
    print(f"Saved to {out}; evaluate with: matenv evaluate {out}")


def tune(
    algorithm: Annotated[str, typer.Argument(help="As `matenv train`.")],
    out: Out,
    task: TaskName = "stiff-stable",
    trials: Annotated[int, typer.Option(help="Trials in all, those of earlier calls included.")] = 20,
    timesteps: Annotated[int, typer.Option(help="Environment steps of each trial.")] = 50_000,
    episodes: Annotated[int, typer.Option(help="Evaluation episodes, four times a trial.")] = 128,
    seed: Seed = 0,
    env: Annotated[str | None, typer.Option(help="Registered environment id; default: the algorithm's.")] = None,
    env_kwargs: Annotated[str, typer.Option(help="Arguments of the environment as JSON.")] = "{}",
    progress: Progress = True,
) -> None:
    """Search hyperparameters of an agent on a task; the study is kept and goes on."""
    from matenv.agents.tune import tune

    found = tune(algorithm, out, task, trials, timesteps, episodes, seed, env, _arguments(env_kwargs), progress)
    print(f"Best mean final score {found.score:.4f}, trial {found.number}; train with it: {found.command}")


def _arguments(text: str) -> dict[str, Any]:
    """Arguments of an environment, from JSON."""
    try:
        arguments = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"--env-kwargs={text!r} is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ValueError(f"--env-kwargs={text!r} must be a JSON object of arguments by name")
    return arguments


def evaluate(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a trained agent.")],
    episodes: Annotated[int, typer.Option(help="Episodes.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of the starts.")] = 10_000,
    top: Annotated[int, typer.Option(help="Candidates to list.")] = 10,
) -> None:
    """Evaluate a trained agent, and list the best materials it met."""
    from matenv import Oracle, load_task
    from matenv.agents.candidates import rank_candidates, show_table
    from matenv.agents.evaluation import evaluate_policy
    from matenv.agents.train import load, read_config
    from matenv.tasks import RESTRICTIONS

    config, agent = read_config(run_folder), load(run_folder)
    arguments = config["env_kwargs"]
    result = evaluate_policy(agent, config["env_id"], episodes, seed, **arguments)
    print(
        f"{episodes} episodes: return {result.returns.mean():.3f}, final score {result.final_scores.mean():.3f}, "
        f"best score {result.best_scores.mean():.3f}, target met {result.success.mean():.1%}"
    )
    restricted = {name: arguments[name] for name in RESTRICTIONS if name in arguments}
    task = load_task(arguments.get("task", "stiff-stable"), **restricted)
    oracle = Oracle(arguments.get("reference", "train"), properties=task.properties)
    show_table(rank_candidates(list(result.visited), task, oracle, top), f"Best of {len(result.visited)} formulas met")
