"""What an agent of the amortised track remembers of its training: formulas, and what the oracle predicted of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matenv.agents.formula_policy import FormulaPolicy, FormulaRules, load_prior
from numpy.typing import NDArray
from torch import Generator, arange

from matenv.benchmark import Problem, Training
from matenv.composition import CompositionBatch
from matenv.elements import NUM_ELEMENTS
from matenv.tasks import Task
from matenv.tasks.wishes import TOLERANCES, Wish, ends

PROPERTIES = tuple(TOLERANCES)
"""Properties that wishes are about."""

OUTPUTS = len(PROPERTIES) + 1
"""What is told of a formula: each property in units of its tolerance, and viability last."""


class Memory:
    """Formulas assessed in training, and what was predicted of them.

    Attributes:
        compositions: The formulas (N).
        told: Properties in units of their tolerance, and viability (N, `OUTPUTS`); NaN where nothing was predicted.
    """

    def __init__(self) -> None:
        self.compositions = CompositionBatch.from_counts(np.zeros((0, NUM_ELEMENTS), np.int64))
        self.told = np.zeros((0, OUTPUTS))

    def add(self, compositions: CompositionBatch, told: NDArray[np.float64]) -> None:
        """Remember formulas (B) and what was told of them (B, `OUTPUTS`)."""
        self.compositions = CompositionBatch.concatenate([self.compositions, compositions])
        self.told = np.concatenate([self.told, told])

    def best(self, problem: Problem) -> CompositionBatch:
        """What answers a problem, best first: formulas that pass the free checks and are worth something."""
        rows = np.flatnonzero(problem.screen(self.compositions))
        value = worth(self.told[rows], problem.task)
        order = np.argsort(-value, kind="stable")
        return self.compositions[rows[order[value[order] > 0]]]


def told_of(problem: Problem) -> NDArray[np.float64]:
    """What the oracle said of the formulas assessed last (B, `OUTPUTS`)."""
    columns = [problem.predicted[name] / TOLERANCES[name] for name in PROPERTIES]
    return np.stack([*columns, problem.terms["viability"]], axis=1)


def worth(told: NDArray, task: Task) -> NDArray[np.float64]:
    """Score of formulas for a wish, by what was told or foretold of them.

    Args:
        told: Properties in units of their tolerance, and viability (..., `OUTPUTS`).
        task: A wish as a task.

    Returns:
        (...,) in [0, 1]; 0 where nothing is known.
    """
    value = np.clip(told[..., -1], 0.0, 1.0)
    for objective in task.objectives:
        wanted: Any = objective
        name = wanted.property_name
        low, high = (end / TOLERANCES[name] for end in ends(wanted))
        mean = told[..., PROPERTIES.index(name)]
        away = mean - np.clip(mean, low, high)
        value = value * np.exp(-0.5 * (away * TOLERANCES[name] / wanted.tolerance) ** 2)
    return np.nan_to_num(value)


def samples_for(
    wishes: list[Wish], each: int, generator: Generator, policy: FormulaPolicy | None = None
) -> tuple[CompositionBatch, NDArray[np.int64]]:
    """Formulas that obey the rules of wishes, from the prior, and the wish of each."""
    rules = FormulaRules.of(*(wish.task() for wish in wishes))
    rule = arange(len(wishes)).repeat_interleave(each)
    formulas, _ = (policy or load_prior()).sample(len(rule), rules, generator, rule=rule)
    return formulas.compositions(), rule.numpy()


def problems_of(training: Training, wishes: list[Wish]) -> list[Problem]:
    """The wishes as problems; those of one training share its calls."""
    return [training.problem(wish) for wish in wishes]
