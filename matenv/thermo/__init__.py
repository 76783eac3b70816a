"""Thermodynamics: the exact convex hull, and what a composition decomposes into.

May import: `matenv.composition`, `matenv.data`, `matenv.elements`, `matenv.rational`.
"""

from matenv.thermo.decomposition import Decomposition
from matenv.thermo.hull import ConvexHull

__all__ = ["ConvexHull", "Decomposition"]
