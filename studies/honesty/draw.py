"""Reliability of probabilities and intervals, in tables and pictures: ``python -m studies.honesty.draw``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from matenv.properties import heads
from studies.honesty.reliability import (
    LEVELS,
    SIZES,
    SPLITS,
    Intervals,
    Stability,
    described,
    intervals,
    stability,
    tables,
)
from studies.honesty.stored import RESULTS, store
from tools import CHECKOUT
from tools.command import run

_COLOURS = dict(zip((label for label, _, _ in SIZES), ("tab:blue", "tab:orange", "tab:green", "tab:red"), strict=True))


def draw_stability(found: list[Stability], out: Path, title: str) -> None:
    """Share stable against P(stable), with the distribution of P below.

    Args:
        found: As `studies.honesty.reliability.stability`.
        out: PNG to write.
        title: Heading.
    """
    figure = Figure(figsize=(12, 7), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(SPLITS), len(SIZES), sharex=True, sharey=True)
    _say_empty(panels, "no held-out rows")
    for s in found:
        row, column = SPLITS.index(s.split), list(_COLOURS).index(s.label)
        axes, colour = _cleared(panels[row][column]), _COLOURS[s.label]
        mean, share, rows = s.bins()
        axes.plot([0, 1], [0, 1], color="tab:gray", linewidth=0.8)
        counts, edges = np.histogram(s.p, np.linspace(0, 1, 41))
        axes.bar(edges[:-1], 0.25 * counts / counts.max(), 1 / 40, align="edge", color=colour, alpha=0.25)
        error = 1.96 * np.sqrt(np.maximum(share * (1 - share), 0.25 / rows) / rows)
        axes.errorbar(mean, share, error, fmt="o", markersize=4, color=colour, capsize=2)
        axes.set_title(f"{s.split}: {s.label}, {len(s.p):,} rows", fontsize=9)
        axes.text(
            0.03, 0.97, f"calibration error {s.calibration_error:.3f}\nsharpness {s.sharpness:.2f}",
            transform=axes.transAxes, va="top", fontsize=8,
        )  # fmt: skip
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
    for axes in panels[-1]:
        axes.set_xlabel("P(stable)")
    for axes in panels[:, 0]:
        axes.set_ylabel("share stable by DFT")
    figure.suptitle(title, fontsize=11)
    figure.savefig(out)


def draw_intervals(found: list[Intervals], out: Path, title: str) -> None:
    """Share of truths inside central intervals against their nominal coverage.

    Args:
        found: As `studies.honesty.reliability.intervals`.
        out: PNG to write.
        title: Heading.
    """
    figure = Figure(figsize=(15, 6.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(SPLITS), len(heads.NAMES), sharex=True, sharey=True)
    _say_empty(panels, "fewer than 30 held-out truths")
    for i in found:
        axes = panels[SPLITS.index(i.split)][heads.NAMES.index(i.name)]
        if not axes.lines:
            _cleared(axes).plot([0, 1], [0, 1], color="tab:gray", linewidth=0.8)
            axes.grid(alpha=0.3)
        axes.plot(
            LEVELS, i.inside, ".-", markersize=3, linewidth=1, color=_COLOURS[i.label],
            label=f"{i.label} ({i.rows:,}; 90 %: {i.width:.2f})",
        )  # fmt: skip
        axes.set_title(f"{i.split}: {i.name}", fontsize=9)
    for axes in filter(lambda axes: axes.lines, panels.flat):
        axes.legend(fontsize=6.5, title="rows of (number; median width)", title_fontsize=6.5, loc="lower right")
    for axes in panels[-1]:
        axes.set_xlabel("nominal coverage")
    for axes in panels[:, 0]:
        axes.set_ylabel("share inside")
    figure.suptitle(title, fontsize=11)
    figure.savefig(out)


def _say_empty(panels: NDArray[Any], words: str) -> None:
    for axes in panels.flat:
        axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=8, color="tab:gray")


def _cleared(axes: Axes) -> Axes:
    for text in list(axes.texts):
        text.remove()
    return axes


def main(
    pictures: Annotated[Path, typer.Option(help="Folder for both pictures.")] = CHECKOUT / "docs" / "images",
    predictor: Annotated[str, typer.Option(help="Name of a predictor trained on train rows.")] = "default",
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RESULTS / "reliability.json",
) -> None:
    """Measure, write, print tables and draw both pictures."""
    stabilities, found = stability(predictor), intervals(predictor)
    results = described(stabilities, found)
    store(out, results)
    print(tables(results))
    heading = f"predictor {predictor}, held-out rows of both splits"
    pictures.mkdir(parents=True, exist_ok=True)
    draw_stability(stabilities, pictures / "reliability-stability.png", f"Reliability of P(stable): {heading}")
    draw_intervals(found, pictures / "reliability-intervals.png", f"Reliability of property intervals: {heading}")


if __name__ == "__main__":
    run(main)
