"""A picture of whether a conditional space obeys its condition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matenv.benchmark.generators import Asked
from matenv.data.dataset import UNITS
from matenv.report.saving import save


def draw_conditioning(found: Asked, out: Path, title: str) -> None:
    """Predicted against asked values: medians, and bars from the 10th to the 90th percentile.

    Args:
        found: What was asked of a conditional space, and what came.
        out: PNG to write.
        title: Heading.
    """
    columns = len(next(iter(found.values())))
    figure = Figure(figsize=(5.2 * columns, 4.0 * len(found) + 0.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(found), columns, squeeze=False)
    for row, (judge, labels) in zip(panels, found.items(), strict=True):
        for axes, (label, kinds) in zip(row, labels.items(), strict=True):
            asked = next(iter(kinds.values())).asked
            shift = 0.12 * float(np.diff(asked).min())
            axes.plot(asked[[0, -1]], asked[[0, -1]], color="black", linewidth=0.8, linestyle="--", label="as asked")
            for k, (kind, colour) in enumerate(zip(kinds, ("tab:gray", "tab:blue", "tab:orange"), strict=True)):
                low, middle, high = np.percentile(kinds[kind].predicted, [10, 50, 90], axis=1)
                bars = np.stack([middle - low, high - middle])
                axes.errorbar(
                    asked + (k - 1) * shift, middle, bars, fmt="o", markersize=4, color=colour, capsize=2, label=kind
                )
            axes.set_xlabel(f"{label.replace('_', ' ')} asked for ({UNITS[label]})")
            axes.set_ylabel(f"predicted by {judge} ({UNITS[label]})")
            axes.grid(alpha=0.3)
    panels[0][0].legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    save(figure, out)
