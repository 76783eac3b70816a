"""What formulas that somebody generated are worth: in the measures of papers on generation, and beside them in ours.

Papers count rules of chemistry (neutral, balanced), difference (unique, element mover's distance) and the mean of the
predicted property. None of these asks whether a compound exists: that is what P(stable), p_found and the distance from
the hull are for.
"""

from __future__ import annotations

import numpy as np

from matenv.benchmark.diversity import diversity
from matenv.chemistry import is_charge_neutral, is_electronegativity_balanced
from matenv.composition import CompositionBatch, check_packed
from matenv.oracle import Oracle

STABLE = 0.5
"""P(stable) from which a formula counts as stable."""

NEAR = 0.1
"""Distance from the hull up to which a compound may still be made [eV/atom]."""


def measure_generated(batch: CompositionBatch, oracle: Oracle) -> dict[str, float]:
    """Measures of a set of generated formulas.

    *neutral*, *balanced*: shares that pass `matenv.is_charge_neutral` and `matenv.is_electronegativity_balanced`, as
    reduced formulas, metals not exempt. *unique*: distinct formulas over all. *diversity*: mean element mover's
    distance over all pairs, equal ones included, in places of the modified Pettifor scale. *in_table*: share that the
    embedded table has, held-out rows included. *mean_<property>*: mean of the predicted means, in its unit.

    *stable*: share with P(stable) of at least .5. *p_stable*, *p_found*, *near_hull* (P(E_d <= 0.1 eV/atom)): means.
    *above_hull*: median of the predicted energy above the hull [eV/atom].

    Args:
        batch: Formulas (B), in their order; empty ones pass no rule and are left out of all that is predicted.
        oracle: Says what is known and predicted; distinct formulas count as calls.

    Returns:
        Value by name; shares and probabilities in [0, 1].

    Raises:
        ValueError: No packed batch, or one without a formula of two elements that the oracle evaluates.

    Examples:
        >>> import matenv
        >>> batch = CompositionBatch.from_fractions(matenv.fractions(["MgO", "MgO", "CaO", "Mg2O"]))
        >>> said = measure_generated(batch, matenv.Oracle("all"))
        >>> said["neutral"], said["unique"], said["in_table"]
        (0.75, 0.75, 0.75)
        >>> round(said["diversity"], 3), said["stable"]
        (16.25, 0.75)
    """
    check_packed("batch", batch)
    assessment = oracle.assess(batch)
    rows = np.flatnonzero(assessment.valid & assessment.evaluated)
    if not len(rows):
        raise ValueError(f"none of the {len(batch)} formulas has two elements and is within the oracle's budget")
    known = assessment.known | assessment.rediscovered
    said = {
        "neutral": float(is_charge_neutral(batch).mean()),
        "balanced": float(is_electronegativity_balanced(batch).mean()),
        "unique": len(batch.distinct()) / len(batch),
        "diversity": diversity(batch[np.flatnonzero(batch.size)]),
        "in_table": float(known.mean()),
        "stable": float((assessment.p_stable[rows] >= STABLE).mean()),
        "p_stable": float(assessment.p_stable[rows].mean()),
        "p_found": float(assessment.p_found[rows].mean()),
        "near_hull": float(assessment.prob_stable(NEAR)[rows].mean()),
        "above_hull": float(np.median(np.maximum(assessment.decomposition_energy[rows], 0.0))),
    }
    return said | {f"mean_{name}": float(mean[rows].mean()) for name, mean in assessment.mean.items()}
