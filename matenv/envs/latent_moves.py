"""Moves through a latent space: a point z, a bounded step, and what the point decodes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from gymnasium.spaces import Box
from numba import njit
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_device, check_number
from matenv.composition import CompositionBatch
from matenv.envs.core import Core, CoreArguments, shared_latent
from matenv.envs.observations import DEFAULT_BLOCKS, Block
from matenv.envs.rendering import Trail, plot_path
from matenv.envs.state import State
from matenv.guards import Guards
from matenv.latent import LatentSpace
from matenv.oracle import Assessment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.random import Generator


class LatentArguments(CoreArguments, total=False):
    """Arguments that the single and the vector environment share; `MaterialLatentEnv` says what they mean."""

    latent: str | Path | LatentSpace
    step_size: float
    radius: float | None


class LatentCore(Core):
    """Episodes in a latent space. Arguments are those of `matenv.envs.latent.MaterialLatentEnv`.

    Attributes:
        latent: The latent space.
        step_size: Length of a full move along one dimension, in standard deviations.
        radius: Radius of the ball that positions are kept in.
    """

    ARGUMENTS = LatentArguments
    STARTS = ("dataset", "prior")
    PENALTY = "ood"
    DEFAULT_BLOCKS = DEFAULT_BLOCKS

    def __init__(
        self,
        rows: int,
        *,
        latent: str | Path | LatentSpace = "vae",
        step_size: float = 1.0,
        radius: float | None = None,
        **shared: Unpack[CoreArguments],
    ) -> None:
        self.step_size = check_number("step_size", step_size, 0, np.inf, "a positive number of standard deviations")
        if radius is not None:
            check_number("radius", radius, 0, np.inf, "positive, or None for the latent space's own")
        device = check_device(shared.get("device", "cpu"))
        self.latent = shared_latent(str(latent), device) if isinstance(latent, str | Path) else latent
        self.radius = float(radius or self.latent.radius)
        self.start_table = getattr(self.latent, "table", self.start_table)
        super().__init__(rows, **shared)

    def prepare(self) -> None:
        """A move is a vector in the latent space."""
        self.action_space = Box(-1.0, 1.0, (self.latent.dim,), np.float32)

    def blocks(self) -> dict[str, Block]:
        """``"latent"`` (z / R) and ``"ood"`` (norm of z over R)."""

        def latent(state: State, view: NDArray[np.float32]) -> None:
            np.clip(state.place / self.radius, -1.0, 1.0, out=view)

        def ood(state: State, view: NDArray[np.float32]) -> None:
            view[:, 0] = np.minimum(np.linalg.norm(state.place, axis=1) / self.radius, 1.0)

        return {"latent": Block(self.latent.dim, -1.0, 1.0, latent), "ood": Block(1, 0.0, 1.0, ood)}

    def space(self) -> LatentSpace:
        """The one that is moved in."""
        return self.latent

    def enter(self, formulas: CompositionBatch) -> NDArray[np.float64]:
        """Positions (B, n) of formulas: their encodings."""
        return project(self.latent.encode(formulas), self.radius)[0]

    def sample(self, generators: Sequence[Generator]) -> NDArray[np.float64]:
        """Positions (B, n) from the prior; one draw per generator, whose number seeds the sample."""
        seeds = [int(generator.integers(2**32)) for generator in generators]
        return project(np.concatenate([self.latent.sample(1, seed) for seed in seeds]), self.radius)[0]

    def move(
        self, place: NDArray[np.float64], actions: ArrayLike, step: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions after moves (B, n), clipped to [-1, 1], and how far each stood outside the ball, in radii (B,)."""
        action = np.ascontiguousarray(actions, dtype=np.float64)
        if action.shape != place.shape:
            raise ValueError(f"actions have shape {action.shape}; expected {place.shape}")
        z, overshoot, bad = _move(place, action, self.step_size, self.radius)
        if bad >= 0:
            raise ValueError(f"action row {bad} is not finite")
        return z, overshoot

    def read(self, place: NDArray[np.float64]) -> CompositionBatch:
        """What the positions decode to."""
        return self.latent.decode_batch(place)

    def guard_values(
        self, guards: Guards, place: NDArray[np.float64], assessment: Assessment
    ) -> dict[str, NDArray[np.float64]]:
        """Values of the guards (B,) each, at the positions themselves."""
        return guards(place, assessment)

    def plot(self, axes: Axes, trail: Trail) -> None:
        """The path over a map of training formulas."""
        plot_path(axes, self.latent, np.array(trail.places), [info["formula"] for info in trail.infos])


def project(z: NDArray[np.float64], radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bring positions back onto the ball of a radius.

    Args:
        z: Positions (B, n).
        radius: Radius of the ball.

    Returns:
        Projected positions (B, n), and how far each stood outside in radii (B,).
    """
    moved, overshoot, _ = _move(z, np.zeros_like(z), 0.0, radius)
    return moved, overshoot


@njit(cache=True, nogil=True)
def _move(
    z: NDArray[np.float64], action: NDArray[np.float64], step_size: float, radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Positions after a step and a projection (B, n), how far outside each went (B,), first bad row of action or -1."""
    moved, overshoot = np.empty_like(z), np.empty(len(z))
    for row in range(len(z)):
        square = 0.0
        for k in range(z.shape[1]):
            if not math.isfinite(action[row, k]):
                return moved, overshoot, row
            moved[row, k] = z[row, k] + step_size * min(max(action[row, k], -1.0), 1.0)
            square += moved[row, k] * moved[row, k]
        outside = max(math.sqrt(square) / radius, 1.0)
        for k in range(z.shape[1]):
            moved[row, k] /= outside
        overshoot[row] = outside - 1.0
    return moved, overshoot, -1
