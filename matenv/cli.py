"""The command line, thin: every command calls one function of the library. Agents are imported only when used."""

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
latent_app = typer.Typer(
    no_args_is_help=True, help="Latent spaces: train, distil, evaluate, compare, interpolate, map."
)
app.add_typer(latent_app, name="latent")
predictor_app = typer.Typer(no_args_is_help=True, help="The property predictor: train, distil, evaluate.")
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
    from matenv.agents.train import train as run

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
    from matenv.agents.train import load, read_config

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
    oracle = Oracle(config["env_kwargs"].get("reference", "train"), properties=task.properties)
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
    seeds: Annotated[int, typer.Option(help="Seeds per method.")] = 10,
    task: Annotated[list[str] | None, typer.Option(help="Task name; several: --task A --task B.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Method; several: --method A ...; default: all.")] = None,
) -> None:
    """What searches and agents, trained from nothing, find with equally many oracle calls, and what it costs them."""
    from matenv.agents.equal_budget import equal_budget as run

    run(out, budget, seeds, task or ["stiff-stable"], method)


@app.command()
def explain(
    formulas: Annotated[list[str], typer.Argument(help="Formulas, such as LiFePO4.")],
    reference: Annotated[str, typer.Option(help="Phases of the hull: all or train.")] = "all",
    predictor: Annotated[str, typer.Option(help="The proxy; accurate errs least.")] = "default",
) -> None:
    """Everything known or predicted about formulas: a candidate card for each."""
    from matenv import explain as run

    print("\n\n".join(str(run(formula, reference, predictor)) for formula in formulas))


@app.command()
def gap(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks; default: all that are registered.")] = None,
    calls: Annotated[int, typer.Option(help="Distinct formulas per search.")] = 10_000,
    seeds: Annotated[int, typer.Option(help="Repetitions of every search.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Folder for gap.json and gap.md.")] = None,
) -> None:
    """Proxy, gold, truth: how far rewards can be trusted, by task."""
    from matenv.benchmark.gap import TASKS_WITH_TRUTH, report

    print(report(tasks or list(TASKS_WITH_TRUTH), calls, seeds, out))


@app.command()
def version() -> None:
    """Print the version."""
    import matenv

    print(matenv.__version__)


@latent_app.command("train")
def latent_train(
    out: Out,
    name: Annotated[str | None, typer.Argument(help="Space to train, such as vae, cvae, dvae or dkl-vae.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="Space or weights file to fine-tune on --data, in place of NAME.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="CSV file of one's own with a formula column.")] = None,
    beta_cycles: Annotated[int | None, typer.Option(help="Training: KL weight in so many cycles.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs; default: the model's own.")] = None,
    seed: Seed = 0,
    replay: Annotated[float, typer.Option(help="Fine-tuning: original rows shown per row of --data.")] = 1.0,
    holdout: Annotated[str, typer.Option(help="Fine-tuning: hold out by system, or by formula.")] = "system",
    tolerance: Annotated[float, typer.Option(help="Fine-tuning: change of a fraction for smaller integers.")] = 0.0,
    column: Annotated[str, typer.Option(help="Fine-tuning: column of --data that holds formulas.")] = "formula",
) -> None:
    """Train a latent space on the frozen split, or fine-tune one on compositions of one's own."""
    if (name is None) == (source is None):
        raise ValueError("give the NAME of a space to train from nothing, or --from a space to fine-tune: one of them")
    if source is None:
        asked = {"--replay": replay != 1.0, "--holdout": holdout != "system", "--tolerance": tolerance != 0.0}
        if wrong := [option for option, given in (asked | {"--column": column != "formula"}).items() if given]:
            raise ValueError(f"{', '.join(wrong)} is for fine-tuning; give --from a space, or leave it out")
        from matenv.latent.training.train import train

        path = train(str(name), out, epochs=epochs, seed=seed, data=data, beta_cycles=beta_cycles)
    elif data is None:
        raise ValueError("--from needs --data, a .csv file with a column of formulas, to fine-tune on")
    elif beta_cycles is not None:
        raise ValueError(f"--beta-cycles={beta_cycles} is for training from nothing; leave it out with --from")
    else:
        from matenv.latent.training.finetune import finetune

        path = finetune(
            source, data, out, epochs=epochs, seed=seed, replay=replay, holdout=holdout, tolerance=tolerance,
            column=column,
        )  # fmt: skip
        print(path.with_suffix(".md").read_text())
    print(f'Saved to {path}; move in it with: gym.make("MaterialLatent-v0", latent="{path}")')


@latent_app.command("distil")
def latent_distil(
    source: Annotated[Path, typer.Argument(help="Weights file of a trained vae.")],
    out: Out,
    epochs: Annotated[int | None, typer.Option(help="Epochs; default: the recipe's own.")] = None,
    seed: Seed = 0,
) -> None:
    """Give a latent space a leaner decoder; the space stays the same."""
    from matenv.latent.training.distil import distil as run

    run(source, out, epochs=epochs, seed=seed)


@latent_app.command("evaluate")
def latent_evaluate(name: Annotated[str, typer.Argument(help="Name of a latent space, or a weights file.")]) -> None:
    """Recovery of held-out formulas and quality of prior samples."""
    from matenv.latent.evaluation.evaluate import main as run

    run([name])


@latent_app.command("round-trip")
def latent_round_trip(
    formulas: Annotated[list[str] | None, typer.Argument(help="Formulas; default: held-out rows.")] = None,
    latent: Annotated[str, typer.Option(help="Name of a latent space, or a weights file.")] = "vae",
    draws: Annotated[int, typer.Option(help="Draws from each posterior.")] = 10,
    rows: Annotated[int, typer.Option(help="Held-out rows, where no formula is given.")] = 2000,
    seed: Seed = 0,
) -> None:
    """Whether formulas come back from the latent space, from their encoding and from draws around it."""
    from matenv import load_dataset, load_latent
    from matenv.latent.evaluation.round_trip import held_out, round_trip

    space = load_latent(latent)
    trip = round_trip(space, formulas or held_out(load_dataset(space.table), rows, seed), draws, seed)
    print(trip.table() if formulas else trip.summary())


@latent_app.command("smoothness")
def latent_smoothness(
    names: Annotated[list[str] | None, typer.Argument(help="Latent spaces; default: vae and vae-elawady.")] = None,
    predictor: Annotated[str, typer.Option(help="Name of a predictor, or a file.")] = "default",
    property: Annotated[str, typer.Option(help="Property.")] = "formation_energy",
) -> None:
    """How gradually formulas and a predicted property change along straight lines."""
    from matenv import load_dataset, load_latent, load_predictor
    from matenv.benchmark.smoothness import smoothness

    model, data = load_predictor(predictor), load_dataset()
    for name in names or ("vae", "vae-elawady"):
        print(name)
        for key, value in smoothness(load_latent(name), data, model, property).items():
            print(f"  {key:26s} {value:8.3f}")


@latent_app.command("interpolate")
def latent_interpolate(
    first: Annotated[str, typer.Argument(help="Formula to start from.")],
    last: Annotated[str, typer.Argument(help="Formula to end at.")],
    out: Annotated[Path, typer.Option(help="Picture to write.")] = Path("interpolation.png"),
    points: Annotated[int, typer.Option(help="Points on the line.")] = 201,
    latent: Annotated[str, typer.Option(help="Name of a latent space, or a weights file.")] = "vae",
) -> None:
    """The formulas on a straight line between two in the latent space, as a table and a picture."""
    from matenv import load_latent
    from matenv.latent.evaluation.line import straight_line
    from matenv.report.interpolation import draw_line

    line = straight_line(load_latent(latent), first, last, points)
    print(f"{'moved':>15s}  formula")
    for start, stop, formula in line.stretches():
        print(f"{line.moved[start]:6.2f} - {line.moved[stop - 1]:6.2f}  {formula}")
    draw_line(line, out, f"From {first} to {last}, a straight line in {latent}")
    print(f"Moved: whitened latent units from {first}, of {line.moved[-1]:.2f}. Picture: {out}")


@latent_app.command("map")
def latent_map(
    name: Annotated[str, typer.Argument(help="Name of a latent space, or a weights file.")] = "vae",
    out: Annotated[Path, typer.Option(help="Picture to write.")] = Path("latent-map.png"),
    property: Annotated[
        str | None, typer.Option(help="Label that colours the first map; default: the formation energy, or one phase.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Formulas shown.")] = 4000,
) -> None:
    """Two maps of the space's table: coloured by a property, and by family of materials."""
    from matenv import load_dataset, load_latent
    from matenv.report.latent_map import draw_map

    space = load_latent(name)
    draw_map(space, load_dataset(space.table), out, property, rows)
    print(f"Picture: {out}")


@latent_app.command("compare")
def latent_compare(
    spaces: Annotated[list[str] | None, typer.Argument(help="Latent spaces; default: all that are shipped.")] = None,
    out: Out = Path("runs/latent-compare"),
    seeds: Annotated[int, typer.Option(help="Training runs per space.")] = 3,
    timesteps: Annotated[int, typer.Option(help="Environment steps of each training run.")] = 100_000,
    page: Annotated[Path | None, typer.Option(help="Markdown page to write the tables into.")] = None,
) -> None:
    """Every latent space beside every other: recovery, samples, speed, and what PPO reaches in it."""
    from matenv.agents.latent_spaces import compare_spaces as run
    from matenv.latent import SHIPPED

    run(out, spaces or SHIPPED, seeds, timesteps, page=page)


@latent_app.command("generators")
def latent_generators(
    spaces: Annotated[
        list[str] | None,
        typer.Argument(help="Latent spaces or weights files; default: vae, vae-elawady, cvae, wgan-gp."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for generative.json and conditioning.png.")] = Path("generators"),
    samples: Annotated[int, typer.Option(help="Formulas of each.")] = 10_000,
    at_each: Annotated[int, typer.Option(help="Samples at each value asked of a conditional space.")] = 500,
    seed: Seed = 0,
) -> None:
    """Validity, uniqueness, novelty and diversity of samples; whether conditional spaces obey what is asked."""
    from matenv.report.generative import SPACES, compare_generators

    compare_generators(out, spaces or SPACES, samples, at_each, seed)


@predictor_app.command("train")
def predictor_train(
    out: Out,
    family: Annotated[str, typer.Option(help="Family of the networks: set, statistics or attention.")] = "set",
    epochs: Annotated[int, typer.Option(help="Epochs of each network.")] = 100,
    members: Annotated[int, typer.Option(help="Networks in the ensemble.")] = 3,
    seed: Seed = 0,
) -> None:
    """Train and calibrate a predictor on the frozen split (all settings: python -m matenv.properties.training.train)."""
    from matenv.properties.training.train import main as run

    settings = {"--out": out, "--family": family, "--epochs": epochs, "--members": members, "--seed": seed}
    run([str(word) for setting in settings.items() for word in setting])


@predictor_app.command("distil")
def predictor_distil(
    out: Out,
    teacher: Annotated[str, typer.Option(help="The ensemble to learn from: ensemble, or a file.")] = "ensemble",
    epochs: Annotated[int, typer.Option(help="Epochs.")] = 150,
    seed: Seed = 0,
) -> None:
    """Distil an ensemble into the fast student of the step loop."""
    from matenv.properties.training.distil import main as run

    run(["--out", str(out), "--teacher", teacher, "--epochs", str(epochs), "--seed", str(seed)])


@predictor_app.command("evaluate")
def predictor_evaluate(
    name: Annotated[str, typer.Argument(help="Name of a predictor, or a file.")] = "default",
) -> None:
    """Held-out errors and coverage of a predictor that was trained on train rows."""
    from matenv.properties.evaluation.evaluate import main as run

    run(["--model", name])


def main() -> None:
    """Run the command line; a user's mistake is one line, not a traceback."""
    try:
        app()
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(f"matenv: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
