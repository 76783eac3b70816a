"""Environment speed, and where a step's time goes: ``python benchmarks/environment.py``.

Random moves with the shipped defaults; medians over repeats with the smallest and largest. Takes about a minute.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch

import matenv  # noqa: F401  (registers the environments)

STEPS = 16
"""One whole episode per measurement, so that resets are counted."""


def rate(call: Callable[[], object], units: int, repeats: int) -> tuple[float, float, float]:
    """Units a second: median, smallest, largest over repeats, after one unmeasured call."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return units / float(np.median(seconds)), units / max(seconds), units / min(seconds)


def line(name: str, measured: tuple[float, float, float]) -> None:
    """Print one row."""
    print(f"{name:44s}{measured[0]:12,.0f}  ({measured[1]:,.0f} - {measured[2]:,.0f})")


def episode(envs: gym.vector.VectorEnv, moves: np.ndarray) -> Callable[[], None]:
    """A function that runs one episode in every row."""

    def run() -> None:
        for move in moves:
            envs.step(move)

    return run


def single_episode(env: gym.Env, moves: np.ndarray) -> Callable[[], None]:
    """A function that runs one episode in a single environment."""

    def run() -> None:
        env.reset()
        for move in moves:
            env.step(move)

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--rows", type=int, nargs="+", default=[64, 256, 1024, 4096])
    repeats = (options := parser.parse_args()).repeats
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} torch threads, torch {torch.__version__}")
    random = np.random.default_rng(0)

    print("environment steps a second                        median  (smallest - largest)")
    env = gym.make("MaterialLatent-v0")
    env.reset(seed=0)
    dim = env.action_space.shape[0]
    line("single", rate(single_episode(env, random.uniform(-1, 1, (STEPS, dim))), STEPS, repeats * 5))
    sync = gym.make_vec("MaterialLatent-v0", num_envs=64, vectorization_mode="sync")
    sync.reset(seed=0)
    line("the same in SyncVectorEnv, N = 64", rate(episode(sync, random.uniform(-1, 1, (STEPS, 64, dim))), STEPS * 64, 3))
    for rows in options.rows:
        envs = gym.make_vec("MaterialLatent-v0", num_envs=rows)
        envs.reset(seed=0)
        moves = random.uniform(-1, 1, (STEPS, rows, dim)).astype(np.float32)
        line(f"batched, N = {rows}", rate(episode(envs, moves), STEPS * rows, repeats))

    print("\nparts of a step at N = 1,024                rows a second, and microseconds a row")
    core = envs.unwrapped.core
    z = core.latent.sample(1024, seed=0)
    batch = core.latent.decode_batch(z)
    valid = batch[np.flatnonzero(batch.size >= 2)]
    parts: dict[str, Callable[[], object]] = {
        "decode": lambda: core.latent.decode_batch(z),
        "predict": lambda: core.oracle.predictor.predict_batch(valid),
        "hull (E_comp)": lambda: core.oracle.hull.energy(valid, exclude_self=True),
        "nearest known formula": lambda: core.oracle._neighbours.nearest(valid),
        "ledger": lambda: core.oracle._ledger.register(batch),
        "assess (all of the above but decode)": lambda: core.oracle.assess(batch),
        "encode (resets only)": lambda: core.latent.encode(valid),
        "observe": lambda: core.observe(),
    }
    for name, call in parts.items():
        rows = core.rows if name == "observe" else 1024
        measured = rate(call, rows, repeats * 3)
        print(f"{name:44s}{measured[0]:12,.0f}  {1e6 / measured[0]:6.2f} us")


if __name__ == "__main__":
    main()
