"""Compositions: formula <-> integer counts <-> atom fractions over the 89-element alphabet; which formula is which.

Two layouts are used. *Dense*: an array (B, 89) in alphabet order, what users see. *Packed*: `CompositionBatch`, which
lists only the elements present, what the hot path computes with.
"""

from matenv.composition.batch import MAX_ATOMS, TOLERANCE, CompositionBatch
from matenv.composition.formulas import PAPER_THRESHOLD, formula, fractions, integer_counts, threshold_counts
from matenv.composition.integers import MAX_ELEMENTS
from matenv.composition.reading import check_fractions, listed, parse

__all__ = [
    "MAX_ATOMS",
    "MAX_ELEMENTS",
    "PAPER_THRESHOLD",
    "TOLERANCE",
    "CompositionBatch",
    "check_fractions",
    "formula",
    "fractions",
    "integer_counts",
    "listed",
    "parse",
    "threshold_counts",
]
