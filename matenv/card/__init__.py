"""The candidate card: everything one should know before trusting a predicted material."""

from matenv.card.card import Card
from matenv.card.explaining import explain, large_formulas

__all__ = ["Card", "explain", "large_formulas"]
