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
    check_packed,
)
from matenv.composition.formulas import (
    PAPER_THRESHOLD,
    Compositions,
    RoundingWarning,
    formula,
    fractions,
    integer_counts,
    nearest_formulas,
    read,
    read_noisy,
    threshold_counts,
)
from matenv.composition.index import FormulaIndex
from matenv.composition.integers import MAX_ELEMENTS, MOST_ATOMS, TRACE
from matenv.composition.reading import FormulaError, amounts_of, check_fractions, listed, numbers, parse

__all__ = [
    "EXACT_MAX_ATOMS",
    "EXACT_TOLERANCE",
    "KNOWN_DISTANCE",
    "MAX_ATOMS",
    "MAX_ELEMENTS",
    "MOST_ATOMS",
    "PAPER_THRESHOLD",
    "RoundingWarning",
    "TOLERANCE",
    "TRACE",
    "CompositionBatch",
    "Compositions",
    "FormulaError",
    "FormulaIndex",
    "amounts_of",
    "check_fractions",
    "check_packed",
    "formula",
    "fractions",
    "integer_counts",
    "listed",
    "nearest_formulas",
    "numbers",
    "parse",
    "read",
    "read_noisy",
    "threshold_counts",
]
