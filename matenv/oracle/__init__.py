"""The oracle: everything known or predicted about a batch of compositions, and the count of what was asked."""

from matenv.composition import KNOWN_DISTANCE
from matenv.data.novelty import NOVEL_DISTANCE
from matenv.oracle.assessment import Assessment, unique_potentials
from matenv.oracle.oracle import DEFAULT_PREDICTOR, DEFAULT_REFERENCE, REFERENCES, Oracle

__all__ = [
    "DEFAULT_PREDICTOR",
    "DEFAULT_REFERENCE",
    "KNOWN_DISTANCE",
    "NOVEL_DISTANCE",
    "REFERENCES",
    "Assessment",
    "Oracle",
    "unique_potentials",
]
