"""Edits that keep a charge-neutral formula within reach: a dynamic programme over sums of oxidation states.

*Neutral* is `matenv.is_charge_neutral`: one oxidation state per element, out of the ICSD24 set of SMACT 4.0.2 (in an
ionic task out of the common states in it, by the task's `valence_share`), such that the charges sum to zero. An edit
passes if the formula it leads to is neutral, or if a *plan* of at most as many further edits as the episode has steps
left (and at most `DEEPEST`) makes it neutral within the task's rules. A plan may swap elements, count them up and down,
remove some, and add one; an element is edited once, but a swap may be combined with counting.

Why an edit that passes never leads into a dead end: a plan of j edits only brings in charges that at least j + 1
elements absent now could carry, and only counts up, adds or removes if j + 1 such edits are within the rules. Whatever
the edit taken, j of each remain possible, so the first edit of the plan passes at the next step with the rest of the
plan; and a neutral formula may stay where it is. The same margins make the mask cautious: for edits from which only a
narrow plan leads back it may say no. Elements that a task requires stay in every plan: it only counts them up and down.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matenv.chemistry.table import load_table
from matenv.compiled.jit import njit
from matenv.composition.integers import MAX_ELEMENTS
from matenv.envs.edits import ADD, DECREMENT, INCREMENT, REFUSED, REMOVE, SWAP, Rules, slots_of

DEEPEST = 4
"""Most edits that a plan holds."""

START = 2
"""Edits in the plans tried first, which settle most rows; the order of depths changes the speed, not the answer."""

_ONE = np.uint64(1)


class Charges(NamedTuple):
    """Oxidation states, for compiled code.

    Attributes:
        states: States of each element (89, 10) int64, padded with 0.
        number: How many each element has (89,) int64.
        largest: Largest absolute state.
    """

    states: NDArray[np.int64]
    number: NDArray[np.int64]
    largest: int

    @classmethod
    def load(cls, min_share: float = 0.0) -> Charges:
        """The set that `matenv.is_charge_neutral` uses, given the same `min_share`."""
        table = load_table(min_share)
        return cls(table.states.astype(np.int64), table.number.astype(np.int64), int(np.abs(table.states).max()))


class _Room(NamedTuple):
    """What a plan of one depth may do: charges it may bring in, and whether it may count up, add or remove."""

    charges: NDArray[np.int64]
    up: bool
    add: bool
    remove: bool
    max_count: int


@njit(cache=True, nogil=True)
def neutral_edits(
    place: NDArray[np.int32], masks: NDArray[np.bool_], left: NDArray[np.int64], rules: Rules, table: Charges
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The allowed edits that keep a neutral formula within reach.

    Args:
        place: Places (B, 90).
        masks: Edits that the rules allow (B, A).
        left: Steps left in the episode, the coming one included (B,).
        rules: The task's rules.
        table: Oxidation states.

    Returns:
        (B, A) bool: the edits that pass, and "stay" where the formula is neutral; and whether that could
        be said (B,) bool. Where not, because the formula breaks the rules or no plan was found, the row is as in
        `masks`.
    """
    result, certain = masks.copy(), np.zeros(len(place), np.bool_)
    offset = rules.max_atoms * table.largest
    words = (2 * offset) // 64 + 1
    sums = np.zeros((MAX_ELEMENTS + 1, DEEPEST + 1, words), np.uint64)
    spare = np.zeros((DEEPEST + 1, words), np.uint64)
    slots = np.empty(MAX_ELEMENTS, np.int16)
    fixed = np.zeros(REFUSED, np.bool_)
    for group in range(len(rules.required)):
        fixed |= rules.required[group]
    for row in range(len(place)):
        counts = place[row]
        n, atoms = slots_of(counts, slots)
        if not _obeys(counts, slots, n, atoms, rules):
            continue
        absent = _absent_carriers(counts, rules, table)
        passed = np.zeros(masks.shape[1], np.bool_)
        deepest = min(max(left[row], 1) - 1, DEEPEST)
        start = min(deepest, START)
        for turn in range(deepest + 1):
            depth = start + turn if start + turn <= deepest else deepest - turn  # start, deeper, then shallower
            room = _Room(
                np.flatnonzero(absent > depth) - table.largest,
                atoms + depth < rules.max_atoms,
                atoms + depth < rules.max_atoms and n + depth < rules.max_elements,
                n - depth > max(rules.min_elements, 2),
                rules.max_count,
            )
            for out in range(n + 1):  # n: none left out
                _sums_without(out, counts, slots, n, depth, room, fixed, table, sums[out], spare, offset)
            if _pass_at(depth, counts, slots, n, masks[row], passed, sums, offset, room, fixed, rules, table):
                break
        neutral = _bit(sums[n, 0], offset)
        certain[row] = passed.any() or neutral
        if certain[row]:
            result[row] = passed
            result[row, -1] = neutral
    return result, certain


@njit(cache=True, nogil=True)
def _obeys(counts: NDArray, slots: NDArray, n: int, atoms: int, rules: Rules) -> bool:
    obeys = max(rules.min_elements, 2) <= n <= rules.max_elements and atoms <= rules.max_atoms
    for k in range(n):
        obeys = obeys and counts[slots[k]] <= rules.max_count and rules.allowed[slots[k]]
    for group in range(len(rules.required)):
        held = False
        for k in range(n):
            held |= rules.required[group, slots[k]]
        obeys = obeys and held
    return obeys


@njit(cache=True, nogil=True)
def _absent_carriers(counts: NDArray, rules: Rules, table: Charges) -> NDArray[np.int64]:
    """How many allowed elements that the formula lacks have each charge, from -largest to +largest."""
    carriers = np.zeros(2 * table.largest + 1, np.int64)
    for element in range(REFUSED):
        if rules.allowed[element] and counts[element] == 0:
            for k in range(table.number[element]):
                carriers[table.states[element, k] + table.largest] += 1
    return carriers


@njit(cache=True, nogil=True)
def _sums_without(
    out: int, counts: NDArray, slots: NDArray, n: int, depth: int, room: _Room, fixed: NDArray, table: Charges,
    sums: NDArray, spare: NDArray, offset: int,
) -> None:  # fmt: skip
    """Sums of charge that all elements but one can reach with at most 0, 1, ... `depth` edits, as bits (depth+1, W)."""
    sums[: depth + 1] = 0
    for cost in range(depth + 1):
        _set(sums[cost], offset)
    for k in range(n):
        if k == out:
            continue
        spare[: depth + 1] = 0
        count, element = counts[slots[k]], slots[k]
        for change in range(-depth, depth + 1):
            cost, atoms = abs(change), count + change
            if atoms < 1 or (change > 0 and (not room.up or atoms > room.max_count)):
                continue
            for s in range(table.number[element]):
                _spread(spare, sums, cost, depth, atoms * table.states[element, s])
            if not fixed[element]:
                for charge in room.charges:
                    _spread(spare, sums, cost + 1, depth, atoms * charge)
        if room.remove and not fixed[element]:
            _spread(spare, sums, 1, depth, 0)
        sums[: depth + 1] = spare[: depth + 1]
    if room.add and depth > 0:
        spare[: depth + 1] = sums[: depth + 1]
        for atoms in range(1, min(depth, room.max_count) + 1):
            for charge in room.charges:
                _spread(spare, sums, atoms, depth, atoms * charge)
        sums[: depth + 1] = spare[: depth + 1]


@njit(cache=True, nogil=True)
def _spread(target: NDArray, source: NDArray, cost: int, depth: int, by: int) -> None:
    """Add sums moved by a charge, at the cost of some edits: target[j] |= source[j - cost] shifted."""
    words = source.shape[1]
    skip, bits = abs(by) // 64, np.uint64(abs(by) % 64)
    back = np.uint64(64) - bits
    for j in range(cost, depth + 1):
        old, new = source[j - cost], target[j]
        if by >= 0:
            for word in range(skip, words):
                value = old[word - skip] << bits
                if bits > 0 and word > skip:
                    value |= old[word - skip - 1] >> back
                new[word] |= value
        else:
            for word in range(words - skip):
                value = old[word + skip] >> bits
                if bits > 0 and word + skip + 1 < words:
                    value |= old[word + skip + 1] << back
                new[word] |= value


@njit(cache=True, nogil=True)
def _set(bits: NDArray, at: int) -> None:
    bits[at // 64] |= _ONE << np.uint64(at % 64)


@njit(cache=True, nogil=True)
def _bit(bits: NDArray, at: int) -> bool:
    return (bits[at // 64] >> np.uint64(at % 64)) & _ONE == _ONE


@njit(cache=True, nogil=True)
def _pass_at(
    depth: int, counts: NDArray, slots: NDArray, n: int, mask: NDArray, passed: NDArray, sums: NDArray, offset: int,
    room: _Room, fixed: NDArray, rules: Rules, table: Charges,
) -> bool:  # fmt: skip
    """Mark the edits that a plan of at most `depth` edits makes neutral; whether all allowed edits are marked now."""
    everything = True
    for k in range(n):
        rest, element = sums[k], slots[k]
        count = counts[element]
        action = REMOVE * REFUSED + element
        if mask[action] and not passed[action]:
            passed[action] = _bit(rest[depth], offset)
            everything &= passed[action]
        for kind, change in ((INCREMENT, 1), (DECREMENT, -1)):
            action = kind * REFUSED + element
            if mask[action] and not passed[action]:
                again = not fixed[element] and _again(rest, depth, count + change, room, offset)
                passed[action] = again or _closes(rest, depth, element, count + change, room, offset, table)
                everything &= passed[action]
        if k < rules.max_elements:
            again = _again(rest, depth, count, room, offset)
            for new in range(REFUSED):
                action = (SWAP + k) * REFUSED + new
                if mask[action] and not passed[action]:
                    passed[action] = (again and not fixed[new]) or _closes(rest, depth, new, count, room, offset, table)
                    everything &= passed[action]
    again = _again(sums[n], depth, 1, room, offset)
    for new in range(REFUSED):
        action = ADD * REFUSED + new
        if mask[action] and not passed[action]:
            passed[action] = (again and not fixed[new]) or _closes(sums[n], depth, new, 1, room, offset, table)
            everything &= passed[action]
    return everything


@njit(cache=True, nogil=True)
def _closes(rest: NDArray, depth: int, element: int, count: int, room: _Room, offset: int, table: Charges) -> bool:
    """Whether an element, counted up or down or not, can balance the rest."""
    for change in range(-depth, depth + 1):
        atoms = count + change
        if atoms < 1 or (change > 0 and (not room.up or atoms > room.max_count)):
            continue
        for s in range(table.number[element]):
            if _bit(rest[depth - abs(change)], offset - atoms * table.states[element, s]):
                return True
    return False


@njit(cache=True, nogil=True)
def _again(rest: NDArray, depth: int, count: int, room: _Room, offset: int) -> bool:
    """Whether swapping (and counting) or removing the element of the edit can balance the rest."""
    if depth == 0:
        return False
    if room.remove and _bit(rest[depth - 1], offset):
        return True
    for change in range(1 - depth, depth):
        atoms = count + change
        if atoms < 1 or (change > 0 and (not room.up or atoms > room.max_count)):
            continue
        for charge in room.charges:
            if _bit(rest[depth - 1 - abs(change)], offset - atoms * charge):
                return True
    return False
