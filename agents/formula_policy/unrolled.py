"""`Unrolled`: every step of spelling some formulas, and what the rules leave open there; worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matenv.agents.formula_policy.rules import STOP, FormulaRules, check_rules
from matenv.agents.formula_policy.sequences import MOST_COUNT, Sequences
from torch import Tensor

from matenv.elements import NUM_ELEMENTS
from matenv.tasks import Task


@dataclass(frozen=True)
class Unrolled:
    """The steps of B formulas: T = the most elements of one of them, and one more to stop.

    Attributes:
        before: Counts by place before each step (B, T, 89) float32.
        place: Element chosen there, `STOP` for none (B, T).
        count: Its count, 1 where none is chosen (B, T).
        elements: Which elements, and stopping, were open (B, T, 90) bool.
        counts: Which counts (B, T, 12) bool.
        used: Whether the step is taken (B, T) bool: a formula that has ended takes none.
    """

    before: Tensor
    place: Tensor
    count: Tensor
    elements: Tensor
    counts: Tensor
    used: Tensor

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, rows: Tensor) -> Unrolled:
        return Unrolled(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @classmethod
    def of(
        cls, formulas: Sequences, rules: FormulaRules | Task | Sequence[Task], rule: Tensor | None = None
    ) -> Unrolled:
        """Unroll formulas.

        Args:
            formulas: The formulas (B).
            rules: Rules, or the task or tasks they are those of.
            rule: Which of the rules holds for each formula (B,) int64; the first by default.

        Returns:
            Their steps.
        """
        rules, size = check_rules(rules), len(formulas)
        steps = int(formulas.size.max()) + 1 if size else 1
        result = cls(
            torch.zeros(size, steps, NUM_ELEMENTS), torch.full((size, steps), STOP),
            torch.ones(size, steps, dtype=torch.long), torch.zeros(size, steps, STOP + 1, dtype=torch.bool),
            torch.zeros(size, steps, MOST_COUNT, dtype=torch.bool), torch.zeros(size, steps, dtype=torch.bool),
        )  # fmt: skip
        state = rules.begin(torch.zeros(size, dtype=torch.long) if rule is None else rule)
        rows = torch.arange(size)
        for step in range(steps):
            result.used[rows, step] = True
            result.elements[rows, step] = rules.elements(state)
            on = (formulas.size[rows] > step).nonzero()[:, 0]
            rows, state = rows[on], state[on]
            if not len(rows):
                break
            place, count = formulas.places[rows, step], formulas.counts[rows, step]
            result.place[rows, step], result.count[rows, step] = place, count
            result.counts[rows, step] = rules.counts(state, place)
            result.before[rows, step + 1] = result.before[rows, step]
            result.before[rows, step + 1, place] = count.float()
            state = rules.add(state, place, count)
        return result

    @classmethod
    def concatenate(cls, parts: list[Unrolled]) -> Unrolled:
        """Several, at least one, as one."""
        steps = max(part.place.shape[1] for part in parts)
        padded = [part._padded(steps) for part in parts]
        return cls(*(torch.cat([getattr(part, name) for part in padded]) for name in cls.__dataclass_fields__))

    def _padded(self, steps: int) -> Unrolled:
        """The same with unused steps behind."""
        more, rows = steps - self.place.shape[1], len(self)
        if not more:
            return self
        columns = []
        for name in self.__dataclass_fields__:
            column = getattr(self, name)
            columns.append(torch.cat([column, column.new_zeros((rows, more, *column.shape[2:]))], dim=1))
        return Unrolled(*columns)
