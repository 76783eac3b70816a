"""Bundles: a table of one's own with the latent space, predictors and hull made from it, one folder of plain files."""

from matenv.bundle.building import build
from matenv.bundle.bundle import Bundle, load_bundle

__all__ = ["Bundle", "build", "load_bundle"]
