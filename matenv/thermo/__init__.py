"""Thermodynamics: the exact convex hull, and what a composition decomposes into."""

from matenv.thermo.decomposition import Decomposition
from matenv.thermo.hull import ConvexHull

__all__ = ["ConvexHull", "Decomposition"]
