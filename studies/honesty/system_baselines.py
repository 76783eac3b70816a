"""What chance and a fixed ranking earn in `MaterialSystem-v0`: ``python -m studies.honesty.system_baselines``.

The ranking proposes the ten compositions of a system with the highest p_found of the train reference, and learns
nothing from what is revealed. With ``--run FOLDER`` also what an agent earns there:
``matenv train ppo --env MaterialSystem-v0 --out FOLDER``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import typer
from matenv.agents.policies import Policy
from matenv.agents.train import load
from numpy.typing import NDArray

import matenv  # noqa: F401  registers the environments
from matenv.elements import SYMBOLS
from matenv.envs.known_systems import SIZES, SLOTS, by_electronegativity, known_systems
from matenv.oracle import Oracle
from matenv.oracle.rivals import rank_system
from tools.command import run

HORIZON = 10


def ranked_actions(oracle: Oracle, slots: NDArray[np.int16]) -> NDArray[np.int64]:
    """Actions (10, 4) that propose a system's likeliest compositions.

    Args:
        oracle: Ranks them.
        slots: Elements of the system (4,), padded with -1.
    """
    elements = slots[slots >= 0]
    ranked = rank_system(oracle, [SYMBOLS[k] for k in elements.tolist()])
    counts = ranked.compositions[np.arange(HORIZON)].dense_counts()[:, elements]
    actions = np.zeros((HORIZON, SLOTS), np.int64)
    actions[:, : len(elements)] = counts - 1
    return actions


def returns(systems: list[list[str]], actions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Hits (S,) of fixed proposals (10, S, 4)."""
    envs: Any = gym.make_vec("MaterialSystem-v0", num_envs=len(systems))
    envs.reset(seed=0, options={"system": systems})
    return np.sum([envs.step(each)[1] for each in actions], axis=0)


def earned_by(agent: Policy, systems: list[list[str]]) -> NDArray[np.float64]:
    """Hits (S,) of an agent that explores as it did in training."""
    envs: Any = gym.make_vec("MaterialSystem-v0", num_envs=len(systems))
    seen, _ = envs.reset(seed=0, options={"system": systems})
    hits = np.zeros(len(systems))
    for _ in range(HORIZON):
        actions, _ = agent.predict(seen, deterministic=False)
        seen, reward, *_ = envs.step(actions)
        hits += reward
    return hits


def main(
    systems: Annotated[int, typer.Option(help="Held-out systems of each number of elements.")] = 100,
    part: Annotated[str, typer.Option(help="Part of the split.")] = "test",
    trained: Annotated[Path | None, typer.Option("--run", help="Folder of a trained agent.")] = None,
) -> None:
    """Print mean returns, with standard errors over systems."""
    agent = None if trained is None else load(trained)
    known, oracle, random = known_systems(), Oracle("train"), np.random.default_rng(0)
    for size in SIZES:
        pool = known.pool(part, size)
        numbers = np.sort(random.permutation(pool)[:systems])
        slots = by_electronegativity(known.systems.elements[numbers, :SLOTS])
        names = [[SYMBOLS[k] for k in row if k >= 0] for row in slots.tolist()]
        chance = returns(names, random.integers(12, size=(HORIZON, len(names), SLOTS)))
        ranking = returns(names, np.stack([ranked_actions(oracle, row) for row in slots], axis=1))
        every = np.minimum(known.phases[numbers], HORIZON)
        rows = [("random", chance), ("p_found", ranking), ("all", every)]
        if agent is not None:
            rows.insert(1, ("trained", earned_by(agent, names)))
        for name, earned in rows:
            error = earned.std() / np.sqrt(len(earned))
            print(f"{size} elements, n = {len(earned)}: {name:8s} {earned.mean():.2f} +- {error:.2f}", flush=True)


if __name__ == "__main__":
    run(main)
