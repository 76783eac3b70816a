"""One assignment of oxidation states that makes a formula neutral, for a reader to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.chemistry.table import COMMON_SHARE, SALTS, OxidationTable, load_table, shares
from matenv.chemistry.validity import read

if TYPE_CHECKING:
    from pymatgen.core import Composition

MOST_ATOMS_EXPLAINED = 1000
"""Most atoms per formula unit of a formula explained; the cost grows with their square (up to a second)."""

MIXED_SHARE = 0.01
"""Atoms of one element may differ in states of at least this share of its reports (Cu 3+, Ni 4+); less is rare."""

AVERAGES = {
    "As": 4, "Au": 2, "Bi": 4, "In": 2, "Pb": 3, "Pd": 3, "Pt": 3, "Sb": 4, "Se": 5, "Sn": 3, "Te": 5, "Tl": 2
}  # fmt: skip
"""States that are the mean of the two beside them, not of an atom: CsAuCl3 holds Au 1+ and 3+, BaBiO3 Bi 3+ and 5+."""

GROUPS = {
    ("O", -1): "peroxide", ("O", -1 / 2): "superoxide", ("O", -1 / 3): "ozonide", ("N", -1 / 3): "azide",
    ("S", -1): "disulfide", ("Se", -1): "diselenide", ("Te", -1): "ditelluride", ("C", -1): "acetylide",
}  # fmt: skip
"""What atoms of one element that are bonded to each other are called, by their state."""

_OXYGEN = (-1.0, -1 / 2, -1 / 3)
_CHALCOGENS = ("S", "Se", "Te")

_APART = float(np.log(0.2))
"""Log-likelihood lost per atom by atoms of one element that differ, so that SnPS3 holds Sn 2+ and P 4+."""

_UNREPORTED = float(np.log(1e-3))
"""Log-likelihood of an atom in a state that the table does not count, such as that of a superoxide."""

States = Mapping[str, float | dict[float, float]]
"""State of each element, or the atoms per formula unit in each of its states."""


class _Option(NamedTuple):
    """One way in which all atoms of an element carry charge.

    Attributes:
        charge: Their charge together.
        likelihood: Log-likelihood of it.
        atoms: Atoms in each state.
    """

    charge: int
    likelihood: float
    atoms: Mapping[float, float]


class _Class(NamedTuple):
    """Which assignments are looked for together.

    Attributes:
        ordered: Cations less electronegative than anions.
        share: Smallest share of a state.
        mixed: Whether atoms of one element may differ in state.
        chains: Whether anions may be bonded to each other.
    """

    ordered: bool
    share: float
    mixed: bool = False
    chains: bool = False


_CLASSES = (
    _Class(True, COMMON_SHARE),
    _Class(True, MIXED_SHARE, mixed=True),
    _Class(True, 0.0),
    _Class(True, COMMON_SHARE, chains=True),
    _Class(True, 0.0, mixed=True),
    _Class(False, 0.0),
    _Class(False, 0.0, mixed=True),
)
"""In the order in which they are tried."""


def oxidation_states(formula: str | Composition) -> States | None:
    """Oxidation states that make a formula neutral, as a chemist would write them.

    Assignments are taken in classes, the first that holds one wins. With cations less electronegative than anions:
    (1) one common state per element (`COMMON_SHARE`), or the two that `AVERAGES` stand for, or azide, or ammonium
    beside nitrate; (2) mixed valence: atoms of a metal, or of As, Se, Te, are in the two states (`MIXED_SHARE`) on
    either side of their mean, one apart, or two for the elements of `AVERAGES`; (3) one state per element, rare ones
    included; (4) bonds between anions: superoxides, polysulfides; (5) mixed valence with rare states. (6) and (7): as
    3 and 5 in any order of electronegativity. Within a class the likeliest one wins, if every atom drew its state from
    the shares in which the ICSD reports its element's states (`matenv.chemistry.table`). It is a reading of the
    formula, not a measurement.

    Args:
        formula: One formula.

    Returns:
        The state of each element, for instance ``{"Li": 1, "Fe": 2, "P": 5, "O": -2}``, in order of electronegativity;
        where atoms of one element differ, the number of atoms per formula unit in each state (halves where the cell
        must hold two formula units). A state is an int, or a float where bonded atoms share a charge: -0.5 in a
        superoxide, -1/3 in an azide. None where nothing sums to zero, and for a pure element.

    Raises:
        ValueError: As `composition.parse`; a list; more than 1,000 atoms per formula unit.

    Examples:
        >>> oxidation_states("LiFePO4")
        {'Li': 1, 'Fe': 2, 'P': 5, 'O': -2}
        >>> oxidation_states("Fe3O4")
        {'Fe': {2: 1, 3: 2}, 'O': -2}
        >>> oxidation_states("CsAuCl3")
        {'Cs': 1, 'Au': {1: 0.5, 3: 0.5}, 'Cl': -1}
        >>> oxidation_states("KO2")
        {'K': 1, 'O': -0.5}
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
    for kind in _CLASSES:
        found = [_likeliest(options) for options in _divided(elements, counts, kind)]
        if best := max(filter(None, found), key=lambda pair: pair[0], default=None):
            return {alphabet.SYMBOLS[e]: _written(option.atoms) for e, option in zip(elements, best[1], strict=True)}
    return None


def rare_states(states: States) -> dict[tuple[str, float], float]:
    """The states of an assignment that are hardly ever reported.

    Args:
        states: As `oxidation_states` gives them.

    Returns:
        Share of the reports of its element by (symbol, state), where that is less than `MIXED_SHARE`; without those of
        `SALTS` and `GROUPS`.
    """
    reported = shares()
    held = {
        (symbol, state) for symbol, each in states.items() for state in (each if isinstance(each, dict) else [each])
    }
    return {
        (symbol, state): reported[symbol, int(state)]
        for symbol, state in sorted(held)
        if reported.get((symbol, int(state)), 1.0) < MIXED_SHARE
        and state == int(state)
        and (symbol, state) not in GROUPS
        and SALTS.get(symbol) != state
    }


def is_ionic(states: States | None) -> bool:
    """Whether an assignment is that of an ionic compound.

    Args:
        states: As `oxidation_states` gives them, or None.

    Returns:
        Whether every cation is less electronegative than every anion, and at most one state is rare.

    Raises:
        ValueError: Something else.
    """
    if states is None:
        return False
    _check(states)
    level = load_table().electronegativity
    cations: list[float] = []
    anions: list[float] = []
    for symbol, held in states.items():
        signs = {state > 0 for state in (held if isinstance(held, dict) else [held])}
        if len(signs) == 1:  # N of ammonium nitrate is both, and says nothing
            (cations if True in signs else anions).append(level[alphabet.INDEX[symbol]])
    return bool(cations and anions and max(cations) < min(anions)) and len(rare_states(states)) <= 1


def spelled(states: States) -> str:
    """An assignment in words, such as ``"K+1, O-1/2 (superoxide)"``; rare states are said to be rare.

    Args:
        states: As `oxidation_states` gives them.

    Returns:
        One line.

    Raises:
        ValueError: Something else.

    Examples:
        >>> spelled({"Fe": {2: 1, 3: 2}, "O": -2}), spelled({"K": 1, "O": -0.5})
        ('1 Fe+2, 2 Fe+3, O-2', 'K+1, O-1/2 (superoxide)')
        >>> spelled({"K": 1, "Fe": 6, "O": -2})
        'K+1, Fe+6 (rare: 0.04 % of reports), O-2'
    """
    _check(states)
    rare, words = rare_states(states), []
    for symbol, held in states.items():
        for state, atoms in held.items() if isinstance(held, dict) else [(held, None)]:
            note = ""
            if (symbol, state) in GROUPS:
                note = f" ({GROUPS[symbol, state]})"
            elif state != int(state):
                note = " (bonded to each other)"
            elif (symbol, state) in rare:
                note = f" (rare: {100 * rare[symbol, state]:.1g} % of reports)"
            charge = {-1 / 2: "-1/2", -1 / 3: "-1/3"}.get(state) or f"{state:+.2g}"
            words.append(f"{'' if atoms is None else f'{atoms:g} '}{symbol}{charge}{note}")
    return ", ".join(words)


def _divided(elements: NDArray, counts: NDArray, kind: _Class) -> Iterator[list[list[_Option]]]:
    """The options of each element, once for each way to divide the elements, in order, into cations and anions."""
    table = load_table(kind.share)
    electronegativity = table.electronegativity[elements]
    held = list(zip(elements.tolist(), counts.tolist(), strict=True))
    if not kind.ordered:
        yield [_options(e, n, None, kind, table) for e, n in held]
    elif not np.isnan(electronegativity).any():
        hydrogens = dict(held).get(alphabet.INDEX["H"], 0)
        for cations in (np.flatnonzero(np.diff(electronegativity)) + 1).tolist():
            options = [_options(e, n, k < cations, kind, table) for k, (e, n) in enumerate(held)]
            for k, (e, n) in enumerate(held[:cations]):
                if e == alphabet.INDEX["N"]:
                    options[k] += _ammonium(n, hydrogens)
            yield options


def _options(element: int, count: int, cation: bool | None, kind: _Class, table: OxidationTable) -> list[_Option]:
    """What all atoms of an element may be: cations (True), anions (False) or either (None)."""
    symbol, number = alphabet.SYMBOLS[element], table.number[element]
    log: dict[float, float] = {
        state: float(np.log(reports / load_table().reports[element].sum()))
        for state, reports in zip(
            table.states[element, :number].tolist(), table.reports[element, :number].tolist(), strict=True
        )
        if cation is None or (state > 0) == cation
    }
    mean = AVERAGES.get(symbol)
    if kind.share == 0 or mean is None or mean - 1 not in log or mean + 1 not in log:
        mean = None
    options = [_Option(int(s) * count, p * count, {s: count}) for s, p in log.items() if s != mean]
    if kind.mixed:
        if _mixes(element, cation, table):
            ends = sorted(s for s in log if s not in (mean, SALTS.get(symbol)))
            skips = symbol in AVERAGES and cation is not False
            apart = math.inf if kind.share == 0 else 1 + skips  # W 3+ is not W 2+ and W 4+
            lost = _APART * skips  # Fe7(AsO4)6 holds Fe 2+ and Fe 3+, not As 3+
            options += _between(ends, {s: p + lost for s, p in log.items()}, count, apart)
        return options
    if mean is not None:
        likelihood = ((log[mean - 1] + log[mean + 1]) / 2 + _APART) * count
        options.append(_Option(mean * count, likelihood, {mean - 1: count / 2, mean + 1: count / 2}))
    if symbol == "N" and not cation and not count % 3 and -1 in log:
        options.append(_Option(-count // 3, log[-1] * count, {-1 / 3: count}))
    if kind.chains and not cation and symbol == "O":
        known = {s: log.get(s, _UNREPORTED) for s in _OXYGEN}
        exact = [_Option(round(s * count), p * count, {s: count}) for s, p in known.items() if _is_whole(s * count)]
        options += exact + _between(list(_OXYGEN), known, count)
    if kind.chains and not cation and symbol in _CHALCOGENS:
        options += [_Option(-charge, _UNREPORTED * count, {-charge / count: count}) for charge in range(1, count)]
    return options


def _mixes(element: int, cation: bool | None, table: OxidationTable) -> bool:
    """Whether atoms of an element may differ: metals and their like; sulfides beside disulfides, as in ZrS3."""
    symbol = alphabet.SYMBOLS[element]
    if cation is False:
        return symbol in _CHALCOGENS
    return bool(table.metal[element]) or symbol in ("As", "Se", "Te")


def _between(ends: list[float], log: Mapping[float, float], count: int, apart: float = math.inf) -> list[_Option]:
    """Every whole charge between those of atoms that are all in one state: they are in the two beside their mean.

    Two states differ by at most `apart`.
    """
    options = []
    for low, high in zip(ends[:-1], ends[1:], strict=True):
        if high - low > apart:
            continue
        for charge in range(math.floor(low * count + 1e-9) + 1, math.ceil(high * count - 1e-9)):
            upper = (charge - low * count) / (high - low)
            likelihood = (count - upper) * log[low] + upper * log[high]
            options.append(_Option(charge, likelihood, {low: count - upper, high: upper}))
    return options


def _ammonium(count: int, hydrogens: int) -> list[_Option]:
    """N 3- of ammonium or ammonia, with at least three H each, beside N 5+ of nitrate (or 3+ of nitrite)."""
    return [
        _Option(state * (count - bound) - 3 * bound, _UNREPORTED * count, {-3: bound, state: count - bound})
        for bound in range(1, min(count - 1, hydrogens // 3) + 1)
        for state in (3, 5)
    ]


def _likeliest(options: list[list[_Option]]) -> tuple[float, list[_Option]] | None:
    """Log-likelihood and option of each element of the likeliest choice that sums to zero, if any.

    Best log-likelihood of every sum that can still return to zero, element by element; then back from zero.
    """
    if not all(options):
        return None
    reach = min(sum(max(0, *(sign * option.charge for option in each), 0) for each in options) for sign in (1, -1))
    best = np.full(2 * reach + 1, -np.inf)
    best[reach] = 0.0
    chosen = np.zeros((len(options), len(best)), np.int16)
    for row, each in enumerate(options):
        moved = np.full(len(best), -np.inf)
        for index, option in enumerate(each):
            trial = _shifted(best, option.charge) + option.likelihood
            chosen[row][trial > moved] = index
            moved = np.maximum(moved, trial)
        best = moved
    if best[reach] == -np.inf:
        return None
    at, picks = reach, []
    for row in range(len(options) - 1, -1, -1):
        picks.append(options[row][chosen[row, at]])
        at -= picks[-1].charge
    return float(best[reach]), picks[::-1]


def _shifted(values: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    """Values moved up by a number of places, -inf moving in."""
    result = np.full(len(values), -np.inf)
    if abs(by) < len(values):
        result[max(by, 0) : len(values) + min(by, 0)] = values[max(-by, 0) : len(values) - max(by, 0)]
    return result


def _written(atoms: Mapping[float, float]) -> float | dict[float, float]:
    """A state alone, or atoms by state; whole numbers as ints."""
    held = {_exact(state): _exact(round(number, 6)) for state, number in sorted(atoms.items())}
    return next(iter(held)) if len(held) == 1 else held


def _exact(value: float) -> float:
    return round(value) if _is_whole(value) else value


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-9


def _check(states: States) -> None:
    if not isinstance(states, Mapping) or not all(symbol in alphabet.INDEX for symbol in states):
        raise ValueError(f"states={str(states)[:60]!r} must be what oxidation_states returns, such as {{'Na': 1}}")
