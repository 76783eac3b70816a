"""Edits that keep what a task requires: elements that every formula must hold. Compiled code only."""

from __future__ import annotations

from numba import njit
from numpy.typing import NDArray

from matenv.envs.edits import ADD, REFUSED, REMOVE, SWAP, Rules, slots_of


@njit(cache=True, nogil=True)
def keep_required(place: NDArray, masks: NDArray, rules: Rules, slots: NDArray) -> None:
    """Take edits away that lose what is required, in place.

    Where all that is required is there, it stays: the last element of a group can neither be removed nor swapped for
    one outside it. Where something is missing, only edits that bring in more of it are allowed, if there are any; else
    those that lose none. "stay" is allowed only where nothing else is.

    Args:
        place: Places (B, 90).
        masks: Edits that the other rules allow (B, A).
        rules: The task's rules.
        slots: Scratch (10,).
    """
    groups, required = len(rules.required), rules.required
    for row in range(len(place)):
        counts, mask = place[row], masks[row]
        n, _ = slots_of(counts, slots)
        held = required[:, 0].astype(slots.dtype) * 0
        missing = 0
        for g in range(groups):
            for k in range(n):
                held[g] += required[g, slots[k]]
            missing += held[g] == 0
        gains = False
        if missing > 0:
            for action in range(len(mask) - 1):
                if mask[action] and _change(action, held, slots, required) > 0:
                    gains = True
                    break
        some = False
        for action in range(len(mask) - 1):
            if mask[action]:
                change = _change(action, held, slots, required)
                mask[action] = change > 0 if gains else change >= 0
                some |= mask[action]
        mask[-1] = not some


@njit(cache=True, nogil=True)
def _change(action: int, held: NDArray, slots: NDArray, required: NDArray) -> int:
    """How many more groups are there after an edit, by its number; `held` counts the elements there of each."""
    kind, element = action // REFUSED, action % REFUSED
    leaving, coming = -1, -1
    if kind == ADD:
        coming = element
    elif kind == REMOVE:
        leaving = element
    elif kind >= SWAP:
        leaving, coming = slots[kind - SWAP], element
    change = 0
    for g in range(len(required)):
        after = held[g]
        if leaving >= 0:
            after -= required[g, leaving]
        if coming >= 0:
            after += required[g, coming]
        change += (after > 0) - (held[g] > 0)
    return change
