"""`GaussianProcess`: a trained sparse Gaussian process as plain arrays, predicting in closed form.

The process is variational with inducing points and a whitened variational distribution (Hensman et al., AISTATS 2015).
With inducing points U, K = k(U, U) = L L^T and q(u) = N(L m, L S L^T), the latent function at z has mean
``c + k(z, U) L^-T m`` and variance ``k(z, z) - k(z, U) L^-T (I - S) L^-1 k(U, z)``. The kernel is Matern 5/2 with one
length scale per dimension. Prediction needs neither gpytorch nor a Cholesky factor: both products are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

JITTER = 1e-4
"""Added to the diagonal of k(U, U) and to k(z, z), as gpytorch does for float32."""

ROWS = 4096
"""Rows predicted at a time, which bounds memory."""

ARRAYS = ("inducing", "mean", "root", "length_scale", "scalars")
"""Names under which a weights file holds the arrays."""


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A sparse Gaussian process over raw latent vectors.

    Attributes:
        target: Name of the property.
        unit: Its unit.
        inducing: Inducing points U (M, n).
        mean: Whitened variational mean m (M,).
        root: Lower Cholesky factor of the whitened variational covariance S (M, M).
        length_scale: Length scales of the kernel (n,).
        output_scale: Variance of the kernel.
        noise: Variance of the observation noise.
        constant: Constant mean c.
        shift: Mean of the training labels, in `unit`.
        scale: Their standard deviation: the process predicts ``(label - shift) / scale``.
        widening: Factor on the predictive standard deviation that makes held-out rows likeliest (1: not fitted).
    """

    target: str
    unit: str
    inducing: NDArray[np.float64]
    mean: NDArray[np.float64]
    root: NDArray[np.float64]
    length_scale: NDArray[np.float64]
    output_scale: float
    noise: float
    constant: float
    shift: float
    scale: float
    widening: float = 1.0

    def predict(self, z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the label at latent vectors, observation noise included.

        Args:
            z: Raw latent vectors (B, n).

        Returns:
            Mean (B,) and standard deviation (B,) float64 in `unit`.
        """
        mean, variance = np.empty(len(z)), np.empty(len(z))
        weights, removed = self._products
        for start in range(0, len(z), ROWS):
            block = slice(start, start + ROWS)
            k = self._kernel(z[block])
            mean[block] = self.constant + k @ weights
            variance[block] = self.output_scale + JITTER - np.einsum("ij,ij->i", k @ removed, k)
        # Rounding of the stored arrays can leave a tiny negative variance on top of an inducing point.
        std = np.sqrt(np.maximum(variance, 0.0) + self.noise)
        return self.shift + self.scale * mean, self.widening * self.scale * std

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The process as the arrays of a weights file, the triangle of `root` packed into a row."""
        scalars = [getattr(self, key) for key in _SCALARS]
        values = (self.inducing, self.mean, self.root[np.tril_indices(len(self.root))], self.length_scale, scalars)
        return {key: np.asarray(value, dtype=np.float32) for key, value in zip(ARRAYS, values, strict=True)}

    @classmethod
    def of(cls, target: str, unit: str, arrays: dict[str, NDArray[np.float32]]) -> GaussianProcess:
        """The inverse of `arrays`.

        Raises:
            KeyError: An array is missing.
            ValueError: The arrays' shapes disagree, or a scale is not positive.
        """
        inducing, mean, triangle, length_scale, scalars = (arrays[key].astype(np.float64) for key in ARRAYS)
        number = len(inducing)
        if inducing.shape != (len(mean), len(length_scale)) or len(triangle) != number * (number + 1) // 2:
            raise ValueError("the Gaussian process's arrays disagree in shape")
        if scalars.shape != (len(_SCALARS),):
            raise ValueError(f"the Gaussian process has {scalars.size} scalars; expected {len(_SCALARS)}")
        named = dict(zip(_SCALARS, scalars.tolist(), strict=True))
        positive = ("output_scale", "noise", "scale", "widening")
        if not (length_scale > 0).all() or min(named[key] for key in positive) <= 0:
            raise ValueError("a scale of the Gaussian process is not positive")
        root = np.zeros((number, number))
        root[np.tril_indices(number)] = triangle
        return cls(target, unit, inducing, mean, root, length_scale, **named)

    @cached_property
    def _products(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``L^-T m`` (M,) and ``L^-T (I - S) L^-1`` (M, M)."""
        number = len(self.inducing)
        lower = np.linalg.cholesky(self._kernel(self.inducing) + JITTER * np.eye(number))
        inner = np.eye(number) - self.root @ self.root.T
        half = solve_triangular(lower, inner, lower=True, trans="T")
        removed = solve_triangular(lower, half.T, lower=True, trans="T")
        return solve_triangular(lower, self.mean, lower=True, trans="T"), 0.5 * (removed + removed.T)

    def _kernel(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Matern 5/2 covariance (B, M) with the inducing points."""
        x, u = z / self.length_scale, self.inducing / self.length_scale
        squares = (x * x).sum(axis=1)[:, None] + (u * u).sum(axis=1) - 2.0 * x @ u.T
        r = np.sqrt(5.0 * np.maximum(squares, 0.0))
        return self.output_scale * (1.0 + r + r * r / 3.0) * np.exp(-r)


_SCALARS = ("output_scale", "noise", "constant", "shift", "scale", "widening")
