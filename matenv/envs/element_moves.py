"""Moves by editing a formula: add, remove, increment, decrement and swap elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import ArrayLike, NDArray

from matenv import elements as alphabet
from matenv.checks import check_flag
from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch
from matenv.composition.integers import MAX_ELEMENTS
from matenv.envs.arguments import Arguments
from matenv.envs.count_moves import CountEpisodes
from matenv.envs.edits import REFUSED, EditTable, Rules, allowed_edits, apply_edits, places, reduced, slots_of
from matenv.envs.element_features import FEATURES
from matenv.envs.neutrality import Charges, neutral_edits
from matenv.envs.observations import Block
from matenv.envs.state import State
from matenv.tasks.sampling import random_formulas

if TYPE_CHECKING:
    from numpy.random import Generator

_SLOT_WIDTH = 2 + FEATURES.shape[1]  # present, count, features


@dataclass(kw_only=True)
class ElementArguments(Arguments):
    """Arguments of the elements environment; `matenv.envs.elements.MaterialElementsEnv` says what they mean."""

    STARTS = ("dataset", "random", "empty")

    reachability: bool = False

    def __post_init__(self) -> None:
        """Check its own besides."""
        super().__post_init__()
        self.reachability = check_flag("reachability", self.reachability)


class ElementEpisodes(CountEpisodes):
    """Episodes that edit a formula.

    Attributes:
        edits: What each action number means.
        rules: The task's rules.
    """

    ARGUMENTS = ElementArguments
    MAP = "Atoms of each element, as the edits left them"

    arguments: ElementArguments

    def prepare(self) -> None:
        """A move is the number of an edit."""
        self.edits = EditTable.of(self.task)
        self.rules = Rules.of(self.task)
        self.charges = Charges.load(self.task.valence_share if self.task.regime == "ionic" else 0.0)
        self.action_space = Discrete(len(self.edits.kind))

    def default_blocks(self) -> tuple[str, ...]:
        """What the formula is; and the steps left if masks, and so the state, depend on them."""
        return ("counts", "slots", "steps_left") if self.arguments.reachability else ("counts", "slots")

    def blocks(self) -> dict[str, Block]:
        """``"counts"`` (atoms over the task's largest count) and ``"slots"`` (what stands where, as swaps see it)."""
        most, slots = self.rules.max_count, self.rules.max_elements

        def counts(state: State, view: NDArray[np.float32]) -> None:
            np.clip(state.place[:, :REFUSED] / most, 0.0, 1.0, out=view)

        def write_slots(state: State, view: NDArray[np.float32]) -> None:
            _write_slots(state.place, most, FEATURES, view)

        return {
            "counts": Block(alphabet.NUM_ELEMENTS, 0.0, 1.0, counts),
            "slots": Block(slots * _SLOT_WIDTH, 0.0, 1.0, write_slots),
        }

    def enter(self, formulas: CompositionBatch) -> NDArray[np.int32]:
        """Places (B, 90) of formulas: one reduced formula unit."""
        return places(formulas)

    def sample(self, generators: Sequence[Generator]) -> NDArray[np.int32]:
        """Random formulas within the task's rules, one draw per generator; or nothing at all, for ``start="empty"``."""
        if self.arguments.start != "random":
            return np.zeros((len(generators), REFUSED + 1), np.int32)
        seeds = [int(generator.integers(2**32)) for generator in generators]
        return places(CompositionBatch.concatenate([random_formulas(self.task, 1, seed) for seed in seeds]))

    def move(
        self, place: NDArray[np.int32], actions: ArrayLike, step: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Places after edits (B, 90), and 1 for each edit that was refused, else 0 (B,)."""
        action = self.numbers(actions, len(place))
        return apply_edits(place, action, self.masks_at(place, step), *self.edits)

    def read(self, place: NDArray[np.int32]) -> CompositionBatch:
        """The reduced formulas."""
        return CompositionBatch(*reduced(place))

    def allowed(self, place: NDArray[np.int32], step: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which edits are allowed (B, A) bool."""
        masks = allowed_edits(place, len(self.edits.kind), self.rules)
        if self.arguments.reachability:
            masks, _ = neutral_edits(place, masks, self.horizon - step, self.rules, self.charges)
        return masks


@njit(cache=True, nogil=True)
def _write_slots(place: NDArray[np.int32], most: int, features: NDArray[np.float32], view: NDArray[np.float32]) -> None:
    """For each slot: 1 if it holds an element, its count over the largest, and the element's features; else zeros."""
    width = 2 + features.shape[1]
    slots = np.empty(MAX_ELEMENTS, np.int16)
    for row in range(len(place)):
        n, _ = slots_of(place[row], slots)
        for k in range(min(n, view.shape[1] // width)):
            element = slots[k]
            view[row, k * width] = 1.0
            view[row, k * width + 1] = min(place[row, element] / most, 1.0)
            for j in range(features.shape[1]):
                view[row, k * width + 2 + j] = features[element, j]
