"""Maps of a latent space: training formulas in two dimensions, coloured by a property and by family of compounds.

A whitened latent space extends alike in all directions, so its two largest principal axes show little. The map is
t-SNE (van der Maaten and Hinton, J. Mach. Learn. Res. 9, 2579, 2008; scikit-learn's): neighbours in the space are
neighbours on the map, distances between groups mean nothing.

May import: `matenv.latent`, `matenv.data`, `matenv.composition`, `matenv.elements`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.data import Dataset
from matenv.data.dataset import UNITS
from matenv.latent import LatentSpace

FAMILIES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("halides", ("F", "Cl", "Br", "I"), "tab:green"),
    ("oxides", ("O",), "tab:red"),
    ("chalcogenides", ("S", "Se", "Te"), "tab:orange"),
    ("pnictides", ("N", "P", "As", "Sb", "Bi"), "tab:blue"),
    ("hydrides", ("H",), "tab:pink"),
    ("of B, C, Si, Ge, Sn, Pb", ("B", "C", "Si", "Ge", "Sn", "Pb"), "tab:purple"),
)
"""Families of compounds, the elements that make one, and its colour; a compound belongs to the first that fits."""

METALS = ("intermetallics", "0.45")
"""What belongs to none of them."""

PERPLEXITY = 30.0
"""Of t-SNE: about how many neighbours each point keeps."""


def family_of(batch: CompositionBatch) -> NDArray[np.int64]:
    """Family of each composition.

    Args:
        batch: Compositions (B).

    Returns:
        Positions in `FAMILIES` (B,) int64; ``len(FAMILIES)`` for intermetallics.
    """
    present = batch.fractions() > 0
    family = np.full(len(batch), len(FAMILIES), np.int64)
    for number in reversed(range(len(FAMILIES))):
        family[present[:, alphabet.positions(FAMILIES[number][1])].any(axis=1)] = number
    return family


def draw_map(
    space: LatentSpace,
    data: Dataset,
    out: Path,
    property_name: str = "formation_energy",
    rows: int = 4000,
    seed: int = 0,
) -> None:
    """Draw the map twice: coloured by a property of the table, and by family of compounds.

    Args:
        space: The latent space.
        data: Table to show.
        out: PNG to write.
        property_name: ``"formation_energy"`` or a label of the table; formulas without it are grey.
        rows: Formulas shown, drawn at random; fewer are quicker.
        seed: Seed of the draw and of t-SNE.

    Raises:
        ValueError: Unknown property, or fewer rows than three times the perplexity.
        ImportError: scikit-learn is not installed.
    """
    offered = ("formation_energy", *(name for name in data.labels if name in UNITS))
    if property_name not in offered:
        raise ValueError(f"property={property_name!r} is not in the table; choose one of {', '.join(offered)}")
    if min(rows, len(data)) < 3 * PERPLEXITY:
        raise ValueError(f"rows={rows} of {len(data)} in the table; a map needs at least {3 * PERPLEXITY:.0f}")
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ImportError("a map needs scikit-learn: pip install scikit-learn") from None
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data))[:rows])
    batch = data.compositions[chosen]
    value = data.formation_energy if property_name == "formation_energy" else data.labels[property_name]
    place = TSNE(perplexity=PERPLEXITY, init="pca", random_state=seed).fit_transform(space.encode(batch))
    figure = Figure(figsize=(12.5, 5.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _by_property(left, place, value[chosen], f"{property_name.replace('_', ' ')} [{UNITS[property_name]}]")
    _by_family(right, place, family_of(batch))
    for axes in (left, right):
        axes.set_xticks([])
        axes.set_yticks([])
    figure.suptitle(f"{len(batch):,} formulas in the latent space {space.name} (t-SNE: neighbours stay neighbours)")
    figure.savefig(out)


def _by_property(axes: Axes, place: NDArray, value: NDArray, label: str) -> None:
    known = np.isfinite(value)
    axes.scatter(place[~known, 0], place[~known, 1], s=3, color="0.85", rasterized=True)
    low, high = np.quantile(value[known], [0.02, 0.98])
    dots = axes.scatter(
        place[known, 0], place[known, 1], c=value[known], s=4, cmap="viridis", vmin=low, vmax=high, rasterized=True
    )
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(dots, ax=axes, label=label, extend="both", shrink=0.85)


def _by_family(axes: Axes, place: NDArray, family: NDArray[np.int64]) -> None:
    names = [(name, colour) for name, _, colour in FAMILIES] + [METALS]
    for number, (name, colour) in enumerate(names):
        here = family == number
        label = f"{name} ({here.mean():.0%})"
        axes.scatter(place[here, 0], place[here, 1], s=4, color=colour, label=label, rasterized=True)
    axes.legend(fontsize=8, markerscale=4, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
