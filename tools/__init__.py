"""Makers of the files that the package ships: run by ``python -m``, not installed."""

from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
"""Where they stand, and what they write to by default."""
