"""Formulas as they stand in a table, each for itself: whole, fractional and disordered ones, and what is no formula."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import EXACT_MAX_ATOMS, EXACT_TOLERANCE, MAX_ELEMENTS, CompositionBatch, parse
from matenv.data.cells import is_absent

MOST_ATOMS = 1_000_000
"""Most atoms of a formula unit that is read: YBa2Cu3O6.93 is Y100Ba200Cu300O693, 1293 atoms."""

DECIMALS = 8
"""Places of an amount that count; further ones are rounding noise of sums and products."""


def read_formulas(cells: Iterable[Any], tolerance: float = 0.0) -> tuple[CompositionBatch, NDArray, dict[int, str]]:
    """Read formulas; one that cannot be read does not take the others along.

    Fractional amounts are taken at their word: La0.67Sr0.33MnO3 is La67Sr33Mn100O300.

    Args:
        cells: n formulas, text or pymatgen `Composition` objects.
        tolerance: Largest change of an atom fraction for the sake of smaller integers; 0 for none.

    Returns:
        The compositions (n), empty where a cell was not read; atoms per formula as written (n,); why a cell was not
        read, by row.

    Examples:
        >>> batch, atoms, problems = read_formulas(["YBa2Cu3O6.93", "Fe2O3", "NaN", "XyO"])
        >>> batch.formulas()[:2], atoms[:2].round(2).tolist(), sorted(problems)
        (['Ba200Y100(Cu100O231)3', 'Fe2O3'], [12.93, 5.0], [2, 3])
    """
    cells = list(cells)
    amounts, problems = np.zeros((len(cells), alphabet.NUM_ELEMENTS)), dict[int, str]()
    counts = np.zeros(amounts.shape, np.int64)
    for row, cell in enumerate(cells):
        try:
            amounts[row] = _amounts(cell)
            counts[row] = _rounded(amounts[row], tolerance) if tolerance else whole_counts(amounts[row])
        except ValueError as error:
            problems[row] = str(error).removeprefix(f"formula {cell!r} ")
    return CompositionBatch.from_counts(counts, allow_empty=True), amounts.sum(axis=1), problems


def _amounts(cell: Any) -> NDArray[np.float64]:
    if isinstance(cell, str):
        cell = cell.strip()
        if cell == "NaN":
            raise ValueError("an absent value, or sodium nitride? Write NNa if the compound is meant")
    if is_absent(cell) and not (isinstance(cell, str) and cell == "Na"):  # sodium
        raise ValueError("no formula")
    if not isinstance(cell, str) and not hasattr(cell, "reduced_formula"):
        raise ValueError(f"a {type(cell).__name__}, not a formula")
    (amounts,) = parse([cell])
    return amounts


def whole_counts(amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    """The integer formula of amounts, exactly as written.

    Args:
        amounts: Amounts (89,), such as 0.7, 0.3, 1 and 3.

    Returns:
        Counts (89,) without a common divisor, such as 7, 3, 10 and 30.

    Raises:
        ValueError: More than `MOST_ATOMS` atoms, or more than 10 elements.
    """
    present = np.flatnonzero(amounts)
    if len(present) > MAX_ELEMENTS:
        raise ValueError(f"has {len(present)} elements; at most {MAX_ELEMENTS} are supported")
    exact = [Fraction(repr(round(float(amount), DECIMALS))) for amount in amounts[present]]
    scale = lcm(*(part.denominator for part in exact))
    listed = [int(part * scale) for part in exact]
    if sum(listed) // max(gcd(*listed), 1) > MOST_ATOMS:
        # Sums and products of decimals, as of thirds, may have more places than they mean.
        near = CompositionBatch.from_fractions(amounts, EXACT_MAX_ATOMS, EXACT_TOLERANCE)
        if near.size[0] < len(present) or _change(near, amounts) > EXACT_TOLERANCE:
            raise ValueError(f"needs more than {MOST_ATOMS:,} atoms in whole numbers; round its amounts")
        return near.dense_counts()[0].astype(np.int64)
    counts = np.zeros(len(amounts), np.int64)
    counts[present] = np.array(listed, np.int64) // gcd(*listed)
    return counts


def _rounded(amounts: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """The smallest integer formula within a tolerance."""
    if np.count_nonzero(amounts) > MAX_ELEMENTS:
        return whole_counts(amounts)  # raises
    near = CompositionBatch.from_fractions(amounts, EXACT_MAX_ATOMS, max(tolerance, EXACT_TOLERANCE))
    if near.size[0] < np.count_nonzero(amounts) or _change(near, amounts) > tolerance:
        return whole_counts(amounts)
    return near.dense_counts()[0].astype(np.int64)


def _change(near: CompositionBatch, amounts: NDArray[np.float64]) -> float:
    """Largest change of an atom fraction."""
    return float(np.abs(near.fractions()[0] - amounts / amounts.sum()).max())
