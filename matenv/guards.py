"""Out-of-distribution guards: batched warnings that a prediction, or a place in a latent space, is not to be trusted.

Every guard is a number per row, in units of its own 99 % quantile over data that no model was fitted to, so that 1 is
"as odd as one held-out row in a hundred" for all of them. Which of them tells where the predictor errs is measured by
`studies.guards.errors` and written up in ``docs/guards.md``: `uncertainty` and `disagreement` do, the latent ones
hardly.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.compiled.threads import run_blocks
from matenv.composition import CompositionBatch
from matenv.data import Dataset, load_dataset
from matenv.latent import LatentSpace
from matenv.oracle import Assessment
from matenv.properties import Predictor

GUARDS: dict[str, str] = {
    "mahalanobis": "Mahalanobis distance of the latent position from the training encodings",
    "nearest": "distance of the latent position to the nearest of 4,096 training encodings",
    "cycle": "distance of the latent position to the encoding of what it decodes to",
    "uncertainty": "predicted standard deviation, the worst of the properties that the score depends on",
    "disagreement": "spread between the models of the predictor, the worst of the same properties",
}
"""Every guard and what it is."""

LATENT_GUARDS = ("mahalanobis", "nearest", "cycle")
"""Those that need a latent space; the others need a prediction."""

QUANTILE = 0.99
"""A guard's unit is this quantile over held-out data."""

REFERENCE_ROWS = 4096
"""Training rows, evenly spread over the table, whose encodings stand for all of them: a distance to each of the 61,547
would cost more than the rest of a step. ``docs/guards.md`` has the rank correlation with the exact distance."""

_SAMPLES, _SAMPLE_SEED = 4096, 0
_ROWS_PER_THREAD = 64  # smallest block worth a thread of its own (about 0.6 ms of work)
_TINY = 1e-12  # keeps a guard that is zero on all held-out data finite

Values = NDArray[np.float64]


class Mahalanobis:
    """Mahalanobis distance from a cloud of points.

    Args:
        points: The cloud (N, n), more points than dimensions.
    """

    def __init__(self, points: Values) -> None:
        self._mean = points.mean(axis=0)
        self._whiten = np.linalg.inv(np.linalg.cholesky(np.cov(points, rowvar=False)))

    def __call__(self, z: Values) -> Values:
        """Distances (B,) of points (B, n); a row's does not depend on the others, bit for bit."""
        return _mahalanobis(np.ascontiguousarray(z, np.float64), self._mean, self._whiten)


class NearestPoint:
    """Euclidean distance to the nearest of a set of points, by looking at all of them in single precision.

    In 32 dimensions nearly as wide as each other, trees and triangle inequalities exclude almost nothing (a k-d tree
    over the training encodings takes 4 ms a query), so the set is kept small instead.

    Args:
        points: The set (N, n).
    """

    def __init__(self, points: Values) -> None:
        self._columns = np.ascontiguousarray(points.T, np.float32)

    def __call__(self, z: Values) -> Values:
        """Distances (B,) of points (B, n); a row's does not depend on the others, bit for bit."""
        rows, distance = np.ascontiguousarray(z, np.float32), np.empty(len(z))

        def run(block: slice) -> None:
            _nearest(rows[block], self._columns, distance[block])

        run_blocks(run, len(z), _ROWS_PER_THREAD)
        return distance


def cycle_error(space: LatentSpace, z: Values, decoded: CompositionBatch) -> Values:
    """Distance of latent positions to the encoding of what they decode to.

    Args:
        space: The latent space.
        z: Positions (B, n).
        decoded: What they decode to (B); empty where they name no element.

    Returns:
        ``|encode(decode(z)) - z|`` (B,), in standard deviations; 0 for empty rows.
    """
    error, rows = np.zeros(len(z)), np.flatnonzero(decoded.size > 0)
    if len(rows):
        error[rows] = _distance(space.encode(decoded[rows]), np.ascontiguousarray(z[rows], np.float64))
    return error


class Asked(Protocol):
    """A task, as far as guards are concerned."""

    @property
    def objectives(self) -> Sequence[object]:
        """Its objectives."""

    @property
    def viability(self) -> str:
        """``"none"`` if its score does not depend on stability."""


def properties_of(task: Asked, predictor: Predictor) -> tuple[str, ...]:
    """The predicted properties that a task's score depends on: formation energy, for stability, and those it asks for.

    Args:
        task: The task.
        predictor: What predicts them; properties it does not know are left out.

    Returns:
        Distinct names; formation energy alone if there is nothing else.
    """
    asked = [getattr(objective, "property_name", None) for objective in task.objectives]
    wanted = asked if task.viability == "none" else ["formation_energy", *asked]
    return tuple(dict.fromkeys(name for name in wanted if name in predictor.units)) or ("formation_energy",)


class Guards:
    """Some guards, for one latent space and one set of predicted properties.

    Args:
        names: Which, keys of `GUARDS`.
        space: The latent space; None if no guard of `LATENT_GUARDS` is among them.
        predictor: The predictor whose `Assessment`s will be given; it fixes the units of `uncertainty` and
            `disagreement`.
        properties: The properties whose uncertainty counts.

    Attributes:
        names: As given.
        properties: As given.
        units: What each guard was divided by: the `QUANTILE` of its values over the validation part of the
            space's own table (for `cycle`, whose value at the encoding of a formula is nearly always 0, over samples of
            the space), in latent standard deviations; 1 for `uncertainty` and `disagreement`, whose properties have
            units of their own.

    Raises:
        ValueError: An unknown guard or property, or a latent guard without a space.

    Examples:
        >>> import matenv
        >>> oracle, space = matenv.Oracle(), matenv.load_latent("vae")
        >>> guards = Guards(["nearest", "uncertainty"], space, oracle.predictor)
        >>> z = space.encode(["NaCl", "COs5Re4W"])
        >>> values = guards(z, oracle.assess(space.decode(z)))
        >>> sorted(values), values["nearest"].shape
        (['nearest', 'uncertainty'], (2,))
    """

    def __init__(
        self,
        names: Iterable[str],
        space: LatentSpace | None,
        predictor: Predictor,
        properties: Sequence[str] = ("formation_energy",),
    ) -> None:
        self.names = tuple(dict.fromkeys(names))
        for name in self.names:
            check_guard(name, "names")
        wanting = [name for name in self.names if name in LATENT_GUARDS]
        if wanting and space is None:
            raise ValueError(f"space=None, but guards {wanting} are distances in a latent space; give one")
        unknown = [name for name in properties if name not in predictor.units]
        if unknown or not properties:
            raise ValueError(f"properties={list(properties)!r} must be some of {', '.join(predictor.units)}")
        self.properties, self._space = tuple(properties), space
        self._latent = _latent_guards(space) if wanting and space is not None else ({}, {})  # type: ignore[arg-type]
        predicted = any(name not in LATENT_GUARDS for name in self.names)
        self._scales = _prediction_scales(predictor, self.properties) if predicted else {}
        self.units = {name: self._latent[1].get(name, 1.0) for name in self.names}

    def __call__(self, z: Values | None, assessment: Assessment) -> dict[str, Values]:
        """Values of the guards, each (B,), at least 0.

        Args:
            z: Latent positions (B, n) that decode to what was assessed; may be None if no latent guard was asked for.
            assessment: What the oracle says there.

        Returns:
            By name, in the guard's unit; 0 where there is nothing to measure: no formula, or no prediction.
        """
        result = {}
        for name in self.names:
            if name in LATENT_GUARDS:
                assert z is not None
                result[name] = self._latent[0][name](z, assessment.compositions) / self.units[name]
            else:
                result[name] = self._predicted(name, assessment)
        return result

    def _predicted(self, name: str, assessment: Assessment) -> Values:
        spread = {p: _spread(assessment, name, p) for p in self.properties}
        return np.nan_to_num(_worst(spread, self._scales[name]))

    def of_formulas(self, assessment: Assessment) -> dict[str, Values]:
        """The same for formulas that nobody moved to: their latent position is their encoding.

        Args:
            assessment: What the oracle says of B formulas; empty ones get 0.

        Returns:
            By name, each (B,). `cycle` compares with what the encoding decodes to, which is nearly always the formula
            itself.
        """
        if self._space is None or not self._latent[0]:
            return self(None, assessment)
        batch = assessment.compositions
        rows = np.flatnonzero(batch.size > 0)
        z = np.zeros((len(batch), self._space.dim))
        z[rows] = self._space.encode(batch[rows])
        decoded = batch[:0] if "cycle" not in self.names else self._space.decode_batch(z[rows])
        result = {}
        for name in self.names:
            if name == "cycle":
                result[name] = np.zeros(len(batch))
                result[name][rows] = cycle_error(self._space, z[rows], decoded) / self.units[name]
            elif name in LATENT_GUARDS:
                result[name] = self._latent[0][name](z, batch) / self.units[name] * (batch.size > 0)
            else:
                result[name] = self._predicted(name, assessment)
        return result


def check_guard(name: str, parameter: str) -> None:
    """Refuse the name of a guard that does not exist.

    Args:
        name: The name.
        parameter: Where it was given, for the message.

    Raises:
        ValueError: An unknown name.
    """
    if name not in GUARDS:
        near = difflib.get_close_matches(str(name), GUARDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(GUARDS)}"
        raise ValueError(f"{parameter} holds {name!r}, which is not a guard; {hint}")


def reference_rows(data: Dataset, rows: int = REFERENCE_ROWS) -> NDArray[np.int64]:
    """Rows of a table whose encodings stand for all training rows: evenly spread over the train part."""
    train = data.part("train")  # without validation rows
    return train[np.linspace(0, len(train) - 1, min(rows, len(train))).astype(np.int64)]


@lru_cache(maxsize=4)
def _latent_guards(
    space: LatentSpace,
) -> tuple[dict[str, Callable[[Values, CompositionBatch], Values]], dict[str, float]]:
    """The latent guards of a space before they are divided by their units, and the units."""
    data = load_dataset(getattr(space, "table", "mp-ground-states"))  # what it was trained on
    cloud = space.encode(data.compositions[reference_rows(data)])
    mahalanobis, nearest = Mahalanobis(cloud), NearestPoint(cloud)
    guards: dict[str, Callable[[Values, CompositionBatch], Values]] = {
        "mahalanobis": lambda z, decoded: mahalanobis(z),
        "nearest": lambda z, decoded: nearest(z),
        "cycle": lambda z, decoded: cycle_error(space, z, decoded),
    }
    held_out = data.compositions[data.part("validation")]
    encoded, samples = space.encode(held_out), space.sample(_SAMPLES, _SAMPLE_SEED)
    seen = {"mahalanobis": mahalanobis(encoded), "nearest": nearest(encoded)}
    seen["cycle"] = cycle_error(space, samples, space.decode_batch(samples))
    return guards, {name: _unit(values) for name, values in seen.items()}


@lru_cache(maxsize=8)
def _prediction_scales(predictor: Predictor, properties: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """What each property's spread is divided by, for each guard: its quantile, and that of the worst of them."""
    data = load_dataset("mp-ground-states")
    said = predictor.predict_batch(data.compositions[data.part("validation")])
    scales = {}
    for guard in ("uncertainty", "disagreement"):
        spread = {p: said.std[p] if guard == "uncertainty" else said.disagreement(p) for p in properties}
        units = {p: _unit(values) for p, values in spread.items()}
        worst = _unit(_worst(spread, units))
        scales[guard] = {p: worst * unit for p, unit in units.items()}
    return scales


def _spread(assessment: Assessment, guard: str, name: str) -> Values:
    return assessment.std[name] if guard == "uncertainty" else assessment.disagreement(name)


def _worst(spread: Mapping[str, Values], units: Mapping[str, float]) -> Values:
    return np.max([values / units[name] for name, values in spread.items()], axis=0)


def _unit(values: Values) -> float:
    return max(float(np.quantile(values, QUANTILE)), _TINY)


@njit(cache=True, nogil=True)
def _mahalanobis(z: Values, mean: Values, whiten: Values) -> Values:
    """Norm of ``whiten @ (z - mean)``, whiten lower triangular."""
    distance = np.empty(len(z))
    for row in range(len(z)):
        square = 0.0
        for i in range(len(mean)):
            total = 0.0
            for k in range(i + 1):
                total += whiten[i, k] * (z[row, k] - mean[k])
            square += total * total
        distance[row] = np.sqrt(square)
    return distance


@njit(cache=True, nogil=True)
def _nearest(z: NDArray[np.float32], columns: NDArray[np.float32], distance: Values) -> None:
    """Write the smallest distance of each row of z (B, n) to the points (n, N)."""
    square = np.empty(columns.shape[1], np.float32)
    for row in range(len(z)):
        square[:] = np.float32(0.0)
        for k in range(columns.shape[0]):
            for point in range(columns.shape[1]):
                gap = columns[k, point] - z[row, k]
                square[point] += gap * gap
        distance[row] = np.sqrt(np.float64(square.min()))


@njit(cache=True, nogil=True)
def _distance(a: Values, b: Values) -> Values:
    """Distance between points row by row (B,)."""
    distance = np.empty(len(a))
    for row in range(len(a)):
        square = 0.0
        for k in range(a.shape[1]):
            square += (a[row, k] - b[row, k]) ** 2
        distance[row] = np.sqrt(square)
    return distance
