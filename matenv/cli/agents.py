"""Commands that train agents and show what they find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from matenv.cli.options import Out, Progress, Require, Seed, TaskName, file, folder


def demo(
    out: Out = Path("demo-output"),
    task: TaskName = "rediscovery-abundant",
    timesteps: Annotated[int, typer.Option(min=1, help="Training steps of PPO.")] = 200_000,
    calls: Annotated[int, typer.Option(min=10, help="Formulas that the formula policy may assess.")] = 5_000,
    seed: Seed = 0,
    require: Require = None,
    kind: Annotated[str, typer.Option("--format", help="File of the candidates: csv, json or optimade.")] = "csv",
    progress: Progress = True,
) -> None:
    """Two policies learn on the embedded data; the materials they propose, judged by DFT, with pictures."""
    from matenv.agents.demo import demo

    demo(out, task, timesteps, seed, progress=progress, require=require or (), kind=kind, calls=calls)


def train(
    algorithm: Annotated[
        str,
        typer.Argument(
            help="ppo, sac, td3, tqc, recurrent_ppo in a latent space; maskable_ppo, dqn edit formulas; her, her_dqn "
            "read wishes, with hindsight."
        ),
    ],
    out: Out,
    timesteps: Annotated[
        int | None, typer.Option(min=1, help="Environment steps; default: the hyperparameter file's.")
    ] = None,
    seed: Seed = 0,
    env: Annotated[str | None, typer.Option(help="Registered environment id; default: the algorithm's.")] = None,
    task: Annotated[str | None, typer.Option(help="Task name, or a task's file; default: the environment's.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Folder of a bundle (matenv build) to train on.")] = None,
    env_kwargs: Annotated[
        str, typer.Option(help="Arguments of the environment as JSON, e.g. '{\"horizon\": 8}'.")
    ] = "{}",
    require: Require = None,
    hyperparams: Annotated[Path | None, typer.Option(help="A YAML file in rl-zoo format.")] = None,
    tensorboard: Annotated[Path | None, folder("Folder for TensorBoard: losses, returns, every reward term.")] = None,
    progress: Progress = True,
) -> None:
    """Train an agent and save it."""
    from matenv.agents.train import train

    arguments = _arguments(env_kwargs)
    for name, value in (("task", task), ("bundle", bundle)):
        if value is not None and name in arguments:
            raise ValueError(f"--{name}={str(value)!r} and --env-kwargs both give {name}; leave it out of one")
        if value is not None:
            arguments[name] = str(value.resolve() if isinstance(value, Path) else value)
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
    """Search hyperparameters of an agent on a task, scored on training starts; the study is kept and goes on."""
    from matenv.agents.tune import tune

    found = tune(algorithm, out, task, trials, timesteps, episodes, seed, env, _arguments(env_kwargs), progress)
    print(f"Best mean {found.by} {found.score:.4f}, trial {found.number}; train with it: {found.command}")


def _arguments(text: str) -> dict[str, Any]:
    """Arguments of an environment, from JSON."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if twice := [key for k, (key, _) in enumerate(pairs) if key in [other for other, _ in pairs[:k]]]:
            raise ValueError(f"--env-kwargs={text!r} has the key {twice[0]!r} twice; give it once")
        return dict(pairs)

    try:
        arguments = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"--env-kwargs={text!r} is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ValueError(f"--env-kwargs={text!r} must be a JSON object of arguments by name")
    return arguments


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
    import gymnasium as gym

    from matenv import Oracle, load_bundle
    from matenv.agents.candidates import rank_candidates, show_table
    from matenv.agents.evaluation import evaluate_both
    from matenv.agents.train import load, read_config
    from matenv.benchmark.trivial import wheel_line

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
    env: Any = gym.make(config["env_id"], **arguments).unwrapped
    task = getattr(env.core, "task", None)
    if task is None:  # MaterialSystem-v0: a score of 1 is the table's word
        named = sorted(name for name, score in visited.items() if score == 1)
        print(f"Stable phases named: {len(named)}, such as {', '.join(named[:top])}")
        return
    if line := wheel_line(task):
        print(line)
    if "bundle" in arguments:
        oracle = load_bundle(arguments["bundle"]).oracle(properties=task.properties)
    else:
        oracle = Oracle(arguments.get("reference", "train"), properties=task.properties)
    show_table(rank_candidates(list(visited), task, oracle, top), f"Best of {len(visited)} formulas met")


def _symbols(texts: list[str] | None) -> list[str]:
    """Elements given one by one or with commas between them."""
    return [symbol.strip() for text in texts or () for symbol in text.split(",") if symbol.strip()]


def design(
    want: Annotated[
        list[str] | None,
        typer.Option(help="A range: band_gap_expt=1.1..1.6, bulk_modulus=200.., price=..50; repeat for more."),
    ] = None,
    contains: Annotated[
        list[str] | None, typer.Option(help="Elements that must occur, with commas; 'F|Cl|Br' for one of several.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="Elements that must not, with commas.")] = None,
    ionic: Annotated[bool, typer.Option("--ionic", help="Oxidation states must balance.")] = False,
    novel: Annotated[bool, typer.Option(help="Only what the embedded table does not know.")] = True,
    max_elements: Annotated[int | None, typer.Option(help="Most elements.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Candidates.")] = 20,
    calls: Annotated[int, typer.Option(min=1, help="Formulas assessed on the way.")] = 1_500,
    seed: Seed = 0,
    show_cards: Annotated[int, typer.Option("--cards", min=0, help="Candidates whose whole card is printed.")] = 3,
    csv: Annotated[Path | None, file("Write the candidates to this file, too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of candidates with cards.")] = False,
) -> None:
    """Propose materials: what is wanted goes in, candidates with their reasons come out."""
    from dataclasses import asdict

    from matenv import explain
    from matenv.agents.candidates import show_table, write_csv
    from matenv.agents.design import cards, design, design_task, verdict

    task = design_task(want or (), _symbols(contains), _symbols(without), ionic, novel, max_elements)
    found = design(task, top, calls, seed)
    if csv is not None:
        write_csv(found, csv)
    if as_json:
        rows = [{**asdict(each), "card": card} for each, card in zip(found, cards(found), strict=True)]
        print(json.dumps(rows, indent=1))
        return
    show_table(found, f"{task.description} Best of {calls} formulas.")
    if said := verdict(found, task):
        print(f"\n{said}")
    for candidate in found[:show_cards]:
        print(f"\n{explain(candidate.formula)}")
