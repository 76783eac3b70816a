"""The command line, thin: every command calls one function of the library. Agents are imported only when used.

May import: everything.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

try:
    import typer
except ImportError:  # pragma: no cover - only without the extra
    sys.exit("The command line needs the extra 'agents': pip install 'matenv[agents]'")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reinforcement-learning environments for the inverse design of inorganic materials.",
)
latent_app = typer.Typer(no_args_is_help=True, help="Latent spaces: train, evaluate.")
app.add_typer(latent_app, name="latent")
predictor_app = typer.Typer(no_args_is_help=True, help="The property predictor: train, evaluate.")
app.add_typer(predictor_app, name="predictor")

Out = Annotated[Path, typer.Option(help="Output folder; an interrupted run in it is resumed.")]
Seed = Annotated[int, typer.Option(help="Seed.")]
TaskName = Annotated[str, typer.Option(help="Task name, such as stiff-stable, wide-gap-novel or stable-novel.")]
Progress = Annotated[bool, typer.Option(help="Show progress bars.")]


@app.command()
def demo(
    out: Out = Path("demo-output"),
    task: TaskName = "stiff-stable",
    timesteps: Annotated[int, typer.Option(help="Training steps.")] = 200_000,
    seed: Seed = 0,
    progress: Progress = True,
) -> None:
    """Train PPO on the embedded data and show the materials it proposes, with pictures."""
    from matenv.agents.demo import demo as run

    run(out, task, timesteps, seed, progress=progress)


@app.command()
def train(
    algorithm: Annotated[str, typer.Argument(help="ppo or sac; maskable_ppo or dqn on MaterialElements-v0.")],
    out: Out,
    timesteps: Annotated[
        int | None, typer.Option(help="Environment steps; default: the hyperparameter file's.")
    ] = None,
    seed: Seed = 0,
    env: Annotated[str, typer.Option(help="Registered environment id.")] = "MaterialLatent-v0",
    env_kwargs: Annotated[
        str, typer.Option(help="Arguments of the environment as JSON, e.g. '{\"horizon\": 8}'.")
    ] = "{}",
    hyperparams: Annotated[Path | None, typer.Option(help="A YAML file in rl-zoo format.")] = None,
    progress: Progress = True,
) -> None:
    """Train an agent and save it."""
    from matenv.agents.training import train as run

    try:
        arguments: dict[str, Any] = json.loads(env_kwargs)
    except json.JSONDecodeError as error:
        raise ValueError(f"--env-kwargs={env_kwargs!r} is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ValueError(f"--env-kwargs={env_kwargs!r} must be a JSON object of arguments by name")
    run(algorithm, out, timesteps, seed, env, arguments, hyperparams, progress)
    print(f"Saved to {out}; evaluate with: matenv evaluate {out}")


@app.command()
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
    from matenv.agents.training import load, read_config

    config, agent = read_config(run_folder), load(run_folder)
    result = evaluate_policy(agent, config["env_id"], episodes, seed, **config["env_kwargs"])
    print(
        f"{episodes} episodes: return {result.returns.mean():.3f}, final score {result.final_scores.mean():.3f}, "
        f"best score {result.best_scores.mean():.3f}, target met {result.success.mean():.1%}"
    )
    task = load_task(
        config["env_kwargs"].get("task", "stiff-stable"),
        config["env_kwargs"].get("elements"),
        config["env_kwargs"].get("exclude"),
    )
    oracle = Oracle(config["env_kwargs"].get("reference", "train"))
    show_table(rank_candidates(list(result.visited), task, oracle, top), f"Best of {len(result.visited)} formulas met")


@app.command()
def compare(
    out: Out = Path("runs/compare"),
    seeds: Annotated[int, typer.Option(help="Seeds per agent.")] = 5,
    episodes: Annotated[int, typer.Option(help="Evaluation episodes per seed.")] = 256,
    task: TaskName = "stiff-stable",
    env: Annotated[str, typer.Option(help="Registered environment id.")] = "MaterialLatent-v0",
    progress: Progress = True,
) -> None:
    """Learning agents beside a random policy and a search that never learns, over several seeds."""
    from matenv.agents.compare import compare as run

    run(out, seeds=seeds, episodes=episodes, task=task, progress=progress, env_id=env)


@app.command("equal-budget")
def equal_budget(
    out: Out = Path("runs/equal-budget"),
    budget: Annotated[int, typer.Option(help="Distinct formulas that each run may assess.")] = 10_000,
    seeds: Annotated[int, typer.Option(help="Seeds per method.")] = 5,
    task: TaskName = "stiff-stable",
) -> None:
    """The best formulas that searches and agents, trained from nothing, find with equally many oracle calls."""
    from matenv.agents.equal_budget import equal_budget as run

    run(out, budget, seeds, task)


@app.command()
def assess(
    formulas: Annotated[list[str], typer.Argument(help="Formulas, such as LiFePO4.")],
    reference: Annotated[str, typer.Option(help="Phases of the hull: all or train.")] = "all",
) -> None:
    """What formulas are predicted to be, and what they would decompose into."""
    import numpy as np

    from matenv import Oracle
    from matenv.agents.candidates import CAVEAT

    oracle = Oracle(reference)
    assessment = oracle.assess(formulas)
    for row, formula in enumerate(assessment.formulas):
        print(formula)
        if not assessment.valid[row]:
            print("  nothing predicted: it needs two elements at least, all of which the table knows compounds of")
            continue
        for name, unit in oracle.predictor.units.items():
            mean, std = assessment.mean[name][row], assessment.std[name][row]
            linear = f" = {10**mean:.0f} GPa" if name.startswith("log10_") else ""
            print(f"  {name:22s}{mean:9.3f} +- {std:.3f} {unit}{linear}")
        print(f"  {'P(stable)':22s}{assessment.p_stable[row]:9.3f}")
        print(f"  {'E_d, predicted':22s}{assessment.decomposition_energy[row]:+9.3f} eV/atom")
        if np.isfinite(dft := assessment.dft_decomposition_energy[row]):
            print(f"  {'E_d, DFT':22s}{dft:+9.3f} eV/atom")
        hull = oracle.hull.decompose(assessment.compositions[row : row + 1], exclude_self=True)
        print(f"  would decompose as    {hull.reaction(0)}")
    print(f"{CAVEAT} Hull: reference={reference!r}.")


@app.command()
def version() -> None:
    """Print the version."""
    import matenv

    print(matenv.__version__)


@latent_app.command("train")
def latent_train(
    name: Annotated[str, typer.Argument(help="vae or vae-elawady.")],
    out: Out,
    epochs: Annotated[int | None, typer.Option(help="Epochs; default: the model's own.")] = None,
    seed: Seed = 0,
) -> None:
    """Train a latent space on the frozen split."""
    from matenv.latent.train import train as run

    run(name, out, epochs=epochs, seed=seed)


@latent_app.command("evaluate")
def latent_evaluate(name: Annotated[str, typer.Argument(help="Name of a latent space, or a weights file.")]) -> None:
    """Recovery of held-out formulas and quality of prior samples."""
    from matenv.latent.evaluate import main as run

    run([name])


@predictor_app.command("train")
def predictor_train(
    out: Out,
    epochs: Annotated[int, typer.Option(help="Epochs of each network.")] = 100,
    members: Annotated[int, typer.Option(help="Networks in the ensemble.")] = 3,
    seed: Seed = 0,
) -> None:
    """Train and calibrate the predictor on the frozen split."""
    from matenv.properties.train import main as run

    run(["--out", str(out), "--epochs", str(epochs), "--members", str(members), "--seed", str(seed)])


@predictor_app.command("evaluate")
def predictor_evaluate() -> None:
    """Held-out errors and coverage of the shipped predictor."""
    from matenv.properties.evaluate import main as run

    run([])


def main() -> None:
    """Run the command line; a user's mistake is one line, not a traceback."""
    try:
        app()
    except (ValueError, TypeError, OSError) as error:
        sys.exit(f"matenv: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
