"""What the network sees of a composition: element reference values, features of each fraction, and a packed layout.

Rows are sorted by their number of elements and listed as one flat run of tokens (one token = one element of one row),
so that no padding is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matenv import elements as alphabet
from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch

HARMONICS = 16
"""Number of cosines cos(pi k x), k = 1.., among the features of a fraction x."""

FRACTION_FEATURES = HARMONICS + 3
"""Width of `fraction_features`."""

REFERENCE_VALUES = ("group", "period", "mass", "electronegativity", "radius", "ionization_energy", "mendeleev")
"""The element values that open each row of `element_features`."""


@dataclass(frozen=True)
class Tokens:
    """A batch in the network's layout.

    Attributes:
        elements: Alphabet position of each token (T,) int64.
        amounts: Atom fraction of each token (T, 1) float32.
        groups: (number of rows, elements per row) of each run of rows with equally many elements, in order.
        offsets: First token of each row, and T at the end (B + 1,) int64.
        references: What `references.References` says of each token (T, `references.WIDTH`) float32, for networks that
            ask for it.
    """

    elements: Tensor
    amounts: Tensor
    groups: tuple[tuple[int, int], ...]
    offsets: NDArray[np.int64]
    references: Tensor | None = None

    def to(self, device: torch.device) -> Tokens:
        """The same tokens on another device."""
        references = None if self.references is None else self.references.to(device)
        return Tokens(self.elements.to(device), self.amounts.to(device), self.groups, self.offsets, references)

    def by_row(self, values: Tensor, per_row: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Views of token values and row values that broadcast against each other, one pair per run of equal rows.

        Args:
            values: (T, width).
            per_row: (B, width), rows in sorted order.

        Yields:
            Views (rows, elements per row, width) and (rows, 1, width).
        """
        token, row = 0, 0
        for rows, size in self.groups:
            yield values[token : token + rows * size].view(rows, size, -1), per_row[row : row + rows, None]
            token, row = token + rows * size, row + rows

    def pool(self, values: Tensor) -> Tensor:
        """Sum of the tokens' values over each row: (T, width) -> (B, width), rows in sorted order."""
        sums, token = [], 0
        for rows, size in self.groups:
            sums.append(values[token : token + rows * size].view(rows, size, -1).sum(1))
            token += rows * size
        return sums[0] if len(sums) == 1 else torch.cat(sums)


def pack(batch: CompositionBatch, references: NDArray[np.float32] | None = None) -> tuple[Tokens, NDArray[np.int64]]:
    """Sort integer compositions by number of elements and list their tokens.

    Args:
        batch: B compositions, none of them empty.
        references: As `references.References.describe` returns it (B, 10, width).

    Returns:
        The tokens, and the row numbers (B,) in sorted order: result k of the network belongs to row ``order[k]``.
    """
    return pack_amounts(batch.elements, batch.counts, batch.size, references)


def pack_amounts(
    elements: NDArray, amounts: NDArray, size: NDArray, references: NDArray[np.float32] | None = None
) -> tuple[Tokens, NDArray[np.int64]]:
    """As `pack`, for amounts that need not be integers.

    Args:
        elements: Alphabet positions (B, 10), those present first.
        amounts: Positive amounts of the elements present (B, 10), on any scale; 0 beyond them.
        size: Number of elements (B,), at least 1.
        references: As `pack`.

    Returns:
        As `pack`.
    """
    order = np.argsort(size, kind="stable")
    sorted_size, sorted_amounts = size[order].astype(np.int64), amounts[order]
    listed = np.arange(elements.shape[1]) < sorted_size[:, None]
    fractions = (sorted_amounts / sorted_amounts.sum(axis=1, keepdims=True))[listed].astype(np.float32)
    positions = elements[order][listed].astype(np.int64)
    groups = tuple((int(rows), n) for n, rows in enumerate(np.bincount(sorted_size)) if rows)
    offsets = np.concatenate([[0], np.cumsum(sorted_size)])
    told = None if references is None else torch.from_numpy(references[order][listed])
    return Tokens(torch.from_numpy(positions), torch.from_numpy(fractions)[:, None], groups, offsets, told), order


def element_features() -> Tensor:
    """Reference values of all elements, standardised, with one-hot group and period.

    Returns:
        (89, 32) float32: the seven values of `matenv.elements` (undefined ones at the mean), 18 groups, 7 periods.
    """
    columns = []
    for name in REFERENCE_VALUES:
        column = alphabet.values(name)
        column = (column - np.nanmean(column)) / np.nanstd(column)
        columns.append(np.nan_to_num(column))
    group = np.eye(18)[alphabet.values("group").astype(int) - 1]
    period = np.eye(7)[alphabet.values("period").astype(int) - 1]
    return torch.from_numpy(np.column_stack([*columns, group, period]).astype(np.float32))


def fraction_features(amounts: Tensor) -> Tensor:
    """Features of atom fractions: x, sqrt(x), log(x) and cosines that tell nearby simple fractions apart.

    Args:
        amounts: Atom fractions (T, 1) in (0, 1].

    Returns:
        (T, 19) float32, each of order one.
    """
    k = torch.arange(1, HARMONICS + 1, dtype=amounts.dtype, device=amounts.device)
    return torch.cat([amounts, amounts.sqrt(), amounts.log() / 3.0, torch.cos(math.pi * amounts * k)], dim=1)


@njit(cache=True, nogil=True, error_model="numpy")
def list_tokens(
    elements: NDArray[np.int16], amounts: NDArray[np.float64], size: NDArray[np.int16]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Tokens with their `fraction_features`, compiled, rows in their own order: the layout of `inference`.

    Args:
        elements: As `pack_amounts`.
        amounts: As `pack_amounts`.
        size: As `pack_amounts`.

    Returns:
        Alphabet position (T,), atom fraction (T,) and features (T, 19) of each token; first token of each row, and T
        at the end (B + 1,).
    """
    offsets = np.zeros(len(size) + 1, np.int64)
    for row in range(len(size)):
        offsets[row + 1] = offsets[row] + size[row]
    tokens = offsets[-1]
    positions, fractions = np.empty(tokens, np.int64), np.empty(tokens, np.float32)
    features = np.empty((tokens, FRACTION_FEATURES), np.float32)
    for row in range(len(size)):
        total = 0.0
        for k in range(size[row]):
            total += amounts[row, k]
        for k in range(size[row]):
            x, t = np.float32(amounts[row, k] / total), offsets[row] + k
            positions[t], fractions[t] = elements[row, k], x
            line = features[t]
            line[0], line[1], line[2] = x, math.sqrt(x), math.log(x) / 3.0
            # cos((n + 1) a) = 2 cos(a) cos(n a) - cos((n - 1) a), in double precision as its errors add up
            before, now = 1.0, math.cos(math.pi * x)
            twice = 2.0 * now
            for n in range(HARMONICS):
                line[3 + n] = now
                before, now = now, twice * now - before
    return positions, fractions, features, offsets
