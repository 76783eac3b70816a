"""The candidate card: everything one should know before trusting a predicted material."""

from matenv.card.explaining import explain
from matenv.card.record import Card

__all__ = ["Card", "explain"]
