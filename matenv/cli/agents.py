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
    timesteps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 200_000,
    seed: Seed = 0,
    require: Require = None,
    kind: Annotated[str, typer.Option("--format", help="File of the candidates: csv, json or optimade.")] = "csv",
    progress: Progress = True,
) -> None:
    """Train PPO on the embedded data and show the materials it proposes, with pictures."""
    from matenv.agents.demo import demo

    demo(out, task, timesteps, seed, progress=progress, require=require or (), kind=kind)


def train(
    algorithm: Annotated[str, typer.Argument(help="ppo or sac; maskable_ppo or dqn on MaterialElements-v0.")],
    out: Out,
    timesteps: Annotated[
        int | None, typer.Option(min=1, help="Environment steps; default: the hyperparameter file's.")
    ] = None,
    seed: Seed = 0,
    env: Annotated[str, typer.Option(help="Registered environment id.")] = "MaterialLatent-v0",
    task: Annotated[str | None, typer.Option(help="Task name, or a task's file; default: the environment's.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Folder of a bundle (matenv build) to train on.")] = None,
    env_kwargs: Annotated[
        str, typer.Option(help="Arguments of the environment as JSON, e.g. '{\"horizon\": 8}'.")
    ] = "{}",
    require: Require = None,
    hyperparams: Annotated[Path | None, typer.Option(help="A YAML file in rl-zoo format.")] = None,
    progress: Progress = True,
) -> None:
    """Train an agent and save it."""
    from matenv.agents.train import train

    try:
        arguments: dict[str, Any] = json.loads(env_kwargs)
    except json.JSONDecodeError as error:
        raise ValueError(f"--env-kwargs={env_kwargs!r} is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ValueError(f"--env-kwargs={env_kwargs!r} must be a JSON object of arguments by name")
    for name, value in (("task", task), ("bundle", bundle)):
        if value is not None and name in arguments:
            raise ValueError(f"--{name}={str(value)!r} and --env-kwargs both give {name}; leave it out of one")
        if value is not None:
            arguments[name] = str(value.resolve() if isinstance(value, Path) else value)
    if require:
        arguments["require"] = [*arguments.get("require", []), *require]
    train(algorithm, out, timesteps, seed, env, arguments, hyperparams, progress)
    print(f"Saved to {out}; evaluate with: matenv evaluate {out}")


def evaluate(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a trained agent.")],
    episodes: Annotated[int, typer.Option(min=1, help="Episodes.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=2**30, help="Seed of the starts, apart from all training seeds.")] = 0,
    top: Annotated[int, typer.Option(min=1, help="Candidates to list.")] = 10,
    trust: Annotated[
        bool, typer.Option("--trust", help="Load pickled objects and modules that the folder names: they run code.")
    ] = False,
) -> None:
    """Evaluate a trained agent from held-out starts, with and without exploration, and list the best it met."""
    from matenv import Oracle, load_bundle, load_task
    from matenv.agents.candidates import rank_candidates, show_table
    from matenv.agents.evaluation import evaluate_both
    from matenv.agents.train import load, read_config
    from matenv.tasks import RESTRICTIONS

    config, agent = read_config(run_folder), load(run_folder, trust)
    arguments = config["env_kwargs"]
    found = evaluate_both(agent, config["env_id"], episodes=episodes, seed=seed, **arguments)
    for kind, each in found.items():
        print(
            f"{episodes} episodes, {kind}: return {each.returns.mean():.3f}, final score "
            f"{each.final_scores.mean():.3f}, best score {each.best_scores.mean():.3f}, target met "
            f"{each.success.mean():.1%}"
        )
    visited = {name: score for each in found.values() for name, score in each.visited.items()}
    restricted = {name: arguments[name] for name in RESTRICTIONS if name in arguments}
    task = load_task(arguments.get("task", "stiff-stable"), **restricted)
    if "bundle" in arguments:
        oracle = load_bundle(arguments["bundle"]).oracle(properties=task.properties)
    else:
        oracle = Oracle(arguments.get("reference", "train"), properties=task.properties)
    show_table(rank_candidates(list(visited), task, oracle, top), f"Best of {len(visited)} formulas met")
