"""Which sums of charge a composition can reach, as bits of a word. Compiled code only.

Trying every combination of oxidation states takes up to 10^10 steps for ten elements. The set of sums that the elements
taken so far can reach has no more members than there are charges between the smallest and zero, so a row costs at most
(elements) x (states) x (charges / 64) word operations, however its states combine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.composition.integers import MAX_ELEMENTS

MOST_COMBINATIONS = 1_000_000
"""Combinations of mixed-valence states beyond which SMACT 4.0.2 gives up and answers no; so does `neutral_rows`."""


@njit(cache=True, nogil=True)
def neutral_rows(  # noqa: PLR0913
    elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16], states: NDArray[np.int8],
    number: NDArray[np.int8], negative: NDArray[np.int8], electronegativity: NDArray[np.float64],
    mixed: NDArray[np.bool_], ordered: bool,
) -> NDArray[np.bool_]:  # fmt: skip
    """Whether oxidation states that sum to zero exist for each row.

    Args:
        elements: Alphabet positions (B, 10), padded with -1.
        counts: Atoms (B, 10).
        size: Number of elements (B,).
        states: Oxidation states of each element of the alphabet (89, 10), ascending.
        number: How many states each element has (89,).
        negative: How many of them are negative (89,).
        electronegativity: Per element (89,); NaN fails any order.
        mixed: Elements whose atoms may differ in state (89,); all False for one state per element.
        ordered: Ask every cation to be less electronegative than every anion, too.

    Returns:
        (B,) bool; False for rows without elements.
    """
    result = np.zeros(size.shape[0], np.bool_)
    scratch = np.zeros((2, 64), np.uint64)
    place = np.empty(MAX_ELEMENTS, np.int64)
    first = np.empty(MAX_ELEMENTS, np.int64)
    last = np.empty(MAX_ELEMENTS, np.int64)
    apart = np.empty(MAX_ELEMENTS, np.bool_)
    for row in range(size.shape[0]):
        n = size[row]
        known = n > 0
        combinations = 1.0
        for k in range(n):
            element = elements[row, k]
            known = known and number[element] > 0
            for _ in range(counts[row, k] if mixed[element] else 1):
                combinations *= number[element]
                if combinations > MOST_COMBINATIONS:
                    break
        if not known:
            continue
        split = combinations <= MOST_COMBINATIONS
        for k in range(n):
            apart[k] = split and mixed[elements[row, k]]
        if not ordered:
            for k in range(n):
                place[k], first[k], last[k] = k, 0, number[elements[row, k]]
            result[row], scratch = _reaches_zero(
                elements[row], counts[row], n, states, place, first, last, apart, scratch
            )
            continue

        for k in range(n):  # insertion sort by electronegativity
            value = electronegativity[elements[row, k]]
            if np.isnan(value):
                known = False
                break
            at = k
            while at > 0 and electronegativity[elements[row, place[at - 1]]] > value:
                place[at] = place[at - 1]
                at -= 1
            place[at] = k
        if not known:
            continue
        for cations in range(1, n):
            below, above = elements[row, place[cations - 1]], elements[row, place[cations]]
            if negative[below] == number[below]:
                break  # it has no positive state, nor may it be an anion from here on
            if electronegativity[below] == electronegativity[above]:
                continue
            possible = True
            for k in range(n):
                element = elements[row, place[k]]
                first[k] = negative[element] if k < cations else 0
                last[k] = number[element] if k < cations else negative[element]
                possible = possible and first[k] < last[k]
            if possible:
                result[row], scratch = _reaches_zero(
                    elements[row], counts[row], n, states, place, first, last, apart, scratch
                )
                if result[row]:
                    break
    return result


@njit(cache=True, nogil=True)
def _reaches_zero(  # noqa: PLR0913
    elements: NDArray, counts: NDArray, n: int, states: NDArray, place: NDArray, first: NDArray, last: NDArray,
    apart: NDArray, scratch: NDArray,
) -> tuple[bool, NDArray]:  # fmt: skip
    """Whether one choice per element among its states `first` to `last` sums to zero; returns the scratch space, too.

    Sums are counted from the smallest one upwards, or from the largest downwards, whichever is nearer to zero: then
    every choice adds, and nothing beyond zero matters.
    """
    smallest = largest = 0
    for k in range(n):
        element, count = elements[place[k]], np.int64(counts[place[k]])
        smallest += states[element, first[k]] * count
        largest += states[element, last[k] - 1] * count
    if smallest > 0 or largest < 0:
        return False, scratch
    if smallest == 0 or largest == 0:
        return True, scratch
    upwards = -smallest <= largest
    target = -smallest if upwards else largest
    words = target // 64 + 1
    if words > scratch.shape[1]:
        scratch = np.zeros((2, 2 * words), np.uint64)
    now, then = 0, 1
    scratch[now, :words] = 0
    scratch[now, 0] = 1
    for k in range(n):
        element, count = elements[place[k]], np.int64(counts[place[k]])
        if last[k] - first[k] == 1:
            continue
        repeats, weight = (count, 1) if apart[place[k]] else (1, count)
        end = states[element, first[k]] if upwards else states[element, last[k] - 1]
        for _ in range(repeats):
            scratch[then, :words] = 0
            for choice in range(first[k], last[k]):
                step = abs(np.int64(states[element, choice]) - end) * weight
                skip, bits = step // 64, np.uint64(step % 64)
                for word in range(skip, words):
                    value = scratch[now, word - skip] << bits
                    if bits > 0 and word > skip:
                        value |= scratch[now, word - skip - 1] >> (np.uint64(64) - bits)
                    scratch[then, word] |= value
            now, then = then, now
    return (scratch[now, target // 64] >> np.uint64(target % 64)) & np.uint64(1) == 1, scratch
