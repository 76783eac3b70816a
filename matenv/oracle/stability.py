"""P(E_d <= t): from a predicted formation energy and a hull to a calibrated probability of stability.

A predictor's own distribution is not enough. A hull built from some of the phases misses competitors: however far
below it a formula is predicted to lie, a phase nobody has entered may still beat it. So the map here has two factors,

    P = sigmoid(a_n + b_n logit(CDF) + elements + evidence) x P(no competitor is missing),

the first for the predictor, the second for the hull: a logistic function too, of the number of elements n, of the
elements, and of how well their binaries and ternaries are known (`sampling.EVIDENCE`). Neither hears the predicted
energy but through the CDF, and b_n > 0: at one composition P only falls with energy. There is no ceiling, so the best
of a list stay in order.

A map belongs to a predictor and a hull. Of the hull "all" no competitor can be missing by the table's own truth, so the
second factor is 1 there. Every shipped predictor has both maps; gold borrows those of the same recipe on train rows.

Conditional on Materials-Project-like selection: 40 % of the table's rows are stable, far more than of all compositions.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch
from matenv.data import load_dataset
from matenv.elements import NUM_ELEMENTS
from matenv.oracle.sampling import EVIDENCE, Sampling, describe

if TYPE_CHECKING:
    from matenv.properties.distribution import Distribution

SMALLEST, LARGEST = 2, 5
"""Numbers of elements with coefficients of their own; fewer and more share the end ones."""

SIZES = LARGEST - SMALLEST + 1

CLIP = 1e-6
"""The predictor's probabilities are kept this far from 0 and 1 before the logistic correction."""

HULLS = ("train", "all")
"""Hulls with maps of their own: phases of train rows, of the whole table."""


class Logit(NamedTuple):
    """A log-odds: a constant for the number of elements, one for each element present, and weighed evidence.

    Attributes:
        intercept: For 2, 3, 4 and >= 5 elements (4,).
        elements: Summed over the elements present (89,).
        evidence: Weights of `sampling.EVIDENCE` (8,).
    """

    intercept: NDArray[np.float64]
    elements: NDArray[np.float64]
    evidence: NDArray[np.float64]

    @classmethod
    def constant(cls, value: float = 0.0) -> Logit:
        """The same log-odds for everything."""
        return cls(np.full(SIZES, value), np.zeros(NUM_ELEMENTS), np.zeros(len(EVIDENCE)))


@dataclass(frozen=True)
class StabilityModel:
    """The calibrated map; without arguments that of a predictor taken at its word, of a hull that lacks nothing.

    Attributes:
        slope: Coefficient b of logit(CDF) for 2, 3, 4 and >= 5 elements (4,); positive.
        below: The rest of the log-odds that the formula lies below the hull of the reference.
        complete: Log-odds that the reference lacks no competitor; infinite where none can be missing.
        sampling: What the reference holds.
    """

    slope: NDArray[np.float64]
    below: Logit
    complete: Logit
    sampling: Sampling

    @classmethod
    def at_its_word(cls) -> StabilityModel:
        """P is the predictor's own: nothing is corrected, and no competitor can be missing."""
        nothing = CompositionBatch.from_counts(np.zeros((0, NUM_ELEMENTS), np.int64))
        return cls(np.ones(SIZES), Logit.constant(), Logit.constant(np.inf), Sampling.of(nothing))

    def prob(
        self,
        energy: Distribution,
        compositions: CompositionBatch,
        competing_energy: NDArray[np.float64],
        members: NDArray[np.int32],
        weights: NDArray[np.float64],
        threshold: float = 0.0,
    ) -> NDArray[np.float64]:
        """Probability that the decomposition energy is at most `threshold`.

        Args:
            energy: Predicted formation energy of B compositions.
            compositions: The compositions.
            competing_energy: E_comp of each (B,) [eV/atom].
            members: What they decompose into (B, 10), as `Decomposition.members`.
            weights: Its atom fractions (B, 10).
            threshold: eV/atom.

        Returns:
            (B,) float64 in (0, 1).
        """
        evidence = describe(compositions, competing_energy, members, weights, self.sampling)
        return self.correct(energy.cdf(competing_energy + threshold), compositions, evidence)

    def correct(
        self, raw: NDArray[np.float64], compositions: CompositionBatch, evidence: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The correction of raw CDF values (B,) of compositions, with their `sampling.describe` (B, 8)."""
        raw = np.ascontiguousarray(raw, np.float64)
        return _correct(raw, compositions.elements, compositions.size, evidence, self.slope, self.below, self.complete)

    @classmethod
    def load(cls, predictor: str = "default", reference: str = "train") -> StabilityModel:
        """The coefficients shipped with the package.

        Args:
            predictor: Name of the predictor whose probabilities are to be corrected. One that is not shipped gets the
                coefficients of ``"default"``: an approximation, the better the more alike the predictors are.
            reference: Phases of the hull. Any but ``"train"`` gets the map of ``"all"``, in which no competitor is
                missing; for a table of one's own that is a statement about that table only.

        Returns:
            The map.
        """
        return _shipped(predictor if predictor in _cards() else "default", hull_of(reference))


def hull_of(reference: str) -> str:
    """Whose map serves a reference: ``"train"`` its own, every other that of ``"all"``."""
    return reference if reference in HULLS else "all"


@njit(cache=True, nogil=True, error_model="numpy")
def _correct(
    raw: NDArray[np.float64],
    elements: NDArray[np.int16],
    size: NDArray[np.int16],
    evidence: NDArray[np.float64],
    slope: NDArray[np.float64],
    below: Logit,
    complete: Logit,
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
        first = below.intercept[n] + slope[n] * math.log(p / (1.0 - p))
        second = complete.intercept[n]
        for i in range(size[row]):
            first += below.elements[elements[row, i]]
            second += complete.elements[elements[row, i]]
        for k in range(evidence.shape[1]):
            first += below.evidence[k] * evidence[row, k]
            second += complete.evidence[k] * evidence[row, k]
        result[row] = 1.0 / ((1.0 + math.exp(-first)) * (1.0 + math.exp(-second)))
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


def hit_rate(p_stable: float, size: int, predictor: str = "default", reference: str = "train") -> HitRate | None:
    """The observed share of stable rows among held-out rows with like predictions.

    Args:
        p_stable: P(E_d <= 0).
        size: Number of elements.
        predictor: Name of the shipped predictor that said so.
        reference: Phases of the hull it was said of, as `StabilityModel.load`.

    Returns:
        Of the bin of width 0.1 that holds `p_stable`, for this number of elements; None if it held no row, or the
        predictor is not a shipped one.
    """
    if predictor not in _cards():
        return None
    bins = _cards()[predictor][hull_of(reference)]["reliability"][min(max(size, SMALLEST), LARGEST) - SMALLEST]
    return next((HitRate(*entry) for entry in bins if entry[0] <= p_stable < entry[1]), None)


@lru_cache(maxsize=1)
def _cards() -> dict[str, Any]:
    """What `tools.fit_stability` found, by predictor and hull."""
    return json.loads((files("matenv.properties") / "weights" / "stability.json").read_text())["predictors"]


@lru_cache(maxsize=4)
def _shipped(predictor: str, hull: str) -> StabilityModel:
    card = _cards()[predictor][hull]
    below, complete = (
        Logit(*(np.array(card[part][key]) for key in Logit._fields)) if part in card else Logit.constant(np.inf)
        for part in ("below", "complete")
    )
    return StabilityModel(np.array(card["slope"]), below, complete, sampling_of(hull))


@lru_cache(maxsize=len(HULLS))
def sampling_of(hull: str) -> Sampling:
    """What the phases of one of `HULLS` are."""
    table = load_dataset("mp-ground-states")
    return Sampling.of(table.compositions if hull == "all" else table.compositions[table.split("system").train])
