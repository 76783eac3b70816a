"""Straight lines through a latent space: what lies between two formulas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.latent.protocol import LatentSpace


@dataclass(frozen=True)
class Line:
    """Points between the encodings of two formulas, and what they decode to.

    Attributes:
        points: Whitened coordinates (K, n), evenly spaced.
        moved: Distance of each from the first (K,), whitened units.
        compositions: What each decodes to (K,).
        radius: Radius of the ball that environments stay in.
    """

    points: NDArray[np.float64]
    moved: NDArray[np.float64]
    compositions: CompositionBatch
    radius: float

    def stretches(self) -> list[tuple[int, int, str]]:
        """Runs of points with one formula, in order: first point, point after the last, formula."""
        formulas = self.compositions.formulas()
        starts = [k for k in range(len(formulas)) if not k or formulas[k] != formulas[k - 1]]
        return [
            (start, stop, formulas[start]) for start, stop in zip(starts, [*starts[1:], len(formulas)], strict=True)
        ]


def straight_line(space: LatentSpace, first: str, last: str, points: int = 201) -> Line:
    """Walk from the encoding of one formula to that of another.

    Args:
        space: The latent space.
        first: Formula at the start.
        last: Formula at the end.
        points: Number of points K, both ends included.

    Returns:
        The line. Its ends show the formulas themselves only where the space gives them back.

    Raises:
        ValueError: Fewer than 2 points, a formula that cannot be read, or two formulas that are encoded alike.
    """
    if points < 2:
        raise ValueError(f"points={points} must be at least 2: the line's two ends")
    start, end = space.encode([first, last])
    length = float(np.linalg.norm(end - start))
    if not length > 0:
        raise ValueError(f"first={first!r} and last={last!r} are the same composition; give two different formulas")
    share = np.linspace(0.0, 1.0, points)
    z = start + share[:, None] * (end - start)
    return Line(z, share * length, space.decode_batch(z), space.radius)
