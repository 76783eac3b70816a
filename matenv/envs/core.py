"""The batched core of the latent environment: N episodes as arrays. Both the single and the vector environment own one.

May import: `matenv.envs.checks`, `matenv.envs.state`, `matenv.envs.rewards`, `matenv.envs.observations`,
`matenv.latent`, `matenv.oracle`, `matenv.tasks`, `matenv.data`, `matenv.composition`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from gymnasium.utils.seeding import np_random
from numba import njit
from numpy.typing import ArrayLike, NDArray

from matenv.composition import CompositionBatch, integer_counts
from matenv.data import load_dataset
from matenv.elements import ABSENT, positions
from matenv.envs.checks import check_device, check_number, check_whole
from matenv.envs.observations import DEFAULT_BLOCKS, Observer
from matenv.envs.rewards import TERMS, check_weights, reward_terms, weighted_sum
from matenv.envs.state import State, judge, replace_rows, same_formula
from matenv.latent import LatentSpace, load_latent
from matenv.oracle import Oracle
from matenv.tasks import DEFAULT_TASK, Task, load_task

if TYPE_CHECKING:
    from numpy.random import Generator

STARTS = ("dataset", "prior")


class LatentArguments(TypedDict, total=False):
    """Arguments that the single and the vector environment share; `MaterialLatentEnv` says what they mean."""

    task: str | Task
    latent: str | LatentSpace
    horizon: int
    step_size: float
    radius: float | None
    start: str
    observation: Sequence[str]
    reward: Mapping[str, float] | None
    discount: float
    terminate_on_success: bool
    elements: Sequence[str] | None
    exclude: Sequence[str] | None
    oracle: Oracle | None
    reference: str
    budget: int | None
    device: str


class LatentCore:
    """Dynamics of N episodes. Arguments are those of `matenv.envs.latent.MaterialLatentEnv`.

    Attributes:
        state: Where the episodes stand; replaced, never changed in place.
        generators: One random generator per row.
        terms: Unweighted reward terms of the last step (N,) each.
    """

    def __init__(
        self,
        rows: int,
        *,
        task: str | Task = DEFAULT_TASK,
        latent: str | LatentSpace = "vae",
        horizon: int = 16,
        step_size: float = 1.0,
        radius: float | None = None,
        start: str = "dataset",
        observation: Sequence[str] = DEFAULT_BLOCKS,
        reward: Mapping[str, float] | None = None,
        discount: float = 0.99,
        terminate_on_success: bool = False,
        elements: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        oracle: Oracle | None = None,
        reference: str = "train",
        budget: int | None = None,
        device: str = "cpu",
    ) -> None:
        check_whole("num_envs", rows, "environments")
        self.horizon = check_whole("horizon", horizon, "steps")
        self.step_size = check_number("step_size", step_size, 0, np.inf, "a positive number of standard deviations")
        if radius is not None:
            check_number("radius", radius, 0, np.inf, "positive, or None for the latent space's own")
        if start not in STARTS:
            raise ValueError(f"start={start!r} is unknown; choose one of {', '.join(STARTS)}")
        self.discount = check_number("discount", discount, 0, 1, "a number in [0, 1]")
        if oracle is not None and not isinstance(oracle, Oracle):
            raise ValueError(f"oracle={oracle!r} must be a matenv.Oracle, or None for a new one")
        if oracle is not None and budget is not None:
            raise ValueError("give budget to the Oracle you pass, not to the environment as well")
        check_device(device)
        self.task = load_task(task, elements, exclude)
        self.latent = _shared_latent(latent, device) if isinstance(latent, str) else latent
        self.oracle = oracle or Oracle(reference, budget, device=device)
        self.weights = check_weights(reward)
        self.radius = float(radius or self.latent.radius)
        self.terminate_on_success = bool(terminate_on_success)
        self.start = start
        self.observer = Observer(observation, self.latent.dim, tuple(self.oracle.predictor.units))
        self._start_pool = self._allowed_starts() if start == "dataset" else None
        self.generators: list[Generator] = [np_random(None)[0] for _ in range(rows)]
        self.state: State | None = None
        self.terms = {name: np.zeros(rows) for name in TERMS}

    @property
    def rows(self) -> int:
        """Number of episodes N."""
        return len(self.generators)

    def reset(self, rows: NDArray[np.int64] | None = None, formulas: Sequence[str] | None = None) -> None:
        """Begin new episodes in some rows.

        Args:
            rows: Row numbers, ascending; None for all.
            formulas: Formula to start each of them from; None to draw starts.
        """
        which = np.arange(self.rows) if rows is None else rows
        start: CompositionBatch | None
        if formulas is not None:
            asked = CompositionBatch.from_counts(integer_counts(formulas))
            absent = np.isin(asked.elements, positions(ABSENT)).any(axis=1)
            if absent.any():
                raise ValueError(
                    f"start formula {formulas[int(absent.argmax())]!r} holds a noble gas; the embedded data know no "
                    f"compound of {', '.join(ABSENT)}"
                )
            start, z = asked, self.latent.encode(asked)
        elif self._start_pool is not None:
            draws = np.array([self.generators[row].random() for row in which.tolist()])
            drawn = self._start_pool[(draws * len(self._start_pool)).astype(np.int64)]
            start, z = drawn, self.latent.encode(drawn)
        else:
            start = None
            seeds = [int(self.generators[row].integers(2**32)) for row in which.tolist()]
            z = np.concatenate([self.latent.sample(1, seed) for seed in seeds])
        z, _ = project(z, self.radius)
        decoded = self.latent.decode_batch(z)
        fresh = State(
            z=z,
            step=np.zeros(len(which), np.int64),
            compositions=decoded,
            facts=judge(self.oracle, self.task, decoded),
            start=decoded if start is None else start,
            round_trip=np.ones(len(which), np.bool_) if start is None else same_formula(start, decoded),
        )
        self.state = fresh if self.state is None or len(which) == self.rows else replace_rows(self.state, which, fresh)
        self.terms = {name: _with_zeros(values, which) for name, values in self.terms.items()}

    def step(
        self, actions: ArrayLike, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Move some rows by one step.

        Args:
            actions: Moves (len(rows), n), clipped to [-1, 1].
            rows: Row numbers, ascending; None for all.

        Returns:
            rewards (N,), terminated (N,), truncated (N,); zero and False for rows that did not move.

        Raises:
            ValueError: Actions of the wrong shape or not finite.
            RuntimeError: `reset` has not been called.
        """
        if self.state is None:
            raise RuntimeError("step() was called before reset(); begin an episode with reset(seed=...)")
        which = slice(None) if rows is None else rows  # a slice views the old state, an index copies it
        old = self.state
        action = np.ascontiguousarray(actions, dtype=np.float64)
        if action.shape != old.z[which].shape:
            raise ValueError(f"actions have shape {action.shape}; expected {old.z[which].shape}")
        z, overshoot, bad = _move(old.z[which], action, self.step_size, self.radius)
        if bad >= 0:
            raise ValueError(f"action row {bad} is not finite")
        decoded = self.latent.decode_batch(z)
        moved = State(
            z, old.step[which] + 1, decoded, judge(self.oracle, self.task, decoded), old.start[which],
            old.round_trip[which],
        )  # fmt: skip
        terms = reward_terms(
            moved.facts["score"],
            old.facts["score"][which],
            ~same_formula(decoded, old.compositions[which]),
            moved.facts["novel"] & moved.facts["valid"],  # valid by the task's rules
            overshoot,
            self.discount,
        )
        reward = weighted_sum(terms, self.weights)
        truncated = moved.step >= self.horizon
        terminated = moved.facts["success"] & self.terminate_on_success
        if rows is None:
            self.state, self.terms = moved, terms
            return reward, terminated, truncated
        self.state = replace_rows(old, rows, moved)
        self.terms = {name: _scatter(terms[name], rows, self.rows) for name in terms}
        return (
            _scatter(reward, rows, self.rows),
            _scatter(terminated, rows, self.rows),
            _scatter(truncated, rows, self.rows),
        )

    def observe(self) -> NDArray[np.float32]:
        """Observations of all rows (N, width), freshly allocated."""
        assert self.state is not None
        return self.observer(self.state, self.radius, self.horizon)

    def describe(self, row: int) -> dict[str, Any]:
        """Everything about one row's current formula, in words and Python numbers; undefined values are left out.

        Args:
            row: Row number.

        Returns:
            The `info` dictionary of the single environment.
        """
        if self.state is None:
            raise RuntimeError("describe() was called before reset(); begin an episode with reset(seed=...)")
        state, facts = self.state, self.state.facts
        task_terms = {key[5:]: float(facts[key][row]) for key in facts if key.startswith("term.")}
        info: dict[str, Any] = {
            "formula": state.compositions[row : row + 1].formulas()[0],
            "score": float(facts["score"][row]),
            "terms": {**{name: float(self.terms[name][row]) for name in TERMS}, **task_terms},
            "success": bool(facts["success"][row]),
            "valid": bool(facts["valid"][row]),
            "evaluated": bool(facts["evaluated"][row]),
            "known": bool(facts["known"][row]),
            "novel": bool(facts["novel"][row]),
            "p_stable": float(facts["p_stable"][row]),
            "start_formula": state.start[row : row + 1].formulas()[0],
            "start_round_trip": bool(state.round_trip[row]),
            "step": int(state.step[row]),
        }
        if math.isfinite(facts["decomposition_energy"][row]):
            info["decomposition_energy"] = float(facts["decomposition_energy"][row])
            info["hull_energy"] = float(facts["hull_energy"][row])
            info["products"] = self.oracle.hull.products(facts["members"][row], facts["weights"][row])
            info["predicted"] = {
                name: (float(facts[f"mean.{name}"][row]), float(facts[f"std.{name}"][row]))
                for name in self.oracle.predictor.units
            }
        else:
            info["products"], info["predicted"] = [], {}
        return info

    def _allowed_starts(self) -> CompositionBatch:
        data = load_dataset("mp-ground-states")
        pool = data.compositions[data.split("system").train]
        pool = pool[np.flatnonzero(self.task.allows(pool))]
        if len(pool) == 0:
            raise ValueError(
                f"no training formula obeys the rules of task {self.task.name!r} (elements={self.task.elements}, "
                f"exclude={self.task.exclude}); widen them or use start='prior'"
            )
        return pool


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


def _scatter(values: NDArray, rows: NDArray[np.int64], length: int) -> NDArray:
    full = np.zeros(length, values.dtype)
    full[rows] = values
    return full


def _with_zeros(values: NDArray, rows: NDArray[np.int64]) -> NDArray:
    zeroed = values.copy()
    zeroed[rows] = 0.0
    return zeroed


@lru_cache(maxsize=4)
def _shared_latent(name: str, device: str) -> LatentSpace:
    return load_latent(name, device=device)
