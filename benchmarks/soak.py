"""Millions of steps with random and extreme moves: every number stays finite, and memory stays flat.

Writes a file that grows with every reading, as JSON and Markdown; an environment that is in it is not run again. About
half an hour:

    python -m benchmarks.soak --steps 10000000 --out benchmarks/results/soak.json
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.machine import machine
from benchmarks.processes import peak_memory, resident_memory
from matenv.envs.registration import ALL_IDS, SYSTEM_IDS
from tools.command import run

SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Parts of the run after which memory is read."""


@dataclass(frozen=True)
class Reading:
    """What has happened after some steps.

    Attributes:
        steps: Steps so far, over all rows.
        formulas: Distinct formulas that the oracle remembers; 0 where the table answers and not an oracle.
        resident: Memory of the process now [MiB].
        peak: Largest memory of the process so far [MiB].
    """

    steps: int
    formulas: int
    resident: float
    peak: float


@dataclass(frozen=True)
class Soak:
    """One environment's run.

    Attributes:
        env_id: Registered id.
        steps: Steps asked for, over all rows.
        rows: Episodes in the batch.
        budget: Most distinct formulas that the oracle evaluates, None for no limit.
        episodes: Episodes that ended.
        readings: In order.
    """

    env_id: str
    steps: int
    rows: int
    budget: int | None
    episodes: int
    readings: list[Reading]


def extreme(space: gym.Space, random: np.random.Generator) -> NDArray:
    """Moves of a batch: uniform ones, or, a third of the time each, all corners of the box or far outside it."""
    if isinstance(space, gym.spaces.MultiDiscrete):
        return random.integers(space.nvec)
    assert isinstance(space, gym.spaces.Box)
    if np.issubdtype(space.dtype, np.integer):
        return random.integers(space.low, space.high + 1)
    moves = random.uniform(-1, 1, space.shape).astype(np.float32)
    kind = random.integers(3)
    return moves if kind == 0 else np.sign(moves) if kind == 1 else (moves * 1e30).astype(np.float32)


def soak(env_id: str, steps: int, rows: int, budget: int | None) -> Soak:
    """Run a batch.

    Args:
        env_id: Registered id.
        steps: Steps over all rows.
        rows: Episodes in the batch.
        budget: Most distinct formulas of the oracle, which remembers each; None for no limit.

    Returns:
        What was read at `SHARES` of the run.

    Raises:
        FloatingPointError: An observation or a reward is not finite.
    """
    arguments: dict[str, Any] = {} if budget is None else {"budget": budget}
    envs = gym.make_vec(env_id, num_envs=rows, **arguments)
    core = envs.unwrapped.core  # type: ignore[attr-defined]
    random = np.random.default_rng(0)
    envs.reset(seed=0)
    readings, marks, episodes = [], [int(share * steps) for share in SHARES], 0
    for done in range(rows, steps + rows, rows):
        observation, reward, terminated, truncated, _ = envs.step(extreme(envs.action_space, random))
        parts = observation.values() if isinstance(observation, dict) else [observation]
        if not all(np.isfinite(part).all() for part in [*parts, reward]):
            raise FloatingPointError(f"{env_id}: an observation or a reward is not finite after {done:,} steps")
        episodes += int((terminated | truncated).sum())
        if marks and done >= marks[0]:
            marks.pop(0)
            formulas = 0 if env_id in SYSTEM_IDS else core.oracle.calls
            readings.append(Reading(done, formulas, resident_memory() / 2**20, peak_memory() / 2**20))
            print(f"{env_id}: {readings[-1]}", flush=True)
    return Soak(env_id, steps, rows, budget, episodes, readings)


def markdown(record: dict[str, Any]) -> str:
    """A result file's content as a page."""
    about = record["machine"]
    lines = [
        f"# Soak of {about['date']} on {about['processor']}", "",
        f"Command: `{about['command']}`. Python {about['python']}, {about['system']}.", "",
        "Moves: a third of the batches uniform, a third at corners of the box, a third far outside (1e30);",
        "uniform where moves are whole numbers. Every observation and reward was finite. Environments ran one after",
        "another in one process, so memory includes what the earlier ones left loaded. Memory in MiB at a share of the",
        "steps.", "",
        "| environment | steps | rows | budget | episodes | formulas remembered | "
        + " | ".join(f"{share:.0%}" for share in SHARES) + " | peak |",
        "|---|" + "---|" * (len(SHARES) + 6),
    ]  # fmt: skip
    for entry in record["soaks"]:
        readings = entry["readings"]
        memory = " | ".join(f"{reading['resident']:,.0f}" for reading in readings)
        budget = "none" if entry["budget"] is None else f"{entry['budget']:,}"
        lines.append(
            f"| {entry['env_id']} | {readings[-1]['steps']:,} | {entry['rows']:,} | {budget} | {entry['episodes']:,} | "
            f"{readings[-1]['formulas']:,} | {memory} | {readings[-1]['peak']:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def main(
    only: Annotated[list[str] | None, typer.Option(help="Ids of environments; default: all.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of each environment, over all rows.")] = 10_000_000,
    rows: Annotated[int, typer.Option(help="Episodes in a batch.")] = 1024,
    budget: Annotated[int, typer.Option(help="Distinct formulas that the oracle evaluates; 0: no limit.")] = 100_000,
    out: Annotated[Path | None, typer.Option(help="Result file (.json); a page (.md) is written beside it.")] = None,
) -> None:
    """Run the environments that the result file lacks."""
    record: dict[str, Any] = {"machine": machine(), "soaks": []}
    if out and out.exists():
        record["soaks"] = json.loads(out.read_text())["soaks"]
    asked = ("env_id", "steps", "rows", "budget")
    for env_id in only or ALL_IDS:
        given = (env_id, steps, rows, None if env_id in SYSTEM_IDS else budget or None)
        if any(tuple(entry[key] for key in asked) == given for entry in record["soaks"]):
            continue
        record["soaks"].append(asdict(soak(*given)))
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(record, indent=1) + "\n")
            out.with_suffix(".md").write_text(markdown(record))


if __name__ == "__main__":
    run(main)
