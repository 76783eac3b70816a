"""Building a formula step by step, the last step oxygen: what an action number means, and which the rules allow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.envs.edits import REFUSED, Rules

COUNTS = 10
"""Counts of an action, 0 to 9; 0 leaves the element out."""

ACTIONS = alphabet.NUM_ELEMENTS * COUNTS

STEP = REFUSED + 1
"""Column of a place that counts the steps taken, behind the atoms of the 89 elements and the refused actions."""

OXYGEN = alphabet.INDEX["O"]


class Step(NamedTuple):
    """One action in words.

    Attributes:
        element: Symbol of the element.
        atoms: How many; 0 leaves it out.
    """

    element: str
    atoms: int

    def __str__(self) -> str:
        return f"{self.atoms} {self.element}" if self.atoms else f"no {self.element}"


def step_of(action: int) -> Step:
    """One action in words.

    Args:
        action: Action number.

    Returns:
        The step.

    Raises:
        ValueError: No such number.
    """
    if not 0 <= action < ACTIONS:
        raise ValueError(f"action={action} is not one of the {ACTIONS} steps")
    return Step(alphabet.SYMBOLS[int(action) // COUNTS], int(action) % COUNTS)


def number_of(element: str, count: int) -> int:
    """Action number of a step: the inverse of `step_of`.

    Args:
        element: Symbol.
        count: Atoms, 0 to 9.

    Returns:
        The action number.

    Raises:
        ValueError: No such step.
    """
    if element not in alphabet.INDEX or isinstance(count, bool) or count not in range(COUNTS):
        raise ValueError(f"{(element, count)!r} is no step; write an element and a count from 0 to 9: ('Fe', 2)")
    return alphabet.INDEX[element] * COUNTS + int(count)


def needed(place: NDArray[np.int32], rules: Rules) -> NDArray[np.int64]:
    """How many more elements the rules ask for before oxygen, by what each element would leave to ask for (B, 89).

    Args:
        place: Places (B, 89 or more).
        rules: The task's rules.

    Returns:
        Elements still needed once an element was added. Groups of required elements are counted one by one, so where
        two have an element in common the number is cautious.
    """
    present = place[:, :REFUSED] > 0
    groups = rules.required[~rules.required[:, OXYGEN]]
    unmet = ~(present @ groups.T)
    required = unmet.sum(axis=1)[:, None] - unmet @ groups.astype(np.int64)
    few = rules.min_elements - 2 - present.sum(axis=1)
    return np.maximum(required, np.maximum(few, 0)[:, None])


def needed_now(place: NDArray[np.int32], rules: Rules) -> NDArray[np.int64]:
    """How many more elements the rules ask for before oxygen (B,); cautious as `needed` is."""
    present = place[:, :REFUSED] > 0
    groups = rules.required[~rules.required[:, OXYGEN]]
    return np.maximum((~(present @ groups.T)).sum(axis=1), np.maximum(rules.min_elements - 1 - present.sum(axis=1), 0))


def allowed_steps(place: NDArray[np.int32], step: NDArray[np.int64], horizon: int, rules: Rules) -> NDArray[np.bool_]:
    """Which steps leave a way to a formula that obeys the rules; no row is empty.

    Before the last step an element that the rules allow, not oxygen: left out, or, if it is not there yet, with as many
    atoms as leave room for oxygen and for what is still needed. Last, oxygen, 1 to 9 atoms. Where a refused action has
    left too few steps for what is needed, whatever the rules on elements and counts allow.

    Args:
        place: Places (B, 91).
        step: Steps taken (B,).
        horizon: Steps per episode.
        rules: The task's rules.

    Returns:
        (B, 890) bool.
    """
    counts = place[:, :REFUSED]
    size, atoms = (counts > 0).sum(axis=1), counts.sum(axis=1)
    most, left = min(rules.max_count, COUNTS - 1), horizon - 2 - step
    free = np.broadcast_to(rules.allowed, counts.shape).copy()
    free[:, OXYGEN] = False
    new = free & (counts == 0)
    count = np.arange(1, COUNTS)

    def mask(needs: NDArray[np.int64], nothing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Steps that leave room for so many more elements (B, 89), and those that leave an element out."""
        room = np.minimum(rules.max_atoms - 1 - atoms[:, None] - needs, most)
        room[~new | (size[:, None] + needs + 2 > rules.max_elements)] = 0
        steps = np.empty((*counts.shape, COUNTS), np.bool_)
        steps[:, :, 0] = free & nothing[:, None]
        steps[:, :, 1:] = count <= room[:, :, None]
        return steps.reshape(len(place), ACTIONS)

    needs, now = needed(place, rules), needed_now(place, rules)
    late = needs > left[:, None]
    masks = mask(np.where(late, rules.max_atoms, needs), now <= left)
    stuck = ~masks.any(axis=1)
    if stuck.any():
        masks[stuck] = mask(np.zeros_like(needs), np.ones(len(place), np.bool_))[stuck]
    last = left < 0
    if last.any():
        masks[last] = False
        oxygen = np.maximum(np.minimum(rules.max_atoms - atoms[last], most), 1)
        masks[last, OXYGEN * COUNTS + 1 : (OXYGEN + 1) * COUNTS] = count <= oxygen[:, None]
    return masks


def take_steps(
    place: NDArray[np.int32], actions: NDArray[np.int64], masks: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Take a step in each row; of an action that its mask forbids nothing is added, and it is counted.

    Args:
        place: Places (B, 91).
        actions: Action numbers (B,).
        masks: What is allowed (B, 890).

    Returns:
        The new places (B, 91), and 1 for each action refused, else 0 (B,).
    """
    rows, built = np.arange(len(place)), place.copy()
    fine = masks[rows, actions]
    built[rows, actions // COUNTS] += np.where(fine, actions % COUNTS, 0).astype(np.int32)
    built[:, REFUSED] += ~fine
    built[:, STEP] += 1
    return built, (~fine).astype(np.float64)
