"""Environment speed, and where a step's time goes: ``python -m benchmarks.environment``.

Random moves with the shipped defaults and every reward term. One measurement is one whole episode in every row, its
resets included. Rates are wall-clock, on all cores the process may use; core-microseconds are processor time.
Compared in the same process with the same environment in Gymnasium's `SyncVectorEnv` and with the straightforward
implementation in `benchmarks.naive`. Takes a few minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import matenv
from benchmarks import processes
from benchmarks.measure import Measurement, Quick, Report, Stopwatch, timed
from matenv.envs.latent_moves import LatentEpisodes
from tools.command import run

GROUP = "environment"
ENV_ID = "MaterialLatent-v0"
STEPS = 16
"""Steps of an episode: the default horizon."""

ROWS = 1024
"""Batch size of everything that is measured at one size."""


def moves(rows: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """Random actions of one episode (16, rows, dim)."""
    return np.random.default_rng(seed).uniform(-1, 1, (STEPS, rows, dim)).astype(np.float32)


def episode(envs: Any, actions: NDArray[np.float32]) -> Callable[[], None]:
    """A function that runs one episode in every row of a vector environment, which resets by itself."""

    def run() -> None:
        for action in actions:
            envs.step(action)

    return run


def single_episode(env: Any, actions: NDArray[np.float32]) -> Callable[[], None]:
    """A function that runs one episode in a single environment."""

    def run() -> None:
        env.reset()
        for action in actions:
            env.step(action)

    return run


def throughput(report: Report, quick: bool) -> tuple[Measurement, Measurement]:
    """Steps a second: single, batched, and in `SyncVectorEnv`. Returns the single and the batch of 1,024."""
    repeats = 3 if quick else 9
    env = gym.make(ENV_ID)
    env.reset(seed=0)
    dim = env.action_space.shape[0]  # type: ignore[index]
    seconds = timed(single_episode(env, moves(1, dim)[:, 0]), repeats * 5)
    single = report.add(GROUP, "single", "steps/s", STEPS / seconds, at_least=2_000)
    for rows in (64, 256, ROWS, 4096):
        envs = gym.make_vec(ENV_ID, num_envs=rows)
        envs.reset(seed=0)
        goal = 50_000 if rows == ROWS else None
        rate = STEPS * rows / timed(episode(envs, moves(rows, dim)), repeats)
        measured = report.add(GROUP, f"batched, N = {rows:,}", "steps/s", rate, at_least=goal)
        if rows == ROWS:
            batched = measured
    sync = gym.make_vec(ENV_ID, num_envs=64, vectorization_mode="sync")
    sync.reset(seed=0)
    rate = STEPS * 64 / timed(episode(sync, moves(64, dim)), 1 if quick else 3)
    theirs = report.add(GROUP, "the same environment in SyncVectorEnv, N = 64", "steps/s", rate)
    report.ratio(GROUP, "batched N = 1,024 over SyncVectorEnv", batched, theirs)
    return single, batched


def naive(report: Report, single: Measurement, batched: Measurement, quick: bool) -> None:
    """The straightforward implementation: its rate, and where its time goes."""
    from benchmarks.naive import CompetingPhases, Forests, NaiveEnv, NaiveReward

    data = matenv.load_dataset("mp-ground-states")
    train = data.subset(data.split("system").train)
    forests = Forests(train)
    repeats = 2 if quick else 9
    for name, keep, smact in (
        ("diagrams built anew", False, True),
        ("diagrams kept", True, True),
        ("diagrams kept, no SMACT", True, False),
    ):
        competing = CompetingPhases(train, keep)
        reward = NaiveReward(train, competing, forests, smact)
        env = NaiveEnv(reward)
        parts = {
            "decoding": (env.space, "decode_batch"),
            "forests": (forests, "predict"),
            "phase diagram": (competing, "decompose"),
            "SMACT and rules": (reward, "is_valid"),
        }
        # Every episode has moves of its own: kept diagrams help only where a walk comes back to a chemical system.
        episodes = (single_episode(env, moves(1, env.space.dim, seed)[:, 0]) for seed in count())
        with watching(parts) as watches:
            seconds = timed(partial(call_next, episodes), repeats)
        theirs = report.add(GROUP, f"straightforward ({name}), single", "steps/s", STEPS / seconds)
        report.ratio(GROUP, f"single over straightforward ({name})", single, theirs)
        report.ratio(GROUP, f"batched N = 1,024 over straightforward ({name})", batched, theirs)
        if name == "diagrams built anew":
            for part, watch in watches.items():
                share = 1e6 * watch.seconds / ((repeats + 1) * (STEPS + 1))  # a reset looks at a formula as well
                report.add(GROUP, f"straightforward, part of a step: {part}", "us", share)


def call_next(functions: Iterator[Callable[[], None]]) -> None:
    """Call the next of some functions."""
    next(functions)()


@contextmanager
def watching(
    parts: dict[str, tuple[Any, str]], clock: Callable[[], float] = time.perf_counter
) -> Iterator[dict[str, Stopwatch]]:
    """Time named methods of objects while the block runs.

    Args:
        parts: Object and method name, by name of the part.
        clock: As for `benchmarks.measure.timed`.

    Yields:
        A stopwatch per part.
    """
    watches = {name: Stopwatch(clock) for name in parts}
    for name, (owner, method) in parts.items():
        setattr(owner, method, watches[name].around(getattr(owner, method)))
    try:
        yield watches
    finally:
        for owner, method in parts.values():
            delattr(owner, method)  # the class's own shows again


def ceiling(report: Report, batched: Measurement, quick: bool) -> None:
    """What the models alone would allow: decoding and predicting 1,024 rows in the middle of an episode."""
    envs = gym.make_vec(ENV_ID, num_envs=ROWS)
    envs.reset(seed=0)
    core: LatentEpisodes = envs.unwrapped.core  # type: ignore[attr-defined]
    for action in moves(ROWS, core.latent.dim)[: STEPS // 2]:
        envs.step(action)
    assert core.state is not None
    z = core.state.z

    def models() -> None:
        decoded = core.latent.decode_batch(z)
        core.oracle.predictor.predict_batch(decoded[np.flatnonzero(decoded.size >= 2)])

    seconds = timed(models, 5 if quick else 27)
    alone = report.add(GROUP, "models alone (decode + predict), N = 1,024", "steps/s", ROWS / seconds)
    report.ratio(GROUP, "batched N = 1,024 over the models alone", batched, alone)


def parts_of_a_step(report: Report, rows: int, quick: bool) -> None:
    """Processor time of whole episodes by part, per row and step, resets included.

    The parts are timed where they stand, in real steps: alone and repeated they would find their tables in the cache.

    Args:
        report: Where to.
        rows: Number of environments; 1 for the single environment.
        quick: Few repeats.
    """
    env: Any = gym.make_vec(ENV_ID, num_envs=rows) if rows > 1 else gym.make(ENV_ID)
    env.reset(seed=0)
    inner = env.unwrapped
    core: LatentEpisodes = inner.core
    models = {
        "decode": (core.latent, "decode_batch"),
        "predict": (core.oracle.predictor, "predict_batch"),
        "encode (resets only)": (core.latent, "encode"),
    }
    others = {
        "hull": (core.oracle.hull, "decompose"),
        "nearest known formula": (core.oracle._known.neighbours, "nearest"),
        "ledger": (core.oracle._ledger, "register"),
        "observations": (core, "observe"),
        "words": (core, "describe") if rows == 1 else (inner, "_final_info"),
    }
    actions = moves(rows, core.latent.dim)
    run = episode(env, actions) if rows > 1 else single_episode(env, actions[:, 0])
    repeats = (3 if quick else 9) * (1 if rows > 1 else 10)
    whole, parts = np.empty(repeats), np.empty((repeats, len(models) + len(others)))
    with watching(models | others, time.process_time) as watches:
        run()
        for i in range(repeats):
            before = [watch.seconds for watch in watches.values()]
            start = time.process_time()
            run()
            whole[i] = time.process_time() - start
            parts[i] = [watch.seconds - b for watch, b in zip(watches.values(), before, strict=True)]
    whole, parts = (1e6 / (STEPS * rows) * seconds for seconds in (whole, parts))
    label = f"N = {rows:,}" if rows > 1 else "single"
    goal = 5 if rows == ROWS else None
    report.add(GROUP, f"{label}: whole step", "core-us/row", whole)
    outside = whole - parts[:, : len(models)].sum(axis=1)
    report.add(GROUP, f"{label}: outside the models", "core-us/row", outside, at_most=goal)
    for name, column in zip(watches, parts.T, strict=True):
        report.add(GROUP, f"{label}: {name}", "core-us/row", column)
    report.add(GROUP, f"{label}: all the rest", "core-us/row", whole - parts.sum(axis=1))


def adapter(report: Report, quick: bool) -> None:
    """What `SB3VecEnv` adds to the environment's own step, timed in the same steps."""
    from matenv.wrappers import SB3VecEnv

    envs = gym.make_vec(ENV_ID, num_envs=ROWS)
    wrapped = SB3VecEnv(envs)
    wrapped.seed(0)
    wrapped.reset()
    actions = moves(ROWS, envs.single_action_space.shape[0])  # type: ignore[index]
    overhead = []
    with watching({"step": (envs, "step")}) as watches:
        for _ in range(4 if quick else 10):
            watches["step"].seconds = 0.0
            start = time.perf_counter()
            episode(wrapped, actions)()
            total = time.perf_counter() - start
            overhead.append(100 * (total / watches["step"].seconds - 1))
    report.add(GROUP, "SB3VecEnv on top of a step, N = 1,024", "%", overhead[1:], at_most=15)


def measure(report: Report, quick: bool = False) -> None:
    """Measure everything into `report`, with few repeats if `quick`."""
    single, batched = throughput(report, quick)
    ceiling(report, batched, quick)
    for rows in (ROWS, 1):
        parts_of_a_step(report, rows, quick)
    adapter(report, quick)
    naive(report, single, batched, quick)
    processes.measure(report, quick)


def main(quick: Quick = False) -> None:
    """Measure and print."""
    report = Report(quick)
    measure(report, quick)
    print(report.markdown())


if __name__ == "__main__":
    run(main)
