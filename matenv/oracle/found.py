"""`FoundModel`: P(a stable phase | one of all compositions of its chemical system), `p_found`.

P(stable) asks of a formula that somebody had a reason to compute. A search proposes any composition, and of those
thousands to a system a handful are stable. The model weighs what the phases of all *other* systems say about a formula
(`found_features`): which compounds there are with one element exchanged for a like one, how many of them are stable and
by how much, how common its stoichiometry is with the elements in these places, whether common valences sum to zero,
how much of its surroundings has been sampled; then P(stable), which knows the energy:

    logit p_found = logit p_formula + a_n + b_n logit P(stable),        n = number of elements.

``p_formula`` is a small network, fitted on chemical systems of the train part by cross-fitting: features of a system
are counted without it. a_n and b_n are chosen on validation systems, as the calibration of P(stable) is.

What the number refers to: reduced compositions of at most 20 atoms and counts of at most 12, as many elements as the
system has, of systems in which somebody computed at least one formula. Larger formulas are judged as if of 20 atoms,
more than 5 elements as if 5; both are extrapolations.

``python -m tools.fit_found`` writes the weights, ``python -m studies.honesty.rediscovery`` tests them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.compiled.threads import run_blocks
from matenv.composition import CompositionBatch
from matenv.data import Dataset, load_dataset
from matenv.oracle.found_tables import FoundTables
from matenv.thermo import ConvexHull

SMALLEST, LARGEST = 2, 5
"""Numbers of elements with networks of their own; more share those of the largest."""

MAX_ATOMS, MAX_COUNT = 20, 12
"""The compositions of a system that the probability refers to."""

CLIP = 1e-4
"""P(stable) is kept this far from 0 and 1."""

REFERENCES = ("train", "all")

ROWS_PER_THREAD = 256
"""Smallest block worth a thread of its own."""


@dataclass(frozen=True)
class Networks:
    """Small networks on standardised features, one ensemble per number of elements, whose probabilities are averaged.

    Attributes:
        mean: Mean of each feature (4, F).
        scale: One over its standard deviation (4, F).
        first: Weights of the first layer (4, M, F + 1, H), the last row the biases.
        second: Of the second (4, M, H + 1, H).
        last: Of the last (4, M, H + 1).
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    first: NDArray[np.float32]
    second: NDArray[np.float32]
    last: NDArray[np.float32]

    def logit(self, features: NDArray[np.float32], size: NDArray[np.int16]) -> NDArray[np.float64]:
        """Logit of each row (B,), given its features (B, F) and number of elements (B,)."""
        return _logit(features, size, self.mean, self.scale, self.first, self.second, self.last)


@dataclass(frozen=True)
class FoundModel:
    """The probability that a composition is a stable phase, among all compositions of its system.

    Attributes:
        tables: Counts over the phases of the reference.
        quick: Networks on the features of the step loop.
        thorough: Networks on all features.
        energy: Coefficients a, b of logit P(stable) for 2, 3, 4 and more elements, by networks (2, 4, 2).
    """

    tables: FoundTables
    quick: Networks
    thorough: Networks
    energy: NDArray[np.float64]

    @classmethod
    def load(cls, reference: str = "train") -> FoundModel:
        """The shipped model over the phases of an embedded reference; cached and shared.

        Args:
            reference: ``"train"`` or ``"all"``, as in `Oracle`.

        Returns:
            The model.

        Raises:
            ValueError: Unknown reference.
        """
        if reference not in REFERENCES:
            raise ValueError(f"reference={reference!r} is unknown; choose 'train' or 'all'")
        return _embedded(reference)

    @classmethod
    def of(cls, table: Dataset, hull: ConvexHull | None = None) -> FoundModel:
        """The shipped model over the phases of a table of one's own.

        Args:
            table: The reference.
            hull: Its convex hull, if there is one already.

        Returns:
            The model.
        """
        return cls(FoundTables.of(table, hull or ConvexHull.from_dataset(table)), *load_weights())

    def formula_logit(self, batch: CompositionBatch, thorough: bool = False) -> NDArray[np.float64]:
        """Logit of ``p_formula``, which knows no energy of the composition itself.

        Args:
            batch: Compositions (B).
            thorough: Weigh compounds with any number of elements exchanged: better, and a thousand times as slow.

        Returns:
            (B,) float64; minus infinity for rows with fewer than two elements.
        """
        enough = batch.size >= SMALLEST
        if not enough.all():
            logit = np.full(len(batch), -np.inf)
            logit[enough] = self.formula_logit(batch[enough], thorough)
            return logit
        if thorough:
            return self.thorough.logit(self.tables.thorough(batch), batch.size)

        def run(block: slice) -> NDArray[np.float64]:
            part = batch[block]
            return self.quick.logit(self.tables.quick(part), part.size)

        return np.concatenate(run_blocks(run, len(batch), ROWS_PER_THREAD))

    def prob(
        self, batch: CompositionBatch, p_stable: NDArray[np.float64] | None = None, thorough: bool = False
    ) -> NDArray[np.float64]:
        """P(a stable phase | one of all compositions of its system).

        Args:
            batch: Compositions (B).
            p_stable: P(stable) of each (B,), NaN where unknown; None leaves the energy out.
            thorough: As in `formula_logit`; for candidate tables and explanations.

        Returns:
            (B,) float64 in [0, 1); 0 for rows with fewer than two elements.
        """
        logit = self.formula_logit(batch, thorough)
        p = np.full(len(batch), np.nan) if p_stable is None else np.ascontiguousarray(p_stable, np.float64)
        return _add_energy(logit, p, batch.size, self.energy[int(thorough)])


@njit(cache=True, nogil=True, error_model="numpy")
def _add_energy(
    logit: NDArray[np.float64], p_stable: NDArray[np.float64], size: NDArray[np.int16], energy: NDArray[np.float64]
) -> NDArray[np.float64]:
    result = np.empty(len(logit))
    for row in range(len(logit)):
        n = min(max(size[row], SMALLEST), LARGEST) - SMALLEST
        value = logit[row]
        if not math.isnan(p_stable[row]):
            p = min(max(p_stable[row], CLIP), 1.0 - CLIP)
            value += energy[n, 0] + energy[n, 1] * math.log(p / (1.0 - p))
        result[row] = 1.0 / (1.0 + math.exp(-value))
    return result


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def _logit(
    features: NDArray[np.float32], size: NDArray[np.int16], mean: NDArray[np.float32], scale: NDArray[np.float32],
    first: NDArray[np.float32], second: NDArray[np.float32], last: NDArray[np.float32],
) -> NDArray[np.float64]:  # fmt: skip
    members, width = first.shape[1], first.shape[3]
    result = np.zeros(len(size))
    one, two = np.empty(width, np.float32), np.empty(width, np.float32)
    x = np.empty(features.shape[1], np.float32)
    half, unit = np.float32(0.5), np.float32(1.0)
    for row in range(len(size)):
        n = min(max(size[row], SMALLEST), LARGEST) - SMALLEST
        for f in range(len(x)):
            x[f] = min(max((features[row, f] - mean[n, f]) * scale[n, f], np.float32(-6.0)), np.float32(6.0))
        for m in range(members):
            weights = first[n, m]
            one[:] = weights[len(x)]
            for f in range(len(x)):
                value = x[f]
                for h in range(width):
                    one[h] += value * weights[f, h]
            weights = second[n, m]
            two[:] = weights[width]
            for f in range(width):
                value = one[f]
                value *= half * (unit + value / (unit + abs(value)))
                for h in range(width):
                    two[h] += value * weights[f, h]
            total = last[n, m, width]
            for h in range(width):
                value = two[h]
                total += last[n, m, h] * value * half * (unit + value / (unit + abs(value)))
            result[row] += total if members == 1 else 1.0 / (1.0 + math.exp(-total)) / members
        if members > 1:  # probabilities are averaged: the mean of logits would promise too little
            result[row] = math.log(result[row] / (1.0 - result[row]))
    return result


@lru_cache(maxsize=1)
def load_weights() -> tuple[Networks, Networks, NDArray[np.float64]]:
    """The shipped networks, quick and thorough, and the coefficients of logit P(stable)."""
    with (files("matenv.oracle") / "weights" / "found.npz").open("rb") as stream, np.load(stream) as archive:
        networks = [
            Networks(*(archive[f"{kind}.{name}"] for name in ("mean", "scale", "first", "second", "last")))
            for kind in ("quick", "thorough")
        ]
        return networks[0], networks[1], archive["energy"]


@lru_cache(maxsize=len(REFERENCES))
def _embedded(reference: str) -> FoundModel:
    table = load_dataset("mp-ground-states")
    return FoundModel.of(table if reference == "all" else table.subset(table.split("system").train))
