"""Formula strings in pymatgen's spelling, written for a whole batch by one compiled function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.compiled.jit import njit

Letters = NDArray[np.uint32]

# Two most electronegative elements closer than this (Pauling units) are bracketed as a polyanion, as pymatgen does.
_POLYANION_GAP = 1.65
_ELECTRONEGATIVITY = alphabet.values("electronegativity")
# Rank of each element in a formula string: by electronegativity, ties by symbol (the alphabet's own order).
_RANK = np.empty(alphabet.NUM_ELEMENTS, np.int64)
_RANK[np.argsort(_ELECTRONEGATIVITY, kind="stable")] = np.arange(alphabet.NUM_ELEMENTS)
_SYMBOLS = np.array([[ord(letter) for letter in f"{symbol:\0<2}"] for symbol in alphabet.SYMBOLS], np.uint32)
# Formulas that are customarily not reduced (the convention of pymatgen and the ICSD): diatomic gases, and peroxides.
_DIATOMIC = np.array([symbol in ("O", "N", "F", "Cl", "H") for symbol in alphabet.SYMBOLS])
_PEROXIDE = np.array([symbol in ("Li", "Na", "K", "Rb", "Cs", "H") for symbol in alphabet.SYMBOLS])
_OXYGEN = alphabet.INDEX["O"]
_OPEN, _CLOSE, _ZERO = np.uint32(ord("(")), np.uint32(ord(")")), np.uint32(ord("0"))


def spell(elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16]) -> list[str]:
    """Spell packed reduced compositions: electropositive elements first, a polyanion in brackets.

    Args:
        elements: Alphabet positions (B, 10), those present first.
        counts: Atoms per reduced formula unit (B, 10).
        size: Number of elements (B,).

    Returns:
        The formulas (B,); "" for a row without elements.
    """
    letters = _letters(elements, counts, size)
    return letters.view(f"U{letters.shape[1]}")[:, 0].tolist()


@njit(cache=True, nogil=True)
def _letters(elements: NDArray[np.int16], counts: NDArray[np.int32], size: NDArray[np.int16]) -> Letters:
    """Code points of each formula (B, longest), padded with 0."""
    longest, digits = 1, 1
    for row in range(len(size)):
        longest = max(longest, size[row])
        for k in range(size[row]):
            while counts[row, k] >= 10**digits:
                digits += 1
    # A symbol has two letters at most; a pair of brackets carries a number of its own.
    letters = np.zeros((len(size), longest * (2 + digits) + 2 + digits), np.uint32)
    order, amount = np.empty(elements.shape[1], np.int64), np.empty(elements.shape[1], np.int64)
    for row in range(len(size)):
        n, line = size[row], letters[row]
        for i in range(n):
            element, count, j = elements[row, i], counts[row, i], i
            while j > 0 and _RANK[order[j - 1]] > _RANK[element]:
                order[j], amount[j] = order[j - 1], amount[j - 1]
                j -= 1
            order[j], amount[j] = element, count
        if n == 1 and amount[0] == 1 and _DIATOMIC[order[0]]:
            amount[0] = 2
        elif n == 2 and amount[0] == amount[1] == 1 and _PEROXIDE[order[0]] and order[1] == _OXYGEN:
            amount[0] = amount[1] = 2
        bracket, repeat = n, 1
        if n >= 3 and _ELECTRONEGATIVITY[order[n - 1]] - _ELECTRONEGATIVITY[order[n - 2]] < _POLYANION_GAP:
            repeat, rest = amount[n - 2], amount[n - 1]
            while rest:
                repeat, rest = rest, repeat % rest
            bracket = n - 2 if repeat > 1 else n
        end = 0
        for i in range(n):
            if i == bracket:
                line[end] = _OPEN
                end += 1
            for letter in _SYMBOLS[order[i]]:
                if letter:
                    line[end] = letter
                    end += 1
            end = _write_number(amount[i] // repeat if i >= bracket else amount[i], line, end)
        if bracket < n:
            line[end] = _CLOSE
            _write_number(repeat, line, end + 1)
    return letters


@njit(cache=True, nogil=True)
def _write_number(number: int, line: Letters, end: int) -> int:
    """Write a number unless it is 1, from position `end`; returns the position after it."""
    if number == 1:
        return end
    power = 1
    while number // power >= 10:
        power *= 10
    while power:
        line[end] = _ZERO + np.uint32(number // power % 10)
        power //= 10
        end += 1
    return end
