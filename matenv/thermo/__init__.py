"""Thermodynamics: the exact convex hull, and what a composition decomposes into."""

from matenv.thermo.decomposition import Decomposition
from matenv.thermo.hull import ConvexHull
from matenv.thermo.open_hull import OpenDecomposition, OpenHull

__all__ = ["ConvexHull", "Decomposition", "OpenDecomposition", "OpenHull"]
