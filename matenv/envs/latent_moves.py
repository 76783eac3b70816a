"""Moves through a latent space: a point z, a bounded step, and what the point decodes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from matenv.checks import check_number
from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch
from matenv.envs.arguments import Arguments
from matenv.envs.episodes import Episodes, shared_latent
from matenv.envs.frames import Pen, sketch_path
from matenv.envs.observations import DEFAULT_BLOCKS, Block
from matenv.envs.state import State, Trail
from matenv.guards import Guards
from matenv.latent import LatentSpace
from matenv.latent.cloud import Cloud
from matenv.oracle import Assessment

if TYPE_CHECKING:
    from numpy.random import Generator


DEFAULT_PULL = 1.5
"""Share of what a space's cloud says that a move is pulled back. Under it uniform random moves end as far from the
nearest training point as held-out formulas lie; docs/latent_moves.md compares it with others."""


DEFAULT_LATENT = "vae"

LONGEST_STEP = 100.0
"""Largest ``step_size``; one of a few standard deviations already crosses every latent space."""


@dataclass(kw_only=True)
class LatentArguments(Arguments):
    """Arguments of the latent environment; `matenv.envs.latent.MaterialLatentEnv` says what they mean."""

    STARTS = ("dataset", "prior")

    latent: str | Path | LatentSpace | None = None
    step_size: float = 0.75
    radius: float | None = None
    pull: float | None = None

    def __post_init__(self) -> None:
        """Check its own besides."""
        super().__post_init__()
        if (
            self.latent is not None
            and not isinstance(self.latent, str | Path)
            and not hasattr(self.latent, "decode_batch")
        ):
            raise ValueError(
                f"latent={self.latent!r} must be the name of a latent space, a .safetensors path, or a loaded one"
            )
        what = f"a positive number of standard deviations, at most {LONGEST_STEP:g}"
        self.step_size = check_number("step_size", self.step_size, 0, LONGEST_STEP, what)
        if self.step_size == 0:
            raise ValueError(f"step_size={self.step_size} must be {what}")
        if self.radius is not None:
            what = "positive, or None for the latent space's own"
            self.radius = check_number("radius", self.radius, 0, np.inf, what)
        if self.pull is not None:
            what = "0 or more, or None for the space's own"
            self.pull = check_number("pull", self.pull, 0, 10, what)


class LatentEpisodes(Episodes):
    """Episodes in a latent space.

    Attributes:
        latent: The latent space.
        step_size: Length of a full move along one dimension, in standard deviations.
        radius: Radius of the ball that positions are kept in.
        pull: How much of the way back to the training points every move is taken; 0 for none.
    """

    ARGUMENTS = LatentArguments
    PENALTY = "ood"
    MAP = "Path through the latent space (grey: training formulas)"

    arguments: LatentArguments

    def prepare(self) -> None:
        """A move is a vector in the latent space."""
        latent = self.arguments.latent
        if latent is None:
            latent = DEFAULT_LATENT if self.bundle is None else self.bundle.latent_on(self.arguments.device)
        if isinstance(latent, str | Path):
            latent = shared_latent(str(latent), self.arguments.device)
        self.latent: LatentSpace = latent
        self.step_size = self.arguments.step_size
        self.radius = float(self.arguments.radius or self.latent.radius)
        self.start_table = getattr(self.latent, "table", self.start_table)
        cloud = getattr(self.latent, "cloud", None)
        if self.arguments.pull and cloud is None:
            raise ValueError(
                f"pull={self.arguments.pull}: the latent space {self.latent.name!r} does not know where its training "
                "points lie; train or fine-tune it again with this version, or use pull=0"
            )
        self.pull = (DEFAULT_PULL if cloud else 0.0) if self.arguments.pull is None else self.arguments.pull
        self.cloud: Cloud | None = cloud if self.pull else None
        self.action_space = Box(-1.0, 1.0, (self.latent.dim,), np.float32)

    def about(self) -> dict[str, Any]:
        """The space and how it is moved in besides."""
        return {**super().about(), "latent": self.latent.name, "radius": self.radius, "pull": self.pull}

    def default_blocks(self) -> tuple[str, ...]:
        """Where z is, and what it decodes to."""
        return DEFAULT_BLOCKS

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
        given = np.asarray(actions)
        if given.shape != place.shape or given.dtype.kind not in "fiu":
            raise ValueError(
                f"actions have shape {given.shape} and type {given.dtype}; expected {place.shape} real numbers"
            )
        action = np.ascontiguousarray(given, dtype=np.float64)
        if not np.isfinite(action).all():
            raise ValueError(f"action row {int((~np.isfinite(action)).any(axis=1).argmax())} is not finite")
        return project(moved(place, action, self.step_size, self.cloud, self.pull), self.radius)

    def read(self, place: NDArray[np.float64]) -> CompositionBatch:
        """What the positions decode to."""
        return self.latent.decode_batch(place)

    def guard_values(
        self, guards: Guards, place: NDArray[np.float64], assessment: Assessment
    ) -> dict[str, NDArray[np.float64]]:
        """Values of the guards (B,) each, at the positions themselves."""
        return guards(place, assessment)

    def sketch(self, pen: Pen, trail: Trail) -> None:
        """The path over a map of training formulas."""
        sketch_path(pen, trail, self.latent)


def moved(
    z: NDArray[np.float64], action: NDArray[np.float64], step_size: float, cloud: Cloud | None, pull: float
) -> NDArray[np.float64]:
    """Where moves lead before they are projected onto the ball.

    A step is followed by a pull towards the training points, in proportion to the step's length up to that of a
    uniformly random one: no step, no pull, so that a policy can hold where it is.

    Args:
        z: Positions (B, n).
        action: Moves (B, n), clipped to [-1, 1].
        step_size: Length of a full move along one dimension.
        cloud: Where the training points lie; None for no pull.
        pull: Share of the way back to them.

    Returns:
        (B, n), freshly allocated.
    """
    y, share = _stepped(z, action, step_size)
    if cloud is not None:
        y += (pull * share)[:, None] * cloud.shift(y)
    return y


def project(z: NDArray[np.float64], radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bring positions back onto the ball of a radius.

    Args:
        z: Positions (B, n).
        radius: Radius of the ball.

    Returns:
        Projected positions (B, n), and how far each stood outside in radii (B,).
    """
    return _project(z, radius)


@njit(cache=True, nogil=True)
def _stepped(
    z: NDArray[np.float64], action: NDArray[np.float64], step_size: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions after a step (B, n), and its length over that of a uniformly random one, at most 1 (B,)."""
    y, share = np.empty_like(z), np.empty(len(z))
    for row in range(len(z)):
        square = 0.0
        for k in range(z.shape[1]):
            move = min(max(action[row, k], -1.0), 1.0)
            y[row, k] = z[row, k] + step_size * move
            square += move * move
        share[row] = min(math.sqrt(3.0 * square / z.shape[1]), 1.0)
    return y, share


@njit(cache=True, nogil=True)
def _project(z: NDArray[np.float64], radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `project`."""
    inside, overshoot = np.empty_like(z), np.empty(len(z))
    for row in range(len(z)):
        square = 0.0
        for k in range(z.shape[1]):
            square += z[row, k] * z[row, k]
        outside = max(math.sqrt(square) / radius, 1.0)
        for k in range(z.shape[1]):
            inside[row, k] = z[row, k] / outside
        overshoot[row] = outside - 1.0
    return inside, overshoot
