"""PPO beside random moves in the alloy space, and a judge outside the reward: ``python -m studies.alloys.agent``.

The reward is the head of `dvae`. The judge is a random forest on the same labels, which no reward has seen. A last run
takes the task's limits away (from two elements on, any fractions) to show what they stop.
A run keeps each agent as it goes, and resumes. The figures go to ``studies/results/alloy-agent.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import torch
import typer
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.policies import RandomPolicy
from matenv.agents.train import train
from sklearn.ensemble import RandomForestClassifier

import matenv
from matenv.chemistry.alloys import alloy_descriptors
from matenv.composition import CompositionBatch, integer_counts
from matenv.tasks import TASKS
from matenv.tasks.single_phase import p_single_phase
from studies import RESULTS
from tools.command import run

RESULT = RESULTS / "alloy-agent.json"
ENV_ID, SPACE, TASK = "MaterialLatent-v0", "dvae", "single-phase-alloy"
SEEDS, STEPS, EPISODES, STARTS = 3, 60_000, 256, 1_000_000

NO_LIMITS = {"min_elements": 2, "min_fraction": 0.0, "max_fraction": 1.0, "max_count": 60}
UNLIMITED = replace(matenv.load_task(TASK), name="single-phase-unlimited", **NO_LIMITS)  # type: ignore[arg-type]
"""The same objective with nothing that keeps an agent from dilute binaries."""


def judge() -> RandomForestClassifier:
    """A forest on descriptors and fractions of all labelled alloys."""
    data = matenv.load_dataset("hea-phases")
    rows = np.flatnonzero(np.isfinite(data.labels["single_phase"]))
    x = features(data.fractions[rows])
    return RandomForestClassifier(300, random_state=0, n_jobs=1).fit(x, data.labels["single_phase"][rows])


def features(x: np.ndarray) -> np.ndarray:
    """What the judge sees of fractions (B, 89)."""
    return np.hstack([alloy_descriptors(x), x])


def measured(policy: Any, kwargs: Mapping[str, Any], seed: int, forest: RandomForestClassifier) -> dict[str, Any]:
    """Returns, and what reward model and judge say of the last formulas."""
    result = evaluate_policy(policy, ENV_ID, EPISODES, STARTS * (seed + 1), **kwargs)
    formulas = [formula for formula in result.final_formulas if formula]
    batch = CompositionBatch.from_counts(integer_counts(formulas))
    x, allowed = batch.fractions(), matenv.load_task(kwargs["task"]).allows(batch)
    said = p_single_phase(x)
    order = np.argsort(-said * allowed)
    return {
        "return": float(result.returns.mean()),
        "final_score": float(result.final_scores.mean()),
        "success": float(result.success.mean()),
        "allowed": float(allowed.mean()),
        "reward_model": float(said[allowed].mean()),
        "judge": float(forest.predict_proba(features(x[allowed]))[:, 1].mean()),
        "largest_fraction": float(x[allowed].max(axis=1).mean()),
        "elements": float(batch.size[allowed].mean()),
        "systems": len({tuple(row) for row in batch.elements[allowed].tolist()}),
        "best": [formulas[i] for i in order[:5]],
    }


def main(
    out: Annotated[Path, typer.Option(help="Folder of the agents, for resuming.")] = Path("runs/alloy-agent"),
    result: Annotated[Path, typer.Option(help="File of the figures.")] = RESULT,
) -> None:
    """Train and measure what is missing, then write and print the figures."""
    torch.set_num_threads(1)
    forest = judge()
    figures: dict[str, Any] = {"command": "python -m studies.alloys.agent", "steps": STEPS, "episodes": EPISODES}
    TASKS[UNLIMITED.name] = UNLIMITED
    for label, task, seed in [*(("limits", TASK, seed) for seed in range(SEEDS)), ("no limits", UNLIMITED.name, 0)]:
        kwargs: dict[str, Any] = {"latent": SPACE, "task": task}
        path = out / f"{label.replace(' ', '-')}-{seed}"
        kept = path.with_suffix(".json")
        if not kept.is_file():
            agent = train("ppo", path, STEPS, seed, ENV_ID, kwargs, progress=False)
            chance = RandomPolicy(gym.make(ENV_ID, **kwargs).action_space, seed)
            both = {who: measured(p, kwargs, seed, forest) for who, p in (("ppo", agent), ("random", chance))}
            kept.write_text(json.dumps(both))
        figures.setdefault(label, []).append(json.loads(kept.read_text()))
    result.write_text(json.dumps(figures, indent=1) + "\n")
    for label in ("limits", "no limits"):
        for who in ("random", "ppo"):
            each = [run[who] for run in figures[label]]
            means = {key: round(float(np.mean([e[key] for e in each])), 3) for key in each[0] if key != "best"}
            print(f"{label}, {who}: {means} {each[0]['best'][:3]}")


if __name__ == "__main__":
    run(main)
