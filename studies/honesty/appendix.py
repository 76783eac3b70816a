"""Write docs/honesty_tables.md from the results that studies stored: ``python -m studies.honesty.appendix``.

Nothing is measured here; a study run anew and this command bring the page up to date.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from matenv.benchmark import gap
from studies.edits import walks
from studies.honesty import ceilings, cheats, covering, decoys, gaps, holes, rediscovery, reliability, viability
from studies.honesty.stored import RESULTS
from tools import CHECKOUT
from tools.command import run

PAGE = CHECKOUT / "docs" / "honesty_tables.md"


class Section(NamedTuple):
    """One heading of the page.

    Attributes:
        title: The heading.
        file: Results, in `RESULTS`.
        command: What measured them.
        text: What the tables are.
        tables: Makes them from the results.
    """

    title: str
    file: str
    command: str
    text: str
    tables: Callable[[dict[str, Any]], str]


SECTIONS = (
    Section(
        "The hacking gap, the truth check, correlations of errors",
        "gap.json",
        "matenv gap stiff-stable stable-novel wide-gap-novel wide-gap-ionic-novel --calls 3000 --seeds 1 "
        "--out studies/results/honesty",
        "`bare-default` takes the network at its word. *Gold, same scale* scores as the reward does, *gold, "
        "calibrated* all rows on one scale. `gold-train` is gold's recipe on train rows.",
        gap.markdown,
    ),
    Section(
        "Which composition of a held-out system is a phase",
        "rediscovery.json",
        "python -m studies.honesty.rediscovery",
        "All reduced compositions of at most 20 atoms and counts of at most 12; hull and counts of train rows. "
        "Ranks over systems with a stable phase. Intervals: bootstrap over systems.",
        rediscovery.tables,
    ),
    Section(
        "The decoy test",
        "decoys.json",
        "python -m studies.honesty.decoys",
        "All compositions of at most 20 atoms in the 20 systems with the most known formulas: of the held-out "
        "ones with the hull of train rows, of all with that of the whole table. *Unbeaten*: also on or below the "
        "hull of the predicted energies of all the others. Phases that nobody has computed count as none.",
        decoys.tables,
    ),
    Section(
        "What searches find by each form of viability",
        "viability.json",
        "python -m studies.honesty.viability",
        "Counted by DFT among rows of held-out systems; formulas of train rows are not asked for. "
        "Tasks pay the second form.",
        viability.tables,
    ),
    Section(
        "P(stable) on held-out table rows",
        "ceilings.json",
        "python -m studies.honesty.ceilings",
        "Test rows; before: one ceiling per number of elements, fitted for the hull of train rows.",
        ceilings.tables,
    ),
    Section(
        "Holes of the train hull",
        "holes.json",
        "python -m studies.honesty.holes",
        "Genetic search on `stable-novel` among ternaries; the best 100 of each search, one per chemical system. "
        "E_d [eV/atom]: median of predicted energies; *within*: share at most 0.05 above the hull of the whole "
        "table.",
        holes.tables,
    ),
    Section(
        "Reliability of P(stable) and of property intervals",
        "reliability.json",
        "python -m studies.honesty.draw",
        "Test rows of the `system` split; of the `frontier` split those that `system` holds out too. *Sharpness*:"
        " standard deviation of P.",
        reliability.tables,
    ),
    Section(
        "Coverage of 90 % intervals of energies",
        "covering.json",
        "python -m studies.honesty.covering",
        "Percent of test rows inside, in each tenth of what is known beforehand.",
        covering.tables,
    ),
    Section(
        "Measured gaps of held-out non-metals",
        "gaps.json",
        "python -m studies.honesty.gaps",
        "Test rows with a measured gap above 0 and a PBE gap above 1 eV.",
        gaps.tables,
    ),
    Section(
        "What each rule of a task stops, and guards as gates",
        "cheats.json",
        "python -m studies.honesty.cheats",
        "Two searches each, without the rule and with it; the best 100, one per chemical system. *Paid* by the "
        "search's own score, *gold* by the rules of the row *on*. *Unstable*: by gold more than 0.1 eV/atom above "
        "the whole table's hull.",
        cheats.tables,
    ),
    Section(
        "Random walks by edits",
        "walks.json",
        "python -m studies.edits.walks",
        "Task `stiff-stable`; top-10: mean of the ten best scores, one formula per chemical system.",
        walks.tables,
    ),
)


def page() -> str:
    """The page as the stored results have it."""
    parts = [
        "# Tables behind the pages on trust",
        "Made by `python -m studies.honesty.appendix` from [studies/results/honesty](../studies/results/honesty);"
        " do not edit. What they mean: [how far a score can be trusted](honesty.md), [viability](viability.md), "
        "[guards](guards.md), [editing formulas](elements.md).",
    ]
    for section in SECTIONS:
        results = json.loads((RESULTS / section.file).read_text(encoding="utf-8"))
        parts += [f"## {section.title}", f"{section.text} (`{section.command}`)", section.tables(results)]
    return "\n\n".join(parts) + "\n"


def main(out: Annotated[Path, typer.Option(help="Page to write.")] = PAGE) -> None:
    """Write the page."""
    out.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    run(main)
