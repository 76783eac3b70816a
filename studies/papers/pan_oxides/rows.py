"""The rows of the table: where formulas come from, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from matenv.agents.edit_dqn import EditDQN
from matenv.agents.evaluation import evaluate_policy
from matenv.agents.formula_policy import load_prior
from matenv.agents.policies import Policy, RandomPolicy
from matenv.agents.train import train
from numpy.typing import NDArray

import matenv
from matenv.composition import CompositionBatch, integer_counts
from matenv.report.generated import measure_generated
from matenv.tasks import Task, load_task
from matenv.tasks.objectives import Objective, maximise, minimise
from matenv.tasks.registry import task_for_storage
from studies.papers.pan_oxides.paper import random_counts, shares_as_checked

ENV_ID = "MaterialOxides-v0"

OBJECTIVES: dict[str, Objective] = {
    "formation_energy": minimise("formation_energy", -4.0, 0.0),
    "log10_bulk_modulus": maximise("log10_bulk_modulus", 1.2, 2.6),
    "log10_shear_modulus": maximise("log10_shear_modulus", 0.8, 2.4),
    "band_gap_pbe": maximise("band_gap_pbe", 0.0, 6.0),
}
"""The paper's objectives that are predicted here, linear over the range that formulas cover."""

BEST = 0.2
"""Share of the actions, the best, among which the paper's policy chooses uniformly."""

BASE = ("random, the paper's rules", "random", "table", "prior")
"""Rows without an objective."""

AIMED = ("table's best", "DQN, best fifth", "DQN", "MaskablePPO", "MaskablePPO, viable")
"""Rows for each objective."""


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes:
        formulas: Formulas a row.
        steps: Training steps of an agent.
        seeds: Seeds of each row.
        out: Folder of agents and of what is measured.
        states: Oxidation states of an older SMACT, if there is a file.
    """

    formulas: int
    steps: int
    seeds: int
    out: Path
    states: Path | None = None


class BestShare:
    """Chooses uniformly among the best share of the allowed actions, as the paper's policy does.

    Args:
        agent: Tells actions' values.
        seed: Seed of its own generator.
    """

    def __init__(self, agent: EditDQN, seed: int) -> None:
        self.agent, self.random = agent, np.random.default_rng(seed)

    def predict(
        self, observation: NDArray, *, deterministic: bool = False, action_masks: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray, None]:
        """Actions (N,) for observations (N, width)."""
        with torch.no_grad():
            values = self.agent.q_net(torch.as_tensor(observation)).numpy()
        masks = np.ones_like(values, np.bool_) if action_masks is None else action_masks
        ranked = np.argsort(np.where(masks, -values, np.inf), axis=1, kind="stable")
        many = np.maximum(np.round(BEST * masks.sum(axis=1)), 1)
        chosen = (self.random.random(len(values)) * many).astype(np.int64)
        return ranked[np.arange(len(values)), chosen], None


def task_of(objective: str, viable: bool = False) -> Task:
    """The task ``pan-oxides`` with another objective, and if asked for with viability as a factor of its score."""
    task = replace(load_task("pan-oxides"), name=f"pan-{objective}", objectives=(OBJECTIVES[objective],))
    return replace(task, name=f"{task.name}-viable", viability="p_found") if viable else task


@cache
def judges() -> dict[str, matenv.Oracle]:
    """The models that pay, on the hull of the whole table, and another family of models, trained on all rows."""
    return {"proxy": matenv.Oracle("all"), "gold": matenv.Oracle("all", predictor="gold", judge=True)}


@cache
def table() -> CompositionBatch:
    """The table's oxides that obey the rules."""
    data = matenv.load_dataset("mp-ground-states")
    return data.compositions[np.flatnonzero(load_task("pan-oxides").allows(data.compositions))]


def base_row(name: str, seed: int, plan: Plan) -> dict[str, Any]:
    """One of `BASE`."""
    if name == BASE[0]:
        counts = random_counts(plan.formulas, seed)
        measured = measures(CompositionBatch.from_counts(counts)) | shares_as_checked(counts)
        if plan.states is not None:
            old = shares_as_checked(counts, plan.states)
            measured |= {f"{key}_smact2": value for key, value in old.items()}
        return measured
    if name == "random":
        return measures(built(RandomPolicy(gym.make(ENV_ID).action_space, seed), "pan-oxides", seed, plan))
    if name == "table":
        rows = np.random.default_rng(seed).permutation(len(table()))[: plan.formulas]
        return measures(table()[rows])
    sample, _ = load_prior().sample(plan.formulas, load_task("pan-oxides"), torch.Generator().manual_seed(seed))
    return measures(sample.compositions())


def aimed_row(name: str, objective: str, seed: int, plan: Plan) -> dict[str, Any]:
    """One of `AIMED`."""
    if name == AIMED[0]:
        said = judges()["proxy"].assess(table()).mean[objective]
        order = np.argsort(said if objective == "formation_energy" else -said, kind="stable")
        return measures(table()[order[: plan.formulas]])
    kind, viable = "maskable_ppo" if name.startswith("MaskablePPO") else "dqn", name == AIMED[-1]
    stored = task_for_storage(task_of(objective, viable))
    folder = plan.out / f"{kind}{'-viable' * viable}-{objective}-{seed}"
    agent: Any = train(kind, folder, plan.steps, seed, ENV_ID, {"task": stored}, progress=False)
    return measures(built(BestShare(agent, seed) if name == AIMED[1] else agent, stored, seed, plan))


def built(policy: Policy, task: Any, seed: int, plan: Plan) -> CompositionBatch:
    """Formulas that a policy builds."""
    found = evaluate_policy(policy, ENV_ID, plan.formulas, seed * plan.formulas, task=task)
    return CompositionBatch.from_counts(integer_counts(found.final_formulas))


def measures(batch: CompositionBatch) -> dict[str, Any]:
    """What the formulas are worth, by the model that pays and, with ``gold_``, by another; and the first of them."""
    proxy, gold = (measure_generated(batch, judge) for judge in judges().values())
    also = {f"gold_{key}": value for key, value in gold.items() if key.startswith("mean_") or key == "stable"}
    said = {key: round(value, 4) for key, value in (proxy | also).items()}
    return said | {"elements": round(float(batch.size.mean()), 3), "first": batch[:5].formulas()}
