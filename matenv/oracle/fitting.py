"""Maximum-likelihood fit of a `StabilityModel` on rows that neither predictor nor hull has seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matenv.composition import CompositionBatch
from matenv.elements import NUM_ELEMENTS
from matenv.oracle.sampling import EVIDENCE, Sampling
from matenv.oracle.stability import CLIP, LARGEST, SIZES, SMALLEST, Logit, StabilityModel

PENALTY = {"intercept": 0.05, "slope": 0.05, "evidence": 0.5, "below elements": 10.0, "complete elements": 5.0}
"""Weight of each squared coefficient against the log-likelihood of one row; of evidence, scaled to unit spread. Chosen
by the likelihood of validation systems left out in turn: offsets of elements are shrunk to what few rows can say."""

LEAST_SLOPE = 0.01

HULL_ONLY = np.array([name.startswith(("E_comp", "square", "atom fraction", "number")) for name in EVIDENCE])
"""Evidence that does not count the reference: what a map for a hull that lacks nothing may use, so that it also serves
a table of one's own with few phases."""


def fit(
    raw: NDArray[np.float64],
    compositions: CompositionBatch,
    evidence: NDArray[np.float64],
    stable: NDArray[np.bool_],
    sampling: Sampling,
    *,
    complete: bool,
) -> StabilityModel:
    """Fit a map.

    Args:
        raw: The predictor's P(E_f <= E_comp) of held-out rows (N,).
        compositions: The rows' compositions.
        evidence: Their `sampling.describe` (N, 8).
        stable: Whether each row is truly stable (N,).
        sampling: Of the reference behind `evidence`.
        complete: Whether the reference lacks no phase that the truth knows; then there is one factor, not two.

    Returns:
        The fitted map.
    """
    clipped = np.clip(raw, CLIP, 1 - CLIP)
    size = np.eye(SIZES)[np.clip(compositions.size, SMALLEST, LARGEST) - SMALLEST]
    present = (compositions.fractions() > 0).astype(np.float64)
    used = HULL_ONLY if complete else np.ones(len(EVIDENCE), bool)
    centre = evidence.mean(axis=0)
    spread = np.where(evidence.std(axis=0) > 0, evidence.std(axis=0), 1.0)
    scaled = ((evidence - centre) / spread) * used
    steepness = size * np.log(clipped / (1 - clipped))[:, None]
    if complete:
        first, second = np.hstack([steepness, size, present, scaled]), None
        penalty = _penalties("below elements", first=True, evidence=True)
    else:
        first, second = np.hstack([steepness, size, present]), np.hstack([size, present, scaled])
        penalty = np.concatenate(
            [
                _penalties("below elements", first=True, evidence=False),
                _penalties("complete elements", first=False, evidence=True),
            ]
        )
    found = _maximise(first, second, stable, penalty)
    slope, rest = found[:SIZES], found[SIZES:]
    width = first.shape[1] - SIZES
    below = _unpack(rest[:width], centre, spread)
    return StabilityModel(
        slope, below, Logit.constant(np.inf) if complete else _unpack(rest[width:], centre, spread), sampling
    )


def _penalties(elements: str, *, first: bool, evidence: bool) -> NDArray[np.float64]:
    """Of one factor's coefficients, in the order of its columns."""
    parts = [(PENALTY["slope"], SIZES)] * first + [(PENALTY["intercept"], SIZES), (PENALTY[elements], NUM_ELEMENTS)]
    parts += [(PENALTY["evidence"], len(EVIDENCE))] * evidence
    return np.concatenate([np.full(width, value) for value, width in parts])


def _unpack(found: NDArray[np.float64], centre: NDArray[np.float64], spread: NDArray[np.float64]) -> Logit:
    """Coefficients of evidence as it is, from those of scaled evidence."""
    intercept, elements, scaled = np.split(found, [SIZES, SIZES + NUM_ELEMENTS])
    evidence = scaled / spread if len(scaled) else np.zeros(len(EVIDENCE))
    return Logit(intercept - evidence @ centre, elements, evidence)


def _maximise(
    first: NDArray[np.float64],
    second: NDArray[np.float64] | None,
    stable: NDArray[np.bool_],
    penalty: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Coefficients of P = sigmoid(first @ .) sigmoid(second @ .), penalised."""
    from scipy.optimize import minimize
    from scipy.special import expit

    width = first.shape[1]

    def loss(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        s = expit(first @ coefficients[:width])
        c = np.ones(len(s)) if second is None else expit(second @ coefficients[width:])
        p = np.clip(s * c, 1e-12, 1 - 1e-12)
        towards = np.where(stable, -1.0, p / (1.0 - p))  # derivative of the loss with respect to log p
        gradient = [first.T @ (towards * (1.0 - s))]
        if second is not None:
            gradient.append(second.T @ (towards * (1.0 - c)))
        value = -np.log(np.where(stable, p, 1.0 - p)).sum() + (penalty * coefficients**2).sum()
        return float(value), np.concatenate(gradient) + 2.0 * penalty * coefficients

    start = np.zeros(len(penalty))
    start[:SIZES] = 1.0
    if second is not None:
        start[width : width + SIZES] = 0.5
    bounds = [(LEAST_SLOPE, None)] * SIZES + [(None, None)] * (len(start) - SIZES)
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000}).x
