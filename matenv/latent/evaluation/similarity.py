"""Decomposition similarity: is a material's latent vector the weighted sum of those of what it decomposes into?

After El-Awady (arXiv:2401.06779), section 4.2: the cosine between mu(x) and sum_k a_k mu(x_k), where x = sum_k a_k x_k
is the decomposition of x and a_k are atom fractions, which sum to 1. The paper takes the network's own coordinates, in
which an affine encoder scores exactly 1 whatever it has learned, and an offset that all points share brings any encoder
close to 1. Measured from the centre of the data (`LatentSpace.encode` is: its origin is the mean of the training rows)
and with the relative residual beside it, the comparison tells encoders apart. It never sees an energy: it says nothing
about stability.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Similarity(NamedTuple):
    """How well latent vectors of compositions agree with those of their decompositions.

    Attributes:
        cosine: Cosine between the two, both measured from the centre (B,); NaN where there is no decomposition, or one
            of the two lies at the centre.
        residual: Distance between the two over the distance of the material from the centre (B,): 0 for an affine
            encoder, 1 for a decomposition that says as little as the centre does; NaN where `cosine` is.
    """

    cosine: NDArray[np.float64]
    residual: NDArray[np.float64]


def blend(codes: ArrayLike, members: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Weighted sum of the latent vectors of what compositions decompose into.

    Args:
        codes: Latent vectors (R, n) of all references of a hull, such as ``space.encode(hull.references)``: once.
        members: Reference numbers (B, m), `Decomposition.members`; negative where unused.
        weights: Atom fractions (B, m), `Decomposition.weights`; 0 where unused.

    Returns:
        Latent vectors (B, n) float64; NaN in rows without a decomposition.

    Raises:
        ValueError: Shapes that do not fit, or a number beyond the references.
    """
    vectors, numbers, shares = np.asarray(codes), np.asarray(members), np.asarray(weights, dtype=np.float64)
    if vectors.ndim != 2 or numbers.ndim != 2 or numbers.shape != shares.shape:
        raise ValueError(
            f"codes, members, weights have shapes {vectors.shape}, {numbers.shape}, {shares.shape}; "
            "expected (R, n), (B, m), (B, m)"
        )
    used = shares > 0
    listed = np.where(used, numbers, 0)
    if listed.size and not (0 <= listed.min() and listed.max() < len(vectors)):
        raise ValueError(
            f"members span {listed.min()}..{listed.max()}; codes has rows 0..{len(vectors) - 1}: encode hull.references"
        )
    mixed = np.zeros((len(numbers), vectors.shape[1]))
    for slot in range(numbers.shape[1]):  # slot by slot: a (B, m, n) array would not stay in the cache
        rows = np.flatnonzero(used[:, slot])
        mixed[rows] += shares[rows, slot, None] * vectors[listed[rows, slot]]
    mixed[~used.any(axis=1)] = np.nan
    return mixed


def compare(codes: ArrayLike, mixed: ArrayLike, centre: ArrayLike = 0.0) -> Similarity:
    """The decomposition similarity of compositions.

    Args:
        codes: Latent vectors of the compositions (B, n).
        mixed: Latent vectors of their decompositions (B, n), from `blend`.
        centre: Point (n,) from which both are measured. 0 is right for what `LatentSpace.encode` returns; in the own
            coordinates of a network 0 gives the paper's measure, the mean of the training rows the centred one.

    Returns:
        Cosines and relative residuals.

    Raises:
        ValueError: If the two differ in shape.
    """
    z, other = np.asarray(codes, dtype=np.float64), np.asarray(mixed, dtype=np.float64)
    if z.shape != other.shape or z.ndim != 2:
        raise ValueError(f"codes has shape {z.shape}, mixed {other.shape}; expected the same (B, n)")
    middle = np.asarray(centre, dtype=np.float64)
    z, other = z - middle, other - middle
    length, other_length = np.linalg.norm(z, axis=1), np.linalg.norm(other, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (z * other).sum(axis=1) / (length * other_length)
        residual = np.where(np.isfinite(cosine), np.linalg.norm(z - other, axis=1) / length, np.nan)
    return Similarity(cosine.clip(-1.0, 1.0), residual)
