"""Arithmetic of the calibrated distributions, compiled: one pass over the rows, however few there are.

A bell is a mixture of normals with a common centre; a hurdle is exactly zero with probability p0, otherwise the bell
cut off below zero. `distribution.Prediction` is the interface.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.properties.heads import HURDLE

Array = NDArray[np.float64]
_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_CLIP = 1e-6  # raw probabilities are kept this far from 0 and 1 before the logistic correction


@njit(cache=True, nogil=True, error_model="numpy")
def _ndtr(z: float) -> float:
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-z * _ROOT_HALF)


@njit(cache=True, nogil=True, error_model="numpy")
def _below(z: float, weights: Array, widths: Array) -> float:
    """P(bell <= centre + z scale)."""
    total = 0.0
    for k in range(len(weights)):
        total += weights[k] * _ndtr(z / widths[k])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _clipped(p: float) -> float:
    """Into [0, 1]; NaN stays."""
    if p < 0.0:
        return 0.0
    return 1.0 if p > 1.0 else p


@njit(cache=True, nogil=True, error_model="numpy")
def _positive_moments(centre: float, scale: float, weights: Array, widths: Array) -> tuple[float, float]:
    """E[Y | Y > 0] and E[Y^2 | Y > 0] of a bell: the moments of a truncated normal, mixed."""
    mass, first, second = 0.0, 0.0, 0.0
    for k in range(len(weights)):
        sigma = widths[k] * scale
        t = centre / sigma
        area, density = weights[k] * _ndtr(t), weights[k] * math.exp(-0.5 * t * t) / _ROOT_TWO_PI
        mass += area
        first += centre * area + sigma * density
        second += (centre * centre + sigma * sigma) * area + centre * sigma * density
    return first / mass, second / mass


@njit(cache=True, nogil=True, error_model="numpy")
def calibrate(
    location: Array,
    within: Array,
    between: Array,
    zero: Array,
    size: NDArray[np.int16],
    numbers: Array,
    by_size: Array,
    weights: Array,
    widths: Array,
) -> tuple[Array, Array, Array, Array, Array]:
    """Calibrated bells and their moments, from what an ensemble says.

    Args:
        location: As `heads.combine` (B, 5).
        within: Likewise.
        between: Likewise.
        zero: Likewise (B, 2).
        size: Number of elements (B,).
        numbers: As `distribution.CalibrationTable`, and so are the rest.
        by_size: (5, 11).
        weights: (5, K).
        widths: (5, K).

    Returns:
        Centre and standard deviation of the bell, expected value and standard deviation of the property (5, B), and
        P(gap = 0) (2, B).
    """
    rows, properties = location.shape
    centre, scale = np.empty((properties, rows)), np.empty((properties, rows))
    mean, std = np.empty((properties, rows)), np.empty((properties, rows))
    p0 = np.empty((len(HURDLE), rows))
    hurdle = 0
    for k in range(properties):
        a, b, floor, power, slope, intercept = numbers[k]
        for row in range(rows):
            variance = a * within[row, k] + b * between[row, k] + floor
            mean[k, row] = centre[k, row] = location[row, k]
            std[k, row] = scale[k, row] = math.sqrt(math.exp(power * math.log(variance)) * by_size[k, size[row]])
        if k in HURDLE:
            for row in range(rows):
                raw = min(max(zero[row, hurdle], _CLIP), 1.0 - _CLIP)
                p = 1.0 / (1.0 + math.exp(-(slope * math.log(raw / (1.0 - raw)) + intercept)))
                first, second = _positive_moments(centre[k, row], scale[k, row], weights[k], widths[k])
                p0[hurdle, row], mean[k, row] = p, (1.0 - p) * first
                std[k, row] = math.sqrt(max((1.0 - p) * second - mean[k, row] ** 2, 0.0))
            hurdle += 1
    return centre, scale, mean, std, p0


@njit(cache=True, nogil=True, error_model="numpy")
def cdf(value: Array, centre: Array, scale: Array, weights: Array, widths: Array) -> Array:
    """P(Y <= value) of bells; all (B,) but weights and widths (K,)."""
    result = np.empty(len(value))
    for row in range(len(value)):
        result[row] = _clipped(_below((value[row] - centre[row]) / scale[row], weights, widths))
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def hurdle_cdf(value: Array, centre: Array, scale: Array, p0: Array, weights: Array, widths: Array) -> Array:
    """P(Y <= value) of hurdles; all (B,) but weights and widths (K,)."""
    result = np.empty(len(value))
    for row in range(len(value)):
        if value[row] < 0.0:
            result[row] = 0.0
            continue
        cut = _below(-centre[row] / scale[row], weights, widths)
        share = (_below((value[row] - centre[row]) / scale[row], weights, widths) - cut) / (1.0 - cut)
        result[row] = _clipped(p0[row] + (1.0 - p0[row]) * share)
    return result
