"""Searches by ask and tell, a file each. Importing this package registers them."""

from matenv.agents.searches import (
    bayes,
    cma_es,
    genetic,
    genetic_table,
    map_elites,
    point,
    prior,
    random,
    retrieval,
    screening,
    substitution,
    turbo,
    walk,
)

__all__ = [
    "bayes",
    "cma_es",
    "genetic",
    "genetic_table",
    "map_elites",
    "point",
    "prior",
    "random",
    "retrieval",
    "screening",
    "substitution",
    "turbo",
    "walk",
]
