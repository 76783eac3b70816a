"""Speed of `MaterialElements-v0` beside `MaterialLatent-v0`: ``python -m benchmarks.edits``.

Random allowed edits with the shipped defaults: a step is the masks, the choice of an edit and the step itself. One
measurement is one whole episode in every row, its resets included. Takes about a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.environment import ROWS, STEPS, episode, moves
from benchmarks.measure import Quick, Report, timed
from tools.command import run

GROUP = "edits"
ENV_ID = "MaterialElements-v0"


@njit(cache=True)
def choose(masks: NDArray[np.bool_], draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """A random allowed action of each row (N,): the one that a draw in [0, 1) points at."""
    chosen = np.zeros(len(masks), np.int64)
    for row in range(len(masks)):
        ahead = int(draws[row] * masks[row].sum())
        for action in range(masks.shape[1]):
            ahead -= masks[row, action]
            if ahead < 0:
                chosen[row] = action
                break
    return chosen


def masked_episode(envs: Any, rows: int) -> Callable[[], None]:
    """A function that runs one episode of random allowed edits in every row of a vector environment."""
    draws = np.random.default_rng(0).random((STEPS, rows))

    def run() -> None:
        for draw in draws:
            envs.step(choose(envs.unwrapped.action_masks(), draw))

    return run


def single_episode(env: Any) -> Callable[[], None]:
    """A function that runs one episode of random allowed edits in a single environment."""
    draws = np.random.default_rng(0).random((STEPS, 1))

    def run() -> None:
        env.reset()
        for draw in draws:
            env.step(choose(env.unwrapped.action_masks()[None], draw)[0])

    return run


def measure(report: Report, quick: bool = False) -> None:
    """Measure everything into `report`, with few repeats if `quick`."""
    repeats = 3 if quick else 9
    env = gym.make(ENV_ID)
    env.reset(seed=0)
    report.add(GROUP, "single", "steps/s", STEPS / timed(single_episode(env), repeats * 5))
    for rows in (64, ROWS):
        envs = gym.make_vec(ENV_ID, num_envs=rows)
        envs.reset(seed=0)
        measured = report.add(
            GROUP, f"batched, N = {rows:,}", "steps/s", STEPS * rows / timed(masked_episode(envs, rows), repeats)
        )
    envs = gym.make_vec(ENV_ID, num_envs=ROWS, reachability=True)
    envs.reset(seed=0)
    rate = STEPS * ROWS / timed(masked_episode(envs, ROWS), repeats)
    report.add(GROUP, f"batched, N = {ROWS:,}, neutral formulas kept within reach", "steps/s", rate)
    latent = gym.make_vec("MaterialLatent-v0", num_envs=ROWS)
    latent.reset(seed=0)
    dim = latent.single_action_space.shape[0]  # type: ignore[index]
    theirs = report.add(
        GROUP, f"MaterialLatent-v0, N = {ROWS:,}", "steps/s",
        STEPS * ROWS / timed(episode(latent, moves(ROWS, dim)), repeats),
    )  # fmt: skip
    report.ratio(GROUP, f"edits over latent moves, N = {ROWS:,}", measured, theirs)


def main(quick: Quick = False) -> None:
    """Measure and print."""
    report = Report(quick)
    measure(report, quick)
    print(report.markdown())


if __name__ == "__main__":
    run(main)
