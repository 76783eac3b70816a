"""Features of a formula among the phases of a reference: compiled, row by row. `found_tables` holds the counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.composition import MAX_ELEMENTS
from matenv.composition.keys import scramble

NOT_NEUTRAL = -12.0
"""Stands for the log-likelihood of valences where no common states sum to zero."""

LOW = 0xFFFFFFFF
"""Lower half of 64 bits: a span is first << 32 | last + 1."""

ENERGY_UNIT = 2.0**-15
"""eV/atom; energies of relatives are kept as whole numbers of it, in the upper half of 32 bits."""

SMALLEST_PRODUCT = 1e-5
"""Products of likenesses below this do not count."""

BLOCK = 64
"""Rows whose keys are looked up together."""

QUICK_NAMES = (
    "relatives", "stable relatives", "stable share of relatives' systems", "energy of relatives",
    "closest relative", "closest stable relative", "least stable relatives of a place",
    "stoichiometry", "stable stoichiometry", "anonymous stoichiometry", "stable anonymous stoichiometry",
    "elements in their places", "valence", "atoms", "largest count", "smallest count", "electronegativity",
    "spread of electronegativity", "valence electrons", "share of the most electronegative",
    "share of the least electronegative", "Pettifor number", "related systems", "stable phases of related systems",
    "range of electronegativity", "mean electronegativity", "fewest valence electrons", "most valence electrons",
    "range of radii",
)  # fmt: skip
"""Row-wise features of the step loop: one element exchanged at a time."""

THOROUGH_NAMES = (
    "kin", "stable kin", "close kin", "stable close kin", "wide kin", "stable wide kin", "closest kin",
    "closest stable kin", "energy of kin", "energy of close kin", "stable share of kin systems",
    "stable share of close kin systems", "stable share of wide kin systems", "kin systems", "close kin systems",
    "stable phases of kin systems",
)  # fmt: skip
"""Further features, tens of times as dear: any number of elements exchanged, by products of likenesses."""


@njit(cache=True, nogil=True)
def make_index(keys: NDArray[np.uint64], values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Open-addressing table of distinct keys (L, 2), at most half full: key and value stand side by side in memory.

    Args:
        keys: (K,), none of them 0.
        values: (K,), not negative.

    Returns:
        The table for `_find`; L is a power of two.
    """
    length = 2
    while length < 2 * len(keys):
        length *= 2
    index = np.zeros((length, 2), np.uint64)
    last = np.uint64(length - 1)
    for row in range(len(keys)):
        slot = keys[row] & last
        while index[slot, 0] != 0:
            slot = (slot + np.uint64(1)) & last
        index[slot, 0], index[slot, 1] = keys[row], np.uint64(values[row])
    return index


@njit(cache=True, nogil=True, inline="always")
def _find(key: np.uint64, index: NDArray[np.uint64]) -> int:
    """The value of a key, or -1."""
    last = np.uint64(len(index) - 1)
    slot = key & last
    while index[slot, 0] != 0:
        if index[slot, 0] == key:
            value: Any = np.int64(index[slot, 1])
            return value
        slot = (slot + np.uint64(1)) & last
    return -1


@njit(cache=True, nogil=True, inline="always")
def _rest_key(elements: NDArray, counts: NDArray, size: int, without: int, with_counts: bool) -> np.uint64:
    """Key of a row without one element; the amount of what is missing is part of it."""
    key = scramble(np.uint64(counts[without] if with_counts else 0))
    for k in range(size):
        if k != without:
            count = np.uint64(counts[k] if with_counts else 1)
            key = scramble(key ^ ((np.uint64(elements[k]) << np.uint64(32)) | count))
    return key


@njit(cache=True, nogil=True)
def rest_keys(
    elements: NDArray, counts: NDArray, size: NDArray, with_counts: bool, keys: NDArray, rows: NDArray,
    left_out: NDArray,
) -> None:  # fmt: skip
    """Write key, row and missing element of each row (B, 10) without each of its elements (E,)."""
    entry = 0
    for row in range(len(size)):
        for k in range(size[row]):
            keys[entry] = _rest_key(elements[row], counts[row], size[row], k, with_counts)
            rows[entry], left_out[entry] = row, elements[row, k]
            entry += 1


@njit(cache=True, nogil=True, inline="always")
def _formula_key(elements: NDArray, counts: NDArray, size: int) -> np.uint64:
    key = np.uint64(size)
    for k in range(size):
        key = scramble(key ^ ((np.uint64(elements[k]) << np.uint64(32)) | np.uint64(counts[k])))
    return key


@njit(cache=True, nogil=True)
def formula_keys(elements: NDArray, counts: NDArray, size: NDArray) -> NDArray[np.uint64]:
    """Key of each row (B,)."""
    keys = np.empty(len(size), np.uint64)
    for row in range(len(size)):
        keys[row] = _formula_key(elements[row], counts[row], size[row])
    return keys


@njit(cache=True, nogil=True)
def anonymous_keys(counts: NDArray, size: NDArray) -> NDArray[np.uint64]:
    """Key of each row's counts, whatever their order (B,)."""
    keys = np.empty(len(size), np.uint64)
    for row in range(len(size)):
        keys[row] = _anonymous_key(counts[row], size[row])
    return keys


@njit(cache=True, nogil=True, inline="always")
def _by_rank(elements: NDArray, size: int, rank: NDArray, order: NDArray) -> None:
    for i in range(size):
        j = i
        while j > 0 and rank[elements[order[j - 1]]] > rank[elements[i]]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i


@njit(cache=True, nogil=True, inline="always")
def _anonymous_key(counts: NDArray, size: int) -> np.uint64:
    """Key of counts whatever their order: a sum of scrambled counts."""
    key = np.uint64(size)
    for k in range(size):
        key += scramble(np.uint64(counts[k]))
    return scramble(key)


@njit(cache=True, nogil=True, inline="always")
def _ordered_key(counts: NDArray, size: int, order: NDArray) -> np.uint64:
    key = np.uint64(size)
    for k in range(size):
        key = scramble(key ^ np.uint64(counts[order[k]]))
    return key


@njit(cache=True, nogil=True)
def ordered_keys(
    elements: NDArray, counts: NDArray, size: NDArray, rank: NDArray, keys: NDArray, ordered: NDArray
) -> None:
    """Write the key of each row's counts in order of `rank` (B,), and its elements in that order (B, 10)."""
    order = np.empty(MAX_ELEMENTS, np.int64)
    for row in range(len(size)):
        _by_rank(elements[row], size[row], rank, order)
        keys[row] = _ordered_key(counts[row], size[row], order)
        for k in range(size[row]):
            ordered[row, k] = elements[row, order[k]]


@njit(cache=True, nogil=True)
def _valence(
    elements: NDArray, counts: NDArray, size: int, states: NDArray, likely: NDArray, number: NDArray, chosen: NDArray
) -> float:
    """Log-likelihood of the likeliest neutral choice of one common oxidation state per element."""
    best, level, charge, total = NOT_NEUTRAL, 0, 0, 0.0
    chosen[:size] = -1
    while level >= 0:  # depth first; `charge` and `total` hold the levels above and the state chosen at this one
        element = elements[level]
        if chosen[level] >= 0:
            charge -= states[element, chosen[level]] * counts[level]
            total -= likely[element, chosen[level]]
        chosen[level] += 1
        if chosen[level] >= number[element]:
            chosen[level] = -1
            level -= 1
            continue
        charge += states[element, chosen[level]] * counts[level]
        total += likely[element, chosen[level]]
        if total <= best:
            continue
        if level == size - 1:
            if charge == 0:
                best = total
        else:
            level += 1
    return best


@njit(cache=True, nogil=True)
def _look_up(
    elements: NDArray, counts: NDArray, size: NDArray, start: int, stop: int, rank: NDArray, arrays: tuple,
    order: NDArray, relatives: NDArray, systems: NDArray, numbers: NDArray,
) -> None:  # fmt: skip
    """Find what the rows of a block need in the tables, all at once: memory answers many questions in the time of one.

    Writes the spans of relatives and of systems without each element (rows, 10), the numbers of a row's own formula,
    ordered and anonymous stoichiometry (rows, 3), and its elements' places by electronegativity (rows, 10).
    """
    for row in range(start, stop):
        n, el, co, i = size[row], elements[row], counts[row], row - start
        for k in range(n):
            relatives[i, k] = _find(_rest_key(el, co, n, k, True), arrays[1])
            systems[i, k] = _find(_rest_key(el, co, n, k, False), arrays[3])
        _by_rank(el, n, rank, order[i])
        numbers[i, 0] = _find(_formula_key(el, co, n), arrays[11])
        numbers[i, 1] = _find(_ordered_key(co, n, order[i]), arrays[6])
        numbers[i, 2] = _find(_anonymous_key(co, n), arrays[9])


@njit(cache=True, nogil=True, error_model="numpy")
def quick(
    elements: NDArray, counts: NDArray, size: NDArray, arrays: tuple, values: tuple, scale: float, out: NDArray
) -> None:  # fmt: skip
    """Write the features `QUICK_NAMES` (B, 29)."""
    likeness, entries, s_other, s_phases = arrays[0], arrays[2], arrays[4], arrays[5]
    ordered_counts, places, anonymous_counts = arrays[7], arrays[8], arrays[10]
    rank, negativity, electrons, pettifor, radius, states, likely, states_number = values
    chosen = np.empty(MAX_ELEMENTS, np.int64)
    orders, numbers = np.empty((BLOCK, MAX_ELEMENTS), np.int64), np.empty((BLOCK, 3), np.int64)
    relatives, related = np.empty((2, BLOCK, MAX_ELEMENTS), np.int64)
    for row in range(len(size)):
        n, el, co, i = size[row], elements[row], counts[row], row % BLOCK
        if i == 0:
            last = min(row + BLOCK, len(size))
            _look_up(elements, counts, size, row, last, rank, arrays, orders, relatives, related, numbers)
        order = orders[i]
        all_, some, energies, near, near_stable, least = 0.0, 0.0, 0.0, 0.0, 0.0, np.inf
        systems, phases = 0.0, 0.0
        for k in range(n):
            alike = likeness[el[k]]
            here = 0.0
            span = relatives[i, k]
            if span >= 0:
                for place in range(span >> 32, span & LOW):
                    entry = entries[place]
                    other = entry & 0xFF
                    if other == el[k]:
                        continue
                    weight = alike[other]
                    all_ += weight
                    energies += weight * (entry >> 16)
                    near = max(near, weight)
                    if entry & 0x100:
                        here += weight
                        near_stable = max(near_stable, weight)
            some += here
            least = min(least, here)
            span = related[i, k]
            if span >= 0:
                for entry in range(span >> 32, span & LOW):
                    if s_other[entry] != el[k]:
                        systems += alike[s_other[entry]]
                        phases += alike[s_other[entry]] * s_phases[entry]
        f = out[row]
        f[0], f[1] = math.log(scale * all_ + 1e-3), math.log(scale * some + 1e-3)
        f[2] = math.log(scale * some / (scale * systems + 0.1) + 1e-5)
        f[3] = (scale * energies * ENERGY_UNIT + 0.003) / (scale * all_ + 0.02)
        f[4], f[5], f[6] = math.log(near + 1e-3), math.log(near_stable + 1e-3), math.log(scale * least + 1e-3)
        itself, itself_stable = 0.0, 0.0  # a formula of the reference is no evidence for itself
        known = numbers[i, 0]
        if known >= 0:
            itself, itself_stable = 1.0, float(known)
        group = numbers[i, 1]
        f[7], f[8], fit = 0.0, 0.0, 0.1 * 0.2**n
        if group >= 0:
            number, stable = ordered_counts[group, 0], ordered_counts[group, 1]
            first = ordered_counts[group, 2]
            f[7] = math.log1p(scale * (number - itself))
            f[8] = math.log1p(scale * (stable - itself_stable))
            if stable > itself_stable:
                whole = scale * (stable - itself_stable) + 0.1
                fit = whole
                for k in range(n):
                    here = places[first + k, el[order[k]]] - itself_stable
                    fit *= (scale * max(here, 0.0) + 0.02) / whole
        f[11] = math.log(fit)
        group = numbers[i, 2]
        f[9], f[10] = 0.0, 0.0
        if group >= 0:
            f[9] = math.log1p(scale * (anonymous_counts[group, 0] - itself))
            f[10] = math.log1p(scale * (anonymous_counts[group, 1] - itself_stable))
        f[12] = _valence(el, co, n, states, likely, states_number, chosen)
        atoms, largest, smallest = 0, 0, co[0]
        for k in range(n):
            atoms += co[k]
            largest, smallest = max(largest, co[k]), min(smallest, co[k])
        mean, square, valence, notch = 0.0, 0.0, 0.0, 0.0
        plain, fewest, most, thin, wide = 0.0, np.inf, 0.0, np.inf, 0.0
        for k in range(n):
            x, e = co[k] / atoms, el[k]
            mean += x * negativity[e]
            square += x * negativity[e] ** 2
            valence += x * electrons[e]
            notch += x * pettifor[e]
            plain += negativity[e] / n
            fewest, most = min(fewest, electrons[e]), max(most, electrons[e])
            thin, wide = min(thin, radius[e]), max(wide, radius[e])
        f[13], f[14], f[15] = min(atoms, 20), min(largest, 12), min(smallest, 4)
        f[16], f[17], f[18] = mean, math.sqrt(max(square - mean * mean, 0.0)), valence
        f[19], f[20], f[21] = co[order[n - 1]] / atoms, co[order[0]] / atoms, notch
        f[22] = math.log(scale * systems + 0.1)
        f[23] = math.log((scale * phases + 0.05) / (scale * systems + 0.1))
        f[24], f[25] = negativity[el[order[n - 1]]] - negativity[el[order[0]]], plain
        f[26], f[27], f[28] = fewest, most, wide - thin


@njit(cache=True, nogil=True, inline="always")
def _same(a: NDArray, b: NDArray, n: int) -> bool:
    for k in range(n):
        if a[k] != b[k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _match(
    el: NDArray, co: NDArray, other: NDArray, other_counts: NDArray, n: int, likeness: NDArray, by_count: bool,
    chosen: NDArray, product: NDArray, sums: NDArray,
) -> None:  # fmt: skip
    """Sum over all ways to match a row's elements with another's, of equal counts if `by_count`.

    Of the product of likenesses, of its square, of its square root; and the largest product: `sums` (4,). `chosen` and
    `product` (10,) are scratch.
    """
    sums[:] = 0.0
    for i in range(n):  # an element that is like none of them ends it
        best = 0.0
        for j in range(n):
            best = max(best, likeness[el[j], other[i]])
        if best < 0.005:
            return
    chosen[0], product[0] = -1, 1.0
    taken, level = 0, 0
    while level >= 0:  # depth first over the elements of the other
        j = chosen[level]
        if j >= 0:
            taken &= ~(1 << j)
        j += 1
        while j < n and (taken >> j & 1 or (by_count and co[j] != other_counts[level])):
            j += 1
        if j >= n:
            chosen[level] = -1
            level -= 1
            continue
        chosen[level] = j
        taken |= 1 << j
        x = product[level] * likeness[el[j], other[level]]
        if x < SMALLEST_PRODUCT:
            continue
        if level < n - 1:
            level += 1
            chosen[level], product[level] = -1, x
            continue
        sums[0] += x
        sums[1] += x * x
        sums[2] += math.sqrt(x)
        sums[3] = max(sums[3], x)


@njit(cache=True, nogil=True)
def system_mass(systems: NDArray, kin: tuple, mass: NDArray) -> None:
    """How many systems of the reference are like each system (Q, 10): sums of products, squares and roots, and of
    products times their stable phases, into `mass` (Q, 4)."""  # noqa: D205, D209
    likeness, known, phases, first = kin[0], kin[6], kin[7], kin[8]
    counts, sums = np.ones(MAX_ELEMENTS, np.int32), np.empty(4)
    chosen, product = np.empty(MAX_ELEMENTS, np.int64), np.empty(MAX_ELEMENTS)
    mass[:] = 0.0
    for row in range(len(systems)):
        n = 0
        while n < MAX_ELEMENTS and systems[row, n] >= 0:
            n += 1
        for other in range(first[n], first[n + 1]):
            if _same(systems[row], known[other], n):
                continue
            _match(systems[row], counts, known[other], counts, n, likeness, False, chosen, product, sums)
            mass[row, :3] += sums[:3]
            mass[row, 3] += sums[0] * phases[other]


@njit(cache=True, nogil=True, error_model="numpy")
def thorough(
    elements: NDArray, counts: NDArray, size: NDArray, kin: tuple, mass: NDArray, scale: float, out: NDArray
) -> None:
    """Write the features `THOROUGH_NAMES` (B, 16), given each row's `system_mass` (B, 4)."""
    likeness, index, known, known_counts, stable, energy = kin[:6]
    sums, total = np.empty(4), np.empty(10)
    chosen, product = np.empty(MAX_ELEMENTS, np.int64), np.empty(MAX_ELEMENTS)
    for row in range(len(size)):
        n, el, co = size[row], elements[row], counts[row]
        total[:] = 0.0
        span = _find(_anonymous_key(co, n), index)
        if span >= 0:
            for other in range(span >> 32, span & LOW):
                if _same(el, known[other], n):
                    continue
                _match(el, co, known[other], known_counts[other], n, likeness, True, chosen, product, sums)
                for power in range(3):
                    total[2 * power] += scale * sums[power]
                    if stable[other]:
                        total[2 * power + 1] += scale * sums[power]
                total[6] = max(total[6], sums[3])
                if stable[other]:
                    total[7] = max(total[7], sums[3])
                total[8] += scale * sums[0] * energy[other]
                total[9] += scale * sums[1] * energy[other]
        f = out[row]
        f[0], f[1] = math.log(total[0] + 1e-4), math.log(total[1] + 1e-4)
        f[2], f[3] = math.log(total[2] + 1e-6), math.log(total[3] + 1e-6)
        f[4], f[5] = math.log(total[4] + 1e-2), math.log(total[5] + 1e-2)
        f[6], f[7] = math.log(total[6] + 1e-4), math.log(total[7] + 1e-4)
        f[8] = (total[8] + 0.003) / (total[0] + 0.02)
        f[9] = (total[9] + 0.00004) / (total[2] + 0.002)
        all_, close, wide, phases = (
            scale * mass[row, 0],
            scale * mass[row, 1],
            scale * mass[row, 2],
            scale * mass[row, 3],
        )
        f[10] = math.log(total[1] / (all_ + 0.02) + 1e-5)
        f[11] = math.log(total[3] / (close + 0.005) + 1e-5)
        f[12] = math.log(total[5] / (wide + 0.2) + 1e-5)
        f[13], f[14] = math.log(all_ + 0.01), math.log(close + 0.001)
        f[15] = math.log((phases + 0.01) / (all_ + 0.02))
