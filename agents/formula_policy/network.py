"""`FormulaPolicy`: a network that spells formulas element by element, with exact probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matenv.agents.formula_policy.rules import STOP, FormulaRules, State, check_rules
from matenv.agents.formula_policy.sequences import MOST_COUNT, MOST_ELEMENTS, Sequences
from matenv.agents.formula_policy.unrolled import Unrolled
from torch import Generator, Tensor, nn

from matenv.elements import NUM_ELEMENTS
from matenv.tasks import Task

_CLOSED = -1e9  # logit of a choice that the rules close


class FormulaPolicy(nn.Module):
    """A policy over formulas: it chooses an element, then its count, until it stops.

    What is chosen next depends on the counts so far and, if there is one, on a context vector: a wish, a system. The
    context enters by weights that begin at zero, so that a policy made from the prior begins as the prior.

    Args:
        context: Numbers in the context vector; 0 for none.
        width: Units of each hidden layer.
    """

    def __init__(self, context: int = 0, width: int = 192) -> None:
        if context < 0 or width < 1:
            raise ValueError(f"context={context} must not be negative, width={width} must be positive")
        super().__init__()
        self.context, self.width = context, width
        self.first = nn.Linear(2 * NUM_ELEMENTS + 2, width)
        self.asked = nn.Linear(context, width, bias=False) if context else None
        self.second = nn.Linear(width, width)
        self.element = nn.Linear(width, NUM_ELEMENTS + 1)
        self.chosen = nn.Embedding(NUM_ELEMENTS, 64)
        self.count = nn.Sequential(nn.Linear(width + 64, 128), nn.ReLU(), nn.Linear(128, MOST_COUNT))
        if self.asked is not None:
            nn.init.zeros_(self.asked.weight)

    def log_prob(
        self,
        formulas: Sequences,
        rules: FormulaRules | Task | Sequence[Task],
        context: Tensor | None = None,
        rule: Tensor | None = None,
    ) -> Tensor:
        """Log-probability of formulas; differentiable.

        Args:
            formulas: The formulas (B).
            rules: Rules, or the task or tasks they are those of.
            context: Context vectors (B, context).
            rule: Which of the rules holds for each formula (B,) int64; the first by default.

        Returns:
            (B,) natural logarithms; about -1e9 for a formula that the rules forbid.
        """
        return self.log_prob_of(Unrolled.of(formulas, rules, rule), context)

    def log_prob_of(self, formulas: Unrolled, context: Tensor | None = None) -> Tensor:
        """As `log_prob`, of formulas that were unrolled before."""
        row, step = formulas.used.nonzero(as_tuple=True)
        place, count = formulas.place[row, step], formulas.count[row, step]
        hidden = self._hidden(formulas.before[row, step], None if context is None else context[row])
        log_p = self._elements(hidden, formulas.elements[row, step]).gather(1, place[:, None])[:, 0]
        on = (place < STOP).nonzero()[:, 0]
        part = self._counts(hidden[on], place[on], formulas.counts[row[on], step[on]])
        log_p = log_p.index_add(0, on, part.gather(1, count[on, None] - 1)[:, 0])
        return torch.zeros(len(formulas)).index_add(0, row, log_p)

    @torch.no_grad()
    def sample(
        self,
        number: int,
        rules: FormulaRules | Task | Sequence[Task],
        generator: Generator,
        context: Tensor | None = None,
        rule: Tensor | None = None,
    ) -> tuple[Sequences, Tensor]:
        """Spell formulas by chance; what begins alike is computed once.

        Args:
            number: How many, B.
            rules: As `log_prob`.
            generator: Source of chance.
            context: Context vectors (B, context), or one for all (context,).
            rule: As `log_prob`.

        Returns:
            The formulas, which obey the rules, and their log-probabilities (B,).

        Raises:
            ValueError: `number` below 1.
        """
        if number < 1:
            raise ValueError(f"number={number} must be at least 1")
        rules = check_rules(rules)
        places, amounts = (torch.zeros(number, MOST_ELEMENTS, dtype=torch.long) for _ in range(2))
        formulas = Sequences(places, amounts, torch.zeros(number, dtype=torch.long))
        rows, total = torch.arange(number), torch.zeros(number)
        state, context, begun = _beginnings(number, rules, context, rule)
        counts = torch.zeros(len(state.rule), NUM_ELEMENTS)
        for step in range(MOST_ELEMENTS + 1):
            hidden = self._hidden(counts, context)
            log_p = self._elements(hidden, rules.elements(state))
            place = _drawn(log_p, begun, generator)
            total[rows] += log_p[begun, place]
            on = (place < STOP).nonzero()[:, 0]
            if not len(on):
                break
            rows, begun, (node, place) = rows[on], *_shared(begun[on], place[on])
            state = state[node]
            log_p = self._counts(hidden[node], place, rules.counts(state, place))
            count = _drawn(log_p, begun, generator)
            total[rows] += log_p[begun, count]
            formulas.places[rows, step], formulas.counts[rows, step] = place[begun], count + 1
            formulas.size[rows] += 1
            begun, (on, count) = _shared(begun, count + 1)
            state, counts = rules.add(state[on], place[on], count), counts[node[on]]
            counts[torch.arange(len(on)), place[on]] = count.float()
            context = None if context is None else context[node[on]]
        return formulas, total

    def _hidden(self, counts: Tensor, context: Tensor | None) -> Tensor:
        """Features (B, width) of formulas begun, given their counts by place (B, 89)."""
        present = (counts > 0).float()
        totals = present.sum(dim=1, keepdim=True) / 3, counts.sum(dim=1, keepdim=True) / 10
        inputs = torch.cat([counts / 6, present, *totals], dim=1)
        hidden = self.first(inputs)
        if self.asked is not None:
            if context is None:
                raise ValueError(f"context is missing; this policy is told {self.context} numbers for each formula")
            hidden = hidden + self.asked(context)
        return self.second(hidden.relu()).relu()

    def _elements(self, hidden: Tensor, mask: Tensor) -> Tensor:
        return self.element(hidden).masked_fill(~mask, _CLOSED).log_softmax(dim=1)

    def _counts(self, hidden: Tensor, place: Tensor, mask: Tensor) -> Tensor:
        return self.count(torch.cat([hidden, self.chosen(place)], dim=1)).masked_fill(~mask, _CLOSED).log_softmax(dim=1)


def _beginnings(
    number: int, rules: FormulaRules, context: Tensor | None, rule: Tensor | None
) -> tuple[State, Tensor | None, Tensor]:
    """Empty formulas that differ in rule or context, their contexts, and which of them each row begins with (B,)."""
    rule = torch.zeros(number, dtype=torch.long) if rule is None else rule
    if context is not None and context.ndim > 1:
        return rules.begin(rule), context.expand(number, -1), torch.arange(number)
    rule, begun = rule.unique(return_inverse=True)
    return rules.begin(rule), None if context is None else context.expand(len(rule), -1), begun


def _drawn(log_p: Tensor, node: Tensor, generator: Generator) -> Tensor:
    """A choice by chance for each row (B,), given log-probabilities (N, C) of the choices where its node (B,) is."""
    steps = log_p.exp().double().cumsum(dim=1)
    ladder = (steps / steps[:, -1:] + torch.arange(len(steps))[:, None]).ravel()
    # Just below 1, so that no sum of chance and node rounds up to the next node's part of the ladder.
    chance = torch.rand(len(node), dtype=torch.float64, generator=generator) * (1 - 1e-9)
    return torch.searchsorted(ladder, chance + node, right=True) - node * log_p.shape[1]


def _shared(node: Tensor, choice: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Which distinct pair of node and choice each row has (B,), and the nodes and choices of those pairs."""
    pairs, which = torch.unique(node * (NUM_ELEMENTS + 1) + choice, return_inverse=True)
    return which, (pairs // (NUM_ELEMENTS + 1), pairs % (NUM_ELEMENTS + 1))
