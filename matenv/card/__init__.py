"""The candidate card: everything one should know before trusting a predicted material.

May import: `matenv.tasks`, `matenv.oracle`, `matenv.properties`, `matenv.stability`, `matenv.chemistry`, `matenv.data`,
`matenv.composition`, `matenv.elements`.
"""

from matenv.card.explaining import explain
from matenv.card.record import Card

__all__ = ["Card", "explain"]
