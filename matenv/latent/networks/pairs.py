"""Flat lists of (row, element, count): how networks read and write compositions without dense (B, 89, counts) work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matenv.compiled.jit import njit
from matenv.compiled.products import FASTMATH, exp_minus
from matenv.composition import CompositionBatch
from matenv.composition.integers import MAX_ELEMENTS

NEGLIGIBLE_LOGIT = np.float32(-10.0)
"""Presence log-odds below which an element (probability < 5e-5) is not added to the expected number of elements."""

HESITATION = np.float32(0.3)
"""Weight of the presence variance in the number of elements. Measured on the shipped space: held-out recovery does not
change between 0 and 0.8, and up to 0.4 neither do samples, while points off the data come closer to its numbers."""

FEWEST = 2
"""Fewest elements of a decoded formula: the embedded table holds compounds only, no pure element."""


@dataclass(frozen=True)
class Pairs:
    """The P (row, element, count) entries of B compositions, row by row.

    Attributes:
        rows: Number of compositions B.
        row: Row of each entry (P,) int64, ascending.
        element: Alphabet position of each entry (P,) int64.
        count: Atoms per reduced formula unit (P,) int64.
        offset: First entry of each row (B,) int64.
    """

    rows: int
    row: Tensor
    element: Tensor
    count: Tensor
    offset: Tensor

    @classmethod
    def of(cls, batch: CompositionBatch, device: torch.device | str = "cpu") -> Pairs:
        """List the entries of a packed batch."""
        listed = batch.counts > 0
        count = torch.from_numpy(batch.counts[listed].astype(np.int64)).to(device)
        row = np.repeat(np.arange(len(batch)), batch.size)
        pairs = cls.listed(row, batch.elements[listed].astype(np.int64), batch.size, device)
        return cls(pairs.rows, pairs.row, pairs.element, count, pairs.offset)

    @classmethod
    def listed(
        cls, row: NDArray[np.int64], element: NDArray[np.int64], size: NDArray, device: torch.device | str = "cpu"
    ) -> Pairs:
        """Entries without counts (all 0): what a decoder knows once it has chosen the elements.

        Args:
            row: Row of each entry (P,).
            element: Alphabet position of each entry (P,).
            size: Number of entries of each row (B,).
            device: Where the tensors go.
        """
        offset = np.cumsum(size, dtype=np.int64) - size
        tensors = [torch.from_numpy(array).to(device) for array in (row, element, np.zeros_like(element), offset)]
        return cls(len(size), *tensors)


# Log-odds are finite (arguments are checked at the door), so largest values may be found by vector instructions.
_FINITE = FASTMATH | {"nnan"}


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FINITE)
def choose_elements(
    logits: NDArray[np.float32],
) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int64], NDArray[np.int64]]:
    """Elements of each row from presence log-odds: about as many as expected, the likeliest.

    With presence probabilities p that number is ``sum p + 0.3 sum p (1 - p)``, rounded and kept within 2..10. A cut at
    p > 1/2 agrees with it wherever the decoder is sure. Where it hesitates between look-alikes (p = 1/2 for Sr and 1/2
    for Ba) the cut would name neither, and off the training data formulas would be too short, or empty.

    Args:
        logits: (B, W) presence log-odds, finite.

    Returns:
        elements (B, 10) int16 ascending and padded with -1, size (B,) int16, and the same as flat entries:
        row (P,) int64, element (P,) int64. Equal odds go to the first in the alphabet.
    """
    rows, width = logits.shape
    elements = np.full((rows, MAX_ELEMENTS), -1, np.int16)
    size = np.empty(rows, np.int16)
    row = np.empty(rows * MAX_ELEMENTS, np.int64)
    element = np.empty(rows * MAX_ELEMENTS, np.int64)
    likely = np.empty(width, np.int16)
    best = np.empty(MAX_ELEMENTS, np.int16)
    entry = 0
    for i in range(rows):
        line, chosen = logits[i], elements[i]
        expected = np.float32(0.0)
        for j in range(width):
            p = np.float32(1.0) / (np.float32(1.0) + exp_minus(line[j]))
            expected += p + HESITATION * p * (np.float32(1.0) - p) if line[j] > NEGLIGIBLE_LOGIT else np.float32(0.0)
        n = min(max(int(expected + np.float32(0.5)), FEWEST), MAX_ELEMENTS)
        number = 0
        for j in range(width):
            likely[number] = j
            number += line[j] > NEGLIGIBLE_LOGIT
        if number < n:  # too few to choose from: all elements, then
            number = width
            for j in range(width):
                likely[j] = j
        kept = 0
        for j in likely[:number]:  # insertion into the n largest so far, in descending order
            if kept < n:
                kept += 1
            elif not line[j] > line[best[n - 1]]:
                continue
            k = kept - 1
            while k > 0 and line[j] > line[best[k - 1]]:
                best[k] = best[k - 1]
                k -= 1
            best[k] = j
        for m in range(n):  # and into ascending order
            k = m
            while k > 0 and best[m] < chosen[k - 1]:
                chosen[k] = chosen[k - 1]
                k -= 1
            chosen[k] = best[m]
        size[i] = n
        for k in range(n):
            row[entry] = i
            element[entry] = chosen[k]
            entry += 1
    return elements, size, row[:entry], element[:entry]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FINITE)
def choose_counts(size: NDArray[np.int16], logits: NDArray[np.float32]) -> NDArray[np.int32]:
    """Most probable count of each entry, each row divided by its greatest common divisor.

    Args:
        size: Number of entries of each row (B,).
        logits: (P, C) log-odds of counts 1..C, entries row by row, finite.

    Returns:
        Counts (B, 10) int32 padded with 0. Equal odds go to the smaller count.
    """
    counts = np.zeros((len(size), MAX_ELEMENTS), np.int32)
    p = 0
    for i in range(len(size)):
        divisor = 0
        for k in range(size[i]):
            line = logits[p]
            top = line[0]
            for c in range(len(line)):
                top = max(top, line[c])
            best = 0
            while line[best] < top:
                best += 1
            p += 1
            counts[i, k] = best + 1
            a, b = best + 1, divisor
            while a:
                a, b = b % a, a
            divisor = b
        for k in range(size[i]):
            counts[i, k] //= divisor
    return counts
