"""How well a space predicts its property, and how smoothly the property lies in it.

`matenv latent evaluate NAME` gives these metrics beside the others of a space that predicts.

Definitions. Rows are the held-out chemical systems of the `system` split whose label may serve as truth; errors are in
the property's unit. *NLL*: mean negative log density, in nats of that unit, of the label under the predicted normal
distribution; *as trained* is without the widening factor. *Coverage*: share of labels within the central interval that
should hold 50, 90, 95 %. Smoothness asks the labels alone, never the prediction; distances are Euclidean in whitened
coordinates, as an agent moves. *Neighbour error*: mean absolute error when a row's label is guessed as the mean label
of its 5 nearest training rows. *Change per unit*: median of |label difference| / distance between a row and its nearest
training row. *Rank correlation*: Spearman's, between distance and |label difference|, over 20,000 random pairs.
*Linear R2*: of a least-squares fit of the label to the coordinates on training rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from matenv.data import Dataset
from matenv.latent.property_space import PropertySpace
from matenv.latent.space import VAESpace

NEIGHBOURS = 5
"""Training rows whose mean label is the neighbours' guess."""

PAIRS = 20_000
"""Random pairs of rows for the rank correlation."""

COVERAGES = (50, 90, 95)
"""Central intervals whose coverage is measured, in %."""

ROWS = 512
"""Rows whose distances to all training rows are taken at a time."""


def property_quality(space: VAESpace, data: Dataset, seed: int = 0) -> dict[str, float]:
    """All metrics that this module's docstring defines.

    Args:
        space: A space.
        data: A table with a `system` split.
        seed: Seed of the random pairs.

    Returns:
        Metric name -> value; {} of a space that does not predict, or of a table without held-out rows that have the
        label.
    """
    if (process := space.process) is None:
        return {}
    usable = truth(data, process.target)
    train, test = (rows[usable[rows]] for rows in data.split("system"))
    if not len(test) or not len(train):
        return {}
    labels = label(data, process.target)
    codes, points = space.encode(data.compositions[train]), space.encode(data.compositions[test])
    mean, std = process.predict(space._raw(points))
    return {
        **_errors(labels[test], mean, std, process.widening),
        **smoothness(codes, labels[train], points, labels[test], seed),
    }


def smoothness(
    codes: NDArray[np.float64],
    known: NDArray[np.float64],
    points: NDArray[np.float64],
    labels: NDArray[np.float64],
    seed: int = 0,
) -> dict[str, float]:
    """How smoothly labels lie over points.

    Args:
        codes: Training points (N, n).
        known: Their labels (N,).
        points: Held-out points (B, n).
        labels: Their labels (B,).
        seed: Seed of the random pairs.
    """
    nearest, distance = neighbours(codes, points, min(NEIGHBOURS, len(codes)))
    apart = np.maximum(distance[:, 0], 1e-9)  # two formulas may share a point
    pairs = np.random.default_rng(seed).integers(len(points), size=(2, PAIRS))
    far = np.linalg.norm(points[pairs[0]] - points[pairs[1]], axis=1)
    design, held_out = (np.column_stack([z, np.ones(len(z))]) for z in (codes, points))
    residual = labels - held_out @ np.linalg.lstsq(design, known, rcond=None)[0]
    return {
        "neighbour_error": float(np.abs(known[nearest].mean(axis=1) - labels).mean()),
        "change_per_unit": float(np.median(np.abs(known[nearest[:, 0]] - labels) / apart)),
        "rank_correlation": float(spearmanr(far, np.abs(labels[pairs[0]] - labels[pairs[1]])).statistic),
        "linear_r2": float(1 - residual.var() / max(labels.var(), 1e-300)),
    }


def neighbours(
    codes: NDArray[np.float64], points: NDArray[np.float64], number: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest training points of each point (B, number), nearest first, and their distances."""
    rows, distances = [np.zeros((0, number), np.int64)], [np.zeros((0, number))]
    lengths = (codes * codes).sum(axis=1)
    for start in range(0, len(points), ROWS):
        block = points[start : start + ROWS]
        squares = (block * block).sum(axis=1)[:, None] + lengths - 2.0 * block @ codes.T
        chosen = np.argpartition(squares, number - 1, axis=1)[:, :number]
        near = np.take_along_axis(squares, chosen, axis=1)
        order = np.argsort(near, axis=1, kind="stable")
        rows.append(np.take_along_axis(chosen, order, axis=1))
        distances.append(np.sqrt(np.maximum(np.take_along_axis(near, order, axis=1), 0.0)))
    return np.concatenate(rows), np.concatenate(distances)


def widened(space: PropertySpace, data: Dataset) -> PropertySpace:
    """The space with its predicted deviations scaled so that the table's validation rows are likeliest.

    A deep kernel fits its training labels more closely than others, so its own deviations are too small.

    Args:
        space: A space that predicts.
        data: The table it was trained on; without validation labels the deviations stay.
    """
    rows = data.part("validation")
    rows = rows[truth(data, space.target)[rows]]
    if not len(rows):
        return space
    mean, std = replace(space.process, widening=1.0).predict(space._raw(space.encode(data.compositions[rows])))
    error = (label(data, space.target)[rows] - mean) / std
    process = replace(space.process, widening=float(np.sqrt(np.mean(error * error))))
    return PropertySpace(space.name, space.network, space.whitening, space.anchors, space.device, process=process)


def label(data: Dataset, name: str) -> NDArray[np.float64]:
    """A label of every row (N,), NaN where absent."""
    if name == "formation_energy":
        return data.formation_energy
    return data.labels.get(name, np.full(len(data), np.nan))


def truth(data: Dataset, name: str) -> NDArray[np.bool_]:
    """Rows whose label may serve as truth (N,): see `Dataset.truth`."""
    return data.truth(name) if name in data.labels else np.isfinite(label(data, name))


def _errors(
    labels: NDArray[np.float64], mean: NDArray[np.float64], std: NDArray[np.float64], widening: float
) -> dict[str, float]:
    error = labels - mean
    metrics = {
        "property_mae": float(np.abs(error).mean()),
        "property_rmse": float(np.sqrt(np.mean(error * error))),
        "property_nll": float(-norm.logpdf(error, scale=std).mean()),
        "property_nll_as_trained": float(-norm.logpdf(error, scale=std / widening).mean()),
        "property_std": float(std.mean()),
        "property_widening": widening,
    }
    for percent in COVERAGES:
        within = np.abs(error) <= norm.ppf(0.5 + percent / 200) * std
        metrics[f"property_coverage_{percent}"] = float(within.mean())
    return metrics
