"""Thermodynamic viability, a factor of a score: how likely a composition is a stable phase, in a form one can climb."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from matenv.checks import check_choice, check_made
from matenv.compiled.jit import njit
from matenv.oracle.assessment import Assessment

TOO_GOOD: dict[int, float] = {3: -0.62, 4: -0.29, 5: -0.16, 6: -0.13}
"""0.1 % quantile of E_d over the table's stable rows by number of elements [eV/atom]: predictions below are suspect."""

TAPER_WIDTH = 0.05
"""eV/atom over which viability falls to zero below `TOO_GOOD`."""

ROOT = 1 / 3
"""Power of p_found in viability. p_found spans six decades, and a bare 1e-4 teaches nobody: its cube root tells 1e-6
from 1e-4 (.01 and .05) and still .1 from .5 (.46 and .79). It keeps every order, so the best stay the best."""

_TOO_GOOD = np.array([TOO_GOOD.get(n, -np.inf) if n <= 6 else TOO_GOOD[6] for n in range(11)])


def viability_of(assessment: Assessment, form: str = "p_found") -> NDArray[np.float64]:
    """How likely each composition is a stable phase, tapered where the prediction is too good to be true.

    Args:
        assessment: What the oracle says about B compositions.
        form: ``"p_found"``: P(stable) x p_found^(1/3), which asks both whether the energy is low *and* whether of all
            compositions of the system it is this one. ``"p_stable"``: P(stable) alone, which hardly knows
            stoichiometry.

    Returns:
        (B,) in [0, 1]; 0 where nothing was predicted.

    Raises:
        ValueError: An unknown form, or something else than an assessment.
    """
    check_made("assessment", assessment, Assessment, "Oracle.assess")
    check_choice("form", form, ("p_found", "p_stable"))
    energy, size = assessment.decomposition_energy, assessment.compositions.size
    viability = _tapered(assessment.p_stable, energy, size, _TOO_GOOD, TAPER_WIDTH)
    return viability * np.power(assessment.p_found, ROOT) if form == "p_found" else viability


@njit(cache=True, nogil=True, error_model="numpy")
def _tapered(
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
