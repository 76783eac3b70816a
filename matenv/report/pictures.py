"""Pictures of runs: learning curves beside a random policy, and the best trajectory in the latent space."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from matenv.benchmark.statistics import mean_interval
from matenv.envs.latent_moves import LatentEpisodes
from matenv.envs.rendering import plot_path, plot_scores
from matenv.envs.state import Trail
from matenv.report.saving import save


def draw_learning_curve(
    episodes: Path, random_returns: NDArray[np.float64], random_final: NDArray[np.float64], out: Path, title: str
) -> None:
    """Mean episode return and final score while learning, with a random policy's mean as a band.

    Args:
        episodes: ``episodes.csv`` of the run.
        random_returns: Episode returns of a random policy (E,).
        random_final: Its final scores (E,).
        out: PNG to write.
        title: Heading.
    """
    with episodes.open() as stream:
        rows = list(csv.DictReader(stream))
    steps = np.array([float(row["timestep"]) for row in rows])
    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for axes, column, baseline, label in (
        (panels[0], "mean_return", random_returns, "episode return"),
        (panels[1], "mean_final_score", random_final, "score of the final material"),
    ):
        values = np.array([float(row[column]) for row in rows])
        axes.plot(steps, values, color="tab:blue", alpha=0.3, linewidth=0.8)
        axes.plot(steps, _smooth(values), color="tab:blue", label="agent, while learning")
        mean, half = baseline.mean(), 1.96 * baseline.std(ddof=1) / np.sqrt(len(baseline))
        axes.axhline(mean, color="tab:gray", label=f"random policy ({len(baseline)} episodes)")
        axes.axhspan(mean - half, mean + half, color="tab:gray", alpha=0.3, linewidth=0)
        axes.set_xlabel("environment steps")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: f"{steps / 1000:g}k"))
    panels[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    save(figure, out)


def draw_learning_curves(
    runs: Mapping[str, Sequence[Path]], random: Mapping[str, tuple[float, float]], out: Path, title: str
) -> None:
    """Episode return and final score of several agents while they learn: means over seeds with 95 % intervals.

    Args:
        runs: ``episodes.csv`` of every seed, by agent.
        random: Mean and half width of the interval of a random policy's ``"return"`` and ``"final_score"``; what is
            missing is not drawn.
        out: PNG to write.
        title: Heading.
    """
    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    asked = (
        ("mean_return", "return", "episode return"),
        ("mean_final_score", "final_score", "score of the final material"),
    )
    shown = [each for each in asked if each[1] in random]
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (column, measure, label) in zip(panels, shown, strict=True):
        for agent, paths in runs.items():
            steps, curves = _curves(paths, column)
            mean, half = np.array([mean_interval(values) for values in curves.T]).T
            (line,) = axes.plot(steps, mean, label=f"{agent} ({len(paths)} seeds)", linewidth=1.2)
            if len(paths) > 1:
                axes.fill_between(steps, mean - half, mean + half, color=line.get_color(), alpha=0.2, linewidth=0)
        mean, half = random[measure]
        axes.axhline(mean, color="tab:gray", label="random policy")
        axes.axhspan(mean - half, mean + half, color="tab:gray", alpha=0.3, linewidth=0)
        axes.set_xscale("log")
        axes.set_xlabel("environment steps")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    save(figure, out)


def _curves(paths: Sequence[Path], column: str, points: int = 200) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps (points,) that all runs of an agent cover, and a column of each run there, smoothed (runs, points)."""
    tables = [np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True)) for path in paths]
    first = max(table["timestep"][0] for table in tables)
    last = min(table["timestep"][-1] for table in tables)
    steps = np.geomspace(first, last, points)
    return steps, np.stack([np.interp(steps, table["timestep"], _smooth(table[column])) for table in tables])


def draw_trajectory(trail: Trail, core: LatentEpisodes, out: Path, title: str) -> None:
    """One episode: its path through the latent space with the formula at each step, and the score of each.

    Args:
        trail: The episode.
        core: The environment's core.
        out: PNG to write.
        title: Heading.
    """
    figure = Figure(figsize=(12, 5.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    plot_path(left, core.latent, np.array(trail.places), [info["formula"] for info in trail.infos], own_plane=True)
    plot_scores(right, trail, core.horizon)
    figure.suptitle(title, fontsize=11)
    save(figure, out)


def _smooth(values: NDArray[np.float64], window: int = 9) -> NDArray[np.float64]:
    """Centred running mean, narrower towards the ends: what comes later never shows before."""
    number = np.arange(len(values))
    half = np.minimum(np.minimum(number, number[::-1]), window // 2)
    padded = np.concatenate([[0.0], np.cumsum(values)])
    return (padded[number + half + 1] - padded[number - half]) / (2 * half + 1)
