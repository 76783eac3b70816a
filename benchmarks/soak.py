"""Millions of steps with random and extreme moves: nothing breaks, and memory stays flat.

Command: python -m benchmarks.soak --steps 10000000
"""

from __future__ import annotations

import argparse
import resource

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from matenv.envs.registration import IDS

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Parts of the run after which memory is read."""


def resident() -> float:
    """Largest memory of this process so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def extreme(space: gym.Space, random: np.random.Generator) -> NDArray:
    """Moves of a batch: uniform ones, or, a third of the time each, all corners of the box or far outside it."""
    if isinstance(space, gym.spaces.MultiDiscrete):
        return random.integers(space.nvec)
    moves = random.uniform(-1, 1, space.shape).astype(np.float32)  # type: ignore[arg-type]
    kind = random.integers(3)
    return moves if kind == 0 else np.sign(moves) if kind == 1 else (moves * 1e30).astype(np.float32)


def soak(env_id: str, steps: int, rows: int, budget: int | None) -> list[tuple[int, float, int]]:
    """Run a batch.

    Args:
        env_id: Registered id.
        steps: Steps over all rows.
        rows: Episodes in the batch.
        budget: Most distinct formulas of the oracle, which remembers each; None for no limit.

    Returns:
        Steps so far, memory [MiB] and formulas remembered, at `SHARES` of the run.
    """
    envs = gym.make_vec(env_id, num_envs=rows, budget=budget)
    core = envs.unwrapped.core  # type: ignore[attr-defined]
    random = np.random.default_rng(0)
    envs.reset(seed=0)
    readings, marks = [], [int(share * steps) for share in SHARES]
    for done in range(rows, steps + rows, rows):
        observation, reward, *_ = envs.step(extreme(envs.action_space, random))
        assert np.isfinite(observation).all() and np.isfinite(reward).all()
        if marks and done >= marks[0]:
            marks.pop(0)
            readings.append((done, resident(), core.oracle.calls))
            print(f"{env_id}: {done:,} steps, {readings[-1][1]:.0f} MiB, {core.oracle.calls:,} formulas", flush=True)
    return readings


def main() -> None:
    """Run every environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000_000, help="steps of each environment, over all rows")
    parser.add_argument("--rows", type=int, default=1024, help="episodes in a batch")
    parser.add_argument("--budget", type=int, default=100_000, help="distinct formulas that the oracle evaluates")
    given = parser.parse_args()
    for env_id in IDS:
        soak(env_id, given.steps, given.rows, given.budget)


if __name__ == "__main__":
    main()
