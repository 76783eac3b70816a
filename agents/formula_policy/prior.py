"""The shipped prior: a `FormulaPolicy` that spells formulas like those of the train part; it knows no label."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import torch
from matenv.agents.formula_policy.network import FormulaPolicy
from matenv.agents.formula_policy.rules import FormulaRules
from matenv.agents.formula_policy.sequences import Sequences
from matenv.agents.formula_policy.unrolled import Unrolled
from torch import Tensor

from matenv.tasks import Task
from matenv.training.weights_file import WeightsFormat

FORMAT = WeightsFormat("matenv-formula-policy-1", "formula policy", "python -m tools.fit_formula_prior")

EVERYTHING = Task("everything", "The rules under which the prior is trained.", (), min_elements=2, exclude=())
"""Formulas of 2 to 6 elements, at most 20 atoms and 12 of each."""


def load_prior(context: int = 0) -> FormulaPolicy:
    """The shipped prior; a new one at each call, to be trained on.

    Args:
        context: Numbers of a context vector, which it ignores until it is trained.

    Returns:
        The policy.

    Examples:
        >>> from matenv.agents.formula_policy import Sequences
        >>> from matenv import CompositionBatch, fractions, load_task
        >>> two = Sequences.of(CompositionBatch.from_fractions(fractions(["MgAl2O4", "Mg7Al2O4"])))
        >>> log_p = load_prior().log_prob(two, load_task("stable-novel"))
        >>> bool(log_p[0] > log_p[1] + 5)
        True
    """
    width, tensors = _shipped()
    policy = FormulaPolicy(context, width)
    policy.load_state_dict(tensors, strict=context == 0)
    return policy


def write(policy: FormulaPolicy, path: Path) -> None:
    """Store a policy, in half precision."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in policy.state_dict().items()}
    FORMAT.write(path, tensors, {"config": json.dumps({"width": policy.width})})


def pretrain(
    formulas: Sequences, epochs: int = 40, batch: int = 512, rate: float = 2e-3, width: int = 192, seed: int = 0
) -> FormulaPolicy:
    """A policy that spells formulas as a set of them has it: maximum likelihood.

    Args:
        formulas: The set.
        epochs: Times that each is shown.
        batch: Formulas per step.
        rate: Highest learning rate, of a cycle.
        width: As `FormulaPolicy`.
        seed: Of weights and order.

    Returns:
        The policy; the same for the same arguments.
    """
    generator, rules = torch.Generator().manual_seed(seed), FormulaRules.of(EVERYTHING)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = FormulaPolicy(width=width)
    steps, unrolled = max(len(formulas) // batch, 1), Unrolled.of(formulas, rules)
    optimizer = torch.optim.Adam(policy.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps)
    for _ in range(epochs):
        order = torch.randperm(len(formulas), generator=generator)
        for step in range(steps):
            loss = -policy.log_prob_of(unrolled[order[step * batch : (step + 1) * batch]]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return policy


@lru_cache(maxsize=1)
def _shipped() -> tuple[int, dict[str, Tensor]]:
    path = Path(str(files("matenv.agents.formula_policy") / "weights" / "formula-prior.safetensors"))
    header, tensors = FORMAT.read(path)
    FORMAT.verify(path, header, tensors)
    return json.loads(header["config"])["width"], {name: tensor.float() for name, tensor in tensors.items()}
