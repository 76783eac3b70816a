"""Stable 64-bit keys of integer compositions, and how formulas are told apart and found by them. Compiled code only.

A key depends on the formula alone: not on a table, its order, the process or the platform. Two formulas may share one,
so where a formula is looked for the counts are compared as well.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
    if a[2][i] != b[2][j]:
        return False
    for k in range(a[2][i]):
        if a[0][i, k] != b[0][j, k] or a[1][i, k] != b[1][j, k]:
            return False
    return True


@njit(cache=True, nogil=True)
def same_rows(a: Packed, b: Packed) -> NDArray[np.bool_]:
    """Whether two batches hold the same formula, row by row (B,)."""
    same = np.empty(len(a[2]), np.bool_)
    for row in range(len(same)):
        same[row] = alike(a, row, b, row)
    return same


@njit(cache=True, nogil=True)
def seek(batch: Packed, row: int, table: Packed, slots: NDArray[np.int32]) -> np.uint64:
    """The slot that holds the table's row of a formula, or the free slot where it belongs.

    Args:
        batch: Holds the formula.
        row: Where.
        table: Formulas to compare with.
        slots: As `fill_slots` returns them.
    """
    last = np.uint64(len(slots) - 1)
    slot = key_of(batch, row, 0) & last
    while slots[slot] != EMPTY and not alike(batch, row, table, slots[slot]):
        slot = (slot + np.uint64(1)) & last
    return slot


@njit(cache=True, nogil=True)
def fill_slots(table: Packed, rows: int, room: int) -> NDArray[np.int32]:
    """Open-addressing table of row numbers, a power of two long.

    Args:
        table: Formulas.
        rows: How many of them, from the first, to enter; of equal ones the first row is kept.
        room: Most formulas there may be in the end, when it is half full.
    """
    length = 2
    while length < 2 * room:
        length *= 2
    slots = np.full(length, EMPTY, np.int32)
    for row in range(rows):
        slot = seek(table, row, table, slots)
        if slots[slot] == EMPTY:
            slots[slot] = row
    return slots


@njit(cache=True, nogil=True)
def find(batch: Packed, table: Packed, slots: NDArray[np.int32]) -> NDArray[np.int64]:
    """Row of each formula in a table (B,), or -1."""
    rows = np.empty(len(batch[2]), np.int64)
    for row in range(len(rows)):
        rows[row] = slots[seek(batch, row, table, slots)]
    return rows
