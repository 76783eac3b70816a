"""Learning rates over a run: functions of how far it is, so that there is nothing of theirs to keep for resuming."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

WARM_UP = 200
"""Steps of the warm-up of `warm_cosine`."""

RISE = 0.05
"""Share of a run in which `rise_and_fall` rises."""

ONE_CYCLE_RISE = 0.15
"""Share of the steps in which `one_cycle` rises."""


@dataclass(frozen=True)
class Moment:
    """Where a run stands before a step.

    Attributes:
        epoch: Epochs finished.
        epochs: Length of the run.
        step: Steps finished in this epoch.
        steps: Steps of an epoch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int

    @property
    def done(self) -> float:
        """Share of the run that is done, in [0, 1)."""
        return (self.epoch + self.step / self.steps) / self.epochs


Schedule = Callable[[float, Moment], float]
"""The learning rate, given its peak and where the run stands."""


def warm_cosine(peak: float, at: Moment) -> float:
    """Cosine from the peak to zero, with a linear warm-up over the first 200 steps."""
    warm = min((at.epoch * at.steps + at.step + 1) / WARM_UP, 1.0)
    return peak * warm * 0.5 * (1 + math.cos(math.pi * at.done))


def rise_and_fall(peak: float, at: Moment) -> float:
    """A linear rise over 5 % of the run, then a cosine to zero; an epoch may have any number of steps."""
    if at.done < RISE:
        return peak * (0.04 + 0.96 * at.done / RISE)
    return peak * (0.5 + 0.5 * math.cos(math.pi * (at.done - RISE) / (1.0 - RISE)))


def one_cycle(peak: float, at: Moment) -> float:
    """The rates of `torch.optim.lr_scheduler.OneCycleLR`: up from a 25th of the peak, and down to 4 millionths."""
    return _up_and_down(peak / 25, peak, peak / 25 / 1e4, at)


def one_cycle_momentum(at: Moment) -> float:
    """Its momenta: down from 0.95 while the rate rises, and up again."""
    return _up_and_down(0.95, 0.85, 0.95, at)


def _up_and_down(start: float, middle: float, end: float, at: Moment) -> float:
    """A cosine to the middle over the first 15 % of the steps, and another to the end."""
    number, last = at.epoch * at.steps + at.step, at.epochs * at.steps - 1
    turn = ONE_CYCLE_RISE * (last + 1) - 1
    low, high, share = start, middle, number / turn
    if number > turn:
        low, high, share = middle, end, (number - turn) / (last - turn)
    return high + (low - high) / 2.0 * (math.cos(math.pi * share) + 1)


def set_rate(schedule: Schedule, peak: float, at: Moment, *optimizers: torch.optim.Optimizer) -> None:
    """Set the learning rate of a step.

    Args:
        schedule: A function of this module.
        peak: Its highest rate; a group of parameters may have a ``factor`` on it.
        at: Where the run stands.
        optimizers: Whose.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = schedule(group.get("factor", 1.0) * peak, at)


def set_momentum(momentum: float, *optimizers: torch.optim.Optimizer) -> None:
    """Set the momentum of a step: of those of Adam's kind, the first beta.

    Args:
        momentum: The momentum.
        optimizers: Whose.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
