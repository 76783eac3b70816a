"""The 89-element alphabet and per-element reference values.

The alphabet is H..Pu (94 elements) minus Po, At, Rn, Fr and Ra, sorted by symbol. Its order is the layout of every
composition vector in matenv ("modified 1-hot", El-Awady, arXiv:2401.06779): Ac is entry 0, Ag entry 1, Al entry 2.
"""

import csv
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Element(NamedTuple):
    """One element's reference values, as pymatgen-core 2026.10 tabulates them.

    Attributes:
        symbol: Chemical symbol.
        number: Atomic number.
        group: Group of the periodic table, 1-18 (lanthanides and actinides count as 3).
        period: Period of the periodic table, 1-7.
        mass: Standard atomic mass in unified atomic mass units (u).
        electronegativity: Pauling electronegativity, dimensionless; NaN where none is defined (He, Ne, Ar).
        radius: Empirical atomic radius in angstrom (Slater, J. Chem. Phys. 41, 3199, 1964); NaN where none is given.
        ionization_energy: First ionization energy in eV (NIST).
        mendeleev: Mendeleev number (Pettifor's ordering as tabulated by Villars and co-workers).
        electron_affinity: In eV; negative where an atom binds no electron.
    """

    symbol: str
    number: int
    group: int
    period: int
    mass: float
    electronegativity: float
    radius: float
    ionization_energy: float
    mendeleev: int
    electron_affinity: float


_NAN = float("nan")

# fmt: off
_TABLE = (
    # symbol, Z, group, period, mass [u], electronegativity [Pauling], radius [A], ionization [eV], Mendeleev, affinity
    ("Ac", 89, 3, 7, 227.0, 1.1, 1.95, 5.38, 48, 0.35),
    ("Ag", 47, 11, 5, 107.8682, 1.93, 1.6, 7.576, 71, 1.304),
    ("Al", 13, 13, 3, 26.9815, 1.61, 1.25, 5.986, 80, 0.433),
    ("Ar", 18, 18, 3, 39.948, _NAN, 0.71, 15.76, 3, -1.02),
    ("As", 33, 15, 4, 74.9216, 2.18, 1.15, 9.789, 89, 0.804),
    ("Au", 79, 11, 6, 196.9666, 2.54, 1.35, 9.226, 70, 2.309),
    ("B", 5, 13, 2, 10.811, 2.04, 0.85, 8.298, 86, 0.28),
    ("Ba", 56, 2, 6, 137.327, 0.89, 2.15, 5.212, 14, 0.145),
    ("Be", 4, 2, 2, 9.0122, 1.57, 1.05, 9.323, 77, -0.52),
    ("Bi", 83, 15, 6, 208.9804, 2.02, 1.6, 7.286, 87, 0.942),
    ("Br", 35, 17, 4, 79.904, 2.96, 1.15, 11.814, 98, 3.364),
    ("C", 6, 14, 2, 12.0107, 2.55, 0.7, 11.26, 95, 1.262),
    ("Ca", 20, 2, 4, 40.078, 1.0, 1.8, 6.113, 16, 0.025),
    ("Cd", 48, 12, 5, 112.411, 1.69, 1.55, 8.994, 75, -0.72),
    ("Ce", 58, 3, 6, 140.116, 1.12, 1.85, 5.539, 32, 0.6),
    ("Cl", 17, 17, 3, 35.453, 3.16, 1.0, 12.968, 99, 3.613),
    ("Co", 27, 9, 4, 58.9332, 1.88, 1.35, 7.881, 64, 0.662),
    ("Cr", 24, 6, 4, 51.9961, 1.66, 1.4, 6.767, 57, 0.676),
    ("Cs", 55, 1, 6, 132.9055, 0.79, 2.6, 3.894, 8, 0.472),
    ("Cu", 29, 11, 4, 63.546, 1.9, 1.35, 7.726, 72, 1.236),
    ("Dy", 66, 3, 6, 162.5, 1.22, 1.75, 5.939, 24, 0.015),
    ("Er", 68, 3, 6, 167.259, 1.24, 1.75, 6.108, 22, 0.312),
    ("Eu", 63, 3, 6, 151.964, 1.2, 1.85, 5.67, 18, 0.116),
    ("F", 9, 17, 2, 18.9984, 3.98, 0.5, 17.423, 102, 3.401),
    ("Fe", 26, 8, 4, 55.845, 1.83, 1.4, 7.902, 61, 0.153),
    ("Ga", 31, 13, 4, 69.723, 1.81, 1.3, 5.999, 81, 0.301),
    ("Gd", 64, 3, 6, 157.25, 1.2, 1.8, 6.15, 27, 0.212),
    ("Ge", 32, 14, 4, 72.64, 2.01, 1.25, 7.899, 84, 1.233),
    ("H", 1, 1, 1, 1.0079, 2.2, 0.25, 13.598, 103, 0.754),
    ("He", 2, 18, 1, 4.0026, _NAN, _NAN, 24.587, 1, -0.52),
    ("Hf", 72, 4, 6, 178.49, 1.3, 1.55, 6.825, 50, 0.178),
    ("Hg", 80, 12, 6, 200.59, 2.0, 1.5, 10.438, 74, -0.52),
    ("Ho", 67, 3, 6, 164.9303, 1.23, 1.75, 6.021, 23, 0.338),
    ("I", 53, 17, 5, 126.9045, 2.66, 1.4, 10.451, 97, 3.059),
    ("In", 49, 13, 5, 114.818, 1.78, 1.55, 5.786, 79, 0.384),
    ("Ir", 77, 9, 6, 192.217, 2.2, 1.35, 8.967, 66, 1.564),
    ("K", 19, 1, 4, 39.0983, 0.82, 2.2, 4.341, 10, 0.501),
    ("Kr", 36, 18, 4, 83.798, 3.0, _NAN, 14.0, 4, -1.02),
    ("La", 57, 3, 6, 138.9055, 1.1, 1.95, 5.577, 33, 0.558),
    ("Li", 3, 1, 2, 6.941, 0.98, 1.45, 5.392, 12, 0.618),
    ("Lu", 71, 3, 6, 174.967, 1.27, 1.75, 5.426, 20, 0.239),
    ("Mg", 12, 2, 3, 24.305, 1.31, 1.5, 7.646, 73, -0.42),
    ("Mn", 25, 7, 4, 54.938, 1.55, 1.4, 7.434, 60, -0.52),
    ("Mo", 42, 6, 5, 95.94, 2.16, 1.45, 7.092, 56, 0.747),
    ("N", 7, 15, 2, 14.0067, 3.04, 0.65, 14.534, 100, -0.07),
    ("Na", 11, 1, 3, 22.9898, 0.93, 1.8, 5.139, 11, 0.548),
    ("Nb", 41, 5, 5, 92.9064, 1.6, 1.45, 6.759, 53, 0.917),
    ("Nd", 60, 3, 6, 144.242, 1.14, 1.85, 5.525, 30, 0.097),
    ("Ne", 10, 18, 2, 20.1797, _NAN, _NAN, 21.565, 2, -1.22),
    ("Ni", 28, 10, 4, 58.6934, 1.91, 1.35, 7.64, 67, 1.157),
    ("Np", 93, 3, 7, 237.0, 1.36, 1.75, 6.266, 44, 0.48),
    ("O", 8, 16, 2, 15.9994, 3.44, 0.6, 13.618, 101, 1.461),
    ("Os", 76, 8, 6, 190.23, 2.2, 1.3, 8.438, 63, 1.078),
    ("P", 15, 15, 3, 30.9738, 2.19, 1.0, 10.487, 90, 0.747),
    ("Pa", 91, 3, 7, 231.0359, 1.5, 1.8, 5.89, 46, 0.55),
    ("Pb", 82, 14, 6, 207.2, 2.33, 1.8, 7.417, 82, 0.357),
    ("Pd", 46, 10, 5, 106.42, 2.2, 1.4, 8.337, 69, 0.562),
    ("Pm", 61, 3, 6, 145.0, 1.13, 1.85, 5.582, 29, 0.129),
    ("Pr", 59, 3, 6, 140.9076, 1.13, 1.85, 5.47, 31, 0.109),
    ("Pt", 78, 10, 6, 195.084, 2.28, 1.35, 8.959, 68, 2.125),
    ("Pu", 94, 3, 7, 244.0, 1.28, 1.75, 6.026, 43, -0.5),
    ("Rb", 37, 1, 5, 85.4678, 0.82, 2.35, 4.177, 9, 0.486),
    ("Re", 75, 7, 6, 186.207, 1.9, 1.35, 7.834, 58, 0.06),
    ("Rh", 45, 9, 5, 102.9055, 2.28, 1.35, 7.459, 65, 1.143),
    ("Ru", 44, 8, 5, 101.07, 2.2, 1.3, 7.361, 62, 1.046),
    ("S", 16, 16, 3, 32.065, 2.58, 1.0, 10.36, 94, 2.077),
    ("Sb", 51, 15, 5, 121.76, 2.05, 1.45, 8.608, 88, 1.047),
    ("Sc", 21, 3, 4, 44.9559, 1.36, 1.6, 6.561, 19, 0.179),
    ("Se", 34, 16, 4, 78.96, 2.55, 1.15, 9.752, 93, 2.021),
    ("Si", 14, 14, 3, 28.0855, 1.9, 1.1, 8.152, 85, 1.39),
    ("Sm", 62, 3, 6, 150.36, 1.17, 1.85, 5.644, 28, 0.162),
    ("Sn", 50, 14, 5, 118.71, 1.96, 1.45, 7.344, 83, 1.112),
    ("Sr", 38, 2, 5, 87.62, 0.95, 2.0, 5.695, 15, 0.052),
    ("Ta", 73, 5, 6, 180.9479, 1.5, 1.45, 7.55, 52, 0.329),
    ("Tb", 65, 3, 6, 158.9254, 1.1, 1.75, 5.864, 26, 0.131),
    ("Tc", 43, 7, 5, 98.0, 1.9, 1.35, 7.119, 59, 0.552),
    ("Te", 52, 16, 5, 127.6, 2.1, 1.4, 9.01, 92, 1.971),
    ("Th", 90, 3, 7, 232.0381, 1.3, 1.8, 6.307, 47, 0.608),
    ("Ti", 22, 4, 4, 47.867, 1.54, 1.4, 6.828, 51, 0.076),
    ("Tl", 81, 13, 6, 204.3833, 1.62, 1.9, 6.108, 78, 0.32),
    ("Tm", 69, 3, 6, 168.9342, 1.25, 1.75, 6.184, 21, 1.029),
    ("U", 92, 3, 7, 238.0289, 1.38, 1.75, 6.194, 45, 0.315),
    ("V", 23, 5, 4, 50.9415, 1.63, 1.35, 6.746, 54, 0.528),
    ("W", 74, 6, 6, 183.84, 2.36, 1.35, 7.864, 55, 0.817),
    ("Xe", 54, 18, 5, 131.293, 2.6, _NAN, 12.13, 5, -0.82),
    ("Y", 39, 3, 5, 88.9059, 1.22, 1.8, 6.217, 25, 0.311),
    ("Yb", 70, 3, 6, 173.04, 1.1, 1.75, 6.254, 17, -0.02),
    ("Zn", 30, 12, 4, 65.409, 1.65, 1.35, 9.394, 76, -0.62),
    ("Zr", 40, 4, 5, 91.224, 1.33, 1.55, 6.634, 49, 0.433),
)
# fmt: on

ELEMENTS: tuple[Element, ...] = tuple(Element(*row) for row in _TABLE)
"""Reference values of all 89 elements, in alphabet order."""

SYMBOLS: tuple[str, ...] = tuple(element.symbol for element in ELEMENTS)
"""The 89 symbols in alphabetical order: the layout of every composition vector."""

NUM_ELEMENTS: int = len(SYMBOLS)
"""Width of a composition vector (89)."""

INDEX: dict[str, int] = {symbol: position for position, symbol in enumerate(SYMBOLS)}
"""0-based position of each symbol in the alphabet."""

ABSENT: tuple[str, ...] = ("Ar", "He", "Kr", "Ne", "Xe")
"""Elements of the alphabet for which the embedded data hold no compound (noble gases)."""

MASKED_BY_DEFAULT: tuple[str, ...] = ("Ac", "Np", "Pa", "Pm", "Pu", "Tc", "Th", "U")
"""Radioactive elements that tasks leave out unless asked: sparse hulls there flatter a candidate."""

# fmt: off
_MODIFIED_PETTIFOR = (
    "He Ne Ar Kr Xe Rn Fr Cs Rb K Na Li Ra Ba Sr Ca Eu Yb Lu Tm Y Er Ho Dy Tb Gd Sm Pm Nd Pr Ce La Ac Th Pa U Np Pu "
    "Am Cm Bk Cf Es Fm Md No Lr Sc Zr Hf Ti Ta Nb V Cr Mo W Re Tc Os Ru Ir Rh Pt Pd Au Ag Cu Ni Co Fe Mn Mg Zn Cd Hg "
    "Be Al Ga In Tl Pb Sn Ge Si B C N P As Sb Bi Po Te Se S O At I Br Cl F H"
).split()
# fmt: on

MODIFIED_PETTIFOR: tuple[int, ...] = tuple(_MODIFIED_PETTIFOR.index(symbol) + 1 for symbol in SYMBOLS)
"""Place of each element, 1-103, on the modified Pettifor scale: neighbours replace each other in crystals most often.

Glawe, Sanna, Gross and Marques, New J. Phys. 18, 093011 (2016); the field `mendeleev` is the older ordering.
"""


SUPPLY = {
    "price": "USD/kg",
    "abundance": "mg/kg of the Earth's crust",
    "hhi_production": "0-10,000, concentration of production by country",
    "hhi_reserves": "0-10,000, concentration of reserves by country",
    "rohs": "1 if restricted by RoHS",
    "toxic": "1 if its compounds are classified as toxic or carcinogenic as a group",
    "radioactive": "1 if it has no stable isotope",
}
"""Cost, scarcity and hazard of the elements: name and unit of each column of ``supply.csv``, which has the sources."""


def values(name: str) -> NDArray[np.float64]:
    """One reference value of all elements as an array.

    Args:
        name: A numeric field of `Element`, for example ``"electronegativity"``, or a column of `SUPPLY`, for example
            ``"price"``.

    Returns:
        Array (89,) float64 in alphabet order, in the unit that `Element` or `SUPPLY` states; NaN where none is known.

    Raises:
        ValueError: If `name` is neither.
    """
    if name in SUPPLY:
        return np.array([float(row[name] or "nan") for row in _supply()])
    allowed = Element._fields[1:]
    if name not in allowed:
        raise ValueError(f"name={name!r} is not an element value; choose one of {', '.join((*allowed, *SUPPLY))}")
    return np.array([getattr(element, name) for element in ELEMENTS], dtype=np.float64)


@lru_cache(maxsize=1)
def _supply() -> tuple[dict[str, str], ...]:
    """Rows of ``supply.csv`` in alphabet order."""
    with Path(__file__).with_name("supply.csv").open(encoding="utf-8") as table:
        rows = {row["symbol"]: row for row in csv.DictReader(line for line in table if not line.startswith("#"))}
    return tuple(rows[symbol] for symbol in SYMBOLS)


def positions(symbols: Sequence[str], parameter: str = "elements") -> NDArray[np.int64]:
    """Alphabet positions of a list of symbols, checked.

    Args:
        symbols: Chemical symbols.
        parameter: Name to quote in the error message.

    Returns:
        Array (len(symbols),) int64 of 0-based positions.

    Raises:
        ValueError: If `symbols` is a bare string or holds a symbol outside the 89-element alphabet.
    """
    if isinstance(symbols, str | bytes) or not isinstance(symbols, Collection):
        raise ValueError(f"{parameter}={symbols!r} must be a list of symbols, such as ['Li', 'Fe', 'O']")
    unknown = [symbol for symbol in symbols if not isinstance(symbol, str) or symbol not in INDEX]
    if unknown:
        raise ValueError(
            f"{parameter} holds {unknown}, which matenv's 89-element alphabet (H..Pu without Po, At, Rn, Fr, Ra) lacks"
        )
    return np.array([INDEX[symbol] for symbol in symbols], dtype=np.int64)
