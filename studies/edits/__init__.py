"""Walks over edits of formulas (docs/elements.md)."""
