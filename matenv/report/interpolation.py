"""A picture of a straight line through a latent space: what the formula is made of along the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matenv import elements as alphabet
from matenv.latent.evaluation.line import Line
from matenv.report.saving import save

LABELLED = 0.03
"""Share of the line from which a stretch of one formula is labelled with it."""


def draw_line(line: Line, out: Path, title: str) -> None:
    """Atom fractions of every element along the line, formulas above, and the distance from the centre of the data.

    Args:
        line: The line.
        out: PNG to write.
        title: Heading.
    """
    fractions = line.compositions.fractions()
    shown = np.flatnonzero(fractions.any(axis=0))
    shown = shown[np.argsort(fractions[:, shown].argmax(axis=0), kind="stable")]  # in order of their largest share
    figure = Figure(figsize=(11, 5.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    half = 0.5 * line.moved[1]
    edges = np.append(line.moved - half, line.moved[-1] + half).clip(0.0, line.moved[-1])
    below = np.zeros(len(line.moved))
    colours = colormaps["tab20"](np.arange(len(shown)) % 20)
    for element, colour in zip(shown, colours, strict=True):
        above = below + fractions[:, element]
        top.stairs(above, edges, baseline=below, fill=True, color=colour, label=alphabet.SYMBOLS[element])
        below = above
    for start, stop, formula in line.stretches():
        if start:
            top.axvline(edges[start], color="white", linewidth=0.8)
        if (edges[stop] - edges[start]) / line.moved[-1] >= LABELLED:
            middle = 0.5 * (edges[start] + edges[stop])
            top.annotate(formula, (middle, 1.0), (0, 3), textcoords="offset points", rotation=50, fontsize=8)
    top.set_ylim(0, 1)
    top.set_ylabel("atom fraction")
    top.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, reverse=True, ncols=1 + (len(shown) - 1) // 18
    )
    bottom.plot(line.moved, np.linalg.norm(line.points, axis=1), color="tab:blue", label="the line")
    bottom.axhline(line.radius, color="tab:gray", linestyle="--", label="99 % of training rows lie within")
    bottom.set_ylim(bottom=0)
    bottom.set_xlim(0, line.moved[-1])
    bottom.set_xlabel("distance moved in the latent space (standard deviations of the training rows)")
    bottom.set_ylabel("from the centre")
    bottom.grid(alpha=0.3)
    bottom.legend(fontsize=8, loc="lower right")
    figure.suptitle(title, fontsize=11)
    save(figure, out)
