"""Rendering: the episode in words, and as a still picture of its path (`matenv.envs.frames` draws videos)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matenv.data import load_dataset
from matenv.envs.state import Trail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from matenv.latent import LatentSpace

BACKGROUND = 3000
"""Training formulas drawn behind a path."""


def narrate(trail: Trail) -> str:
    """The episode as text, a line per step.

    Args:
        trail: The episode.

    Returns:
        Step, formula, score, P(stable), decomposition energy and products.
    """
    lines = []
    for info in trail.infos:
        energy = info.get("decomposition_energy")
        lines.append(
            f"step {info['step']:3d}  {info['formula'] or '(nothing)':22s} score {info['score']:.3f}  "
            f"P(stable) {info['p_stable']:.2f}  "
            + (f"E_d {energy:+.3f} eV/atom -> {products_text(info['products'])}" if energy is not None else "")
        )
    return "\n".join(line.rstrip() for line in lines)


def products_text(products: list[tuple[str, float]]) -> str:
    """Decomposition products in one line, such as "0.619 Fe3(PO4)2 + 0.381 Li3PO4" (atom fractions)."""
    return " + ".join(f"{amount:.3f} {formula}" for formula, amount in products)


def plot_path(
    axes: Axes, space: LatentSpace, z: NDArray[np.float64], labels: list[str], own_plane: bool = False
) -> None:
    """A path over a map of training formulas, in two dimensions.

    Args:
        axes: Where to draw.
        space: The latent space.
        z: Positions (steps + 1, n).
        labels: A label per position; each is written where it first occurs.
        own_plane: Draw in the plane in which the path extends most, instead of the data's two principal axes. A path
            lies flat in that plane and training formulas do not, so the distance from the middle is drawn by rank: a
            position as far out as half of the training formulas are stands as far out as half of the grey points.
    """
    background, principal = map_of(space)  # type: ignore[arg-type]
    plane = principal
    if own_plane and len(z) > 2:
        plane = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)[2][:2]
    shown = background @ plane.T
    axes.scatter(shown[:, 0], shown[:, 1], s=3, color="0.85", rasterized=True, zorder=1)
    path = z @ plane.T
    if own_plane:
        path = _by_rank(path, np.linalg.norm(z, axis=1), background, shown)
    axes.plot(path[:, 0], path[:, 1], color="tab:blue", linewidth=1, zorder=2)
    axes.scatter(path[:, 0], path[:, 1], c=np.arange(len(path)), cmap="viridis", s=30, zorder=3)
    axes.scatter(
        path[0, 0], path[0, 1], marker="s", s=60, facecolors="none", edgecolors="black", zorder=5, label="start"
    )
    axes.scatter(path[-1, 0], path[-1, 1], marker="*", s=140, color="tab:red", zorder=5, label="end")
    axes.legend(loc="upper right", fontsize=8)
    how = "own plane of the path, distance by rank" if own_plane else "standard deviations"
    axes.set_xlabel(f"latent axis 1 [{how}]")
    axes.set_ylabel(f"latent axis 2 [{how}]")
    axes.set_title("Path through the latent space (grey: training formulas)", fontsize=9)
    first = [i for i, label in enumerate(labels) if label and label not in labels[:i]]
    _place_labels(axes, path[first], [f"{i} {labels[i]}" for i in first])


def _by_rank(
    path: NDArray[np.float64], norm: NDArray[np.float64], background: NDArray[np.float64], shown: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points of a path (T, 2) moved along their direction to where the grey points of the same rank of norm lie."""
    share = np.searchsorted(np.sort(np.linalg.norm(background, axis=1)), norm) / len(background)
    radius = np.quantile(np.linalg.norm(shown, axis=1), np.clip(share, 0.0, 1.0))
    return path * (radius / np.maximum(np.linalg.norm(path, axis=1), 1e-9))[:, None]


def _place_labels(axes: Axes, points: NDArray[np.float64], labels: list[str]) -> None:
    """Write labels beside points, each at the nearest of a few offsets where it covers no earlier label."""
    axes.margins(0.12)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # settles the layout, which the offsets below depend on
    angles = np.deg2rad([30, -30, 150, 210, 75, -75, 105, 255])
    offsets = [(r * np.cos(a), r * np.sin(a)) for r in (9, 20, 34, 50, 70, 95) for a in angles]  # points
    taken: list[tuple[float, float, float, float]] = []
    scale = 72 / figure.dpi
    taken += [(x - 4, y - 4, x + 4, y + 4) for x, y in axes.transData.transform(points) * scale]
    for point, (x, y), label in zip(points, axes.transData.transform(points) * scale, labels, strict=True):
        width, height = 4.2 * len(label), 8.0  # of 7-point text
        for dx, dy in offsets:
            left = x + dx - (width if dx < 0 else 0)
            box = (left, y + dy - height / 2, left + width, y + dy + height / 2)
            if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                break
        taken.append(box)
        axes.annotate(
            label, tuple(point), xytext=(dx, dy), textcoords="offset points",
            fontsize=7, ha="right" if dx < 0 else "left", va="center", zorder=6,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.4", "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip


def plot_scores(axes: Axes, trail: Trail, horizon: int) -> None:
    """Score and P(stable) of each step, labelled with the formula.

    Args:
        axes: Where to draw.
        trail: The episode.
        horizon: Steps per episode.
    """
    steps = np.arange(len(trail.infos))
    axes.bar(steps, [info["score"] for info in trail.infos], color="tab:blue", alpha=0.6, label="score")
    axes.plot(
        steps, [info["p_stable"] for info in trail.infos], "o-", color="tab:green", markersize=3, label="P(stable)"
    )
    for step, info in enumerate(trail.infos):
        axes.text(step, 0.02, info["formula"], rotation=90, fontsize=7, ha="center", va="bottom")
    axes.set_xlim(-0.7, horizon + 0.7)
    axes.set_ylim(0, 1)
    axes.set_xlabel("step")
    axes.legend(loc="upper left", fontsize=8)
    axes.set_title("Score and probability of stability", fontsize=9)


@lru_cache(maxsize=4)  # a latent space hashes by identity
def map_of(space: LatentSpace) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Encodings of a fixed sample of training formulas (at most BACKGROUND, n), and their two principal axes (2, n)."""
    data = load_dataset(getattr(space, "table", "mp-ground-states"))  # what it was trained on
    train = data.split("system").train
    rows = np.random.default_rng(0).choice(train, min(BACKGROUND, len(train)), replace=False)
    z = space.encode(data.compositions[np.sort(rows)])
    return z, np.linalg.svd(z - z.mean(axis=0), full_matrices=False)[2][:2]
