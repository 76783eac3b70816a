"""Edits of a formula: what each action number means, which edits the rules allow, and what they lead to.

Counts are kept as the agent left them, not reduced: Fe2O4 is one edit from Fe2O3, though the oracle sees FeO2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch
from matenv.composition.integers import MAX_ELEMENTS
from matenv.tasks import Task

ADD, REMOVE, INCREMENT, DECREMENT, SWAP, STAY = range(6)
KINDS = ("add", "remove", "increment", "decrement", "swap", "stay")
"""Kinds of edits by number."""

REFUSED = alphabet.NUM_ELEMENTS
"""Column of a place that counts the refused edits of the episode; the columns before it hold the atoms by element."""

_RANK = np.argsort(np.argsort(alphabet.values("electronegativity"), kind="stable"))
"""Rank of each element by electronegativity (ties by symbol), the order in which formulas are written."""


class Edit(NamedTuple):
    """One action in words.

    Attributes:
        kind: One of `KINDS`.
        element: Symbol of the element that is added, removed, counted up or down, or swapped in; None for "stay".
        slot: Of a swap: which element goes, counted from 0 in order of electronegativity, as formulas are written.
    """

    kind: str
    element: str | None = None
    slot: int | None = None

    def __str__(self) -> str:
        if self.kind == "swap":
            return f"swap element {self.slot} for {self.element}"
        return self.kind if self.element is None else f"{self.kind} {self.element}"


class EditTable(NamedTuple):
    """The edits by action number, as arrays (A,): kind, element (alphabet position), slot.

    Four blocks of 89 by element (add, remove, increment, decrement), a block of 89 for each slot to swap, and "stay".
    """

    kind: NDArray[np.int8]
    element: NDArray[np.int16]
    slot: NDArray[np.int8]

    @classmethod
    def of(cls, task: Task) -> EditTable:
        """The edits for a task: one slot for each element that its formulas may hold."""
        n, slots = alphabet.NUM_ELEMENTS, task.max_elements
        kind = np.repeat([ADD, REMOVE, INCREMENT, DECREMENT, *[SWAP] * slots], n)
        element = np.tile(np.arange(n), 4 + slots)
        slot = np.repeat([*[0] * 4, *range(slots)], n)
        return cls(
            np.append(kind, STAY).astype(np.int8), np.append(element, -1).astype(np.int16),
            np.append(slot, 0).astype(np.int8),
        )  # fmt: skip

    def edit(self, action: int) -> Edit:
        """One action in words.

        Args:
            action: Action number.

        Returns:
            The edit.

        Raises:
            ValueError: No such number.
        """
        if not 0 <= action < len(self.kind):
            raise ValueError(f"action={action} is not one of the {len(self.kind)} edits")
        kind = KINDS[self.kind[action]]
        return Edit(
            kind,
            None if kind == "stay" else alphabet.SYMBOLS[self.element[action]],
            int(self.slot[action]) if kind == "swap" else None,
        )

    def number(self, kind: str, element: str | None = None, slot: int | None = None) -> int:
        """Action number of an edit.

        Args:
            kind: One of `KINDS`.
            element: Symbol of the element; None for "stay".
            slot: Of a swap: which element goes.

        Returns:
            The action number.

        Raises:
            ValueError: No such edit.
        """
        wanted = Edit(kind, element, slot)
        if kind in KINDS and (element is None) == (kind == "stay") and (element in alphabet.INDEX or element is None):
            position = -1 if element is None else alphabet.INDEX[element]
            rows = np.flatnonzero(
                (self.kind == KINDS.index(kind)) & (self.element == position) & (self.slot == (slot or 0))
            )
            if len(rows) and (slot is None) != (kind == "swap"):
                return int(rows[0])
        raise ValueError(
            f"{wanted!r} is no edit; write ('add', 'Fe') or 'remove', 'increment', 'decrement'; ('swap', 'Fe', k) with "
            f"k from 0 to {self.slot.max()}; ('stay',)"
        )


class Rules(NamedTuple):
    """A task's rules on formulas, for compiled code."""

    allowed: NDArray[np.bool_]
    min_elements: int
    max_elements: int
    max_atoms: int
    max_count: int
    required: NDArray[np.bool_]

    @classmethod
    def of(cls, task: Task) -> Rules:
        """The rules of a task."""
        return cls(task.allowed, task.min_elements, task.max_elements, task.max_atoms, task.max_count, task.required)


def places(batch: CompositionBatch) -> NDArray[np.int32]:
    """Places (B, 90) int32 that hold one reduced formula unit each: atoms of the 89 elements, and no refused edits."""
    place = np.zeros((len(batch), alphabet.NUM_ELEMENTS + 1), np.int32)
    place[:, :REFUSED] = batch.dense_counts()
    return place


@njit(cache=True, nogil=True)
def slots_of(counts: NDArray[np.int32], slots: NDArray[np.int16]) -> tuple[int, int]:
    """Write the elements of one formula (89,) in order of electronegativity; returns their number and the atoms."""
    n = atoms = 0
    for element in range(_RANK.shape[0]):
        if counts[element] > 0:
            atoms += counts[element]
            at = n
            while at > 0 and _RANK[slots[at - 1]] > _RANK[element]:
                slots[at] = slots[at - 1]
                at -= 1
            slots[at] = element
            n += 1
    return n, atoms


@njit(cache=True, nogil=True)
def allowed_edits(place: NDArray[np.int32], actions: int, rules: Rules) -> NDArray[np.bool_]:
    """Which edits break no rule, or none further than it is broken already.

    Elements that the task requires are kept, and brought in first: see `_keep_required`.

    From a formula that obeys the rules, every edit allowed leads to one that does. Where elements are too few, only
    additions are allowed, if there is room for one. "stay" is allowed on a formula that obeys the rules, and where
    nothing else is: no row is empty.

    Args:
        place: Places (B, 90).
        actions: Number of actions A, in the order of `EditTable`.
        rules: The task's rules.

    Returns:
        (B, A) bool.
    """
    masks = np.zeros((len(place), actions), np.bool_)
    slots = np.empty(MAX_ELEMENTS, np.int16)
    for row in range(len(place)):
        counts, mask = place[row], masks[row]
        n, atoms = slots_of(counts, slots)
        room = atoms < rules.max_atoms
        addable = room and n < rules.max_elements
        only_add = addable and n < rules.min_elements
        swappable = 0 if only_add else min(n, rules.max_elements)
        removable = n > rules.min_elements
        countable = n > 1 and not only_add  # the formula of a pure element does not depend on its count
        some, obeys = False, rules.min_elements <= n <= rules.max_elements and atoms <= rules.max_atoms
        for element in range(REFUSED):
            count = counts[element]
            if count > 0:
                obeys &= rules.allowed[element] and count <= rules.max_count
                mask[REMOVE * REFUSED + element] = removable
                mask[INCREMENT * REFUSED + element] = countable and room and count < rules.max_count
                mask[DECREMENT * REFUSED + element] = countable and count > 1
                some |= removable or (countable and ((room and count < rules.max_count) or count > 1))
            elif rules.allowed[element]:
                mask[ADD * REFUSED + element] = addable
                for slot in range(swappable):
                    mask[(SWAP + slot) * REFUSED + element] = True
                some |= addable or swappable > 0
        mask[-1] = obeys or not some
    if len(rules.required) > 0:
        _keep_required(place, masks, rules, slots)
    return masks


@njit(cache=True, nogil=True)
def _keep_required(place: NDArray, masks: NDArray, rules: Rules, slots: NDArray) -> None:
    """Take edits away that lose what is required, in place.

    Where all that is required is there, it stays: the last element of a group can neither be removed nor swapped for
    one outside it. Where something is missing, only edits that bring in more of it are allowed, if there are any; else
    those that lose none; "stay" is then allowed only where nothing else is.

    Args:
        place: Places (B, 90).
        masks: Edits that the other rules allow (B, A).
        rules: The task's rules.
        slots: Scratch (10,).
    """
    required = rules.required
    held = np.empty(len(required), np.int64)
    for row in range(len(place)):
        counts, mask = place[row], masks[row]
        n, _ = slots_of(counts, slots)
        complete = True
        for g in range(len(required)):
            held[g] = 0
            for k in range(n):
                held[g] += required[g, slots[k]]
            complete &= held[g] > 0
        if complete:
            _keep(mask, held, slots, n, rules.max_elements, required)
        else:
            _bring_in(mask, held, slots, required)
        mask[-1] = (complete and mask[-1]) or not mask[:-1].any()


@njit(cache=True, nogil=True)
def _keep(mask: NDArray, held: NDArray, slots: NDArray, n: int, max_elements: int, required: NDArray) -> None:
    """Where nothing is missing: an element alone in its group stays, or one of the group takes its place."""
    for k in range(n):
        for g in range(len(required)):
            if held[g] == 1 and required[g, slots[k]]:
                mask[REMOVE * REFUSED + slots[k]] = False
                first = (SWAP + k) * REFUSED
                for element in range(REFUSED if k < max_elements else 0):
                    mask[first + element] &= required[g, element]


@njit(cache=True, nogil=True)
def _bring_in(mask: NDArray, held: NDArray, slots: NDArray, required: NDArray) -> None:
    """Where something is missing: only edits that bring in more of it; else those that lose none."""
    gains = False
    for action in range(len(mask) - 1):
        if mask[action] and _change(action, held, slots, required) > 0:
            gains = True
            break
    for action in range(len(mask) - 1):
        if mask[action]:
            change = _change(action, held, slots, required)
            mask[action] = change > 0 if gains else change >= 0


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


@njit(cache=True, nogil=True)
def apply_edits(
    place: NDArray[np.int32], actions: NDArray[np.int64], masks: NDArray[np.bool_], kind: NDArray[np.int8],
    element: NDArray[np.int16], slot: NDArray[np.int8],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:  # fmt: skip
    """Edit formulas; an edit that its mask forbids leaves the formula as it is and is counted.

    Args:
        place: Places (B, 90).
        actions: Action numbers (B,).
        masks: What is allowed (B, A).
        kind: Kind of each action (A,).
        element: Element of each action (A,).
        slot: Slot of each action (A,).

    Returns:
        The new places (B, 90), and 1 for each edit refused, else 0 (B,).
    """
    edited, refused = place.copy(), np.zeros(len(place))
    slots = np.empty(MAX_ELEMENTS, np.int16)
    for row in range(len(place)):
        action, counts = actions[row], edited[row]
        if not masks[row, action]:
            counts[REFUSED] += 1
            refused[row] = 1.0
        elif kind[action] == SWAP:
            slots_of(counts, slots)
            leaving = slots[slot[action]]
            counts[element[action]] = counts[leaving]
            counts[leaving] = 0
        elif kind[action] == REMOVE:
            counts[element[action]] = 0
        elif kind[action] == DECREMENT:
            counts[element[action]] -= 1
        elif kind[action] != STAY:  # add, increment
            counts[element[action]] += 1
    return edited, refused


@njit(cache=True, nogil=True)
def reduced(place: NDArray[np.int32]) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int16]]:
    """The reduced formulas at some places, packed: elements (B, 10), counts (B, 10), size (B,)."""
    elements = np.full((len(place), MAX_ELEMENTS), -1, np.int16)
    counts = np.zeros((len(place), MAX_ELEMENTS), np.int32)
    size = np.zeros(len(place), np.int16)
    for row in range(len(place)):
        n = divisor = 0
        for element in range(REFUSED):
            if place[row, element] > 0:
                elements[row, n] = element
                counts[row, n] = place[row, element]
                a, b = place[row, element], divisor
                while a:
                    a, b = b % a, a
                divisor = b
                n += 1
        for k in range(n):
            counts[row, k] //= divisor
        size[row] = n
    return elements, counts, size
