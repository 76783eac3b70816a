"""Walks over edits of formulas (docs/latent_or_elements.md)."""
