"""Columns of rows that belong together: several rows of one formula, and the rows of two tables side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Texts = NDArray[np.str_]


def group_statistics(
    values: NDArray[np.float64], group: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Minimum, median and maximum of the finite values of each group.

    Args:
        values: (n,) with NaN where absent.
        group: (n,) group number of each value.
        groups: Number of groups G.

    Returns:
        Three arrays (G,), NaN for a group without values.
    """
    present = np.isfinite(values)
    order = np.lexsort((values[present], group[present]))
    sorted_values, sorted_group = values[present][order], group[present][order]
    start = np.searchsorted(sorted_group, np.arange(groups), side="left")
    stop = np.searchsorted(sorted_group, np.arange(groups), side="right")
    low, middle, high = (np.full(groups, np.nan) for _ in range(3))
    filled = stop > start
    s, e = start[filled], stop[filled]
    low[filled], high[filled] = sorted_values[s], sorted_values[e - 1]
    middle[filled] = 0.5 * (sorted_values[(s + e - 1) // 2] + sorted_values[(s + e) // 2])
    return low, middle, high


def joined(cells: Texts, group: NDArray[np.int64], groups: int) -> Texts:
    """The texts of each group as one: each that differs, once, separated by "; ".

    Args:
        cells: Texts (n,).
        group: Group number of each (n,).
        groups: Number of groups G.

    Returns:
        (G,), "" for a group without text.
    """
    gathered: list[dict[str, None]] = [{} for _ in range(groups)]
    for place, cell in zip(group.tolist(), cells.tolist(), strict=True):
        if cell:
            gathered[place][cell] = None
    return np.array(["; ".join(each) for each in gathered], np.str_)


@dataclass(frozen=True)
class SideBySide:
    """Rows of two tables as rows of the one they become.

    Attributes:
        first: Rows of the first table: the first rows of the new one.
        second: Row in the new table of each row of the second table (m,), some of which the first table has too.
        rows: Rows of the new table N.
    """

    first: int
    second: NDArray[np.int64]
    rows: int

    def numbers(self, mine: Numbers | None, theirs: Numbers | None) -> tuple[Numbers, Numbers]:
        """A column of each table over the new rows (N,), NaN where it has none."""
        pair = np.full((2, self.rows), np.nan)
        if mine is not None:
            pair[0, : self.first] = mine
        if theirs is not None:
            pair[1, self.second] = theirs
        return pair[0], pair[1]

    def filled(self, mine: Mapping[str, Numbers], theirs: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Columns by name: the first table's values, the second's where the first has none."""
        columns = {}
        for key in dict.fromkeys([*mine, *theirs]):
            one, other = self.numbers(mine.get(key), theirs.get(key))
            columns[key] = np.where(np.isnan(one), other, one)
        return columns

    def joined(self, mine: Mapping[str, Texts], theirs: Mapping[str, Texts]) -> dict[str, Texts]:
        """Texts by name, of both tables."""
        rows = np.concatenate([np.arange(self.first), self.second])
        columns = {}
        for key in dict.fromkeys([*mine, *theirs]):
            one, other = mine.get(key, np.full(self.first, "")), theirs.get(key, np.full(len(self.second), ""))
            columns[key] = joined(np.concatenate([one, other]), rows, self.rows)
        return columns
