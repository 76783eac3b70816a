"""The oracle: everything known or predicted about a batch of compositions, and the count of what was asked."""

from matenv.oracle.assessment import NOVEL_DISTANCE, Assessment, unique_potentials
from matenv.oracle.known import KNOWN_DISTANCE
from matenv.oracle.oracle import DEFAULT_PREDICTOR, REFERENCES, Oracle

__all__ = [
    "DEFAULT_PREDICTOR",
    "KNOWN_DISTANCE",
    "NOVEL_DISTANCE",
    "REFERENCES",
    "Assessment",
    "Oracle",
    "unique_potentials",
]
