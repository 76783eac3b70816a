"""Environment speed, and where a step's time goes: ``python -m benchmarks.environment``.

Random moves with the shipped defaults and every reward term. One measurement is one whole episode in every row, its
resets included. Rates are wall-clock, on all cores the process may use; core-microseconds are processor time with one
torch thread. Compared in the same process with the same environment in Gymnasium's `SyncVectorEnv` and with the
straightforward implementation in `benchmarks.naive`. Takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

import matenv
from benchmarks.measure import Measurement, Report, Stopwatch, timed
from matenv.envs.core import LatentCore

GROUP = "environment"
ENV_ID = "MaterialLatent-v0"
STEPS = 16
"""Steps of an episode: the default horizon."""

ROWS = 1024
"""Batch size of everything that is measured at one size."""

START = """
import gymnasium, matenv, numpy
env = gymnasium.make("MaterialLatent-v0")
env.reset(seed=0)
env.step(env.action_space.sample())
"""

MEMORY = """
import json, sys
import gymnasium, matenv, numpy
from benchmarks.environment import peak_memory, resident_memory
rows = int(sys.argv[1])
small = gymnasium.make_vec("MaterialLatent-v0", num_envs=2)
small.reset(seed=0)
small.step(small.action_space.sample())
before = resident_memory()
envs = gymnasium.make_vec("MaterialLatent-v0", num_envs=rows)
envs.reset(seed=0)
for _ in range(33):  # two episodes: two resets of all rows
    envs.step(envs.action_space.sample())
print(json.dumps([before, peak_memory()]))
"""
"""Memory of a process with models, table and hull loaded, and its peak once it has stepped many environments."""


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


def throughput(report: Report, quick: bool) -> Measurement:
    """Steps a second of the single and the batched environment and of `SyncVectorEnv`; returns the batch of 1,024."""
    repeats = 3 if quick else 9
    env = gym.make(ENV_ID)
    env.reset(seed=0)
    dim = env.action_space.shape[0]  # type: ignore[index]
    seconds = timed(single_episode(env, moves(1, dim)[:, 0]), repeats * 5)
    report.add(GROUP, "single", "steps/s", STEPS / seconds, at_least=2_000)
    with one_thread():
        seconds = timed(single_episode(env, moves(1, dim)[:, 0]), repeats * 5)
    report.add(GROUP, "single, one torch thread", "steps/s", STEPS / seconds)
    for rows in (64, 256, ROWS, 4096):
        envs = gym.make_vec(ENV_ID, num_envs=rows)
        envs.reset(seed=0)
        goal = 50_000 if rows == ROWS else None
        rate = STEPS * rows / timed(episode(envs, moves(rows, dim)), repeats)
        measured = report.add(GROUP, f"batched, N = {rows:,}", "steps/s", rate, at_least=goal)
        if rows == ROWS:
            batched = measured
            with one_thread():
                rate = STEPS * rows / timed(episode(envs, moves(rows, dim)), repeats)
            report.add(GROUP, f"batched, N = {rows:,}, one torch thread", "steps/s", rate)
    sync = gym.make_vec(ENV_ID, num_envs=64, vectorization_mode="sync")
    sync.reset(seed=0)
    rate = STEPS * 64 / timed(episode(sync, moves(64, dim)), 1 if quick else 3)
    theirs = report.add(GROUP, "the same environment in SyncVectorEnv, N = 64", "steps/s", rate)
    report.ratio(GROUP, "batched N = 1,024 over SyncVectorEnv", batched, theirs)
    return batched


def naive(report: Report, batched: Measurement, quick: bool) -> None:
    """The straightforward implementation: its rate, and where its time goes."""
    from benchmarks.naive import CompetingPhases, Forests, NaiveEnv, NaiveReward

    data = matenv.load_dataset("mp-ground-states")
    train = data.subset(data.split("system").train)
    forests, competing = Forests(train), CompetingPhases(train)
    reward = NaiveReward(train, competing, forests)
    env = NaiveEnv(reward)
    parts = {
        "decoding": (env.space, "decode_batch"),
        "forests": (forests, "predict"),
        "phase diagram": (competing, "decompose"),
        "SMACT and rules": (reward, "is_valid"),
    }
    repeats = 2 if quick else 9
    for name, keep, smact in (
        ("diagrams built anew", False, True),
        ("diagrams kept", True, True),
        ("diagrams kept, no SMACT", True, False),
    ):
        competing.keep, reward.smact = keep, smact
        # Every episode has moves of its own: kept diagrams help only where a walk comes back to a chemical system.
        episodes = (single_episode(env, moves(1, env.space.dim, seed)[:, 0]) for seed in count())
        with watching(parts) as watches:
            seconds = timed(partial(call_next, episodes), repeats)
        theirs = report.add(GROUP, f"straightforward ({name}), single", "steps/s", STEPS / seconds)
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


def parts_of_a_step(report: Report, batched: Measurement, quick: bool) -> None:
    """What the parts of a step cost at 1,024 rows in the middle of an episode, and the models' ceiling."""
    repeats = 5 if quick else 27
    envs = gym.make_vec(ENV_ID, num_envs=ROWS)
    envs.reset(seed=0)
    core: LatentCore = envs.unwrapped.core  # type: ignore[attr-defined]
    for action in moves(ROWS, core.latent.dim)[: STEPS // 2]:
        envs.step(action)
    assert core.state is not None
    z, batch = core.state.z, core.state.compositions
    oracle, part = core.oracle, batch[np.flatnonzero(batch.size >= 2)]

    def models() -> None:
        decoded = core.latent.decode_batch(z)
        oracle.predictor.predict_batch(decoded[np.flatnonzero(decoded.size >= 2)])

    ceiling = report.add(GROUP, "models alone (decode + predict), N = 1,024", "steps/s", ROWS / timed(models, repeats))
    report.ratio(GROUP, "batched N = 1,024 over the models alone", batched, ceiling)
    assessed = oracle.assess(batch)
    calls: dict[str, Callable[[], object]] = {
        "decode": lambda: core.latent.decode_batch(z),
        "predict": lambda: oracle.predictor.predict_batch(part),
        "hull (E_comp)": lambda: oracle.hull.energy(part, exclude_self=True),
        "nearest known formula": lambda: oracle._neighbours.nearest(batch),
        "ledger": lambda: oracle._ledger.register(batch),
        "assess (predict, hull, nearest, ledger, P(stable))": lambda: oracle.assess(batch),
        "score": lambda: core.task.score(assessed),
        "observe": lambda: core.observe(),
        "info": lambda: envs.unwrapped._info(),  # type: ignore[attr-defined]
        "encode (resets only)": lambda: core.latent.encode(part),
        "formulas in words (ended episodes only)": lambda: batch.formulas(),
    }
    with one_thread():
        for name, call in calls.items():
            micro = 1e6 * timed(call, repeats, time.process_time) / ROWS
            report.add(GROUP, f"part of a step: {name}", "core-us/row", micro)


def outside_the_models(report: Report, quick: bool) -> None:
    """Processor time of whole episodes less that inside encoder, decoder and predictor, per row and step."""
    envs = gym.make_vec(ENV_ID, num_envs=ROWS)
    envs.reset(seed=0)
    core: LatentCore = envs.unwrapped.core  # type: ignore[attr-defined]
    run = episode(envs, moves(ROWS, core.latent.dim))
    models = {
        "encode": (core.latent, "encode"),
        "decode": (core.latent, "decode_batch"),
        "predict": (core.oracle.predictor, "predict_batch"),
    }
    whole, outside = [], []
    with one_thread(), watching(models, time.process_time) as watches:
        run()
        for _ in range(3 if quick else 9):
            for watch in watches.values():
                watch.seconds = 0.0
            start = time.process_time()
            run()
            whole.append(time.process_time() - start)
            outside.append(whole[-1] - sum(watch.seconds for watch in watches.values()))
    scale = 1e6 / (STEPS * ROWS)
    report.add(GROUP, "whole step, resets included", "core-us/row", scale * np.array(whole))
    report.add(GROUP, "whole step outside the models", "core-us/row", scale * np.array(outside), at_most=5)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, so that waiting threads do not count as processor time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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


def processes(report: Report, quick: bool) -> None:
    """Start of a fresh process, and memory, each in a process of its own."""

    def run(code: str, *arguments: str) -> str:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    seconds = timed(lambda: run(START), 1 if quick else 5)
    report.add(GROUP, "process start to first step (make, reset, step)", "s", seconds, at_most=3)
    before, peak = json.loads(run(MEMORY, "4096"))
    report.add(GROUP, "4,096 environments: memory above that of two", "MiB", (peak - before) / 2**20, at_most=1024)
    report.add(GROUP, "4,096 environments: peak of the whole process", "MiB", peak / 2**20)


def resident_memory() -> int:
    """Memory of this process now [bytes]."""
    return _memory("VmRSS")


def peak_memory() -> int:
    """Largest memory this process has had [bytes]."""
    return _memory("VmHWM")


def _memory(field: str) -> int:
    """A field of /proc/self/status [bytes]; elsewhere the peak by `resource` stands for both."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def measure(report: Report, quick: bool = False) -> None:
    """Measure everything into `report`, with few repeats if `quick`."""
    batched = throughput(report, quick)
    parts_of_a_step(report, batched, quick)
    outside_the_models(report, quick)
    adapter(report, quick)
    naive(report, batched, quick)
    processes(report, quick)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repeats")
    options = parser.parse_args()
    report = Report(options.quick)
    measure(report, options.quick)
    print(report.markdown())


if __name__ == "__main__":
    main()
