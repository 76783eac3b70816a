"""The table of oxidation states: set ICSD24 of SMACT 4.0.2, at least 3 reports, zero left out (MIT; see its header)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet

PATH = Path(__file__).parent / "tables" / "icsd24.csv"
"""The table; `tools.build_oxidation_states` writes it."""

COLUMNS = ("symbol", "electronegativity", "metal", "mixed_valence", "states")

MOST_STATES = 10
"""Most oxidation states of one element (N)."""


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


@lru_cache(maxsize=1)
def load_table() -> OxidationTable:
    """The table that the package ships."""
    lines = [line for line in PATH.read_text().splitlines() if not line.startswith("#")]
    rows = {row["symbol"]: row for row in csv.DictReader(lines)}
    states = np.zeros((alphabet.NUM_ELEMENTS, MOST_STATES), np.int8)
    reports = np.zeros(states.shape, np.int64)
    for position, symbol in enumerate(alphabet.SYMBOLS):
        for place, entry in enumerate(rows[symbol]["states"].split()):
            states[position, place], reports[position, place] = entry.split(":")
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
