"""How well a composition's surroundings are known: evidence for or against a competitor that nobody has entered.

Where binaries and ternaries of the elements are unknown, or the competitors are mixtures of pure elements, the hull of
the reference flatters; `stability` weighs what is written down here. Nothing here depends on the predicted energy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matenv.compiled.jit import njit
from matenv.composition import CompositionBatch
from matenv.elements import NUM_ELEMENTS

EVIDENCE = (
    "share of element pairs without a binary compound (0 for a binary)",
    "share of element triples without a ternary compound (0 for a ternary)",
    "log(1 + compounds) of the element with the fewest",
    "log(1 + compounds), mean over the elements",
    "E_comp [eV/atom]",
    "square root of |E_comp| + 0.001",
    "atom fraction of pure elements among the competitors",
    "number of competitors",
)
"""The numbers that `describe` gives for each composition. Compounds are those of the reference."""


class Sampling(NamedTuple):
    """What a reference table holds, for `describe`.

    Attributes:
        compounds: log(1 + number of compounds) with each element (89,).
        binary: Whether two elements have a compound of just these (89, 89) bool.
        ternary: Likewise for three, in ascending order (89, 89, 89) bool.
    """

    compounds: NDArray[np.float64]
    binary: NDArray[np.bool_]
    ternary: NDArray[np.bool_]

    @classmethod
    def of(cls, compositions: CompositionBatch) -> Sampling:
        """Count a reference table.

        Args:
            compositions: Its formulas.

        Returns:
            The counts.
        """
        elements, size = compositions.elements, compositions.size
        listed = elements[size >= 2]
        compounds = np.log1p(np.bincount(listed[listed >= 0], minlength=NUM_ELEMENTS).astype(np.float64))
        binary = np.zeros((NUM_ELEMENTS,) * 2, np.bool_)
        ternary = np.zeros((NUM_ELEMENTS,) * 3, np.bool_)
        binary[tuple(elements[size == 2, :2].T)] = True
        ternary[tuple(elements[size == 3, :3].T)] = True
        return cls(compounds, binary, ternary)


def describe(
    compositions: CompositionBatch,
    competing_energy: NDArray[np.float64],
    members: NDArray[np.int32],
    weights: NDArray[np.float64],
    sampling: Sampling,
) -> NDArray[np.float64]:
    """The numbers of `EVIDENCE`.

    Args:
        compositions: Compositions (B) of two elements or more.
        competing_energy: E_comp of each (B,) [eV/atom].
        members: Reference numbers of the competitors (B, 10), as `Decomposition.members`: below 89 a pure element.
        weights: Their atom fractions (B, 10).
        sampling: Of the reference.

    Returns:
        (B, 8) float64.
    """
    return _describe(compositions.elements, compositions.size, competing_energy, members, weights, sampling)


@njit(cache=True, nogil=True, error_model="numpy")
def _describe(
    elements: NDArray[np.int16],
    size: NDArray[np.int16],
    energy: NDArray[np.float64],
    members: NDArray[np.int32],
    weights: NDArray[np.float64],
    sampling: Sampling,
) -> NDArray[np.float64]:
    result = np.zeros((len(size), 8))
    for row in range(len(size)):
        n, least, total = size[row], np.inf, 0.0
        pairs, triples = 0, 0
        for i in range(n):
            a = elements[row, i]
            least = min(least, sampling.compounds[a])
            total += sampling.compounds[a]
            if n > 2:
                for j in range(i + 1, n):
                    b = elements[row, j]
                    pairs += not sampling.binary[a, b]
                    if n > 3:
                        for k in range(j + 1, n):
                            triples += not sampling.ternary[a, b, elements[row, k]]
        result[row, 0] = pairs / (n * (n - 1) / 2)
        if n > 3:
            result[row, 1] = triples / (n * (n - 1) * (n - 2) / 6)
        result[row, 2] = least
        result[row, 3] = total / n
        result[row, 4] = energy[row]
        result[row, 5] = np.sqrt(abs(energy[row]) + 1e-3)
        for i in range(members.shape[1]):
            if weights[row, i] > 1e-9:
                result[row, 7] += 1.0
                if members[row, i] < NUM_ELEMENTS:
                    result[row, 6] += weights[row, i]
    return result
