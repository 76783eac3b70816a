"""The table of oxidation states: set ICSD24 of SMACT 4.0.2, at least 3 reports, zero left out (MIT; see its header)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.checks import check_number

PATH = Path(__file__).parent / "tables" / "icsd24.csv"
"""The table; `tools.build_oxidation_states` writes it."""

COLUMNS = ("symbol", "electronegativity", "metal", "mixed_valence", "states")

MOST_STATES = 10
"""Most oxidation states of one element (N)."""

COMMON_SHARE = 0.03
"""A state is common if it makes up at least this share of the reports of its element; what tasks ask for.

Measured by `studies.chemistry.valence`: up to here the formulas lost are mostly chance ones. A little above, whole
families of salts are lost (at 4 % P 4+ of the thiophosphates MPS3, P 3+, S 4+, Cl 7+, I 7+, N 3+), a little below come
Er 2+, Dy 2+, Ga 2+ and Ni 1+.
"""

SALTS = {"Mn": 7, "Cl": 5, "Br": 5}
"""States that no share leaves out: those of permanganates, chlorates and bromates, of which every textbook speaks.

They are rare among reports only because their elements have so many other salts (0.7, 1.2 and 2.99 %).
"""


@dataclass(frozen=True)
class OxidationTable:
    """What the rules need of each element, in alphabet order.

    Attributes:
        states: Oxidation states (89, 10) int8, ascending, padded with 0.
        number: How many of them each element has (89,) int8; 0 for He, Ne and Ar.
        negative: How many of those are negative (89,) int8; they come first.
        reports: Times the ICSD reports each state (89, 10) int64, padded with 0.
        electronegativity: Pauling, as SMACT tabulates it (89,) float64; NaN for He, Ne, Ar and Pm.
        metal: SMACT's list of metals (89,) bool; Ge and Sb are in it, Pm is not.
        mixed_valence: Elements whose atoms may differ in oxidation state (89,) bool, SMACT's list of 24.
    """

    states: NDArray[np.int8]
    number: NDArray[np.int8]
    negative: NDArray[np.int8]
    reports: NDArray[np.int64]
    electronegativity: NDArray[np.float64]
    metal: NDArray[np.bool_]
    mixed_valence: NDArray[np.bool_]


@lru_cache(maxsize=16)
def load_table(min_share: float = 0.0) -> OxidationTable:
    """The table that the package ships, or what is left of it.

    Args:
        min_share: Leave out states that make up less than this share of the reports of their element, 0 to 1, except
            those of `SALTS`. 0 keeps all; `COMMON_SHARE` is what tasks use. SMACT calls it `commonality`, in percent.

    Returns:
        The table; an element that has no state left fails as He does.

    Raises:
        ValueError: `min_share` is no share.
    """
    check_number("min_share", min_share, 0, 1, "in [0, 1]: it is a share of an element's reports")
    lines = [line for line in PATH.read_text().splitlines() if not line.startswith("#")]
    rows = {row["symbol"]: row for row in csv.DictReader(lines)}
    states = np.zeros((alphabet.NUM_ELEMENTS, MOST_STATES), np.int8)
    reports = np.zeros(states.shape, np.int64)
    for position, symbol in enumerate(alphabet.SYMBOLS):
        entries = [tuple(map(int, entry.split(":"))) for entry in rows[symbol]["states"].split()]
        total = sum(count for _, count in entries)
        kept = [(s, n) for s, n in entries if n >= min_share * total or SALTS.get(symbol) == s]
        for place, entry in enumerate(kept):
            states[position, place], reports[position, place] = entry
    ordered = [rows[symbol] for symbol in alphabet.SYMBOLS]
    return OxidationTable(
        states=states,
        number=(reports > 0).sum(axis=1).astype(np.int8),
        negative=(states < 0).sum(axis=1).astype(np.int8),
        reports=reports,
        electronegativity=np.array([float(row["electronegativity"] or "nan") for row in ordered]),
        metal=np.array([row["metal"] == "1" for row in ordered]),
        mixed_valence=np.array([row["mixed_valence"] == "1" for row in ordered]),
    )


def shares() -> dict[tuple[str, int], float]:
    """Share of each (symbol, state) in the reports of its element, all states of the table."""
    table = load_table()
    return {
        (symbol, int(state)): int(count) / int(table.reports[element].sum())
        for element, symbol in enumerate(alphabet.SYMBOLS)
        for state, count in zip(table.states[element], table.reports[element], strict=True)
        if count
    }
