"""Thermodynamic viability: P(stable) as a factor of a score, tapered where the prediction is too good to be true."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matenv.oracle.assessment import Assessment

TOO_GOOD: dict[int, float] = {3: -0.62, 4: -0.29, 5: -0.16, 6: -0.13}
"""0.1 % quantile of E_d over the table's stable rows by number of elements [eV/atom]: predictions below are suspect."""

TAPER_WIDTH = 0.05
"""eV/atom over which viability falls to zero below `TOO_GOOD`."""

_TOO_GOOD = np.array([TOO_GOOD.get(n, -np.inf) if n <= 6 else TOO_GOOD[6] for n in range(11)])


def viability_of(assessment: Assessment) -> NDArray[np.float64]:
    """Thermodynamic viability: calibrated P(stable), tapered where the prediction is too good to be true.

    Args:
        assessment: What the oracle says about B compositions.

    Returns:
        (B,) in [0, 1]; 0 where nothing was predicted.
    """
    return _viability(
        assessment.p_stable, assessment.decomposition_energy, assessment.compositions.size, _TOO_GOOD, TAPER_WIDTH
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _viability(
    p_stable: NDArray[np.float64],
    decomposition_energy: NDArray[np.float64],
    size: NDArray[np.int16],
    too_good: NDArray[np.float64],
    width: float,
) -> NDArray[np.float64]:
    """P(stable) times a normal step of `width` at the limit for the number of elements (B,); 0 for NaN."""
    viability = np.zeros(len(size))
    for row in range(len(size)):
        t = (decomposition_energy[row] - too_good[size[row]]) / width
        if not math.isnan(t):
            viability[row] = p_stable[row] * 0.5 * math.erfc(-t / math.sqrt(2.0))
    return viability
