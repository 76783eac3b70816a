"""Every latent space beside every other: what it recovers and samples, how fast it steps, what PPO reaches in it.

Each space's metrics, each speed and each training run is written as it ends; the same command resumes. Speeds are taken
in turns, round after round, so that all spaces share the machine's moods.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.policies import RandomPolicy
from matenv.agents.train import ENV_ID, train

import matenv
from matenv.atomic import write_whole
from matenv.benchmark.results import stored_with
from matenv.benchmark.spaces import measure_space
from matenv.benchmark.statistics import mean_interval
from matenv.latent import SHIPPED

METRICS = {
    "dim": "dimensions",
    "parameters": "parameters",
    "test_element_set": "element set",
    "test_exact_formula": "exact formula",
    "sample_prevalence_kl": "prevalence KL",
    "sample_elements_tv": "elements TV",
    "sample_valid": "two or more elements",
    "sample_unique": "unique",
    "sample_known": "known",
    "sample_neutral": "neutral",
    "sample_balanced": "balanced",
    "sample_diversity": "diversity",
    "active_units": "active units",
    "test_elbo": "ELBO [nats]",
    "formula_detour": "formula detour",
    "property_detour": "energy detour",
}
"""Metrics of the first table, as `matenv.benchmark.spaces` measures them, and their headings."""

ROWS, STEPS, ROUNDS = 1024, 16, 5
"""Environments at once, steps a round and rounds of the speed measurement."""

TASKS = {"dvae": "single-phase-alloy"}
"""Spaces that move over other materials than the rest have a task of their own."""


def compare_spaces(
    out: str | Path = "runs/latent-compare",
    spaces: Sequence[str] = SHIPPED,
    seeds: int = 3,
    timesteps: int = 100_000,
    task: str = "stiff-stable",
    page: str | Path | None = None,
) -> dict[str, Any]:
    """Measure every space; print the tables.

    Args:
        out: Folder for runs and results.
        spaces: Names of latent spaces, or weights files.
        seeds: Training runs per space.
        timesteps: Environment steps of each.
        task: Task that PPO trains on, but for the spaces in `TASKS`.
        page: A Markdown page between whose markers the tables are to be written.

    Returns:
        Per space: ``metrics``, ``steps_per_second``, ``ppo`` and ``random`` (mean and half width of the 95 % interval).

    Raises:
        ValueError: No space, or `seeds` below 1.
    """
    if not spaces or seeds < 1:
        raise ValueError(f"spaces={list(spaces)}, seeds={seeds}: at least one of each")
    if page is not None:
        _between_markers(Path(page))  # now, not after the training
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    result: dict[str, dict[str, Any]] = {
        name: {
            "task": TASKS.get(name, task),
            "metrics": stored_with(
                folder / f"{Path(name).stem}-metrics.json", _settings(name), partial(measure_space, name)
            ),
        }
        for name in spaces
    }
    for name, rate in _speeds(folder, result).items():
        result[name]["steps_per_second"] = rate
    for name, entry in result.items():
        runs = [_returns(folder, name, entry["task"], seed, timesteps) for seed in range(seeds)]
        entry |= {who: mean_interval([run[who] for run in runs]) for who in ("random", "ppo", "ppo_score")}
    write_whole(folder / "table.json", json.dumps({"seeds": seeds, "timesteps": timesteps, **result}, indent=1) + "\n")
    text = tables(result, seeds, timesteps)
    print(text)
    if page is not None:
        write_between_markers(Path(page), text)
    return result


BEGIN, END = "<!-- tables: written by `matenv latent compare` -->\n", "<!-- end of tables -->"


def write_between_markers(page: Path, text: str) -> None:
    """Put `text` between `BEGIN` and `END` of a page.

    Raises:
        FileNotFoundError: There is no such page.
        ValueError: The page lacks a marker.
    """
    before, after = _between_markers(page)
    write_whole(page, before + BEGIN + text + END + after)


def _between_markers(page: Path) -> tuple[str, str]:
    """What stands before and after the tables of a page."""
    if not page.is_file():
        raise FileNotFoundError(f"page={str(page)!r} does not exist; give a page with the lines {BEGIN!r} and {END!r}")
    before, begun, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"page={str(page)!r} lacks the lines {BEGIN.strip()!r} and {END!r}")
    return before, after


def tables(result: dict[str, Any], seeds: int, timesteps: int) -> str:
    """The tables in Markdown.

    Args:
        result: What `compare_spaces` returns.
        seeds: Training runs per space.
        timesteps: Steps of each.

    Returns:
        Two tables: what the spaces are, and what it is like to move in them.
    """
    first = [f"| space | {' | '.join(METRICS.values())} |", "|---" * (len(METRICS) + 1) + "|"]
    for name, entry in result.items():
        cells = [_cell(key, entry["metrics"].get(key)) for key in METRICS]
        first.append(f"| `{name}` | {' | '.join(cells)} |")
    reference = max(entry["steps_per_second"] for entry in result.values())
    second = [
        "| space | task | steps/s | of the fastest | random: return "
        f"| PPO, {timesteps:,} steps: return | its final score |",
        "|---" * 7 + "|",
    ]
    for name, entry in result.items():
        rate = entry["steps_per_second"]
        cells = [f"{entry[key][0]:.3f} +- {entry[key][1]:.3f}" for key in ("random", "ppo", "ppo_score")]
        second.append(f"| `{name}` | {entry['task']} | {rate:,.0f} | {rate / reference:.2f} | {' | '.join(cells)} |")
    note = f"Returns: mean of {seeds} seeds with the half width of the 95 % interval (Student's t), 256 episodes each."
    return "\n".join([*first, "", *second, "", note, ""])


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key in ("dim", "active_units", "parameters"):
        return f"{value:,.0f}"
    share = key.startswith(("test_e", "sample_")) and not key.endswith(("kl", "tv", "elbo", "diversity"))
    return f"{100 * value:.1f} %" if share else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _speeds(folder: Path, spaces: dict[str, Any]) -> dict[str, float]:
    """Steps per second of each space: the median of rounds in which each takes its turn."""

    def measure() -> dict[str, float]:
        envs = {
            name: gym.make_vec(ENV_ID, num_envs=ROWS, latent=name, task=entry["task"]) for name, entry in spaces.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in envs}
        for turn in range(ROUNDS + 1):
            for name, env in envs.items():
                actions = np.random.default_rng(turn).uniform(-1, 1, (STEPS, *env.action_space.shape))  # type: ignore[misc]
                env.reset(seed=turn)
                start = time.perf_counter()
                for action in actions.astype(np.float32):
                    env.step(action)
                seconds[name].append(time.perf_counter() - start)
        return {name: ROWS * STEPS / float(np.median(taken[1:])) for name, taken in seconds.items()}  # first: warm-up

    tasks = {name: entry["task"] for name, entry in spaces.items()}
    return stored_with(folder / "speeds.json", _settings(*tasks, tasks=tasks, rows=ROWS, steps=STEPS), measure)


def _returns(folder: Path, name: str, task: str, seed: int, timesteps: int) -> dict[str, float]:
    """Returns of PPO and of random moves from the same starts, which no training used."""
    run = folder / f"{Path(name).stem}-ppo-{seed}"

    def measure() -> dict[str, float]:
        kwargs: dict[str, Any] = {"latent": name, "task": task}
        agent = train("ppo", run, timesteps, seed, ENV_ID, kwargs, progress=False)
        chance = RandomPolicy(gym.make(ENV_ID, **kwargs).action_space, seed)
        starts = 1_000_000 * (seed + 1)
        learned, random = (evaluate_policy(p, ENV_ID, 256, starts, **kwargs) for p in (agent, chance))
        return {
            "ppo": float(learned.returns.mean()),
            "ppo_score": float(learned.final_scores.mean()),
            "random": float(random.returns.mean()),
        }

    settings = _settings(name, task=task, seed=seed, timesteps=timesteps)
    return stored_with(run.with_suffix(".json"), settings, measure)


def _settings(*spaces: str, **settings: Any) -> dict[str, Any]:
    """What a result depends on; a weights file of one's own is told by its content."""
    files = [Path(name) for name in spaces if Path(name).is_file()]
    digests = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {"spaces": list(spaces), **settings, "files": digests, "matenv": matenv.__version__}
