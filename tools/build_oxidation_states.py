"""Writes the table of oxidation states from SMACT: ``python -m tools.build_oxidation_states``.

Needs ``smact==4.0.2`` (extra `bench`). Facts are taken over, no code: which oxidation states the ICSD reports for each
element and how often, SMACT's electronegativities, and its lists of metals and of mixed-valence elements.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

from matenv import elements as alphabet
from matenv.chemistry.table import COLUMNS, PATH
from tools.build_mixing import TABLES
from tools.command import run

HEADER = """\
# Oxidation states by element: the set "ICSD24" of SMACT {version}, with the filter that its smact_validity uses by
# default: at least {consensus} reports in the ICSD, zero left out, no threshold on commonality; state:reports.
# Source: SMACT (MIT licence, https://github.com/WMD-group/SMACT), files oxidation_states_icsd24_counts.json and
# element_data.txt, lists metals and MIXED_VALENCE_ELEMENTS. The reports were counted by its authors in the Inorganic
# Crystal Structure Database (FIZ Karlsruhe), 2024. Electronegativities: Pauling, as SMACT tabulates them (from Open
# Babel; empty: none). Au Bi Hg Lu Np Pb Pt Pu Tb Tc Tl U W differ from matenv.elements, and are kept, because
# the answers depend on them. Written by python -m tools.build_oxidation_states; do not edit.
"""


def table_text() -> str:
    """The table as SMACT has it now.

    Returns:
        Content of ``tables/icsd24.csv``.

    Raises:
        ImportError: SMACT is not installed.
    """
    import smact
    from smact.screening import MIXED_VALENCE_ELEMENTS, ICSD24FilterConfig
    from smact.utils.oxidation import ICSD24OxStatesFilter

    consensus = ICSD24FilterConfig().consensus
    reports = ICSD24OxStatesFilter().ox_states_df
    kept = reports[(reports["results_count"] >= consensus) & (reports["oxidation_state"] != 0)]
    lines = [HEADER.format(version=importlib.metadata.version("smact"), consensus=consensus) + ",".join(COLUMNS)]
    for symbol in alphabet.SYMBOLS:
        own = kept[kept["element"] == symbol].sort_values("oxidation_state")
        states = " ".join(f"{s}:{n}" for s, n in zip(own["oxidation_state"], own["results_count"], strict=True))
        electronegativity = smact.Element(symbol).pauling_eneg
        lines.append(
            f"{symbol},{'' if electronegativity is None else electronegativity},"
            f"{int(symbol in smact.metals)},{int(symbol in MIXED_VALENCE_ELEMENTS)},{states}"
        )
    return "\n".join(lines) + "\n"


def main(out: Annotated[Path, typer.Option(help="Folder to write to.")] = TABLES) -> None:
    """Write the table."""
    (out / PATH.name).write_text(table_text())
    print(f"written: {PATH.name}")


if __name__ == "__main__":
    run(main)
