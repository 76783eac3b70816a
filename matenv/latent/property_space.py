"""`PropertySpace`: a latent space whose points also predict a property, with uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_unmasked
from matenv.composition import CompositionBatch, Compositions
from matenv.elements import NUM_ELEMENTS
from matenv.latent.networks.gaussian_process import GaussianProcess
from matenv.latent.space import VAESpace


class PropertySpace(VAESpace):
    """A `VAESpace` with a Gaussian process on it.

    Args:
        *args: As `VAESpace`.
        process: The process, over raw latent vectors.
        **kwargs: As `VAESpace`.

    Attributes:
        process: The process.
        target: Name of the property it predicts.
        unit: Its unit.
    """

    process: GaussianProcess

    def __init__(self, *args: Any, process: GaussianProcess, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.recipe = None
        self.instead = (
            "its Gaussian process would no longer fit. Train it on a table with its label "
            "(matenv latent train dkl-vae --data my.csv)"
        )
        self.process = process
        self.target = process.target
        self.unit = process.unit

    def __repr__(self) -> str:
        return f"PropertySpace({self.name!r}, dim={self.dim}, radius={self.radius:.3f}, target={self.target!r})"

    def predict(self, X: Compositions | ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # noqa: N803
        """The property of compositions or of points, with the standard deviation of a label around it.

        Args:
            X: Compositions in any form `encode` takes, or points (B, n) or (n,) in whitened coordinates; numbers are
                told apart by their width, 89 or n.

        Returns:
            Mean (B,) and standard deviation (B,) float64, in `unit`; the deviation includes the scatter of labels and
            is widened to fit held-out rows of the training table (its validation part).

        Raises:
            ValueError: As `encode`; or points of the wrong width, with NaN or with infinite values.
        """
        if isinstance(X, (str, CompositionBatch)):
            return self.process.predict(self._raw(self.encode(X)))
        check_unmasked("X", X)
        values = np.asarray(X)
        if values.dtype.kind in "US" or values.shape[-1:] == (NUM_ELEMENTS,):
            return self.process.predict(self._raw(self.encode(X)))
        if values.ndim not in (1, 2) or values.shape[-1] != self.dim:
            raise ValueError(
                f"X has shape {values.shape}; expected fractions (B, {NUM_ELEMENTS}) or points (B, {self.dim})"
            )
        points = np.array(values, dtype=np.float64, ndmin=2)
        if not np.isfinite(points).all():
            raise ValueError(f"X row {int(np.argmin(np.isfinite(points).all(axis=1)))} holds NaN or infinite values")
        return self.process.predict(self._raw(points))
