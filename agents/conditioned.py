"""`ConditionedPolicy`: the formula policy told what a wish asks for, learnt in hindsight; alone and with the model.

Formulas that the prior draws under the rules of training wishes are taken as answers to the wish they would have been
right for: their own properties as the model of the oracle has them (hindsight, Andrychowicz and co-workers, NeurIPS
2017), the viable ones more often. What is fitted is p(formula | targets, rules) by maximum likelihood.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matenv.agents.amortised import MemorySearch, PriorModel
from matenv.agents.formula_policy import FormulaRules, Unrolled, load_prior
from matenv.agents.memory import PROPERTIES
from numpy.typing import NDArray
from torch import nn

from matenv.benchmark import Training, register
from matenv.composition import CompositionBatch
from matenv.tasks import Task
from matenv.tasks.wishes import TOLERANCES, ends

CONTEXT = 2 * len(PROPERTIES)
"""What the policy is told: of each property its target in standard units, 0 if not asked for, and whether it is."""

ROUNDS, RULES, EACH = 4, 250, 24
"""Rounds of the fit; in each, wishes whose rules hold, and formulas drawn under each of them."""

STEPS, BATCH, RATE = 150, 256, 1e-3
"""Gradient steps of a round, formulas in each, and the learning rate."""

NOISE = 0.5
"""Targets in hindsight miss the formula's own properties by this many tolerances."""


class ConditionedPolicy(MemorySearch):
    """Samples of the policy that was told the wish."""

    def train(self, training: Training) -> None:
        """Memory and model as in `MemorySearch`, then the policy in hindsight."""
        super().train(training)  # the model, on which hindsight rests
        told = self.memory.told[:, : len(PROPERTIES)]
        self.middle, self.spread = told.mean(axis=0), told.std(axis=0) + 1e-6
        self.policy = load_prior(CONTEXT)
        optimizer = torch.optim.Adam(self.policy.parameters(), RATE)
        for _ in range(ROUNDS):
            self._fit(training, optimizer)

    def ask(self, n: int) -> CompositionBatch:
        """New samples."""
        drawn = self.drawn(4 * n + 20)
        return drawn[self.problem.fresh(drawn)][:n]

    def drawn(self, number: int) -> CompositionBatch:
        """Samples of the policy under the wish's rules."""
        context = torch.from_numpy(self.context(self.problem.task)).float()
        return self.policy.sample(number, self.rules, self.generator, context)[0].compositions()

    def context(self, task: Task) -> NDArray[np.float64]:
        """What the policy is told of a wish (`CONTEXT`,): of a window its middle, or one tolerance in from its end."""
        wanted = np.full((1, len(PROPERTIES)), np.nan)
        for objective in task.objectives:
            asked: Any = objective
            low, high = (end / TOLERANCES[asked.property_name] for end in ends(asked))
            aim = high - 1 if np.isinf(low) else low + 1 if np.isinf(high) else (low + high) / 2
            wanted[0, PROPERTIES.index(asked.property_name)] = aim
        return self._told(wanted)[0]

    def _told(self, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Contexts (B, `CONTEXT`) of targets in units of the tolerance (B, properties), NaN where none is asked for."""
        return np.concatenate([np.nan_to_num((wanted - self.middle) / self.spread), np.isfinite(wanted)], axis=1)

    def _fit(self, training: Training, optimizer: torch.optim.Optimizer) -> None:
        rules = FormulaRules.of(*(training.wish(self.rng).task() for _ in range(RULES)))
        rule = torch.arange(RULES).repeat_interleave(EACH)
        formulas, _ = self.prior.sample(len(rule), rules, self.generator, rule=rule)
        said = self.model.predict(formulas.compositions()).mean(axis=0)
        chance = np.clip(said[:, -1], 0.0, 1.0) ** 2 + 1e-6
        unrolled = Unrolled.of(formulas, rules, rule)
        for _ in range(STEPS):
            rows = self.rng.choice(len(said), BATCH, p=chance / chance.sum())
            wanted = said[rows, : len(PROPERTIES)] + NOISE * self.rng.standard_normal((BATCH, len(PROPERTIES)))
            kind = self.rng.integers(len(PROPERTIES) + 1, size=BATCH)  # one property only, or all
            wanted[(kind[:, None] < len(PROPERTIES)) & (kind[:, None] != np.arange(len(PROPERTIES)))] = np.nan
            context = torch.from_numpy(self._told(wanted)).float()
            loss = -self.policy.log_prob_of(unrolled[torch.from_numpy(rows)], context).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
            optimizer.step()


class ConditionedModel(ConditionedPolicy, PriorModel):
    """Memory, conditioned policy and model: the model picks among what is remembered, drawn, substituted, and bred.

    As `PriorModel`, with samples of the policy that was told the wish in place of the prior's.
    """

    def ask(self, n: int) -> CompositionBatch:
        """As `PriorModel`."""
        return PriorModel.ask(self, n)


register("conditioned policy", ConditionedPolicy, ("amortised",))
register("memory + policy + model", ConditionedModel, ("amortised",))
