"""Intervals of the decomposition energy that cover what they promise whatever is known beforehand.

A predictor's intervals are calibrated over all rows alike. Far below a hull they cover too little on the upper side
(what is predicted best is predicted too well), near it too much. Here each end's distance from the mean is multiplied
by a factor, piecewise linear in the predicted E_d and linear in the log of the models' disagreement, by number of
elements: quantile regression on held-out rows. `Prediction` itself stays as it is: it does not know the hull.

A committee that exaggerates what its parts disagree about, for the sake of searches, says too wide intervals of a
measured gap besides. Here they are those of the committee as it fits table rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from matenv.oracle.stability import hull_of

KNOTS = np.array([-0.5, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.5])
"""Predicted E_d [eV/atom] between which factors are linear, and beyond which constant."""

DISAGREEMENT = (0.01, 0.3)
"""eV/atom; disagreement is kept within these."""

SIZES = (3, 4, 5)
"""Numbers of elements with a term of their own, the last for more too; 2 has none."""

FACTOR = (0.4, 4.0)
"""Factors are kept within these."""

COVERAGE = 0.9
"""Of the intervals that the factors are fitted on; used for every other too."""


@dataclass(frozen=True)
class IntervalModel:
    """Factors of the distances of an interval's ends from the mean.

    Attributes:
        lower: Coefficients of the lower end's factor, (13,): `KNOTS`, log disagreement, `SIZES`.
        upper: Of the upper end's.
        caution: What a committee multiplied the variance between its parts by; 1 for other predictors.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    caution: float = 1.0

    @classmethod
    def load(cls, predictor: str = "default", reference: str = "train") -> IntervalModel:
        """The coefficients shipped with the package; arguments as `StabilityModel.load`."""
        return _shipped(predictor, hull_of(reference))

    def factors(
        self, decomposition_energy: NDArray[np.float64], disagreement: NDArray[np.float64], size: NDArray[np.integer]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factors of the lower and upper distance (B,) each.

        Args:
            decomposition_energy: Predicted mean E_d (B,) [eV/atom].
            disagreement: Standard deviation between the models' E_f (B,) [eV/atom].
            size: Number of elements (B,).
        """
        basis = columns(decomposition_energy, disagreement, size)
        low, high = (np.clip(basis @ each, *FACTOR) for each in (self.lower, self.upper))
        return low, high


def columns(
    decomposition_energy: NDArray[np.float64], disagreement: NDArray[np.float64], size: NDArray[np.integer]
) -> NDArray[np.float64]:
    """What a factor is linear in (B, 13), arguments as `IntervalModel.factors`."""
    hats = [np.interp(decomposition_energy, KNOTS, peak) for peak in np.eye(len(KNOTS))]
    # A predictor of one's own may state no disagreement.
    log = np.log(np.clip(np.nan_to_num(disagreement), *DISAGREEMENT) / np.sqrt(np.prod(DISAGREEMENT)))
    sizes = [np.minimum(size, SIZES[-1]) == n for n in SIZES]
    return np.stack([*hats, log, *sizes], axis=1).astype(np.float64)


def fit(
    distance_below: NDArray[np.float64],
    distance_above: NDArray[np.float64],
    basis: NDArray[np.float64],
) -> IntervalModel:
    """Quantile regression.

    Args:
        distance_below: How far truth lies below the mean, in distances of the lower end of the 90 % interval (N,).
        distance_above: How far above, in those of the upper end (N,).
        basis: `columns` of the rows (N, 13).

    Returns:
        Factors with which each end leaves 5 % out.
    """
    return IntervalModel(_quantile(distance_below, basis), _quantile(distance_above, basis))


def _quantile(target: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients whose product with `basis` is the upper 5 % quantile of the target, by linear programming."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, eye, hstack

    rows, width = basis.shape
    q = 0.5 + 0.5 * COVERAGE
    cost = np.concatenate([np.zeros(width), np.full(rows, q), np.full(rows, 1.0 - q)])
    equal = hstack([csr_matrix(basis), eye(rows), -eye(rows)], format="csr")
    bounds = [(None, None)] * width + [(0.0, None)] * (2 * rows)
    return linprog(cost, A_eq=equal, b_eq=target, bounds=bounds, method="highs").x[:width]


@lru_cache(maxsize=4)
def _shipped(predictor: str, hull: str) -> IntervalModel:
    cards = json.loads((files("matenv.properties") / "weights" / "stability.json").read_text())["predictors"]
    card = cards[predictor if predictor in cards else "default"][hull]["interval"]
    return IntervalModel(np.array(card["lower"]), np.array(card["upper"]), card.get("caution", 1.0))
