"""The candidate card: everything one should know before trusting a predicted material."""

from matenv.card.card import Card
from matenv.card.explaining import explain

__all__ = ["Card", "explain"]
