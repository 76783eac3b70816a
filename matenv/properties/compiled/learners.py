"""Models of a user's property, evaluated row by row: a row's result does not depend on the other rows, bit for bit."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROOT5 = float(np.sqrt(5.0))


@njit(cache=True, nogil=True)
def linear(x: Array, weights: Array, covariance: Array, noise: float) -> tuple[Array, Array]:
    """Mean and standard deviation (B,) of a Bayesian linear model; the last weight is the intercept."""
    rows, width = x.shape
    mean, std = np.empty(rows), np.empty(rows)
    for row in range(rows):
        total = weights[width]
        for j in range(width):
            total += weights[j] * x[row, j]
        variance = noise
        for j in range(width):
            part = 0.0
            for k in range(width):
                part += covariance[j, k] * x[row, k]
            variance += part * x[row, j]
        mean[row], std[row] = total, np.sqrt(max(variance, 0.0))
    return mean, std


@njit(cache=True, nogil=True)
def forest(
    x: NDArray[np.float32],
    start: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: Array,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float32],
) -> tuple[Array, Array]:
    """Mean over the trees and their standard deviation (B,); children are numbered within a tree, leaves have -1."""
    rows, trees = x.shape[0], len(start)
    mean, std = np.empty(rows), np.empty(rows)
    for row in range(rows):
        total, squares = 0.0, 0.0
        for tree in range(trees):
            node = start[tree]
            while left[node] >= 0:
                low = x[row, feature[node]] <= threshold[node]
                node = start[tree] + (left[node] if low else right[node])
            total += value[node]
            squares += value[node] ** 2
        mean[row] = total / trees
        std[row] = np.sqrt(max(squares / trees - mean[row] ** 2, 0.0))
    return mean, std


@njit(cache=True, nogil=True)
def gaussian_process(
    x: Array, shown: Array, weights: Array, root: Array, length: float, scale: float, noise: float
) -> tuple[Array, Array]:
    """Mean and standard deviation (B,) of a Gaussian process with a Matern 5/2 kernel (Rasmussen & Williams, 2006).

    `root` is the inverse of the covariance's lower Cholesky factor.
    """
    rows, width, number = x.shape[0], x.shape[1], len(shown)
    mean, std, kernel = np.empty(rows), np.empty(rows), np.empty(number)
    for row in range(rows):
        total = 0.0
        for i in range(number):
            squared = 0.0
            for j in range(width):
                squared += (x[row, j] - shown[i, j]) ** 2
            distance = ROOT5 * np.sqrt(squared) / length
            kernel[i] = scale * (1.0 + distance + distance * distance / 3.0) * np.exp(-distance)
            total += kernel[i] * weights[i]
        variance = scale + noise
        for i in range(number):
            part = 0.0
            for j in range(i + 1):
                part += root[i, j] * kernel[j]
            variance -= part * part
        mean[row], std[row] = total, np.sqrt(max(variance, 0.0))
    return mean, std
