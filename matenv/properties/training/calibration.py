"""Fit a `Calibration` on held-out rows: a network's own scale is learned on rows it has seen and is over-confident."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit, ndtr, softmax

from matenv.properties.distribution import MAX_SIZE, Array, Calibration

# Three normals, of widths around 0.4, 1 and 2.5 standard deviations, describe residuals from bell-shaped to
# Laplace-like and heavier. The fit starts here, and is drawn here where rows are few.
_START_SHARES = np.log([0.5, 0.4, 0.1])
_START_WIDTHS = np.log([0.4, 1.0, 2.5])
_SIZE_CLASSES = (2, 3, 4, 5)  # the last one stands for more elements too
_SCALES, _NORMALS = 4, 3  # numbers fitted: the three terms and the power; the normals of the mixture
_PRIOR_WIDTH = 1.0  # standard deviations of the priors, all of them on logarithms
_PRIOR_WIDTH_SCALES = 3.0
_PRIOR_WIDTH_POWER = 0.3
_PRIOR_WIDTH_BY_SIZE = 0.3
_FOLDS, _REPEATS = 5, 4  # of cross-validation
_COVERAGE = 0.9
_WIDENINGS = tuple(1.0 + 0.01 * k for k in range(51))


def fit(
    truth: Array,
    location: Array,
    within: Array,
    between: Array,
    size: NDArray,
    zero: Array | None = None,
    cut_off: bool = False,
) -> Calibration:
    """Calibration of one property by maximum likelihood with weak priors.

    Args:
        truth: True values (n,) of held-out rows, in the property's unit.
        location: The ensemble's location (n,).
        within: The members' mean predicted variance (n,).
        between: Variance between members (n,).
        size: Number of elements (n,).
        zero: Raw probability of an exact zero (n,) for a band gap, else None.
        cut_off: Whether the bell ends at zero; it does where `zero` is given.

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
    unit = float(np.median(np.abs(error))) ** 2 + 1e-12
    start = np.concatenate(
        [[0.0, 0.0, np.log(0.1 * unit), 0.0], np.zeros(len(_SIZE_CLASSES)), _START_SHARES, _START_WIDTHS]
    )
    spread = np.full(len(start), _PRIOR_WIDTH)
    spread[:3] = _PRIOR_WIDTH_SCALES
    spread[3] = _PRIOR_WIDTH_POWER
    spread[_SCALES : _SCALES + len(_SIZE_CLASSES)] = _PRIOR_WIDTH_BY_SIZE

    rows_within, rows_between, rows_error, rows_centre, origin, prior = (
        torch.from_numpy(values) for values in (v_within, v_between, error, centre, start, spread)
    )
    rows_class = torch.from_numpy(size_class)

    def objective(parameters: Array) -> tuple[float, Array]:
        """Negative log posterior and its gradient."""
        theta = torch.from_numpy(parameters).requires_grad_()
        scales, by_size, shares, log_widths = theta.split((_SCALES, len(_SIZE_CLASSES), _NORMALS, _NORMALS))
        a, b, c, power = scales.exp()
        log_variance = power * (a * rows_within + b * rows_between + c).log() + by_size[rows_class]
        log_sigma = 0.5 * log_variance[:, None] + log_widths
        squared = (rows_error[:, None] / log_sigma.exp()) ** 2
        log_density = torch.logsumexp(shares.log_softmax(0) - log_sigma - 0.5 * squared, dim=1)
        if zero is not None or cut_off:
            inside = torch.special.ndtr(rows_centre[:, None] / log_sigma.exp())
            log_density = log_density - (shares.softmax(0) * inside).sum(1).log()
        value = 0.5 * (((theta - origin) / prior) ** 2).sum() - log_density.sum()
        value.backward()
        assert theta.grad is not None
        return value.item(), theta.grad.numpy().copy()

    solution = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    scales, by_size, shares, log_widths = np.split(solution, np.cumsum([_SCALES, len(_SIZE_CLASSES), _NORMALS]))
    weights, widths = softmax(shares), np.exp(log_widths)
    total = float(weights @ widths**2)  # moved from the widths into the variance, so that the scale is the std
    a, b, c, power = np.exp(scales).tolist()
    return Calibration(
        within=a,
        between=b,
        floor=c,
        power=power,
        by_size=tuple((total * np.exp(by_size))[_size_class(np.arange(MAX_SIZE + 1))].tolist()),
        weights=tuple(weights.tolist()),
        widths=tuple((widths / np.sqrt(total)).tolist()),
        slope=slope,
        intercept=intercept,
    )


def fit_few(truth: Array, location: Array, within: Array, between: Array, size: NDArray, zero: Array) -> Calibration:
    """As `fit`, of a band gap with so few values that the fit follows their chance: its bell is widened for that.

    By the least factor with which 90 % intervals hold 90 % of the gaps that took no part in the fit, over repeated
    cross-validation of the rows themselves.

    Args:
        truth: As `fit`, and so are the rest.
        location: (n,).
        within: (n,).
        between: (n,).
        size: (n,).
        zero: (n,).
    """
    rows = truth > 0.0
    parts = [values[rows] for values in (truth, location, within, between, size)]
    random, held_out = np.random.default_rng(0), []
    for _ in range(_REPEATS):
        fold = random.permutation(int(rows.sum())) % _FOLDS
        for k in range(_FOLDS):
            y, centre, v_within, v_between, n = (values[fold != k] for values in parts)
            fitted = fit(y, centre, v_within, v_between, n, cut_off=True)
            held_out.append((fitted, [values[fold == k] for values in parts]))
    factor = next(
        (f for f in _WIDENINGS if np.mean(np.concatenate([_inside(c, f, *p) for c, p in held_out])) >= _COVERAGE),
        _WIDENINGS[-1],
    )
    found = fit(truth, location, within, between, size, zero)
    return replace(found, by_size=tuple(factor**2 * value for value in found.by_size))


def _inside(c: Calibration, factor: float, truth: Array, location: Array, *spread: NDArray) -> NDArray[np.bool_]:
    """Whether central intervals of bells cut off below zero, widened by a factor, hold the truth (n,)."""
    within, between, size = spread
    variance = (c.within * within + c.between * between + c.floor) ** c.power * np.array(c.by_size)[size]
    scale = factor * np.sqrt(variance)[:, None] * c.widths

    def below(value: Array | float) -> Array:
        return ndtr((value - location)[:, None] / scale) @ c.weights

    cut = below(0.0)
    return np.abs((below(truth) - cut) / (1.0 - cut) - 0.5) <= 0.5 * _COVERAGE


def _size_class(size: NDArray) -> NDArray[np.int64]:
    return np.clip(size, _SIZE_CLASSES[0], _SIZE_CLASSES[-1]).astype(np.int64) - _SIZE_CLASSES[0]


def _fit_zero(is_zero: NDArray[np.bool_], raw: Array) -> tuple[float, float]:
    """Slope and intercept of the logit of P(zero), by logistic regression (Platt scaling).

    Args:
        is_zero: Whether a gap is exactly zero (n,).
        raw: Probability that a predictor gives to it (n,).
    """
    x = logit(np.clip(raw, 1e-6, 1.0 - 1e-6))

    def objective(parameters: Array) -> float:
        p = np.clip(expit(parameters[0] * x + parameters[1]), 1e-9, 1.0 - 1e-9)
        return float(-np.where(is_zero, np.log(p), np.log1p(-p)).sum() + 0.5 * ((parameters - [1.0, 0.0]) ** 2).sum())

    slope, intercept = minimize(objective, np.array([1.0, 0.0]), method="L-BFGS-B").x
    return float(max(slope, 0.0)), float(intercept)
