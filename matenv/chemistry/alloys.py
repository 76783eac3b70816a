"""Textbook descriptors of alloys, batched, and the rules of thumb for single-phase solid solutions made of them.

With atom fractions c_i: mixing entropy ``S = -R sum c ln c``; size mismatch
``delta = 100 sqrt(sum c (1 - r/r_mean)^2)`` and mixing enthalpy ``H = sum_{i<j} 4 H_ij c_i c_j`` (Zhang et al., Adv.
Eng. Mater. 10, 534, 2008); valence electron concentration ``VEC = sum c v`` (Guo and Liu, Prog. Nat. Sci. 21, 433,
2011); electronegativity mismatch, the standard deviation of Pauling's values; ``T_m = sum c T_i``;
``Omega = T_m S / |H|`` (Yang and Zhang, Mater. Chem. Phys. 132, 233, 2012). Element
values and their sources stand in ``tables/alloy_elements.csv`` and ``tables/mixing_enthalpy.csv``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matenv import elements as alphabet

TABLES = Path(__file__).parent / "tables"
ELEMENTS_PATH, PAIRS_PATH = TABLES / "alloy_elements.csv", TABLES / "mixing_enthalpy.csv"

COLUMNS = ("symbol", "radius", "kind", "melting", "valence")

GAS_CONSTANT = 8.314462618
"""R in J/(mol K)."""

DESCRIPTORS: dict[str, str] = {
    "mixing_entropy": "J/(mol K)",
    "size_mismatch": "%",
    "mixing_enthalpy": "kJ/mol",
    "valence_electrons": "1",
    "electronegativity_mismatch": "1",
    "melting_point": "K",
    "log10_omega": "1",
}
"""Unit of each descriptor, in the order of the columns."""

LARGEST_OMEGA = 1000.0
"""Omega is capped here: it diverges where the mixing enthalpy vanishes."""


@dataclass(frozen=True)
class AlloyTable:
    """Element values for alloys, in alphabet order; what is not tabulated holds a neutral value.

    Attributes:
        radius: Metallic, else empirical radius (89,) [pm]; the mean of all where there is none (noble gases).
        melting: Melting point (89,) [K].
        valence: Valence electrons (89,).
        electronegativity: Pauling (89,); the mean of all where there is none.
        enthalpy: Enthalpy of mixing of equimolar liquid binaries (89, 89) [kJ/mol]; 0 where none is tabulated.
        covered: Elements with tabulated enthalpies (89,) bool; the others are Ac, Np, Pu, O, S, Se, Te, the halogens
            and the noble gases.
    """

    radius: NDArray[np.float64]
    melting: NDArray[np.float64]
    valence: NDArray[np.float64]
    electronegativity: NDArray[np.float64]
    enthalpy: NDArray[np.float64]
    covered: NDArray[np.bool_]


def alloy_descriptors(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Descriptors of alloys.

    Args:
        fractions: Atom fractions (B, 89), rows sum to 1.

    Returns:
        (B, 7) float64, columns and units as `DESCRIPTORS`.
    """
    table = load_alloy_table()
    x = np.asarray(fractions, dtype=np.float64)
    entropy = -GAS_CONSTANT * (x * np.log(np.where(x > 0, x, 1.0))).sum(axis=1)
    mean_radius = x @ table.radius
    mismatch = 100 * np.sqrt((x * (1 - table.radius / mean_radius[:, None]) ** 2).sum(axis=1))
    enthalpy = 2 * ((x @ table.enthalpy) * x).sum(axis=1)  # each pair counts twice in the square
    mean_affinity = x @ table.electronegativity
    affinity = np.sqrt(np.maximum(x @ table.electronegativity**2 - mean_affinity**2, 0.0))
    melting = x @ table.melting
    omega = melting * entropy / np.maximum(1000 * np.abs(enthalpy), 1e-9)
    log_omega = np.log10(np.clip(omega, 1 / LARGEST_OMEGA, LARGEST_OMEGA))
    return np.stack([entropy, mismatch, enthalpy, x @ table.valence, affinity, melting, log_omega], axis=1)


def expert_log_odds(descriptors: NDArray[np.float64], strength: float = 2.0) -> NDArray[np.float64]:
    """What the textbook says of an alloy before any label: log-odds that it is a single phase.

    Solid solutions form where ``delta <= 6.6 %`` and ``-15 <= H <= 5 kJ/mol`` (Zhang et al. 2008); a mixture of fcc and
    bcc forms where ``6.87 <= VEC < 8`` (Guo and Liu 2011). Each rule's margin is measured in the width over which the
    cited plots show both outcomes (1.5 %, 5 kJ/mol, 0.5 electrons); the worst margin m decides, ``strength * tanh(m)``.
    Nothing here is fitted.

    Args:
        descriptors: (B, 7) as `alloy_descriptors` gives them.
        strength: Log-odds of an alloy well inside or outside the rules; 2 is odds of 7 to 1.

    Returns:
        (B,) float64 within +-`strength`.
    """
    mismatch, enthalpy, valence = descriptors[:, 1], descriptors[:, 2], descriptors[:, 3]
    margins = (
        (6.6 - mismatch) / 1.5,
        (5.0 - enthalpy) / 5.0,
        (enthalpy + 15.0) / 5.0,
        np.maximum(6.87 - valence, valence - 8.0) / 0.5,
    )
    return strength * np.tanh(np.minimum.reduce(margins))


@lru_cache(maxsize=1)
def load_alloy_table() -> AlloyTable:
    """The element values that the package ships."""
    rows = {row["symbol"]: row for row in csv.DictReader(_lines(ELEMENTS_PATH))}
    ordered = [rows[symbol] for symbol in alphabet.SYMBOLS]
    enthalpy = np.full((alphabet.NUM_ELEMENTS,) * 2, np.nan)
    for last, line in enumerate(_lines(PAIRS_PATH)):
        values = [float(value) if value else np.nan for value in line.split(",")[1:]]
        enthalpy[last, : last + 1] = enthalpy[: last + 1, last] = values
    return AlloyTable(
        radius=_filled([float(row["radius"] or "nan") for row in ordered]),
        melting=np.array([float(row["melting"]) for row in ordered]),
        valence=np.array([float(row["valence"]) for row in ordered]),
        electronegativity=_filled(alphabet.values("electronegativity").tolist()),
        enthalpy=np.nan_to_num(enthalpy),
        covered=np.isfinite(np.diagonal(enthalpy)),
    )


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def _filled(values: list[float]) -> NDArray[np.float64]:
    column = np.array(values)
    return np.where(np.isfinite(column), column, np.nanmean(column))
