"""Stable 64-bit keys of integer compositions, and how formulas are told apart and found by them. Compiled code only.

A key depends on the formula alone: not on a table, its order, the process or the platform. Two formulas may share one,
so where a formula is looked for the counts are compared as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit

Packed = tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int16]]
"""Elements (B, 10), counts (B, 10) and size (B,): the arrays of a `CompositionBatch`."""

EMPTY = -1
"""Marks a free slot of a table of slots, and "not found"."""


@njit(cache=True, nogil=True, inline="always")
def scramble(word: np.uint64) -> np.uint64:
    """One step of the SplitMix64 generator (Steele, Lea, Flood, OOPSLA 2014): a bijection that mixes all 64 bits."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@njit(cache=True, nogil=True)
def key_of(batch: Packed, row: int, seed: int) -> np.uint64:
    """Key of one row under a seed."""
    elements, counts, size = batch
    key = scramble(np.uint64(seed))
    for k in range(size[row]):
        key = scramble(key ^ ((np.uint64(elements[row, k]) << np.uint64(32)) | np.uint64(counts[row, k])))
    return key


@njit(cache=True, nogil=True)
def keys_of(batch: Packed, seed: int) -> NDArray[np.uint64]:
    """Keys (B,) uint64."""
    keys = np.empty(len(batch[2]), np.uint64)
    for row in range(len(keys)):
        keys[row] = key_of(batch, row, seed)
    return keys


@njit(cache=True, nogil=True)
def units(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A number in [0.1, 1) for each key: the size of its share in a tie-breaking perturbation."""
    values = np.empty(len(keys))
    for row in range(len(keys)):
        values[row] = 0.1 + 0.9 * (np.int64(scramble(keys[row]) >> np.uint64(11)) / 9007199254740992.0)
    return values


@njit(cache=True, nogil=True)
def alike(a: Packed, i: int, b: Packed, j: int) -> bool:
    """Whether row i of one batch and row j of another are the same formula."""
    elements, counts, size = a
    other_elements, other_counts, other_size = b
    same, k = size[i] == other_size[j], 0
    while same and k < size[i]:
        same = elements[i, k] == other_elements[j, k] and counts[i, k] == other_counts[j, k]
        k += 1
    return same


@njit(cache=True, nogil=True)
def same_rows(a: Packed, b: Packed) -> NDArray[np.bool_]:
    """Whether two batches hold the same formula, row by row (B,)."""
    same = np.empty(len(a[2]), np.bool_)
    for row in range(len(same)):
        same[row] = alike(a, row, b, row)
    return same


# The three functions below look for a slot in the same three lines: a call in their place would cost three times as
# much, as numba counts references to arrays in whatever is not inlined.


@njit(cache=True, nogil=True)
def fill_slots(table: Packed, rows: int, room: int) -> NDArray[np.int32]:
    """Open-addressing table of row numbers, a power of two long.

    Args:
        table: Formulas.
        rows: How many of them, from the first, to list; of equal ones the first row is kept.
        room: Most formulas there may be in the end, when it is half full.
    """
    length = 2
    while length < 2 * room:
        length *= 2
    slots, last = np.full(length, EMPTY, np.int32), np.uint64(length - 1)
    for row in range(rows):
        slot = key_of(table, row, 0) & last
        while slots[slot] != EMPTY and not alike(table, row, table, slots[slot]):
            slot = (slot + np.uint64(1)) & last
        if slots[slot] == EMPTY:
            slots[slot] = row
    return slots


@njit(cache=True, nogil=True)
def find(batch: Packed, table: Packed, slots: NDArray[np.int32]) -> NDArray[np.int64]:
    """Row of each formula in a table (B,), or -1."""
    rows, last = np.empty(len(batch[2]), np.int64), np.uint64(len(slots) - 1)
    for row in range(len(rows)):
        slot = key_of(batch, row, 0) & last
        while slots[slot] != EMPTY and not alike(batch, row, table, slots[slot]):
            slot = (slot + np.uint64(1)) & last
        rows[row] = slots[slot]
    return rows


@njit(cache=True, nogil=True)
def enter(
    batch: Packed, table: Packed, slots: NDArray[np.int32], length: int, most: int
) -> tuple[NDArray[np.bool_], int]:
    """Enter formulas in a table, in row order.

    Args:
        batch: Formulas (B); empty ones are not entered.
        table: The table, with room for all of them.
        slots: Likewise.
        length: How many formulas the table holds.
        most: How many it may hold.

    Returns:
        Whether each row is empty or in the table now (B,), and how many formulas it holds.
    """
    elements, counts, size = batch
    table_elements, table_counts, table_size = table
    accepted, last = np.ones(len(size), np.bool_), np.uint64(len(slots) - 1)
    for row in range(len(size)):
        slot = key_of(batch, row, 0) & last
        while slots[slot] != EMPTY and not alike(batch, row, table, slots[slot]):
            slot = (slot + np.uint64(1)) & last
        if size[row] == 0 or slots[slot] != EMPTY:
            continue
        if length >= most:
            accepted[row] = False
            continue
        for k in range(elements.shape[1]):
            table_elements[length, k], table_counts[length, k] = elements[row, k], counts[row, k]
        table_size[length] = size[row]
        slots[slot] = length
        length += 1
    return accepted, length
