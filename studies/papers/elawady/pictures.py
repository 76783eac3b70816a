"""The paper's figures 5 to 8, drawn from the results of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from matenv import elements as alphabet
from matenv.composition import PAPER_THRESHOLD
from studies.papers.elawady.superposition import BINS

PAPER_T = str(PAPER_THRESHOLD)
"""The paper's threshold as a key of the results."""

PAPER_KL = 0.08
"""The paper's prevalence KL, on its own data."""


def draw_all(results: dict[str, Any], folder: Path) -> None:
    """Every picture of the report.

    Args:
        results: As `studies.papers.elawady.report` makes them.
        folder: Where the PNG files go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw_scan(results, folder / "elawady-scan.png")
    draw_prevalence(results, folder / "elawady-prevalence.png")
    draw_sizes(results, folder / "elawady-sizes.png")
    draw_similarity(results, folder / "elawady-similarity.png")
    draw_nulls(results, folder / "elawady-nulls.png")


def draw_scan(results: dict[str, Any], out: Path) -> None:
    """Figure 5: held-out negative ELBO and prevalence KL against the width; and both sample measures against T."""
    figure, (left, middle, right) = _figure(14, 4.2, 1, 3)
    runs, tuned = results["scan"], results["tuned_threshold"]
    widths = sorted({run["setting"]["width"] for run in runs})
    for axes, value, colour, label in (
        (left, lambda run: run["nelbo"], "tab:blue", f"{results['plan']['epochs']} epochs"),
        (middle, lambda run: run["thresholds"][PAPER_T]["kl"], "tab:blue", f"T = {PAPER_T}, the paper's"),
        (middle, lambda run: run["thresholds"][tuned]["kl"], "tab:orange", f"T = {tuned}, tuned here"),
    ):
        points = {w: [value(run) for run in runs if run["setting"]["width"] == w] for w in widths}
        axes.plot(widths, [np.mean(points[w]) for w in widths], "-", color=colour, label=label)
        for w in widths:
            axes.plot([w] * len(points[w]), points[w], "o", color=colour, markersize=4)
        long = f"{results['plan']['long']:,} epochs" if axes is left else None
        axes.plot(results["plan"]["chosen"], value(results["main"]), "*", color=colour, markersize=11, label=long)
    left.set_ylabel("negative ELBO of test rows (nats)")
    left.legend(fontsize=8)
    middle.set_ylabel("prevalence KL(data || samples) (nats)")
    middle.axhline(PAPER_KL, color="tab:gray", linestyle="--", label=f"{PAPER_KL}: the paper, on its data")
    middle.axhline(
        results["floor"]["without_chemistry"]["kl"], color="tab:red", linestyle=":", label="no chemistry at all"
    )
    middle.set_ylim(0, 1.5 * max(PAPER_KL, *(run["thresholds"][PAPER_T]["kl"] for run in runs)))  # room for the legend
    middle.legend(fontsize=8)
    for axes in (left, middle):
        axes.set_xlabel("nodes per hidden layer (points: seeds)")
        axes.set_xticks(widths)
    sweep = results["main"]["thresholds"]
    thresholds = [float(t) for t in sweep]
    right.plot(thresholds, [sweep[t]["size_tv"] for t in sweep], "o-", label="number of elements, total variation")
    right.plot(thresholds, [sweep[t]["element_set"] for t in sweep], "o-", label="held-out element sets recovered")
    right.plot(thresholds, [sweep[t]["kl"] for t in sweep], "o-", label="prevalence KL (nats)")
    right.axvline(PAPER_THRESHOLD, color="tab:gray", linestyle="--", linewidth=1)
    right.text(PAPER_THRESHOLD, 0.01, " the paper's T", transform=right.get_xaxis_transform(), fontsize=8, va="bottom")
    right.set_xlabel(f"threshold T, width {results['main']['setting']['width']}")
    right.set_ylim(bottom=0)
    right.legend(fontsize=8, loc="upper right")
    _save(figure, out, "Width of the hidden layers and threshold (the paper's figure 5)")


def draw_prevalence(results: dict[str, Any], out: Path) -> None:
    """Figure 6: share of all atoms of each element, in the data and in the samples."""
    figure, (upper, lower) = _figure(14, 6.2, 2, 1)
    data = np.array(results["data"]["prevalence"])
    samples = np.array(results["main"]["thresholds"][PAPER_T]["prevalence"])
    occurs = np.flatnonzero(data > 0)
    order = occurs[np.argsort(-data[occurs])]
    x = np.arange(len(order))
    upper.bar(x - 0.2, 100 * data[order], 0.4, label="training rows", color="tab:gray")
    upper.bar(x + 0.2, 100 * samples[order], 0.4, label=f"samples, T = {PAPER_T}", color="tab:blue")
    upper.set_yscale("log")
    upper.set_ylabel("share of all atoms (%)")
    upper.legend()
    with np.errstate(divide="ignore"):
        ratio = np.log2(samples[order] / data[order])
    ratio[~np.isfinite(ratio)] = np.nan
    lower.bar(x, ratio, 0.7, color=np.where(ratio > 0, "tab:orange", "tab:green"))
    lower.axhline(0, color="black", linewidth=0.8)
    lower.set_ylabel("log2(samples / data)")
    for axes in (upper, lower):
        axes.set_xticks(x, [alphabet.SYMBOLS[k] for k in order], fontsize=7)
        axes.set_xlim(-0.8, len(order) - 0.2)
    kl = results["main"]["thresholds"][PAPER_T]["kl"]
    _save(figure, out, f"Prevalence of each element (the paper's figure 6): KL(data || samples) = {kl:.3f} nats")


def draw_sizes(results: dict[str, Any], out: Path) -> None:
    """Figure 7: number of elements of a material, in the data and in the samples."""
    figure, axes = _figure(8, 4, 1, 1)
    tuned, sweep = results["tuned_threshold"], results["main"]["thresholds"]
    series = [("training rows", results["data"]["sizes"], "tab:gray")]
    series += [(f"samples, T = {PAPER_T}, the paper's", sweep[PAPER_T]["sizes"], "tab:blue")]
    if tuned != PAPER_T:
        series += [(f"samples, T = {tuned}, tuned here", sweep[tuned]["sizes"], "tab:orange")]
    shift = 0.8 / len(series)
    for k, (label, shares, colour) in enumerate(series):
        x = np.arange(len(shares)) + (k - (len(series) - 1) / 2) * shift
        axes.bar(x, 100 * np.array(shares), shift, label=label, color=colour)
    axes.set_xticks(np.arange(1, 11))
    axes.set_xlim(0.4, 10.6)
    axes.set_xlabel("number of elements")
    axes.set_ylabel("share of materials (%)")
    axes.legend()
    _save(figure, out, f"Number of elements in a material (the paper's figure 7), {results['samples']:,} samples")


def draw_similarity(results: dict[str, Any], out: Path) -> None:
    """Figure 8: histogram of the similarity by number of components; as the paper has it, centred, and residual."""
    figure, panels = _figure(14, 4.4, 1, 3)
    table = results["superposition"]["the paper's network"]["by_components"]
    titles = {
        "cosine": "cosine, network's own coordinates\n(what the paper plots)",
        "centred": "cosine, from the mean of the training rows",
        "residual": "distance over the material's distance\nfrom the mean of the training rows",
    }
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        edges = BINS[name]
        for k, (number, row) in enumerate(table.items()):
            counts = np.array(row[f"histogram_{name}"], dtype=np.float64)
            density = counts / counts.sum() / np.diff(edges)
            label = f"{number} ({row['materials']:,})"
            axes.stairs(density, edges, color=f"C{k}", label=label, linewidth=1.4)
        axes.set_xlabel(title)
        axes.set_xlim((0.0, 1.5) if name == "residual" else (0.4, 1.0))
    panels[0].set_ylabel("density of materials")
    panels[0].legend(title="components (materials)", fontsize=8)
    _save(figure, out, "Latent decomposition similarity by number of components (the paper's figure 8)")


def draw_nulls(results: dict[str, Any], out: Path) -> None:
    """The same similarity of other encoders, and of decompositions that are wrong."""
    encoders = list(results["superposition"])
    figure, panels = _figure(14, 1.6 + 0.62 * len(encoders), 1, 3)
    kinds = {
        "true": ("its decomposition", "tab:blue"),
        "stable": ("stable rows: their neighbours", "tab:green"),
        "amounts": ("right components, wrong amounts", "tab:orange"),
        "other": ("another material's decomposition", "tab:red"),
    }
    ranges = {
        "cosine": ("cosine_low", "cosine", None, "cosine, own coordinates"),
        "centred": ("centred_low", "centred", None, "cosine, centred"),
        "residual": (None, "residual", "residual_high", "relative residual"),
    }
    for axes, (low, middle, high, title) in zip(panels, ranges.values(), strict=True):
        for k, encoder in enumerate(encoders):
            for j, (kind, (label, colour)) in enumerate(kinds.items()):
                row, y = results["superposition"][encoder][kind], k + 0.18 * (j - 1.5)
                ends = [row[low or middle], row[high or middle]]
                axes.plot(ends, [y, y], "-", color=colour, linewidth=1.5)
                axes.plot(row[middle], y, "o", color=colour, markersize=5, label=label if not k else None)
        axes.set_ylim(len(encoders) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_yticks(range(len(encoders)), encoders if axes is panels[0] else [""] * len(encoders))
        axes.set_xlabel(f"{title}\n(median; line to the {'95th' if high else '5th'} percentile)")
    panels[2].set_xlim(left=-0.05)
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=9, loc="outside lower center", ncols=len(kinds))
    _save(figure, out, "Decomposition similarity beside other encoders and nulls")


def _figure(width: float, height: float, rows: int, columns: int) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns)
    for axes in np.atleast_1d(panels).flat:
        axes.grid(alpha=0.3)
    return figure, panels


def _save(figure: Figure, out: Path, title: str) -> None:
    figure.suptitle(title, fontsize=11)
    figure.savefig(out)
