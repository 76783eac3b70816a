"""Fit a `Calibration` on held-out rows: the network's own scale is learned on rows it has seen and is over-confident.

May import: `matenv.properties.distribution`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, logsumexp, ndtr, softmax

from matenv.properties.distribution import MAX_SIZE, Array, Calibration

# Three normals, of widths around 0.4, 1 and 2.5 standard deviations, describe residuals from bell-shaped to
# Laplace-like and heavier. The fit starts here, and is drawn here where rows are few.
_START_SHARES = np.log([0.5, 0.4, 0.1])
_START_WIDTHS = np.log([0.4, 1.0, 2.5])
_SIZE_CLASSES = (2, 3, 4, 5)  # the last one stands for more elements too
_PRIOR_WIDTH = 1.0
_PRIOR_WIDTH_BY_SIZE = 0.3


def fit(
    truth: Array,
    location: Array,
    within: Array,
    between: Array,
    size: NDArray,
    zero: Array | None = None,
) -> Calibration:
    """Calibration of one property by maximum likelihood with weak priors.

    Args:
        truth: True values (n,) of held-out rows, in the property's unit.
        location: The ensemble's location (n,).
        within: The members' mean predicted variance (n,).
        between: Variance between members (n,).
        size: Number of elements (n,).
        zero: Raw probability of an exact zero (n,) for a band gap, else None.

    Returns:
        The calibration.

    Raises:
        ValueError: Fewer than 20 usable rows.
    """
    slope, intercept = 1.0, 0.0
    rows = np.ones(len(truth), dtype=bool)
    if zero is not None:
        slope, intercept = _fit_zero(truth == 0.0, zero)
        rows = truth > 0.0
    if rows.sum() < 20:
        raise ValueError(f"truth holds {int(rows.sum())} usable rows; a calibration needs at least 20")
    error, centre, size_class = (truth - location)[rows], location[rows], _size_class(size[rows])
    v_within, v_between = within[rows], between[rows]
    unit = float(np.median(np.abs(error))) ** 2
    start = np.concatenate([[0.0, 0.0, np.log(0.1 * unit)], np.zeros(len(_SIZE_CLASSES)), _START_SHARES, _START_WIDTHS])
    spread = np.full(len(start), _PRIOR_WIDTH)
    spread[:3] = 3.0
    spread[3:7] = _PRIOR_WIDTH_BY_SIZE

    def objective(parameters: Array) -> float:
        (a, b, c), by_size, shares, log_widths = np.split(parameters, [3, 7, 10])
        variance = np.exp(a) * v_within + np.exp(b) * v_between + np.exp(c)
        log_sigma = 0.5 * (np.log(variance) + by_size[size_class])[:, None] + log_widths
        log_density = logsumexp(
            log_softmax(shares) - log_sigma - 0.5 * (error[:, None] / np.exp(log_sigma)) ** 2, axis=1
        )
        if zero is not None:
            inside = (softmax(shares) * ndtr(centre[:, None] / np.exp(log_sigma))).sum(axis=1)
            log_density -= np.log(inside)
        return float(-log_density.sum() + 0.5 * (((parameters - start) / spread) ** 2).sum())

    solution = minimize(objective, start, method="L-BFGS-B", options={"maxiter": 300, "maxfun": 20_000}).x
    (a, b, c), by_size, shares, log_widths = np.split(solution, [3, 7, 10])
    weights, widths = softmax(shares), np.exp(log_widths)
    total = float(weights @ widths**2)  # moved from the widths into the variance, so that the scale is the std
    return Calibration(
        within=float(np.exp(a) * total),
        between=float(np.exp(b) * total),
        floor=float(np.exp(c) * total),
        by_size=tuple(np.exp(by_size)[_size_class(np.arange(MAX_SIZE + 1))].tolist()),
        weights=tuple(weights.tolist()),
        widths=tuple((widths / np.sqrt(total)).tolist()),
        slope=slope,
        intercept=intercept,
    )


def _size_class(size: NDArray) -> NDArray[np.int64]:
    return np.clip(size, _SIZE_CLASSES[0], _SIZE_CLASSES[-1]).astype(np.int64) - _SIZE_CLASSES[0]


def _fit_zero(is_zero: NDArray[np.bool_], raw: Array) -> tuple[float, float]:
    """Slope and intercept of the logit of P(zero), by logistic regression (Platt scaling)."""
    x = logit(np.clip(raw, 1e-6, 1.0 - 1e-6))

    def objective(parameters: Array) -> float:
        p = np.clip(expit(parameters[0] * x + parameters[1]), 1e-9, 1.0 - 1e-9)
        return float(-np.where(is_zero, np.log(p), np.log1p(-p)).sum() + 0.5 * ((parameters - [1.0, 0.0]) ** 2).sum())

    slope, intercept = minimize(objective, np.array([1.0, 0.0]), method="L-BFGS-B").x
    return float(max(slope, 0.0)), float(intercept)
