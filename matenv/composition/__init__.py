"""Compositions: formula <-> integer counts <-> atom fractions over the 89-element alphabet; which formula is which.

Two layouts are used. *Dense*: an array (B, 89) in alphabet order, what users see. *Packed*: `CompositionBatch`, which
lists only the elements present, what the hot path computes with.
"""

from matenv.composition.batch import (
    EXACT_MAX_ATOMS,
    EXACT_TOLERANCE,
    KNOWN_DISTANCE,
    MAX_ATOMS,
    TOLERANCE,
    CompositionBatch,
)
from matenv.composition.formulas import (
    PAPER_THRESHOLD,
    Compositions,
    formula,
    fractions,
    integer_counts,
    read,
    threshold_counts,
)
from matenv.composition.index import FormulaIndex
from matenv.composition.integers import MAX_ELEMENTS
from matenv.composition.reading import amounts_of, check_fractions, listed, parse

__all__ = [
    "EXACT_MAX_ATOMS",
    "EXACT_TOLERANCE",
    "KNOWN_DISTANCE",
    "MAX_ATOMS",
    "MAX_ELEMENTS",
    "PAPER_THRESHOLD",
    "TOLERANCE",
    "CompositionBatch",
    "Compositions",
    "FormulaIndex",
    "amounts_of",
    "check_fractions",
    "formula",
    "fractions",
    "integer_counts",
    "listed",
    "parse",
    "read",
    "threshold_counts",
]
