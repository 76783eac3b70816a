"""Experiments behind a page of the documentation: run by ``python -m``, not installed."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
"""Figures that pages quote, each file with the command that makes it."""

IMAGES = Path(__file__).parent.parent / "docs" / "images"
"""Pictures of the pages."""
