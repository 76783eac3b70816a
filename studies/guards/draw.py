"""Picture of what guards tell: ``python -m studies.guards.draw runs/guards/guards.json --out guards.png``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from studies.guards.errors import PROPERTIES, SOURCES, Verdict
from tools.command import run

_STYLES: dict[str, tuple[str, str]] = {
    "uncertainty": ("tab:red", "-"),
    "disagreement": ("tab:orange", "-"),
    "novelty": ("tab:green", "--"),
    "nearest": ("tab:blue", "--"),
    "mahalanobis": ("tab:purple", "--"),
    "cycle": ("tab:gray", "--"),
}
"""Guards drawn, with colour and line."""

_LABELS = {"formation_energy": ("formation energy", "eV/atom"), "band_gap_pbe": ("PBE gap", "eV")}


def draw(found: list[Verdict], predictor: str, out: Path) -> None:
    """Mean absolute error of each tenth of the rows, by rising value of each guard.

    Args:
        found: As `studies.guards.errors.verdicts`.
        predictor: Whose errors.
        out: PNG to write.
    """
    sources = [source for source in SOURCES if any(v.source == source for v in found)]
    figure = Figure(figsize=(3.1 * len(sources), 6.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(PROPERTIES), len(sources), sharex=True, squeeze=False)
    for v in found:
        if v.predictor != predictor or v.guard not in _STYLES:
            continue
        row, column = PROPERTIES.index(v.property_name), sources.index(v.source)
        axes, (colour, line) = panels[row][column], _STYLES[v.guard]
        axes.plot(np.arange(1, 11), v.deciles, line, color=colour, marker="o", markersize=3, label=v.guard)
        name, unit = _LABELS[v.property_name]
        against = "DFT" if v.source in ("system", "frontier") else "gold"
        axes.set_title(f"{v.source}, {v.rows:,} rows, against {against}", fontsize=9)
        if column == 0:
            axes.set_ylabel(f"mean absolute error,\n{name} [{unit}]", fontsize=9)
        if row == len(PROPERTIES) - 1:
            axes.set_xlabel("tenth of the rows, by rising guard", fontsize=9)
    for axes in panels.flat:
        axes.set_ylim(bottom=0)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    figure.suptitle(f"Which guard tells where `{predictor}` is wrong? Where it is, a useful guard rises", fontsize=11)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def main(
    measured: Annotated[Path, typer.Argument(help="guards.json")],
    out: Annotated[Path, typer.Option(help="PNG to write.")],
    predictor: Annotated[str, typer.Option(help="Whose errors.")] = "default",
) -> None:
    """Draw what ``python -m studies.guards.errors`` wrote."""
    draw([Verdict(**verdict) for verdict in json.loads(measured.read_text())["verdicts"]], predictor, out)


if __name__ == "__main__":
    run(main)
