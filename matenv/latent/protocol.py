"""`LatentSpace`: what an environment needs of the space it moves in."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matenv.composition import CompositionBatch, Compositions


@runtime_checkable
class LatentSpace(Protocol):
    """A continuous space whose points stand for compositions.

    Coordinates are whitened: one unit is one standard deviation, per dimension, of the training rows' encodings, and
    their mean is the origin. Every method is deterministic.

    Attributes:
        name: What `matenv.load_latent` was asked for.
        dim: Dimension n.
        radius: 99th percentile of the norms of the training rows' encodings; environments stay within it.
    """

    name: str
    dim: int
    radius: float

    def encode(self, X: Compositions) -> NDArray[np.float64]:  # noqa: N803
        """Points (B, n) of compositions; a single one is a batch of one."""
        ...

    def decode(self, Z: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Atom fractions (B, 89) of the integer formula at each point (B, n); zeros where there is none."""
        ...

    def decode_batch(self, Z: ArrayLike) -> CompositionBatch:  # noqa: N803
        """The same, packed: what environments call at every step."""
        ...

    def sample(self, k: int, seed: int) -> NDArray[np.float64]:
        """K points (k, n) spread like the training compositions, the same for the same seed."""
        ...

    def score(self, X: Compositions) -> NDArray[np.float64]:  # noqa: N803
        """How well the space knows each composition (B,): a lower bound of its log-likelihood in nats."""
        ...
