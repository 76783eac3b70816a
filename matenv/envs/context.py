"""What an episode asks for beside its task: a wish, a start to improve on, a campaign; each only if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch, read
from matenv.envs.arguments import Arguments
from matenv.envs.campaigns import PLACE, Best
from matenv.envs.improving import Limits, Origin
from matenv.envs.observations import Block
from matenv.envs.rewards import Reward, TermFunction, Transition
from matenv.envs.state import Narrowing, State
from matenv.envs.wishes import BOUND, WIDTH, Wishes, draw_wishes
from matenv.oracle import Oracle
from matenv.tasks import Task
from matenv.tasks.wishes import Wish

if TYPE_CHECKING:
    from numpy.random import Generator


GOAL, START, CAMPAIGN = "goal", "start", "campaign"
"""Observation blocks."""

GAIN, RISE = "gain", "campaign"
"""Reward terms."""


class Held(NamedTuple):
    """What an episode carries along besides where it stands; parts that nobody asked for are None."""

    wishes: Wishes | None
    origin: Origin | None
    best: Best | None


class Context:
    """The context of an environment's episodes.

    Args:
        arguments: The environment's.
        task: Its task.

    Attributes:
        blocks: Observation blocks that tell the context, by name.
        terms: Reward terms that pay for it, by name.
        reward: Weights if none are given; None for those of every environment.
    """

    def __init__(self, arguments: Arguments, task: Task) -> None:
        self.wish, self.part, self.places = arguments.wish, arguments.part, arguments.campaign
        self.limits = Limits.read(arguments.improve)
        if self.limits is None and task.start is not None:
            self.limits = Limits()
        self.task = task
        self._own = None if task.start is None else read([task.start], whole=True).keys()
        self.blocks: dict[str, Block] = {}
        self.terms: dict[str, TermFunction] = {}
        self.reward: Reward | None = None
        if self.wish is not None:
            self.blocks[GOAL] = goal_block()
        if self.limits is not None:
            self.blocks[START] = start_block(self.limits, task.within)
            self.terms[GAIN], self.reward = gain, {GAIN: 1.0}
        if self.places is not None:
            self.blocks[CAMPAIGN] = campaign_block(self.places, arguments.horizon)
            self.terms[RISE], self.reward = rise, {RISE: 1.0}

    def wishes(self, generators: Sequence[Generator], asked: Sequence[Wish] | None) -> Wishes | None:
        """The wishes of new episodes: those asked for, that of all, or drawn (one draw each, used or not)."""
        if self.wish is None:
            if asked is not None:
                raise ValueError("options['wish'] needs an environment that is made with wish='draw' or a wish")
            return None
        drawn = draw_wishes(generators, self.part) if isinstance(self.wish, str) else None
        if asked is not None:
            return Wishes.of(asked)
        return Wishes.of([self.wish] * len(generators)) if isinstance(self.wish, Wish) else drawn

    def begin(
        self, oracle: Oracle, asked: Wishes | None, start: CompositionBatch, compositions: CompositionBatch
    ) -> Held:
        """What new episodes carry.

        Args:
            oracle: Says what start formulas are worth, also those that its checks refuse; they count as calls, but for
                the task's own start, whose worth is no secret.
            asked: Wishes of the episodes.
            start: Formulas they are to improve (B).
            compositions: Where they stand (B).
        """
        origin = None
        if self.limits is not None:
            worth, none = self._worth_of_starts(oracle, start, asked), np.zeros(len(start), np.bool_)
            origin = Origin(worth, none.astype(np.int64), none.astype(np.float64)).moved(none, start, compositions)
        best = None if self.places is None else Best.none(len(start), self.places)
        return Held(asked, origin, best)

    def move(self, old: State, changed: NDArray[np.bool_], compositions: CompositionBatch) -> Held:
        """What episodes carry after a move, up to its score, which `score` adds."""
        origin = None if old.origin is None else old.origin.moved(changed, old.start, compositions)
        return Held(old.wishes, origin, old.best)

    def narrowing(self, held: Held) -> Narrowing | None:
        """What the context asks of formulas beside the task; None if nothing."""
        limits = self.limits
        if held.wishes is None and (limits is None or (limits.distance is None and limits.edits is None)):
            return None
        inside = None if limits is None or held.origin is None else held.origin.within(limits)
        return Narrowing(held.wishes, inside)

    def _worth_of_starts(self, oracle: Oracle, start: CompositionBatch, asked: Wishes | None) -> NDArray[np.float64]:
        """What start formulas are worth (B,); only what the task itself starts from is looked up for nothing."""
        if self._own is None or asked is not None or not np.isin(start.keys(), self._own).all():
            return self._worth(oracle.screened(None), start, asked)
        return np.repeat(self._worth(oracle.anew(), start[:1], None), len(start))

    def _worth(self, oracle: Oracle, start: CompositionBatch, asked: Wishes | None) -> NDArray[np.float64]:
        """Utility x viability of start formulas (B,), with the wish, without novelty and rules on elements."""
        assessment = oracle.assess(start)
        terms = self.task.score(assessment).terms
        worth = terms["viability"].copy()
        for objective in self.task.objectives:
            worth *= terms[objective.name]
        return worth if asked is None else worth * asked.utility(assessment.mean)


def goal_block() -> Block:
    """The wish, as `Wishes.vectors` writes it."""

    def write(state: State, view: NDArray[np.float32]) -> None:
        assert state.wishes is not None  # offered only where there are some
        view[:] = state.wishes.vectors()

    return Block(WIDTH, -BOUND, BOUND, write)


def start_block(limits: Limits, within: float | None) -> Block:
    """Atom fractions of the start formula (89), shares of the allowed distance and of the allowed edits used (2).

    Args:
        limits: The environment's.
        within: The task's distance.
    """
    distances = [each for each in (limits.distance, within) if each is not None]
    reach = min(distances) if distances else np.inf

    def write(state: State, view: NDArray[np.float32]) -> None:
        assert state.origin is not None  # offered only where there is a start to improve on
        view[:, : alphabet.NUM_ELEMENTS] = state.start.fractions()
        if np.isfinite(reach):
            view[:, -2] = np.minimum(state.origin.distance / reach, 1.0)
        if limits.edits is not None:
            view[:, -1] = np.minimum(state.origin.edits / limits.edits, 1.0)

    return Block(alphabet.NUM_ELEMENTS + 2, 0.0, 1.0, write)


def campaign_block(places: int, horizon: int) -> Block:
    """What was proposed: of each of the best systems its best formula and score; then what was tried (90 k + 91).

    Of each place, best first, atom fractions of the formula (89) and its score; zeros where there is none yet. Then how
    many proposals so far, also of those that scored 0, held each element, over the horizon (89), the mean score of the
    places, and the share of the horizon used.

    Args:
        places: Number of systems k.
        horizon: Proposals per episode.
    """

    def write(state: State, view: NDArray[np.float32]) -> None:
        assert state.best is not None  # offered only in campaigns
        state.best.write(horizon, view)
        view[:, -2] = state.best.mean
        view[:, -1] = np.minimum(state.step / horizon, 1.0)

    return Block(places * PLACE + alphabet.NUM_ELEMENTS + 2, 0.0, 1.0, write)


def gain(transition: Transition) -> NDArray[np.float64]:
    """Score of the new formula minus what the start formula is worth (N,), in [-1, 1]."""
    assert transition.after.origin is not None  # offered only where there is a start to improve on
    return transition.after.facts.score - transition.after.origin.worth


def rise(transition: Transition) -> NDArray[np.float64]:
    """By how much the mean of the best systems rose (N,); summed over an episode it is the mean at the end."""
    before, after = transition.before.best, transition.after.best
    assert before is not None and after is not None  # offered only in campaigns
    return after.mean - before.mean
