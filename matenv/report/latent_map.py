"""Maps of a latent space: formulas of its table in two dimensions, coloured by a label and by family of materials.

A whitened latent space extends alike in all directions, so its two largest principal axes show little. The map is
t-SNE (van der Maaten and Hinton, J. Mach. Learn. Res. 9, 2579, 2008; scikit-learn's): neighbours in the space are
neighbours on the map, distances between groups mean nothing.
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
from matenv.report.saving import save

Families = tuple[tuple[str, tuple[str, ...], str], ...]

FAMILIES: Families = (
    ("halides", ("F", "Cl", "Br", "I"), "tab:green"),
    ("oxides", ("O",), "tab:red"),
    ("chalcogenides", ("S", "Se", "Te"), "tab:orange"),
    ("pnictides", ("N", "P", "As", "Sb", "Bi"), "tab:blue"),
    ("hydrides", ("H",), "tab:pink"),
    ("of B, C, Si, Ge, Sn, Pb", ("B", "C", "Si", "Ge", "Sn", "Pb"), "tab:purple"),
    ("intermetallics", (), "0.45"),
)
"""Families of compounds, the elements that make one, and its colour; a compound belongs to the first that fits.

The last, without elements, holds what belongs to none of the others.
"""

ALLOY_FAMILIES: Families = (
    ("with rare earths, Th, U, Pu", (
        "Sc", "Y", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Th", "Pa",
        "U", "Pu",
    ), "tab:pink"),
    ("with noble metals", ("Ru", "Rh", "Pd", "Ag", "Os", "Ir", "Pt", "Au"), "tab:orange"),
    ("with heavy refractory metals", ("Zr", "Nb", "Mo", "Tc", "Hf", "Ta", "W", "Re"), "tab:blue"),
    ("with Al, Ti or light metals", ("Al", "Ti", "Li", "Be", "Mg", "Ca"), "tab:green"),
    ("of V, Cr, Mn, Fe, Co, Ni, Cu", ("V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu"), "tab:red"),
    ("others", (), "0.45"),
)  # fmt: skip
"""The same for alloys, which are all of metals: what is alloyed, the rarer first."""

TABLE_FAMILIES = {"hea-phases": ("alloys", ALLOY_FAMILIES)}
"""What the formulas of a table are and their families, where not those of compounds."""

KINDS = {"single_phase": "one phase (Pei et al.)", "single_phase_borg": "one phase (Borg et al.)"}
"""Labels that are yes or no, in words."""

PERPLEXITY = 30.0
"""Of t-SNE: about how many neighbours each point keeps."""


def family_of(batch: CompositionBatch, families: Families = FAMILIES) -> NDArray[np.int64]:
    """Family of each composition.

    Args:
        batch: Compositions (B).
        families: The families.

    Returns:
        Positions in `families` (B,) int64; the last for what fits none.
    """
    present = batch.fractions() > 0
    family = np.full(len(batch), len(families) - 1, np.int64)
    for number in reversed(range(len(families) - 1)):
        family[present[:, alphabet.positions(families[number][1])].any(axis=1)] = number
    return family


def properties_of(data: Dataset) -> tuple[str, ...]:
    """What of a table can colour a map: the formation energy and the labels that it has values of, the first first."""
    columns = {"formation_energy": data.formation_energy, **data.labels}
    return tuple(name for name, values in columns.items() if name in {**UNITS, **KINDS} and np.isfinite(values).any())


def draw_map(
    space: LatentSpace,
    data: Dataset,
    out: Path,
    property_name: str | None = None,
    rows: int = 4000,
    seed: int = 0,
) -> None:
    """Draw the map twice: coloured by a property of the table, and by family of materials.

    Args:
        space: The latent space.
        data: Table to show.
        out: PNG to write.
        property_name: ``"formation_energy"`` or a label of the table; formulas without it are grey. By default the
            first that the table has.
        rows: Formulas shown, drawn at random; fewer are quicker.
        seed: Seed of the draw and of t-SNE.

    Raises:
        ValueError: Unknown property, or fewer rows than three times the perplexity.
        ImportError: scikit-learn is not installed.
    """
    offered = properties_of(data)
    if not offered:
        raise ValueError(f"{data.name} has none of {', '.join((*UNITS, *KINDS))} that a map could be coloured by")
    property_name = offered[0] if property_name is None else property_name
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
    formulas, families = TABLE_FAMILIES.get(data.name, ("formulas", FAMILIES))
    if property_name in KINDS:
        _by_kind(left, place, value[chosen], KINDS[property_name])
    else:
        _by_property(left, place, value[chosen], f"{property_name.replace('_', ' ')} [{UNITS[property_name]}]")
    _by_family(right, place, family_of(batch, families), families)
    for axes in (left, right):
        axes.set_xticks([])
        axes.set_yticks([])
    figure.suptitle(f"{len(batch):,} {formulas} in the latent space {space.name} (t-SNE: neighbours stay neighbours)")
    save(figure, out)


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


def _by_kind(axes: Axes, place: NDArray, value: NDArray, label: str) -> None:
    kinds = (("no label", ~np.isfinite(value), "0.85"), ("more phases", value == 0, "tab:orange"))
    for name, here, colour in (*kinds, (label, value == 1, "tab:blue")):
        axes.scatter(place[here, 0], place[here, 1], s=5, color=colour, label=f"{name} ({here.sum():,})")
    axes.legend(fontsize=8, markerscale=3, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, frameon=False)


def _by_family(axes: Axes, place: NDArray, family: NDArray[np.int64], families: Families) -> None:
    for number, (name, _, colour) in enumerate(families):
        here = family == number
        label = f"{name} ({here.mean():.0%})"
        axes.scatter(place[here, 0], place[here, 1], s=4, color=colour, label=label, rasterized=True)
    axes.legend(fontsize=8, markerscale=4, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
