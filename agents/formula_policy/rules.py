"""`FormulaRules`: what the rules of tasks leave open at each step of spelling a formula, exactly.

A choice is open if some formula that obeys the rules begins with it: no sequence runs into a dead end, and what is
spelled is always a reduced formula. Limits on atom fractions are not among the rules; `Task.screen` knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matenv.agents.formula_policy.sequences import MOST_COUNT, MOST_ELEMENTS, ORDER
from numpy.typing import NDArray
from torch import Tensor

from matenv.elements import NUM_ELEMENTS
from matenv.tasks import Task

STOP = NUM_ELEMENTS
"""The choice that ends a formula, after the 89 elements."""

_MOST_GROUPS = 8


@dataclass(frozen=True)
class State:
    """Formulas begun.

    Attributes:
        rule: Which rules hold (B,) int64.
        last: Place of the last element (B,) int64; -1 before the first.
        size: Elements so far (B,) int64.
        atoms: Atoms so far (B,) int64.
        divisor: Largest common divisor of the counts so far (B,) int64; 0 before the first.
        unmet: Required groups that still lack an element (B,) int64, as bits.
    """

    rule: Tensor
    last: Tensor
    size: Tensor
    atoms: Tensor
    divisor: Tensor
    unmet: Tensor

    def __getitem__(self, rows: Tensor) -> State:
        return State(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class FormulaRules:
    """Rules of R tasks, as tables.

    Attributes:
        allowed: Whether the element at a place may occur (R, 89) bool.
        groups: Required groups that the element at a place meets (R, 89) int64, as bits.
        left: Allowed elements after a place (R, 90); the last row, also reached by -1, is for "before the first".
        need: Fewest further elements, after a place, that meet a set of unmet groups (R, 90, 2^k); 99 if none do.
        limits: Fewest and most elements, most atoms and largest count (R, 4).
        unmet: All required groups (R,), as bits.
    """

    allowed: Tensor
    groups: Tensor
    left: Tensor
    need: Tensor
    limits: Tensor
    unmet: Tensor

    @classmethod
    def of(cls, *tasks: Task) -> FormulaRules:
        """The rules of tasks.

        Args:
            *tasks: The tasks; limits beyond 6 elements or 12 atoms of one are cut to these.

        Returns:
            The rules.

        Raises:
            ValueError: No task, rules that leave no formula, or more than 8 required groups.
        """
        if not tasks:
            raise ValueError("tasks is empty; give at least one")
        groups = max(len(task.required) for task in tasks)
        if groups > _MOST_GROUPS:
            raise ValueError(f"require asks for {groups} elements; at most {_MOST_GROUPS} are supported here")
        parts = [_tables(task, groups) for task in tasks]
        rules = cls(*(torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True)))
        state = rules.begin(torch.arange(len(tasks)))
        for task, open_ in zip(tasks, rules.elements(state).any(dim=1).tolist(), strict=True):
            if not open_:
                raise ValueError(
                    f"task {task.name!r} leaves no formula of at most {MOST_ELEMENTS} elements; relax elements, "
                    "require, min_elements or max_atoms"
                )
        return rules

    def begin(self, rule: Tensor) -> State:
        """Empty formulas, each under the rule of that number (B,)."""
        nothing = torch.zeros_like(rule)
        return State(rule, nothing - 1, nothing, nothing, nothing, self.unmet[rule])

    def add(self, state: State, place: Tensor, count: Tensor) -> State:
        """The formulas after `count` atoms of the element at `place`, (B,) each."""
        return State(
            state.rule, place, state.size + 1, state.atoms + count, torch.gcd(state.divisor, count),
            state.unmet & ~self.groups[state.rule, place],
        )  # fmt: skip

    def elements(self, state: State) -> Tensor:
        """Which elements may come next, and last whether the formula may end (B, 90) bool."""
        fewest, most, atoms, _ = self.limits[state.rule].T[:, :, None]
        places = torch.arange(NUM_ELEMENTS)[None]
        size, rule = state.size[:, None] + 1, state.rule[:, None]
        unmet = state.unmet[:, None] & ~self.groups[state.rule]
        more = torch.maximum(self.need[rule, places, unmet], fewest - size).clamp(min=0)
        fits = (more <= self.left[rule, places]) & (size + more <= most) & (state.atoms[:, None] + 1 + more <= atoms)
        later = self.allowed[state.rule] & (places > state.last[:, None])
        # A first atom always leaves a reduced formula within reach: it is one itself.
        whole = (state.size >= fewest[:, 0]) & (state.unmet == 0) & (state.divisor == 1)
        return torch.cat([fits & later, whole[:, None]], dim=1)

    def counts(self, state: State, place: Tensor) -> Tensor:
        """Which counts, 1 to 12, the element at `place` (B,) may have (B, 12) bool."""
        fewest, most, atoms, largest = self.limits[state.rule].T[:, :, None]
        count = torch.arange(1, MOST_COUNT + 1)[None]
        size = state.size[:, None] + 1
        unmet = state.unmet & ~self.groups[state.rule, place]
        more = torch.maximum(self.need[state.rule, place, unmet][:, None], fewest - size).clamp(min=0)
        # Counts with a common divisor need one more element that undoes it.
        common = torch.gcd(state.divisor[:, None], count) > 1
        more = torch.where(common, more.clamp(min=1), more.expand_as(common))
        fits = (more <= self.left[state.rule, place][:, None]) & (size + more <= most)
        return fits & (state.atoms[:, None] + count + more <= atoms) & (count <= largest)


def _tables(task: Task, groups: int) -> tuple[NDArray, ...]:
    """Tables of one task; required groups of several tasks share the width 2^k."""
    allowed = task.allowed[ORDER]
    bits = np.zeros(NUM_ELEMENTS, np.int64)
    for number, group in enumerate(task.required[:, ORDER]):
        bits |= (group & allowed).astype(np.int64) << number
    left = np.zeros(NUM_ELEMENTS + 1, np.int64)
    left[:-1] = allowed[::-1].cumsum()[::-1] - allowed
    left[-1] = allowed.sum()
    sets = np.arange(2**groups)
    need = np.full((NUM_ELEMENTS + 1, 2**groups), 99)
    need[:, 0] = 0
    for place in range(NUM_ELEMENTS - 2, -2, -1):  # after the last element, only nothing is met
        after = need[place + 1]
        taken = 1 + after[sets & ~bits[place + 1]] if allowed[place + 1] else after
        need[place] = np.minimum(after, taken)
    limits = np.array([
        task.min_elements, min(task.max_elements, MOST_ELEMENTS), task.max_atoms, min(task.max_count, MOST_COUNT)
    ])  # fmt: skip
    return allowed, bits, left, need, limits, np.array(2 ** len(task.required) - 1)


def check_rules(rules: FormulaRules | Task | Sequence[Task]) -> FormulaRules:
    """Rules as they are, or those of one task or several."""
    if isinstance(rules, FormulaRules):
        return rules
    return FormulaRules.of(*([rules] if isinstance(rules, Task) else rules))
