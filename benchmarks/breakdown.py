"""Picture of where a step's time goes, from the environment benchmark's measurements."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Report

PICTURE = "step.png"
UNIT = "core-us/row"
TOTALS = ("whole step", "outside the models")


def parts(report: Report, label: str) -> dict[str, float]:
    """Median processor time of each part of a step [core-microseconds/row].

    Args:
        report: Holds the environment benchmark's measurements.
        label: ``"N = 1,024"`` or ``"single"``.

    Returns:
        Time by name of the part, largest first.
    """
    found = {
        m.name.removeprefix(f"{label}: "): m.median
        for m in report.measurements
        if m.unit == UNIT and m.name.startswith(f"{label}: ")
    }
    listed = [(name, value) for name, value in found.items() if name not in TOTALS]
    return dict(sorted(listed, key=lambda item: -item[1]))


def draw(report: Report, path: Path) -> None:
    """Draw one bar per part, for the batch of 1,024 and for the single environment, into a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.9), layout="constrained")
    for axes, label in zip(figure.subplots(1, 2), ("N = 1,024", "single"), strict=True):
        shares = parts(report, label)
        bars = axes.barh(list(shares), list(shares.values()), color="#3b6ea5")
        axes.bar_label(bars, fmt="%.3g", padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(f"{label}: {sum(shares.values()):.3g} in all", fontsize=10)
        axes.set_xlabel("core-microseconds a step and row")
    figure.suptitle("Where a step's time goes (medians over episodes, resets included)", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
