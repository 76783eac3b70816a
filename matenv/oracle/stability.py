"""P(E_d <= t): from a predicted formation energy and a hull to a calibrated probability of stability.

A predictor's own distribution is not enough. A hull built from some of the phases misses competitors: however far
below it a formula is predicted to lie, a phase nobody has entered may still beat it. So the map here has a ceiling,

    P = c_n sigmoid(a_n + b_n logit(CDF)),

with three coefficients per number of elements n, fitted on chemical systems that neither predictor nor hull has seen:
c_n is the chance that no competitor is missing. The map is monotone, so ranking within a number of elements is the
predictor's own, and it does not saturate at the hull.

Conditional on Materials-Project-like selection: 40 % of the table's rows are stable, far more than of all compositions.

A map belongs to the predictor it was fitted for; every shipped one has its own, but gold borrows that of the same
recipe on train rows.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matenv.properties.distribution import Distribution

SMALLEST, LARGEST = 2, 5
"""Numbers of elements with coefficients of their own; fewer and more share the end ones."""

CLIP = 1e-6
"""The predictor's probabilities are kept this far from 0 and 1 before the logistic correction."""


@dataclass(frozen=True)
class StabilityModel:
    """The calibrated map.

    Attributes:
        intercept: Coefficient a per number of elements 2, 3, 4, >= 5; P = c sigmoid(a + b logit(CDF)).
        slope: Coefficient b per number of elements; positive.
        ceiling: Coefficient c per number of elements, in (0, 1].
    """

    intercept: NDArray[np.float64]
    slope: NDArray[np.float64]
    ceiling: NDArray[np.float64]

    def prob(
        self,
        energy: Distribution,
        competing_energy: NDArray[np.float64],
        size: NDArray[np.integer],
        threshold: float = 0.0,
    ) -> NDArray[np.float64]:
        """Probability that the decomposition energy is at most `threshold`.

        Args:
            energy: Predicted formation energy of B compositions.
            competing_energy: E_comp of each (B,) [eV/atom].
            size: Number of elements of each (B,).
            threshold: eV/atom.

        Returns:
            (B,) float64 in (0, 1).
        """
        return self.correct(energy.cdf(competing_energy + threshold), size)

    def correct(self, raw: NDArray[np.float64], size: NDArray[np.integer]) -> NDArray[np.float64]:
        """The correction of raw CDF values (B,)."""
        raw, number = np.ascontiguousarray(raw, np.float64), np.ascontiguousarray(size, np.int16)
        return _correct(raw, number, self.intercept, self.slope, self.ceiling)

    @classmethod
    def fit(cls, raw: NDArray[np.float64], size: NDArray[np.integer], stable: NDArray[np.bool_]) -> StabilityModel:
        """Maximum-likelihood coefficients per number of elements (with a weak pull towards the identity).

        Args:
            raw: The predictor's P(E_f <= E_comp) of held-out rows (N,).
            size: Number of elements (N,).
            stable: Whether each row is truly stable (N,).

        Returns:
            The fitted map.
        """
        from scipy.optimize import minimize

        clipped = np.clip(raw, CLIP, 1 - CLIP)
        logit = np.log(clipped / (1 - clipped))
        which = np.clip(size, SMALLEST, LARGEST) - SMALLEST
        coefficients = []
        for group in range(LARGEST - SMALLEST + 1):
            x, y = logit[which == group], stable[which == group]

            def loss(abc: NDArray, x: NDArray = x, y: NDArray = y) -> float:
                p = abc[2] / (1.0 + np.exp(-abc[0] - abc[1] * x))
                pull = abc[0] ** 2 + (abc[1] - 1) ** 2
                return float(pull - np.log(np.where(y, p, 1.0 - p)).sum())

            bounds = [(-10, 10), (0.01, 10), (0.05, 1.0 - 1e-6)]
            coefficients.append(minimize(loss, np.array([0.0, 1.0, 0.8]), bounds=bounds).x)
        return cls(*np.array(coefficients).T)

    @classmethod
    def load(cls, predictor: str = "default") -> StabilityModel:
        """The coefficients shipped with the package.

        Args:
            predictor: Name of the predictor whose probabilities are to be corrected. One that is not shipped gets the
                coefficients of ``"default"``: an approximation, the better the more alike the predictors are.

        Returns:
            The map.
        """
        return _shipped(predictor)


@njit(cache=True, nogil=True, error_model="numpy")
def _correct(
    raw: NDArray[np.float64],
    size: NDArray[np.int16],
    intercept: NDArray[np.float64],
    slope: NDArray[np.float64],
    ceiling: NDArray[np.float64],
) -> NDArray[np.float64]:
    """`StabilityModel.correct` in one pass: it is asked for one row at a time in a step loop."""
    result = np.empty(len(raw))
    for row in range(len(raw)):
        n = min(max(size[row], SMALLEST), LARGEST) - SMALLEST
        p = raw[row]
        if p < CLIP:
            p = CLIP
        elif p > 1.0 - CLIP:  # written so that NaN stays NaN
            p = 1.0 - CLIP
        logit = intercept[n] + slope[n] * math.log(p / (1.0 - p))
        result[row] = ceiling[n] / (1.0 + math.exp(-logit))
    return result


class HitRate(NamedTuple):
    """How often held-out rows with like predictions were truly stable.

    Attributes:
        low: Lower end of the bin of P(stable).
        high: Upper end.
        rows: Held-out rows in it, of the same number of elements.
        stable: Share of them that DFT finds stable.
    """

    low: float
    high: float
    rows: int
    stable: float

    def __str__(self) -> str:
        return f"{self.stable:8.3f}   of {self.rows} held-out rows with P(stable) in {self.low:g} .. {self.high:g}"


def hit_rate(p_stable: float, size: int, predictor: str = "default") -> HitRate | None:
    """The observed share of stable rows among held-out rows with like predictions.

    Args:
        p_stable: P(E_d <= 0).
        size: Number of elements.
        predictor: Name of the shipped predictor that said so.

    Returns:
        Of the bin of width 0.1 that holds `p_stable`, for this number of elements; None if it held no row, or the
        predictor is not a shipped one.
    """
    if predictor not in _cards():
        return None
    bins = _cards()[predictor]["reliability"][min(max(size, SMALLEST), LARGEST) - SMALLEST]
    return next((HitRate(*entry) for entry in bins if entry[0] <= p_stable < entry[1]), None)


@lru_cache(maxsize=1)
def _cards() -> dict[str, Any]:
    """What `tools.fit_stability` found, by predictor."""
    return json.loads((files("matenv.properties") / "weights" / "stability.json").read_text())["predictors"]


@lru_cache(maxsize=4)
def _shipped(predictor: str) -> StabilityModel:
    card = _cards().get(predictor, _cards()["default"])
    return StabilityModel(*(np.array(card[key]) for key in ("intercept", "slope", "ceiling")))
