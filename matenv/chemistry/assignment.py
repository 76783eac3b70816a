"""One assignment of oxidation states that makes a formula neutral, for a reader to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.chemistry.table import load_table
from matenv.chemistry.validity import read

if TYPE_CHECKING:
    from pymatgen.core import Composition

MOST_ATOMS_EXPLAINED = 1000
"""Most atoms per formula unit of a formula explained; the cost grows with their square (up to a second)."""

Site = tuple[int, int, list[int], NDArray[np.float64]]
"""Element, atoms that share a state, the states allowed, and the log-likelihood of each."""


def oxidation_states(formula: str | Composition) -> dict[str, int | dict[int, int]] | None:
    """The most common oxidation states that make a formula neutral.

    Candidates are taken in four classes, the first that holds one wins: (1) one state per element, cations less
    electronegative than anions (then `is_electronegativity_balanced`); (2) the same, but atoms of SMACT's 24
    mixed-valence elements may differ; (3) one state per element in any order (then `is_charge_neutral`); (4) mixed
    valence in any order. Within a class the likeliest one wins, if every atom drew its state from the shares in which
    the ICSD reports its element's states (`matenv.chemistry.table`). It is a reading of the formula, not a measurement.

    Args:
        formula: One formula.

    Returns:
        The state of each element, for instance ``{"Li": 1, "Fe": 2, "P": 5, "O": -2}``, in order of electronegativity;
        where atoms of one element differ, the number of atoms per formula unit in each state. None where nothing sums
        to zero, and for a pure element.

    Raises:
        ValueError: As `composition.parse`; a list; more than 1,000 atoms per formula unit.

    Examples:
        >>> oxidation_states("LiFePO4")
        {'Li': 1, 'Fe': 2, 'P': 5, 'O': -2}
        >>> oxidation_states("Fe3O4")
        {'Fe': {2: 1, 3: 2}, 'O': -2}
        >>> oxidation_states("NaCl2") is None
        True
    """
    if isinstance(formula, list | tuple | np.ndarray):
        raise ValueError(f"formula={formula!r} must be one formula, such as 'LiFePO4'")
    batch, table = read(formula), load_table()
    if batch.atoms[0] > MOST_ATOMS_EXPLAINED:
        raise ValueError(f"formula={formula!r} has {batch.atoms[0]:,} atoms; at most {MOST_ATOMS_EXPLAINED:,}")
    size = int(batch.size[0])
    if size < 2:
        return None
    elements, counts = batch.elements[0, :size].astype(int), batch.counts[0, :size].astype(int)
    order = np.argsort(table.electronegativity[elements], kind="stable")  # None (NaN) comes last
    elements, counts = elements[order], counts[order]
    for ordered in (True, False):
        for mixed in (False, True):
            if mixed and not table.mixed_valence[elements].any():
                continue
            found = [_likeliest(sites) for sites in _classes(elements, counts, ordered, mixed)]
            if best := max(filter(None, found), key=lambda pair: pair[0], default=None):
                return _by_element(elements, best[1])
    return None


def _classes(elements: NDArray, counts: NDArray, ordered: bool, mixed: bool) -> Iterator[list[Site]]:
    """The sites of the formula, once for each way to divide its elements, in order, into cations and anions."""
    table = load_table()
    electronegativity = table.electronegativity[elements]
    if not ordered:
        yield [site for e, n in zip(elements, counts, strict=True) for site in _sites(e, n, None, mixed)]
    elif not np.isnan(electronegativity).any():
        for cations in np.flatnonzero(np.diff(electronegativity)) + 1:
            yield [
                site
                for k, (e, n) in enumerate(zip(elements, counts, strict=True))
                for site in _sites(e, n, bool(k < cations), mixed)
            ]


def _sites(element: int, count: int, cation: bool | None, mixed: bool) -> list[Site]:
    table = load_table()
    number = table.number[element]
    states, reports = table.states[element, :number].astype(int), table.reports[element, :number]
    likelihood = np.log(reports / reports.sum())
    keep = np.ones(number, np.bool_) if cation is None else (states > 0) == cation
    allowed, likelihood = states[keep].tolist(), likelihood[keep]
    if mixed and table.mixed_valence[element]:
        return [(element, 1, allowed, likelihood)] * count
    return [(element, count, allowed, likelihood * count)]


def _likeliest(sites: list[Site]) -> tuple[float, list[tuple[int, int, int]]] | None:
    """Log-likelihood and (element, state, atoms) per site of the likeliest choice that sums to zero, if any.

    Best log-likelihood of every sum that can still return to zero, site by site; then back from zero.
    """
    if not all(states for _, _, states, _ in sites):
        return None
    reach = min(sum(max(sign * s for s in (*states, 0)) * n for _, n, states, _ in sites) for sign in (1, -1))
    best = np.full(2 * reach + 1, -np.inf)
    best[reach] = 0.0
    chosen = np.zeros((len(sites), len(best)), np.int8)
    for row, (_, atoms, states, likelihood) in enumerate(sites):
        moved = np.stack([_shifted(best, s * atoms) + p for s, p in zip(states, likelihood, strict=True)])
        chosen[row] = moved.argmax(axis=0)
        best = moved.max(axis=0)
    if best[reach] == -np.inf:
        return None
    at, picks = reach, []
    for row in range(len(sites) - 1, -1, -1):
        element, atoms, states, _ = sites[row]
        state = states[chosen[row, at]]
        picks.append((element, state, atoms))
        at -= state * atoms
    return float(best[reach]), picks


def _shifted(values: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    """Values moved up by a number of places, -inf moving in."""
    result = np.full(len(values), -np.inf)
    if abs(by) < len(values):
        result[max(by, 0) : len(values) + min(by, 0)] = values[max(-by, 0) : len(values) - max(by, 0)]
    return result


def _by_element(elements: NDArray, picks: list[tuple[int, int, int]]) -> dict[str, int | dict[int, int]]:
    found: dict[str, int | dict[int, int]] = {}
    for element in elements:
        atoms: dict[int, int] = {}
        for other, state, count in sorted(picks):
            if other == element:
                atoms[state] = atoms.get(state, 0) + count
        found[alphabet.SYMBOLS[element]] = next(iter(atoms)) if len(atoms) == 1 else atoms
    return found
