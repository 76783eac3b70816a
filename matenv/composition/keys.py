"""Stable 64-bit keys of integer compositions, and the table that finds a composition by key. Compiled code only.

A key depends on the counts alone: not on the table, its order, the process or the platform.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

EMPTY = -1
"""Marks a free slot of the table, and "not found"."""


@njit(cache=True, nogil=True, inline="always")
def scramble(word: np.uint64) -> np.uint64:
    """One step of the SplitMix64 generator (Steele, Lea, Flood, OOPSLA 2014): a bijection that mixes all 64 bits."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@njit(cache=True, nogil=True)
def key_of(elements: NDArray[np.int16], counts: NDArray[np.int32], size: int, seed: int) -> np.uint64:
    """Key of one packed composition (10,) under a seed."""
    key = scramble(np.uint64(seed))
    for k in range(size):
        key = scramble(key ^ ((np.uint64(elements[k]) << np.uint64(32)) | np.uint64(counts[k])))
    return key


@njit(cache=True, nogil=True)
def keys_of(
    elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16], seed: int
) -> NDArray[np.uint64]:
    """Keys (B,) uint64 of packed compositions (B, 10)."""
    keys = np.empty(len(size), np.uint64)
    for row in range(len(size)):
        keys[row] = key_of(elements[row], counts[row], size[row], seed)
    return keys


@njit(cache=True, nogil=True)
def units(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A number in [0.1, 1) for each key: the size of its share in a tie-breaking perturbation."""
    values = np.empty(len(keys))
    for row in range(len(keys)):
        values[row] = 0.1 + 0.9 * (np.int64(scramble(keys[row]) >> np.uint64(11)) / 9007199254740992.0)
    return values


@njit(cache=True, nogil=True)
def fill_slots(keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Open-addressing table of row numbers, a power of two long and at most half full, for `find`."""
    length = 2
    while length < 2 * len(keys):
        length *= 2
    slots = np.full(length, EMPTY, np.int32)
    last = np.uint64(length - 1)
    for row in range(len(keys)):
        slot = keys[row] & last
        while slots[slot] != EMPTY:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = row
    return slots


@njit(cache=True, nogil=True)
def find(
    elements: NDArray[np.int16],
    counts: NDArray[np.int32],
    size: NDArray[np.int16],
    slots: NDArray[np.int32],
    table_elements: NDArray[np.int16],
    table_counts: NDArray[np.int32],
    table_size: NDArray[np.int16],
    seed: int,
) -> NDArray[np.int64]:
    """Row of each packed composition (B, 10) in a table (P, 10), or -1; the counts are compared, not only the key."""
    rows = np.empty(len(size), np.int64)
    last = np.uint64(len(slots) - 1)
    for query in range(len(size)):
        slot = key_of(elements[query], counts[query], size[query], seed) & last
        while True:
            row = slots[slot]
            if row == EMPTY:
                break
            same = table_size[row] == size[query]
            for k in range(size[query]):
                if table_elements[row, k] != elements[query, k] or table_counts[row, k] != counts[query, k]:
                    same = False
            if same:
                break
            slot = (slot + np.uint64(1)) & last
        rows[query] = row
    return rows
